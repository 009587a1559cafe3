//! An axum extractor for the caller of a handler.

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use tm_auth_proto::{AccessClaims, Scope, Scopes};

use crate::{Denial, RequestId, Verifier, bearer};

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
    pub fn require(&self, scope: Scope) -> Result<(), Rejected> {
        let required: Scopes = [scope].into_iter().collect();
        bearer::permit(&self.claims, required).map_err(|denial| Rejected {
            denial,
            request_id: self.request_id.clone(),
        })
    }
}

/// A request that was not let in; it answers like [`crate::BearerLayer`].
#[derive(Clone, Debug)]
pub struct Rejected {
    denial: Denial,
    request_id: RequestId,
}

impl Rejected {
    /// Why.
    pub fn denial(&self) -> Denial {
        self.denial
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        self.denial.respond(&self.request_id)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejected;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejected> {
        let request_id = RequestId::of(&parts.headers);
        let claims = match parts.extensions.get::<AccessClaims>() {
            Some(claims) => Ok(claims.clone()),
            None => bearer::authorize(&Verifier::from_ref(state), &parts.headers, Scopes::NONE).await,
        };
        match claims {
            Ok(claims) => Ok(Self { claims, request_id }),
            Err(denial) => Err(Rejected { denial, request_id }),
        }
    }
}
