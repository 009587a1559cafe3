//! The URL of a PostgreSQL database:
//! `postgres://ROLE:PASSWORD@HOST:PORT/NAME?sslmode=verify-full`.
//!
//! It may hold a password, so the whole URL is a secret. `Display` leaves out role, password and
//! parameters. An error repeats at most the scheme or the name of a known parameter.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::public_url::{is_host, is_loopback};

const EXAMPLE: &str = "write it like postgres://ROLE:PASSWORD@HOST:5432/NAME?sslmode=verify-full";

/// The parameters that are accepted after the `?`.
const PARAMETERS: [&str; 5] = ["application_name", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// The values of `sslmode` that verify the server's certificate.
const VERIFYING: [&str; 2] = ["verify-ca", "verify-full"];

/// The URL of a PostgreSQL database, which is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    /// `HOST:PORT/NAME`, or `HOST/NAME` without a port.
    shown: String,
}

impl PostgresUrl {
    /// The whole URL, to connect with.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The file with the private key of the client certificate, if the URL names one.
    pub(super) fn client_key(&self) -> Option<PathBuf> {
        let url = reqwest::Url::parse(&self.text).ok()?;
        url.query_pairs()
            .find(|(name, _)| name == "sslkey")
            .map(|(_, path)| PathBuf::from(path.as_ref()))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl(…)")
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}", self.shown)
    }
}

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("is not a URL; {EXAMPLE}"))?;
        if !["postgres", "postgresql"].contains(&scheme) {
            return Err(format!("{} is not PostgreSQL; {EXAMPLE}", shown_scheme(scheme)));
        }
        if !rest.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err("has a character that must be written as %XX (in a password, too)".to_owned());
        }
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || name.contains('/') {
            return Err(format!("names no database after the host; {EXAMPLE}"));
        }
        let (role, server) = authority.split_once('@').unwrap_or(("", authority));
        if role.is_empty() || role.starts_with(':') {
            return Err(format!("names no role; {EXAMPLE}"));
        }
        let host = host(server)?;
        let sslmode = sslmode(parameters)?;
        if !is_loopback(host) && !sslmode.is_some_and(|mode| VERIFYING.contains(&mode)) {
            return Err(
                "connects to another machine without verifying its certificate; write ?sslmode=verify-full"
                    .to_owned(),
            );
        }
        Ok(Self {
            shown: format!("{server}/{name}"),
            text: Zeroizing::new(text.to_owned()),
        })
    }
}

/// The scheme for an error message. Text that does not look like a scheme may be part of a secret,
/// so it is not repeated.
fn shown_scheme(scheme: &str) -> String {
    let is_one = !scheme.is_empty() && scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_lowercase());
    if is_one {
        format!("`{scheme}`")
    } else {
        "the scheme".to_owned()
    }
}

/// The host of `HOST` or `HOST:PORT`. An IPv6 address has its brackets.
fn host(server: &str) -> Result<&str, String> {
    let wrong = || format!("has no host name in lower case, or no port; {EXAMPLE}");
    // If `]` is the last character, the colon belongs to an IPv6 address.
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    let port_is_one = port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    (is_host(host) && port_is_one).then_some(host).ok_or_else(wrong)
}

fn sslmode(parameters: &str) -> Result<Option<&str>, String> {
    let mut seen = Vec::new();
    let mut mode = None;
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let Some(known) = PARAMETERS.into_iter().find(|known| *known == name) else {
            return Err(format!(
                "has an unknown parameter; those that may follow the `?` are {}",
                PARAMETERS.join(", ")
            ));
        };
        if seen.contains(&known) {
            return Err(format!("has the parameter `{known}` twice; write it once"));
        }
        seen.push(known);
        if known == "sslmode" {
            mode = Some(value);
        }
    }
    let modes = [
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "verify-full",
    ];
    if mode.is_some_and(|mode| !modes.contains(&mode)) {
        return Err(format!(
            "has an unknown `sslmode`; write one of {}",
            modes.join(", ")
        ));
    }
    Ok(mode)
}
