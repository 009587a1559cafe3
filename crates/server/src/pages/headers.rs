//! The headers of every HTML answer.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::app::App;

/// Besides those of every answer.
const PAGE_HEADERS: [(HeaderName, &str); 3] = [
    // A page shows an account: nobody may find it behind the Back button after signing out.
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

/// Adds them, if the answer is a page.
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

/// Where forms may lead besides this service: browsers hold redirects that follow a form to it as well.
fn form_target(app: &App) -> Option<&str> {
    app.config.apple.as_ref().map(|apple| apple.issuer.as_str())
}

/// Nothing but our own files; nothing inline; no page of ours within another's.
fn content_security_policy(form_target: Option<&str>) -> String {
    let form_target = form_target.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'{form_target}; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    )
}
