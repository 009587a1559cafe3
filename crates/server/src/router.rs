//! All routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::{Method, Uri};
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{api_keys, email, health, jwks, mint, own_key, refresh, revocations, sessions};
use crate::app::App;
use crate::apple;
use crate::config::BASE_PATH;
use crate::http::body::BodyLimits;
use crate::http::fallback;
use crate::http::nearest_path::Routes;
use crate::middleware;
use crate::openapi;
use crate::pages;
use crate::passkeys;

/// The documented routes, relative to the base path.
pub(crate) fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        // for all callers
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(jwks::jwks))
        .routes(routes!(revocations::revocations))
        // for programs with a key
        .routes(routes!(mint::mint))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::revoke))
        .routes(routes!(own_key::own_key))
        // for command-line programs that log a user in
        .routes(routes!(email::ask))
        .routes(routes!(email::verify))
        // for the owners of keys
        .routes(routes!(api_keys::list, api_keys::register))
        .routes(routes!(api_keys::get, api_keys::update, api_keys::revoke))
        // for users
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(api_keys::activate))
}

/// Builds the service.
pub fn router(app: Arc<App>) -> Router {
    with_routes(app, Router::new())
}

/// Builds the service with additional routes, which pass the same layers. For tests.
pub fn with_routes(app: Arc<App>, more: Router<Arc<App>>) -> Router {
    let (documented, document) = documented().split_for_parts();
    let named = Arc::new(named(&document));
    let not_found = async move |method: Method, uri: Uri| fallback::not_found(&named, &method, &uri);
    Router::new()
        .nest(BASE_PATH, documented)
        .route("/v1/auth/openapi.yaml", get(openapi::serve))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .merge(pages::routes())
        .merge(apple::routes(&app))
        .merge(passkeys::routes())
        .merge(more)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&app), middleware::handle))
        .with_state(app)
}

/// The routes that the answer to a wrong path can name: those of programs.
fn named(document: &Document) -> Routes {
    let mut routes = Routes::below(BASE_PATH);
    for (path, item) in &document.paths.paths {
        let methods = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PATCH, &item.patch),
            (Method::PUT, &item.put),
            (Method::DELETE, &item.delete),
        ];
        let served = methods.into_iter().filter(|(_, operation)| operation.is_some());
        routes.add(path, served.map(|(method, _)| method).collect());
    }
    routes
}

impl FromRef<Arc<App>> for BodyLimits {
    fn from_ref(app: &Arc<App>) -> Self {
        let limits = &app.config.limits;
        Self {
            bytes: limits.body_bytes,
            deadline: limits.body_read,
        }
    }
}
