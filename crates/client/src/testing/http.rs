//! The stand-in's HTTP: one task per connection, until the listener goes.

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

use super::issuer::{Seen, Shared};

/// An answer before it is one of HTTP.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
    /// What the `Date` header says.
    pub(super) date: Timestamp,
    pub(super) request_id: String,
}

/// The peer goes away without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost on purpose")]
pub(super) struct Lost;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Ends every connection when the accepting task is aborted.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // A connection that the client or a fault switch cut is none of the stand-in's failures.
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let authorization = head
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        authorization,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = shared.answer(seen).await.ok_or(Lost)?;
    Ok(response(reply))
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
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
