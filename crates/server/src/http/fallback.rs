//! Requests that no handler takes.

use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

/// What no route answers.
pub(crate) async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound)
}

/// What a route does not do.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}
