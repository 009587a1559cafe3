//! Parses the base URL of the service.

use reqwest::Url;

const BASE_PATH: &str = "/v1/auth";

/// Why a base URL is not accepted. Always the fault of this deployment's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// The text is not an absolute `http` or `https` URL.
    #[error("`{0}` is not a URL such as https://api.truemarkets.co")]
    NotAUrl(String),
    /// The URL would send credentials in clear text over a network.
    #[error("`{0}` is not https: plain http is accepted for this machine only")]
    NotHttps(String),
    /// The URL has a user name, password, query or fragment.
    #[error("the base URL must have no user name, query or fragment")]
    UnexpectedPart,
    /// The HTTP client cannot be created, for example because the system has no root certificates.
    #[error("the HTTP client cannot be created: {0}")]
    Client(#[source] reqwest::Error),
}

/// Returns the URL of the base path, without a trailing slash.
pub(super) fn normalize(text: &str) -> Result<String, BaseUrlError> {
    let not_a_url = || BaseUrlError::NotAUrl(text.to_owned());
    let url = Url::parse(text.trim()).map_err(|_| not_a_url())?;
    let host = url.host_str().ok_or_else(not_a_url)?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(BaseUrlError::UnexpectedPart);
    }
    let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(BaseUrlError::NotHttps(text.to_owned())),
        _ => return Err(not_a_url()),
    }
    let base = url.as_str().trim_end_matches('/');
    Ok(if base.ends_with(BASE_PATH) {
        base.to_owned()
    } else {
        format!("{base}{BASE_PATH}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_appended_if_it_is_missing() {
        for (given, base) in [
            ("https://api.truemarkets.co", "https://api.truemarkets.co/v1/auth"),
            (
                "https://api.truemarkets.co/",
                "https://api.truemarkets.co/v1/auth",
            ),
            (
                "https://api.truemarkets.co/v1/auth",
                "https://api.truemarkets.co/v1/auth",
            ),
            (
                "https://api.truemarkets.co/v1/auth/",
                "https://api.truemarkets.co/v1/auth",
            ),
            ("https://example.com/tm", "https://example.com/tm/v1/auth"),
            ("http://localhost:8080", "http://localhost:8080/v1/auth"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/v1/auth"),
            ("http://[::1]:1", "http://[::1]:1/v1/auth"),
        ] {
            assert_eq!(normalize(given).unwrap(), base, "{given}");
        }
    }

    #[test]
    fn plain_http_is_refused_for_other_machines() {
        for given in [
            "http://api.truemarkets.co",
            "http://localhost.evil.example",
            "http://127.0.0.2",
        ] {
            assert!(
                matches!(normalize(given), Err(BaseUrlError::NotHttps(_))),
                "{given}"
            );
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for given in ["", "api.truemarkets.co", "ftp://a.example", "mailto:a@b.example"] {
            assert!(
                matches!(normalize(given), Err(BaseUrlError::NotAUrl(_))),
                "{given}"
            );
        }
        for given in [
            "https://u@a.example",
            "https://:p@a.example",
            "https://a.example?x=1",
            "https://a.example#f",
        ] {
            assert!(
                matches!(normalize(given), Err(BaseUrlError::UnexpectedPart)),
                "{given}"
            );
        }
    }
}
