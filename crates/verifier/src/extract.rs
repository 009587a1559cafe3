//! An axum extractor for the claims of the caller.

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use tm_auth_proto::{AccessClaims, Scope, Scopes};

use crate::{BearerError, RequestId, Verifier, bearer};

/// The caller of a handler.
///
/// Takes the claims from the request's extensions if a [`BearerLayer`](crate::BearerLayer) put them
/// there. Otherwise verifies the token with the [`Verifier`] in the router's state. Authorize by
/// `claims.uid`, never by `claims.sub`: an e-mail address can change hands.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The claims of the verified token.
    pub claims: AccessClaims,
    request_id: RequestId,
}

impl Caller {
    /// Rejects the request with 403 unless the token has this scope.
    pub fn require(&self, scope: Scope) -> Result<(), Rejection> {
        let required: Scopes = [scope].into_iter().collect();
        bearer::require_scopes(&self.claims, required).map_err(|error| Rejection {
            error,
            request_id: self.request_id.clone(),
        })
    }
}

/// A rejected request. Its response is that of [`BearerLayer`](crate::BearerLayer).
#[derive(Clone, Debug)]
pub struct Rejection {
    error: BearerError,
    request_id: RequestId,
}

impl Rejection {
    /// Returns the reason.
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
