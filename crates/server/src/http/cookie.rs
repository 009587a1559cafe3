//! Our cookies: their names, attributes and secrets.
//!
//! Over https each has the `__Host-` prefix (RFC 6265bis section 4.1.3.2): only this host can have
//! set it, over TLS, for all paths. Plain http, which is allowed on loopback only, has neither
//! prefix nor `Secure`. None has a `Max-Age`: it ends with the browser, and its row ends by itself.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use crate::config::PublicUrl;

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A person's session.
    Session,
    /// A sign-in by mail under way.
    Flow,
    /// A sign-in with Apple under way.
    Apple,
    /// Ties the ceremonies of passkeys to the browser.
    Passkey,
}

/// From which sites' requests it comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SameSite {
    /// Ours, and links from elsewhere.
    Lax,
    /// Every site: for an answer that another site posts.
    None,
}

impl Name {
    pub(crate) const ALL: [Self; 4] = [Self::Session, Self::Flow, Self::Apple, Self::Passkey];

    fn as_str(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-sid",
            (Self::Session, false) => "sid",
            (Self::Flow, true) => "__Host-flow",
            (Self::Flow, false) => "flow",
            (Self::Apple, true) => "__Host-apple",
            (Self::Apple, false) => "apple",
            (Self::Passkey, true) => "__Host-passkey",
            (Self::Passkey, false) => "passkey",
        }
    }
}

/// The value of a cookie of the request. Sent twice it is none: one of the two is not ours.
pub(crate) fn read<'a>(url: &PublicUrl, headers: &'a HeaderMap, name: Name) -> Option<&'a str> {
    let wanted = name.as_str(url.is_https());
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// Whether the request brings any of our cookies.
pub(crate) fn any(url: &PublicUrl, headers: &HeaderMap) -> bool {
    let names = Name::ALL.map(|name| name.as_str(url.is_https()));
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .any(|(name, _)| names.contains(&name))
}

/// A `Set-Cookie` value. `value` is base64url, which needs no quoting.
pub(crate) fn set(url: &PublicUrl, name: Name, value: &str, same_site: SameSite) -> HeaderValue {
    header(url, name, value, same_site, "")
}

/// A `Set-Cookie` value that takes the cookie away.
pub(crate) fn clear(url: &PublicUrl, name: Name) -> HeaderValue {
    let same_site = match name {
        Name::Session | Name::Flow | Name::Passkey => SameSite::Lax,
        Name::Apple => SameSite::None,
    };
    header(url, name, "", same_site, "; Max-Age=0")
}

fn header(url: &PublicUrl, name: Name, value: &str, same_site: SameSite, more: &str) -> HeaderValue {
    let https = url.is_https();
    let site = match same_site {
        // Browsers take `None` only together with `Secure`; on loopback they send a cookie without
        // the attribute along with a cross-site POST for its first two minutes.
        SameSite::None if !https => "",
        SameSite::None => "; SameSite=None",
        SameSite::Lax => "; SameSite=Lax",
    };
    let secure = if https { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; HttpOnly{site}{secure}{more}",
        name.as_str(https)
    );
    HeaderValue::from_str(&text).expect("names and values are plain ASCII")
}
