//! The OpenAPI document, generated from the code. A test compares it with `openapi/auth-v1.yaml`.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tm_auth_proto::{ErrorBody, RevocationList};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::router::documented;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Auth Service API",
        description = "Authentication and authorization service of the True Markets platform: issues the JWT access and refresh tokens that the Gateway, DeFi and other APIs take.",
        version = "1.0.0",
        contact(email = "support@truemarkets.co"),
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(ErrorBody, RevocationList)),
    servers((url = "/v1/auth", description = "This server"))
)]
struct Base;

/// Generates the document.
pub fn document() -> Document {
    let (_, mut document) = documented().split_for_parts();
    let mut base = Base::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    if let Some(components) = &mut base.components {
        components.add_security_scheme("bearerAuth", SecurityScheme::Http(scheme));
    }
    std::mem::swap(&mut base.paths, &mut document.paths);
    if let (Some(ours), Some(theirs)) = (&mut base.components, document.components) {
        ours.schemas.extend(theirs.schemas);
    }
    base
}

/// Generates the document as YAML.
pub fn yaml() -> String {
    document().to_yaml().expect("the document is plain data")
}

pub(crate) async fn serve() -> Response {
    static YAML: LazyLock<String> = LazyLock::new(yaml);
    let headers = [
        (CONTENT_TYPE, "application/yaml"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, YAML.as_str()).into_response()
}
