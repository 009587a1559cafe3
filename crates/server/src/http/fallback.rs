//! Responses to requests that have no handler.

use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

/// No route has this path.
pub(crate) async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound)
}

/// The route of this path does not support the method.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}
