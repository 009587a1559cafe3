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
//! 5. (`iss`, `sub`) is the identity. Its account is logged in, or created; or the identity is
//!    linked to the account whose session began the flow.
//! 6. [`notifications`]: Apple tells that a user withdrew consent or deleted the Apple account.
//!
//! Apple's access and refresh tokens are dropped at once: this service makes no later requests to
//! Apple.

pub(crate) mod callback;
mod client;
mod client_secret;
mod failure;
mod flow;
mod id_token;
mod keys;
pub(crate) mod notifications;
mod provider;
pub(crate) mod start;
pub(crate) mod unlink;

use std::sync::Arc;

use axum::routing::post;
use axum::{Extension, Router};

use self::client::Apple;
use crate::app::App;

/// The routes. Without the `[apple]` section, all of them but unlinking answer 404.
pub(crate) fn routes(app: &App) -> Router<Arc<App>> {
    let routes = Router::new()
        .route("/apple/start", post(start::start))
        .route("/apple/link", post(start::link))
        .route("/apple/unlink", post(unlink::unlink))
        // posted by Apple's site and Apple's servers
        .route("/apple/callback", post(callback::callback))
        .route("/apple/notifications", post(notifications::notifications));
    match &app.config.apple {
        Some(apple) => {
            let client = Apple::new(apple, &app.config.public_url, Arc::clone(&app.clock));
            routes.layer(Extension(Arc::new(client)))
        }
        None => routes,
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
