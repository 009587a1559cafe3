//! Responses to requests that have no handler.

use http::{Method, Uri};
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;
use crate::http::nearest_path::Routes;

/// No route has this path. The message names the route that the client probably meant.
pub(crate) fn not_found(routes: &Routes, method: &Method, uri: &Uri) -> ApiError {
    match routes.nearest(method, uri.path()) {
        Some(nearest) => ApiError::with_message(
            ErrorCode::NotFound,
            format!(
                "Nothing is served at {method} {}; the nearest is {nearest}.",
                uri.path()
            ),
        ),
        None => ApiError::new(ErrorCode::NotFound),
    }
}

/// The route of this path does not support the method.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}
