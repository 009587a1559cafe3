//! A tower layer that rejects requests without a valid access token.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tm_auth_proto::{Scope, Scopes};
use tower::{Layer, Service};

use crate::{RequestId, Verifier, bearer};

/// Verifies the bearer token of each request.
///
/// Puts the [`AccessClaims`](tm_auth_proto::AccessClaims) of a valid token into the request's
/// extensions. Rejects other requests without calling the service: 401 with `WWW-Authenticate`, 403
/// if a required scope is missing, 503 if the token could not be judged. The service's response
/// body must implement `From<String>`, as axum's and `http_body_util::Full` do.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    verifier: Verifier,
    required: Scopes,
}

impl BearerLayer {
    /// Accepts every token that the verifier accepts, whatever its scopes.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            required: Scopes::NONE,
        }
    }

    /// Requires this scope too: a token without it is refused.
    #[must_use]
    pub fn require(mut self, scope: Scope) -> Self {
        self.required = self.required.iter().chain([scope]).collect();
        self
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        BearerService { inner, layer }
    }
}

/// The service that [`BearerLayer`] produces.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for BearerService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // `poll_ready` made this instance ready, so this one must serve the call; its clone may not
        // be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match bearer::authorize(&layer.verifier, &parts.headers, layer.required).await {
                Ok(claims) => {
                    parts.extensions.insert(claims);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(error) => Ok(error.respond(&RequestId::of(&parts.headers))),
            }
        })
    }
}
