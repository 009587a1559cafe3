//! A connection that reads nothing ahead until TLS starts.
//!
//! RFC 3207 section 4.2: "The client MUST discard any knowledge obtained from the server […] which
//! was not obtained from the TLS negotiation itself." An attacker on the network can append replies
//! to the answer to STARTTLS. A buffering reader would hold them and take them for replies that
//! came through TLS. With byte-wise reads they stay in the socket, where they break the handshake.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The first byte of a TLS handshake (RFC 8446 section 5.1). No SMTP command begins with it.
const HANDSHAKE: u8 = 22;

#[derive(Debug)]
pub(super) struct ByteWise {
    stream: TcpStream,
    in_tls: bool,
}

impl ByteWise {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            in_tls: false,
        }
    }
}

impl AsyncTokioStream for ByteWise {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for ByteWise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.in_tls {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteWise {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_tls |= bytes.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
