//! The base URL.

use reqwest::Url;

const BASE_PATH: &str = "/v1/auth";

/// Why a base URL is not one.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// It is no absolute URL.
    #[error("`{0}` is not a URL such as https://api.truemarkets.co")]
    NotAUrl(String),
    /// It would send credentials in clear text over a network.
    #[error("`{0}` is not https: only a service on this machine may be asked over plain http")]
    NotHttps(String),
    /// It carries more than scheme, host, port and path.
    #[error("the base URL must have no user name, query or fragment")]
    Surplus,
    /// The HTTP client could not be set up, for example without the system's root certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(reqwest::Error),
}

pub(super) fn base_path(text: &str) -> Result<String, BaseUrlError> {
    let not_a_url = || BaseUrlError::NotAUrl(text.to_owned());
    let url = Url::parse(text.trim()).map_err(|_| not_a_url())?;
    let host = url.host_str().ok_or_else(not_a_url)?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(BaseUrlError::Surplus);
    }
    let this_machine = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if this_machine => {}
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
    fn a_base_url_is_an_origin_with_or_without_the_base_path() {
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
            assert_eq!(base_path(given).unwrap(), base, "{given}");
        }
    }

    #[test]
    fn credentials_never_leave_in_clear_text() {
        for given in [
            "http://api.truemarkets.co",
            "http://localhost.evil.example",
            "http://127.0.0.2",
        ] {
            assert!(
                matches!(base_path(given), Err(BaseUrlError::NotHttps(_))),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for given in ["", "api.truemarkets.co", "ftp://a.example", "mailto:a@b.example"] {
            assert!(
                matches!(base_path(given), Err(BaseUrlError::NotAUrl(_))),
                "{given}"
            );
        }
        for given in [
            "https://u@a.example",
            "https://:p@a.example",
            "https://a.example?x=1",
            "https://a.example#f",
        ] {
            assert!(matches!(base_path(given), Err(BaseUrlError::Surplus)), "{given}");
        }
    }
}
