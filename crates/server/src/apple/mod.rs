//! Sign in with Apple: OpenID Connect with an authorization code, as a client of one provider.
//!
//! 1. [`start`]: a form of ours posts; the browser gets a cookie with a fresh secret and is sent to Apple with `state`,
//!    `nonce` and a PKCE challenge, all derived from that secret ([`flow`]).
//! 2. Apple lets the browser post its answer to [`callback`], from its own site. Cookie and `state` must belong
//!    together, and the flow is taken from the database: it serves once, within ten minutes.
//! 3. The code is exchanged for an ID token ([`provider`]), with a client secret signed for this one request
//!    ([`client_secret`]).
//! 4. The ID token is checked in full ([`id_token`]), with Apple's own keys ([`keys`]).
//! 5. (`iss`, `sub`) is who it is. The account of that identity is signed in, or made; or the identity is linked to
//!    the account whose session began the flow.
//! 6. [`notifications`]: Apple tells when a person withdraws.
//!
//! Apple's access and refresh tokens are dropped at once: nothing here asks Apple anything later.

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

/// The routes, which answer 404 where the way is not offered.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/apple/start", post(start::start))
        .route("/apple/link", post(start::link))
        .route("/apple/unlink", post(unlink::unlink))
        // posted by other sites
        .route("/apple/callback", post(callback::callback))
        .route("/apple/notifications", post(notifications::notifications))
}

/// This service as a client of Apple.
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

/// The client, where the way is offered.
fn offered(app: &App) -> Result<&Apple, ApiError> {
    app.apple
        .as_ref()
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

/// Why a step with Apple failed, with the cause for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// What was said in Apple's name does not hold.
    Refused(&'static str),
    /// Apple did not answer, or not as it should.
    Unavailable(String),
}

impl Failure {
    /// `field` is where what does not hold came in.
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
    fn g26_the_way_to_apple_is_a_plain_form() {
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
