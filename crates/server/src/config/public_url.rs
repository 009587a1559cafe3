//! `public_url`: the one URL of the deployment, and its check against `environment`.

use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use serde::{Deserialize, Deserializer, de::Error as _};
use tm_auth_proto::Environment;

use super::error::ConfigError;

/// The base path of the API in every deployment.
pub const BASE_PATH: &str = "/v1/auth";

const EXAMPLE: &str = "write it like https://api.truemarkets.co/v1/auth";

/// The public URL of the base path. It is the issuer of every token, so only one spelling is
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    origin_length: usize,
    host: String,
}

impl PublicUrl {
    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, host and port of the URL.
    pub fn origin(&self) -> &str {
        &self.text[..self.origin_length]
    }

    /// The host without the port. An IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether clients connect over TLS, to this process or to a proxy in front of it.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// Whether the host is a loopback name or address.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(super) fn check(&self, environment: Environment) -> Result<(), ConfigError> {
        let refuse = |problem: &str| Err(ConfigError::at("public_url", problem));
        if !self.is_https() {
            if environment == Environment::Production {
                return refuse("plain http is refused in production; write https://");
            }
            if !self.is_loopback() {
                return refuse(
                    "plain http is allowed for a loopback host only; write https:// or http://localhost:PORT/v1/auth",
                );
            }
        }
        let other = match environment {
            Environment::Production => Environment::Uat,
            Environment::Uat => Environment::Production,
        };
        if self.text == other.public_base_url() {
            return Err(ConfigError::at(
                "public_url",
                format_args!(
                    "this is the URL of {other}, but `environment` is {environment}; change one of them"
                ),
            ));
        }
        Ok(())
    }
}

impl std::str::FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| format!("not a URL; {EXAMPLE}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(format!("not an absolute URL; {EXAMPLE}"));
        };
        let default_port = match scheme {
            "https" => 443,
            "http" => 80,
            other => return Err(format!("the scheme `{other}` is not https; {EXAMPLE}")),
        };
        if authority.as_str().contains('@') {
            return Err(format!("it must not carry a user name or password; {EXAMPLE}"));
        }
        let host = authority.host();
        if !is_host(host) {
            return Err(format!("`{host}` is not a host name in lower case; {EXAMPLE}"));
        }
        if authority.port_u16() == Some(default_port) {
            return Err(format!("leave out :{default_port}, the scheme implies it"));
        }
        // `Uri` drops a fragment and accepts ports such as `:08443`, so compare the text.
        let port = authority
            .port_u16()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let origin = format!("{scheme}://{host}{port}");
        if text != format!("{origin}{BASE_PATH}") {
            return Err(format!(
                "the path must be exactly {BASE_PATH}, without a slash, query or fragment after it; {EXAMPLE}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            origin_length: origin.len(),
            host: host.to_owned(),
        })
    }
}

/// Whether `host` is a loopback name or address. An IPv6 address has its brackets.
pub(super) fn is_loopback(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `host` is a host name in lower case, an IPv4 address, or an IPv6 address in brackets and
/// in its canonical form.
pub(super) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address);
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
