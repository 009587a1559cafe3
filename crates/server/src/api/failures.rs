//! The errors that the OpenAPI document lists for each kind of endpoint.

use std::collections::BTreeMap;

use tm_auth_proto::ErrorBody;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

fn response(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(ErrorBody::name());
    ResponseBuilder::new()
        .description(description)
        .content("application/json", Content::new(Some(schema)))
        .build()
        .into()
}

fn responses(listed: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    listed
        .iter()
        .map(|(status, description)| ((*status).to_owned(), response(description)))
        .collect()
}

/// A timeout does not undo the work, so a 503 does not say that nothing was changed.
const OURS: [(&str, &str); 3] = [
    ("429", "Too many requests; see `Retry-After`."),
    ("500", "A defect of the service."),
    (
        "503",
        "The service cannot complete the request now. A change may still have been made; retry.",
    ),
];

/// Errors of every endpoint but the health checks, which have no limit.
pub(crate) struct AnyRequest;

impl IntoResponses for AnyRequest {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&OURS)
    }
}

/// Errors of an endpoint that takes a JSON body.
pub(crate) struct WithBody;

impl IntoResponses for WithBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut all = responses(&OURS);
        all.extend(responses(&[
            (
                "400",
                "The request is malformed; `field_violations` names the field.",
            ),
            ("408", "The body did not arrive in time."),
            ("413", "The body is larger than the limit, 16 KB by default."),
            ("415", "The body is not uncompressed `application/json` in UTF-8."),
        ]));
        all
    }
}

/// Errors of an endpoint that authenticates the caller.
pub(crate) struct Authenticated;

impl IntoResponses for Authenticated {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[("401", "The caller is not authenticated; `code` says why.")])
    }
}

/// Errors of an endpoint that manages credentials.
pub(crate) struct Managed;

impl IntoResponses for Managed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            (
                "401",
                "The bearer token or session cookie is missing or not valid.",
            ),
            (
                "403",
                "The caller needs another token or a new authentication; `code` says which.",
            ),
        ])
    }
}
