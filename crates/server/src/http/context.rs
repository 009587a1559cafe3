//! Facts about a request that are known before its handler runs.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use tm_auth_store::AuditContext;

use crate::error::ApiError;

/// Set once by [`crate::middleware`], so that all code that handles a request sees the same values.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) request_id: String,
    /// The client's address; see [`crate::http::client_address`].
    pub(crate) address: IpAddr,
    /// When the request arrived.
    pub(crate) now: Timestamp,
}

impl Context {
    /// The context of an audit entry about this request.
    pub(crate) fn audit_context(&self, actor: impl ToString) -> AuditContext {
        AuditContext {
            at: self.now,
            actor: actor.to_string(),
            ip: Some(self.address),
            request_id: Some(self.request_id.clone()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| ApiError::internal("a route without its request context"))
    }
}
