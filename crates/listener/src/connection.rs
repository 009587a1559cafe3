//! One connection, from its first byte to its end.

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

/// How long, and how much, is read after an answer that ended the connection.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// How long an idle connection is still listened to after the signal to stop: a request may be on
/// its way already, and a proxy cannot tell whether one that was cut off had been acted upon.
const LAST_CALL: Duration = Duration::from_millis(100);

/// How a connection ended.
enum End {
    /// By the protocol: either side closed, or the answer said so.
    Done,
    /// The peer kept us waiting.
    Overdue(Waiting),
    /// The service stops and no client waits for an answer on this connection.
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
        // See the module `listener`: the deadlines for heads and for idleness are ours.
        .header_read_timeout(None)
        .max_header_size(settings.header_bytes)
        .serve_connection(WatchedStream::new(io, progress.clone()), service);

    let mut stop = pin!(stop);
    let mut last_call: Option<Instant> = None;
    let mut timer = pin!(sleep(settings.first_byte));
    let end = poll_fn(|cx| {
        loop {
            // Errors are the peer's: it broke the protocol and was told, or it went away.
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
        // Without this a client that is still sending would be reset and might never see its
        // answer.
        End::Done => linger(connection.into_parts().io.into_inner()).await,
        End::Stopped => drop(connection),
        End::Overdue(waiting) => {
            metrics::counter!("tm_auth_connections_overdue_total", "waiting_for" => waiting.as_str())
                .increment(1);
        }
    }
}

type Request = http::Request<Incoming>;

/// Closes our direction and reads on for a moment, so that what the peer still sends does not reset
/// the connection before the answer was read.
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
    // Whatever goes wrong now, the answer was given and the connection is over.
    let _ = timeout(LINGER, closing).await;
}
