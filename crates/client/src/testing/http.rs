//! The HTTP server of the stand-in: one task per connection, until the accepting task is aborted.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::net::TcpListener;

use super::issuer::{SeenRequest, Shared};

/// A response before it is encoded as HTTP.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
    /// The value of the `Date` header.
    pub(super) date: Timestamp,
    pub(super) request_id: String,
}

/// Closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the response was lost on purpose")]
pub(super) struct Lost;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped, and so ends every connection, when the accepting task is aborted.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| respond(Arc::clone(&shared), request));
            // Ignore the error: the client, or the test by `lose_responses`, closed the connection.
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let authorization = head
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let seen = SeenRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        authorization,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = shared.respond(seen).await.ok_or(Lost)?;
    Ok(encode(reply))
}

fn encode(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&reply.date);
    let headers = [
        ("content-type", Some(reply.content_type)),
        ("x-request-id", Some(reply.request_id)),
        ("date", date.ok()),
        (
            "retry-after",
            reply.retry_after.map(|seconds| seconds.to_string()),
        ),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
