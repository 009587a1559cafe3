//! An axum extractor for the caller of a handler.

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use tm_auth_proto::{AccessClaims, Scope, Scopes};

use crate::{BearerError, RequestId, Verifier, bearer};

/// Who calls. Takes the claims that a [`crate::BearerLayer`] left, else verifies the token itself with the
/// [`Verifier`] in the router's state. Authorize by `claims.uid`, never by `claims.sub`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What the token says.
    pub claims: AccessClaims,
    request_id: RequestId,
}

impl Caller {
    /// Goes on only if the token carries this scope.
    pub fn require(&self, scope: Scope) -> Result<(), Rejection> {
        let required: Scopes = [scope].into_iter().collect();
        bearer::require_scopes(&self.claims, required).map_err(|error| Rejection {
            error,
            request_id: self.request_id.clone(),
        })
    }
}

/// A request that was not let in; it answers like [`crate::BearerLayer`].
#[derive(Clone, Debug)]
pub struct Rejection {
    error: BearerError,
    request_id: RequestId,
}

impl Rejection {
    /// Why.
    pub fn error(&self) -> BearerError {
        self.error
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.error.respond(&self.request_id)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let request_id = RequestId::of(&parts.headers);
        let claims = match parts.extensions.get::<AccessClaims>() {
            Some(claims) => Ok(claims.clone()),
            None => bearer::authorize(&Verifier::from_ref(state), &parts.headers, Scopes::NONE).await,
        };
        match claims {
            Ok(claims) => Ok(Self { claims, request_id }),
            Err(error) => Err(Rejection { error, request_id }),
        }
    }
}
