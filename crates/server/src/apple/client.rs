//! This service as an OAuth client of Apple.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tm_auth_proto::ErrorCode;

use super::{keys, provider};
use crate::clock::Clock;
use crate::config;
use crate::config::PublicUrl;
use crate::error::ApiError;

/// This service as an OAuth client of Apple.
pub(crate) struct Apple {
    pub(super) settings: config::Apple,
    pub(super) redirect_uri: String,
    pub(super) provider: provider::Provider,
    pub(super) keys: keys::Keys,
}

impl Apple {
    pub(crate) fn new(settings: &config::Apple, public_url: &PublicUrl, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings: settings.clone(),
            redirect_uri: format!("{}/apple/callback", public_url.origin()),
            provider: provider::Provider::new(&settings.issuer),
            keys: keys::Keys::new(&settings.issuer, clock),
        }
    }
}

/// The client, if Sign in with Apple is configured; otherwise the route is 404.
pub(crate) struct Offered(pub(super) Arc<Apple>);

impl<S: Send + Sync> FromRequestParts<S> for Offered {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let apple = parts.extensions.get::<Arc<Apple>>().cloned();
        apple.map(Self).ok_or_else(|| ApiError::new(ErrorCode::NotFound))
    }
}
