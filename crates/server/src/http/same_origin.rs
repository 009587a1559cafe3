//! Checks that a request that may change something comes from a page of this service.
//!
//! Browsers say so in `Sec-Fetch-Site` (Fetch Metadata) and in `Origin` (RFC 6454).
//!
//! 1. Requests with a safe method pass. So do requests to the API without a cookie of this service,
//!    because programs send neither header.
//! 2. Every other request needs at least one of the two headers, and both must name this origin if
//!    present. `Origin: null` is accepted only if `Sec-Fetch-Site` is `same-origin`.
//! 3. Requests that another site posts by design ([`EXEMPT`]) are authenticated in another way.

use http::header::ORIGIN;
use http::{HeaderMap, Method};
use tm_auth_proto::ErrorCode;

use crate::config::{BASE_PATH, PublicUrl};
use crate::error::ApiError;
use crate::http::cookie;

/// Apple posts its response, which `state` and the flow's cookie bind, and its signed
/// notifications.
pub(crate) const EXEMPT: [&str; 2] = ["/apple/callback", "/apple/notifications"];

pub(crate) fn check(
    url: &PublicUrl,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    if method.is_safe() || EXEMPT.contains(&path) {
        return Ok(());
    }
    let is_api = path == BASE_PATH
        || path
            .strip_prefix(BASE_PATH)
            .is_some_and(|rest| rest.starts_with('/'));
    if is_api && !cookie::any(url, headers) {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").map(|site| site == "same-origin");
    let origin = match text(ORIGIN.as_str()) {
        // Fetch section 3.2, "append a request Origin header": forms of this service send it
        // because of `no-referrer`. Sandboxed pages of other sites send it too, so it proves
        // nothing.
        Some("null") if site == Some(true) => None,
        origin => origin.map(|origin| origin == url.origin()),
    };
    let refuse = |cause| Err(ApiError::caused(ErrorCode::CrossSiteRequest, cause));
    match (site, origin) {
        (Some(false), _) => refuse("Sec-Fetch-Site is not same-origin"),
        (_, Some(false)) => refuse("Origin is not this service's"),
        (None, None) => refuse("neither Sec-Fetch-Site nor Origin"),
        _ => Ok(()),
    }
}
