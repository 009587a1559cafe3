//! How long a request may take to arrive and to be answered, and how large it may be.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is, or says that it is, larger than allowed. The rest was not read.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// It broke off or its chunks are malformed.
    #[error("the body broke off or is malformed")]
    Broken,
}

/// Reads a whole body of at most `most_bytes`, which has to arrive within `deadline`.
///
/// A body that announces more is refused before any of it is read (and before a client that asked
/// with `Expect: 100-continue` is told to send it).
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
        // Trailers are read over: nothing here means anything by them.
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

/// The answer was not there in time; what was being done was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request took too long")]
pub struct Overdue;

/// Gives up on `answer` after `deadline`.
pub async fn within<F: Future>(deadline: Duration, answer: F) -> Result<F::Output, Overdue> {
    timeout(deadline, answer).await.map_err(|_| Overdue)
}
