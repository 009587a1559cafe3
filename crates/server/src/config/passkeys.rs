//! `[passkeys]`: the relying party id.

use serde::Deserialize;

use super::error::ConfigError;
use super::public_url::PublicUrl;

/// The section `[passkeys]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passkeys {
    /// The WebAuthn relying party id: the host of `public_url` or a domain above it. `None`: the
    /// host. A passkey works only under the id that it was created for, so do not change it later.
    pub rp_id: Option<String>,
}

impl Passkeys {
    /// The relying party id, with the default applied.
    pub(crate) fn rp_id<'a>(&'a self, public_url: &'a PublicUrl) -> &'a str {
        self.rp_id.as_deref().unwrap_or_else(|| public_url.host())
    }

    pub(super) fn check(&self, public_url: &PublicUrl) -> Result<(), ConfigError> {
        let Some(rp_id) = &self.rp_id else {
            return Ok(());
        };
        let host = public_url.host();
        let is_above = host
            .strip_suffix(rp_id.as_str())
            .is_some_and(|below| below.ends_with('.'));
        if rp_id == host || (is_above && rp_id.contains('.')) {
            return Ok(());
        }
        Err(ConfigError::at(
            "passkeys.rp_id",
            format_args!(
                "`{rp_id}` is neither the host of `public_url` ({host}) nor a domain above it; browsers would refuse to create passkeys"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(public_url: &str, rp_id: Option<&str>) -> bool {
        let passkeys = Passkeys {
            rp_id: rp_id.map(ToOwned::to_owned),
        };
        passkeys.check(&public_url.parse().unwrap()).is_ok()
    }

    #[test]
    fn g06_the_id_is_the_host_or_a_domain_above_it() {
        let url = "https://auth.api.example.com/v1/auth";
        for good in [
            None,
            Some("auth.api.example.com"),
            Some("api.example.com"),
            Some("example.com"),
        ] {
            assert!(check(url, good), "{good:?}");
        }
        for bad in [
            "com",
            "",
            ".",
            "ample.com",
            ".example.com",
            "evil.com",
            "www.auth.api.example.com",
            "https://example.com",
        ] {
            assert!(!check(url, Some(bad)), "{bad}");
        }
        assert!(check("http://localhost:8080/v1/auth", Some("localhost")));
    }
}
