//! The HTML pages: rendered on the server, with plain forms that POST and redirect. Scripts are
//! used only where WebAuthn and WebCrypto need them. There is one file per page; `templates/` has
//! the markup, `static/` the style and the scripts.

pub(crate) mod activity;
pub(crate) mod api_key;
pub(crate) mod api_key_new;
pub(crate) mod api_key_settings;
pub(crate) mod api_key_view;
pub(crate) mod api_keys;
pub(crate) mod canonical;
pub(crate) mod event;
pub(crate) mod headers;
pub(crate) mod mailbox;
pub(crate) mod next;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod security;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod static_files;
pub(crate) mod words;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::app::App;

/// The routes of all pages.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home))
        .merge(security::routes())
        .route("/sign-out", post(sign_out::sign_out))
        .route("/static/{version}/{name}", get(static_files::serve))
        .route("/api-keys", get(api_keys::list))
        .route("/api-keys/new", get(api_key_new::new).post(api_key_new::paste))
        .route("/api-keys/new/proof", post(api_key_new::prove))
        .route("/api-keys/{key_id}", get(api_key::details))
        .route("/api-keys/{key_id}/edit", get(api_key::edit).post(api_key::save))
        .route("/api-keys/{key_id}/disable", post(api_key::disable))
        .route("/api-keys/{key_id}/enable", post(api_key::enable))
        .route(
            "/api-keys/{key_id}/revoke",
            get(api_key::confirm_revocation).post(api_key::revoke),
        )
        .route("/activity", get(activity::activity))
        .merge(sign_in::routes())
        .route("/mailbox", get(mailbox::mailbox))
}

/// The list of keys redirects to the login if necessary.
async fn home() -> Redirect {
    Redirect::to("/api-keys")
}
