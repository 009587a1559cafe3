//! Between the HTTP parser and the application.

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

/// Who connected; found in a request's extensions. Behind a proxy, the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The application as one connection sees it.
pub(super) struct ConnectionService<S> {
    pub(super) application: S,
    pub(super) peer: SocketAddr,
    pub(super) progress: Progress,
    pub(super) refuse: RefuseMalformed,
}

/// Nothing in it is ever pinned; the parser asks for this in order to give the socket back.
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
            // After a chunked body the next head's beginning is known to the parser only; after a
            // malformed head nothing on this connection is to be believed.
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

/// The parser has accepted these headers, so a length is a number.
fn body_left(headers: &HeaderMap) -> BodyLeft {
    if headers.contains_key(TRANSFER_ENCODING) {
        return BodyLeft::Chunked;
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    BodyLeft::Bytes(length.unwrap_or(0))
}

/// Reports the end of a request when the parser lets go of the answer, however that comes about.
struct Ending(Progress);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// The application's answer.
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
