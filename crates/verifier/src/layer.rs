//! A tower layer that lets in only requests with a token that holds.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tm_auth_proto::{Scope, Scopes};
use tower::{Layer, Service};

use crate::{RequestId, Verifier, bearer};

/// Puts [`tm_auth_proto::AccessClaims`] into the extensions of a request, or answers in the service's
/// place: 401 with `WWW-Authenticate`, 403 where a scope is lacking, 503 where nothing could be decided.
/// Bodies are made from a `String`, as those of axum and `http_body_util::Full` can be.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    verifier: Verifier,
    required: Scopes,
}

impl BearerLayer {
    /// Lets in every token that the verifier accepts.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            required: Scopes::NONE,
        }
    }

    /// Wants this scope too.
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

/// What [`BearerLayer`] makes of a service.
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
        // The one that said it is ready goes into the future, its clone stays here.
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
