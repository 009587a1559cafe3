//! The bytes of a connection, between the socket and the HTTP parser.
//!
//! The parser gets one message at a time. Otherwise it would read ahead, and the head of a
//! pipelined request would reach it without being scanned.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::phase::{Gate, Progress};

/// Bytes per read from the socket. They are read to the stack, so an idle connection holds no
/// buffer.
const CHUNK: usize = 4096;

pub(super) struct WatchedStream<T> {
    inner: T,
    progress: Progress,
    /// Bytes that were read from the socket but not handed to the parser yet.
    held: BytesMut,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WatchedStream<T> {
    pub(super) fn new(inner: T, progress: Progress) -> Self {
        Self {
            inner,
            progress,
            held: BytesMut::new(),
        }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    /// Reads more bytes into `held`. Returns 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        self.held.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Hands the parser the bytes that the gate allows. Returns false if there are none.
    fn hand_over(&mut self, buf: &mut ReadBufCursor<'_>) -> bool {
        let most = self.held.len().min(buf.remaining());
        let length = match self.progress.gate() {
            // If the parser wants more than a complete head, the deadline for heads ends the
            // connection.
            Gate::Head if self.progress.head_is_complete() => 0,
            Gate::Head => self.progress.scan_head(&self.held[..most]),
            Gate::Body(left) => {
                let length = most.min(left);
                self.progress.body_handed_over(length);
                length
            }
            Gate::Closed => 0,
        };
        buf.put_slice(&self.held[..length]);
        self.held.advance(length);
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
        length > 0
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Read for WatchedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !this.held.is_empty() {
                // No waker is needed: the driver polls again when the gate has opened.
                return if this.hand_over(&mut buf) {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            if ready!(this.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> WatchedStream<T> {
    /// Starts the write deadline if the write is blocked.
    fn report<R>(&self, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_pending() {
            self.progress.write_blocked();
        }
        written
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Write for WatchedStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.report(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.report(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// The parser calls this after it has written its whole buffer, so a finished flush ends the
    /// write deadline.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() {
            self.progress.all_written();
        }
        self.report(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.report(shut)
    }
}
