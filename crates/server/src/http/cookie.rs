//! The service's cookies: their names and attributes.
//!
//! With https each name has the prefix `__Host-` (RFC 6265bis section 4.1.3.2), which proves that
//! this host set the cookie, over TLS and for all paths. With plain http, which is allowed on
//! loopback only, there is neither the prefix nor `Secure`. No cookie has a `Max-Age` unless it is
//! cleared: the browser drops it when it closes, and the row in the database expires by itself.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use crate::config::PublicUrl;

/// The cookies of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The session of a user.
    Session,
    /// A login by e-mail in progress.
    Flow,
    /// A login with Apple in progress.
    Apple,
    /// Binds passkey ceremonies to the browser.
    Passkey,
}

/// The `SameSite` attribute: which requests carry the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SameSite {
    /// Requests from this site, and links from other sites.
    Lax,
    /// Requests from every site, for a response that another site posts.
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

/// The value of a cookie of the request. `None` if it was sent twice, since the service set only
/// one.
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

/// Whether the request has any cookie of this service.
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

/// A `Set-Cookie` value that deletes the cookie.
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
        // Browsers accept `None` only with `Secure`. On loopback the attribute is left out: for two
        // minutes after they set such a cookie, browsers send it with a cross-site POST.
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
