//! Reads a request body with a limit on size and time, and limits the time of an answer.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than allowed, or its `Content-Length` is. The rest was not read.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// The body did not arrive within the deadline.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The body broke off, or its chunks are malformed.
    #[error("the body broke off or is malformed")]
    Broken,
}

/// Reads a whole body of at most `most_bytes` within `deadline`.
///
/// If `Content-Length` is larger, the body is refused before any of it is read, and a client that
/// sent `Expect: 100-continue` gets no 100.
pub async fn read_body<B>(body: B, most_bytes: usize, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
{
    if body.size_hint().lower() > most_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    timeout(deadline, collect(body, most_bytes))
        .await
        .unwrap_or(Err(BodyError::TooSlow))
}

async fn collect<B: Body<Data = Bytes>>(body: B, most_bytes: usize) -> Result<Bytes, BodyError> {
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if data.len() > most_bytes - whole.len() {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The answer was not ready within the deadline, so its future was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request took too long")]
pub struct Overdue;

/// Awaits `answer`, and drops it after `deadline`.
pub async fn within<F: Future>(deadline: Duration, answer: F) -> Result<F::Output, Overdue> {
    timeout(deadline, answer).await.map_err(|_| Overdue)
}
