//! The failures that the OpenAPI document lists: which statuses an endpoint can answer with.

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

const OURS: [(&str, &str); 2] = [
    ("500", "A defect of the service."),
    (
        "503",
        "The service cannot do its work for now; nothing was decided.",
    ),
];

/// Of every endpoint.
pub(crate) struct AnyRequest;

impl IntoResponses for AnyRequest {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&OURS)
    }
}

/// Of an endpoint that takes a JSON body.
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
            ("413", "The body is larger than 16 KB."),
            ("415", "The body is not uncompressed `application/json` in UTF-8."),
        ]));
        all
    }
}

/// Of an endpoint that takes a proof or a token.
pub(crate) struct Authenticated;

impl IntoResponses for Authenticated {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ("401", "Who is asking was not proved; `code` says why."),
            ("429", "Too many requests; see `Retry-After`."),
        ])
    }
}

/// Of an endpoint that manages credentials.
pub(crate) struct Managed;

impl IntoResponses for Managed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ("401", "The bearer token does not hold here."),
            (
                "403",
                "This takes a management token, or a fresher proof of identity.",
            ),
        ])
    }
}
