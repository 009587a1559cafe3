//! Accepts connections, up to a maximum number.
//!
//! A connection beyond the maximum gets a 503 at once and is closed. Over TLS it is closed without
//! an answer. If it stayed in the kernel's queue instead, clients and load balancers would wait
//! without knowing why.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::phase::Progress;
use super::places::{Full, Place, Places};
use super::service::ConnectionService;
use super::{RefuseMalformed, Settings, connection};

/// Pause after the system failed to accept a connection: descriptors or memory have run out, and
/// only closed connections free some.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The answers that the listener gives without the application.
pub struct Answers {
    /// The answer to a malformed request.
    pub malformed: RefuseMalformed,
    /// The answer to a connection when all places are taken: a whole HTTP/1.1 message, from status
    /// line to body.
    pub overload: Vec<u8>,
    /// The same, when the network of the peer has its share of the places, or begins too many
    /// connections a second.
    pub network_overload: Vec<u8>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {problem}")]
pub struct BindError {
    /// The address that failed.
    pub address: SocketAddr,
    /// The error of the system.
    pub problem: io::Error,
}

/// Opens a listening socket.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|problem| BindError { address, problem })
}

/// Sockets that listen but do not accept yet.
pub struct Listeners {
    sockets: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    settings: Settings,
    answers: Answers,
}

impl Listeners {
    /// Binds every address. An error names the address that failed.
    pub async fn bind(
        addresses: &[SocketAddr],
        tls: Option<Arc<ServerConfig>>,
        settings: Settings,
        answers: Answers,
    ) -> Result<Self, BindError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for &address in addresses {
            sockets.push(bind(address).await?);
        }
        Ok(Self {
            sockets,
            tls: tls.map(TlsAcceptor::from),
            settings,
            answers,
        })
    }

    /// The addresses of the sockets, with the ports that the system chose for port 0.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until `stop` completes. Then accepts only the connections that are already in the
    /// kernel's queue, closes idle connections, and gives requests in flight [`Settings::shutdown`]
    /// to finish. Connections that remain after that are dropped.
    pub async fn serve<S>(self, application: S, stop: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let grace = self.settings.shutdown;
        let (signal, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            application,
            places: Places::new(self.settings.capacity.clone()),
            overload: self.answers.overload,
            network_overload: self.answers.network_overload,
            tls: self.tls,
            settings: self.settings,
            refuse: self.answers.malformed,
            stopped,
        });
        let mut accepting = JoinSet::new();
        for socket in self.sockets {
            accepting.spawn(accept(socket, shared.clone()));
        }
        stop.await;
        signal.send_replace(true);
        // Each accept loop ends after its last connection.
        let _ = timeout(grace, async { while accepting.join_next().await.is_some() {} }).await;
    }
}

struct Shared<S> {
    application: S,
    places: Places,
    overload: Vec<u8>,
    network_overload: Vec<u8>,
    tls: Option<TlsAcceptor>,
    settings: Settings,
    refuse: RefuseMalformed,
    stopped: watch::Receiver<bool>,
}

async fn accept<S>(socket: TcpListener, shared: Arc<Shared<S>>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    // If `Settings::shutdown` is over first, this loop is dropped with its remaining connections.
    let mut connections = JoinSet::new();
    let mut stopped = shared.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => match shared.places.take(peer.ip(), Instant::now()) {
                Ok(place) => {
                    connections.spawn(serve(stream, peer, place, shared.clone()));
                }
                Err(full) => shared.shed(&stream, full),
            },
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) => {
                tracing::warn!(error = %e, "cannot accept a connection; retrying");
                sleep(BACK_OFF).await;
            }
        }
    }
    // For their clients, connections in the kernel's queue are established already: serve them, or
    // closing the socket would reset them.
    while let Some((stream, peer)) = waiting(&socket).await {
        if let Ok(place) = shared.places.take(peer.ip(), Instant::now()) {
            connections.spawn(serve(stream, peer, place, shared.clone()));
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

/// Takes a connection from the kernel's queue, if there is one.
async fn waiting(socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::select! {
        biased;
        accepted = socket.accept() => accepted.ok(),
        () = std::future::ready(()) => None,
    }
}

/// Whether the error concerns only the next connection, not the listening socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn serve<S>(stream: TcpStream, peer: SocketAddr, _place: Place, shared: Arc<Shared<S>>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    // Answers are written as a whole, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let settings = &shared.settings;
    let service = |progress: &Progress| ConnectionService {
        application: shared.application.clone(),
        peer,
        progress: progress.clone(),
        refuse: shared.refuse.clone(),
    };
    let mut stopped = shared.stopped.clone();
    let stop = Box::pin(async move {
        // An error means that the sender was dropped, which happens only after the signal.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    match &shared.tls {
        None => {
            let progress = Progress::new(settings);
            connection::drive(stream, progress.clone(), service(&progress), settings, stop).await;
        }
        Some(tls) => {
            // Failed handshakes are not logged: the peer causes them, and on the Internet they are
            // common.
            let Ok(Ok(stream)) = timeout(settings.tls_handshake, tls.accept(stream)).await else {
                return;
            };
            let progress = Progress::new(settings);
            connection::drive(stream, progress.clone(), service(&progress), settings, stop).await;
        }
    }
}

impl<S> Shared<S> {
    fn shed(&self, stream: &TcpStream, full: Full) {
        metrics::counter!("tm_auth_connections_shed_total", "reason" => full.as_str()).increment(1);
        let answer = match full {
            Full::Total => &self.overload,
            Full::Network | Full::Rate => &self.network_overload,
        };
        // The send buffer is empty, so it takes the whole answer. Over TLS no answer is possible
        // before the handshake.
        if self.tls.is_none() {
            let _ = stream.try_write(answer);
        }
    }
}
