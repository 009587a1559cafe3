//! Whether a request that changes something comes from a page of this service.
//!
//! Browsers say so themselves: in `Sec-Fetch-Site` (Fetch Metadata) and in `Origin` (RFC 6454).
//!
//! 1. Safe methods pass, and so do requests to the API without a cookie of this service: programs
//!    send neither header.
//! 2. Where a cookie comes along, and on every page, one of the two must say that the request is
//!    ours, and none that it is not. An `Origin` of `null` is not ours, unless the browser says so
//!    itself in `Sec-Fetch-Site`.
//! 3. What another site posts by design ([`EXEMPT`]) is bound in another way.

use http::header::ORIGIN;
use http::{HeaderMap, Method};
use tm_auth_proto::ErrorCode;

use crate::config::{BASE_PATH, PublicUrl};
use crate::error::ApiError;
use crate::http::cookie;

/// Apple posts its answer (bound by `state` and the flow's cookie) and its notifications (signed).
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
        // Fetch section 3.2, "append a request Origin header": what a form of this service sends
        // under `no-referrer`. Sandboxed pages of other sites send it too, so it speaks neither for
        // nor against the request.
        Some("null") if site == Some(true) => None,
        origin => origin.map(|origin| origin == url.origin()),
    };
    match (site, origin) {
        (Some(false), _) | (_, Some(false)) | (None, None) => Err(ApiError::new(ErrorCode::CrossSiteRequest)),
        _ => Ok(()),
    }
}
