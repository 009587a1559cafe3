//! The headers of every HTML response.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::app::App;

/// The headers of pages besides those of every response.
const PAGE_HEADERS: [(HeaderName, &str); 3] = [
    // The Back button must not show an account's page after logout.
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    ),
];

/// Adds them if the response is a page.
pub(crate) fn add(app: &App, headers: &mut HeaderMap) {
    let is_page = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return;
    }
    for (name, value) in PAGE_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy =
        HeaderValue::from_str(&content_security_policy(form_target(app))).expect("origins are plain ASCII");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
}

/// The origin that forms may lead to besides this service. Browsers apply `form-action` to the
/// redirects that follow a form as well.
fn form_target(app: &App) -> Option<&str> {
    app.config.apple.as_ref().map(|apple| apple.issuer.as_str())
}

/// Allows only files of this service, nothing inline, and no framing.
fn content_security_policy(form_target: Option<&str>) -> String {
    let form_target = form_target.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'{form_target}; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    )
}
