//! Sign in with Apple: OpenID Connect's authorization code flow, with one provider.
//!
//! 1. [`start`]: a form of this site posts. The browser gets a cookie with a fresh secret and is
//!    sent to Apple with `state`, `nonce` and a PKCE challenge, all derived from that secret
//!    ([`flow`]).
//! 2. [`callback`]: Apple's site makes the browser post Apple's answer. `state` must match the
//!    cookie, and the flow is taken from the database: it serves once, within ten minutes.
//! 3. The code is exchanged for an ID token ([`provider`]), with a client secret signed for this
//!    one request ([`client_secret`]).
//! 4. Signature ([`keys`]) and claims ([`id_token`]) of the ID token are checked.
//! 5. (`iss`, `sub`) is the identity. Its account is signed in, or created; or the identity is
//!    linked to the account whose session began the flow.
//! 6. [`notifications`]: Apple tells that a user withdrew consent or deleted the Apple account.
//!
//! Apple's access and refresh tokens are dropped at once: this service makes no later requests to
//! Apple.

pub(crate) mod callback;
mod client_secret;
mod flow;
mod id_token;
mod keys;
pub(crate) mod notifications;
mod provider;
pub(crate) mod start;
pub(crate) mod unlink;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tm_auth_proto::ErrorCode;

use crate::app::App;
use crate::clock::Clock;
use crate::config;
use crate::config::PublicUrl;
use crate::error::ApiError;

/// The routes. Without the `[apple]` section, all of them but unlinking answer 404.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/apple/start", post(start::start))
        .route("/apple/link", post(start::link))
        .route("/apple/unlink", post(unlink::unlink))
        // posted by Apple's site and Apple's servers
        .route("/apple/callback", post(callback::callback))
        .route("/apple/notifications", post(notifications::notifications))
}

/// This service as an OAuth client of Apple.
pub(crate) struct Apple {
    settings: config::Apple,
    redirect_uri: String,
    provider: provider::Provider,
    keys: keys::Keys,
}

impl Apple {
    pub(crate) fn new(settings: &config::Apple, public_url: &PublicUrl, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings: settings.clone(),
            redirect_uri: format!("{}/apple/callback", public_url.origin()),
            provider: provider::Provider::new(&settings.issuer),
            keys: keys::Keys::new(&settings.issuer, clock),
        }
    }
}

/// The client; 404 if Sign in with Apple is not configured.
fn offered(app: &App) -> Result<&Apple, ApiError> {
    app.apple
        .as_ref()
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

/// Why a step with Apple failed. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// A code, token or notification was refused: the caller's side.
    Refused(&'static str),
    /// Apple did not answer, or not as it should: Apple's side or the network.
    Unavailable(String),
}

impl Failure {
    /// `field` names the part of the request that was refused.
    fn into_error(self, field: &'static str) -> ApiError {
        match self {
            Self::Refused(cause) => ApiError::violation(ErrorCode::AppleTokenInvalid, field, cause),
            Self::Unavailable(cause) => ApiError::caused(ErrorCode::AppleUnavailable, cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    #[derive(Template)]
    #[template(
        source = r#"{% import "apple_button.html" as ways %}{% call ways::sign_in(next) %}{% endcall %}"#,
        ext = "html"
    )]
    struct Button {
        next: &'static str,
    }

    #[test]
    fn g26_the_apple_button_is_a_plain_form() {
        let html = Button {
            next: "/a\"><script>",
        }
        .render()
        .unwrap();
        assert!(!html.contains("<script"), "{html}");
        for part in [
            r#"<form method="post" action="/apple/start">"#,
            "Continue with Apple",
        ] {
            assert_eq!(html.matches(part).count(), 1, "{html}");
        }
    }
}
