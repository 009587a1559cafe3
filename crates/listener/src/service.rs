//! Passes requests from the HTTP parser to the application, and answers back.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tower::{Service, ServiceExt};

use super::RefuseMalformed;
use super::phase::{BodyLeft, Progress};
use super::request_head::malformed_headers;

/// The address that connected, in each request's extensions. Behind a proxy it is the proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The application, for one connection.
pub(super) struct ConnectionService<S> {
    pub(super) application: S,
    pub(super) peer: SocketAddr,
    pub(super) progress: Progress,
    pub(super) refuse: RefuseMalformed,
}

/// hyper's `poll_without_shutdown` requires it. No field is ever pinned.
impl<S> Unpin for ConnectionService<S> {}

impl<S> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = http::Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let body = body_left(request.headers());
        let malformed = self
            .progress
            .request_begins(body)
            .or_else(|| malformed_headers(request.version(), request.headers()));
        request.extensions_mut().insert(PeerAddress(self.peer));
        let ending = Ending(self.progress.clone());
        let application = self.application.clone();
        let refuse = self.refuse.clone();
        Box::pin(async move {
            let mut response = match malformed {
                Some(malformed) => refuse(malformed),
                None => application.oneshot(request).await?,
            };
            // After a chunked body only the parser knows where the next head begins. After a
            // malformed head the rest of the connection cannot be trusted.
            if malformed.is_some() || body == BodyLeft::Chunked || ending.0.is_stopping() {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| AnswerBody {
                body,
                _ending: ending,
            }))
        })
    }
}

/// How much of the stream is the body of a request with these headers. hyper has accepted them, so
/// `Content-Length` is a number.
fn body_left(headers: &HeaderMap) -> BodyLeft {
    if headers.contains_key(TRANSFER_ENCODING) {
        return BodyLeft::Chunked;
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    BodyLeft::Bytes(length.unwrap_or(0))
}

/// Reports the end of a request when the parser drops the answer, complete or not.
struct Ending(Progress);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// The body of the application's answer.
pub(super) struct AnswerBody {
    body: Body,
    _ending: Ending,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
