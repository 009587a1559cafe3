//! Runs one connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep, timeout};

use super::Settings;
use super::phase::{Progress, Waiting};
use super::service::AnswerBody;
use super::stream::WatchedStream;

/// How long [`linger`] reads, and how many bytes.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// How long an idle connection stays open after the signal to stop. A request may already be on its
/// way, and if the connection closed, a proxy could not know whether the request was processed.
const LAST_CALL: Duration = Duration::from_millis(100);

/// Why a connection ended.
enum End {
    /// The parser finished: a side closed the connection, an answer said so, or an error occurred.
    Done,
    /// The peer missed this deadline.
    Overdue(Waiting),
    /// The service stops, and no answer is pending on this connection.
    Stopped,
}

/// Serves one connection until the peer, a deadline or `stop` ends it.
pub(super) async fn drive<T, S>(
    io: T,
    progress: Progress,
    service: S,
    settings: &Settings,
    stop: impl Future<Output = ()>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: hyper::service::Service<Request, Response = http::Response<AnswerBody>> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = http1::Builder::new()
        // `phase` has the deadlines for heads and for idle connections; see `lib.rs`.
        .header_read_timeout(None)
        .max_header_size(settings.header_bytes)
        .serve_connection(WatchedStream::new(io, progress.clone()), service);

    let mut stop = pin!(stop);
    let mut last_call: Option<Instant> = None;
    let mut timer = pin!(sleep(settings.first_byte));
    let end = poll_fn(|cx| {
        loop {
            // Errors are ignored: the peer broke the protocol and hyper has answered, or the peer
            // is gone.
            if connection.poll_without_shutdown(cx).is_ready() {
                return Poll::Ready(End::Done);
            }
            if progress.take_reopened() {
                continue;
            }
            if last_call.is_none() && stop.as_mut().poll(cx).is_ready() {
                progress.stop();
                last_call = Some(Instant::now() + LAST_CALL);
            }
            let stopped = last_call
                .filter(|_| progress.is_idle())
                .map(|until| (until, End::Stopped));
            let overdue = progress
                .deadline()
                .map(|(until, waiting)| (until, End::Overdue(waiting)));
            let Some((until, end)) = stopped.or(overdue) else {
                return Poll::Pending;
            };
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            return timer.as_mut().poll(cx).map(|()| end);
        }
    })
    .await;

    match end {
        End::Done => linger(connection.into_parts().io.into_inner()).await,
        End::Stopped => drop(connection),
        End::Overdue(waiting) => {
            metrics::counter!("tm_auth_connections_overdue_total", "waiting_for" => waiting.as_str())
                .increment(1);
        }
    }
}

type Request = http::Request<Incoming>;

/// Shuts down the sending side and keeps reading for a moment. If the connection closed with unread
/// bytes from the peer, the system would reset it, and the peer might lose the answer.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let mut left = LINGER_BYTES;
    let mut is_shut = false;
    let closing = poll_fn(|cx| {
        if !is_shut {
            ready!(Pin::new(&mut io).poll_shutdown(cx))?;
            is_shut = true;
        }
        loop {
            let mut sink = [0; 4096];
            let mut sink = ReadBuf::new(&mut sink);
            ready!(Pin::new(&mut io).poll_read(cx, &mut sink))?;
            left = left.saturating_sub(sink.filled().len());
            if sink.filled().is_empty() || left == 0 {
                return Poll::Ready(std::io::Result::Ok(()));
            }
        }
    });
    // Errors are ignored: the answer was sent and the connection is over.
    let _ = timeout(LINGER, closing).await;
}
