//! Accepting connections, with a bound on how many there are.
//!
//! When all places are taken, a new connection is answered 503 at once and closed. Leaving it in
//! the kernel's queue instead would make clients and load balancers wait for a place without
//! knowing that there is none.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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

/// How long accepting rests after the system refused a socket: descriptors or memory have run out,
/// and only connections that end give some back.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What the listener answers by itself.
pub struct Answers {
    /// To a request that it does not pass on to the application.
    pub malformed: RefuseMalformed,
    /// To a connection when all places are taken: a whole HTTP/1.1 message, status line to body.
    pub overload: Vec<u8>,
    /// The same, when the network of the peer has its share of the places.
    pub network_overload: Vec<u8>,
}

/// A socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {problem}")]
pub struct BindError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// What the system says.
    pub problem: io::Error,
}

/// Opens one socket that listens.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|problem| BindError { address, problem })
}

/// Sockets that are bound and listen.
pub struct Listeners {
    sockets: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    settings: Settings,
    answers: Answers,
}

impl Listeners {
    /// Binds every address; an error names the one that could not be had.
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

    /// Where it listens; tells the ports that the system chose.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until `stop` is done. Then nothing more is accepted, idle connections are closed, and
    /// requests in flight have [`Settings::shutdown`] to be answered; what is left after that is
    /// cut off.
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
        // Each accept loop ends when its connections have.
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
    // Dropped with this loop, and with it what is left when the grace is over.
    let mut connections = JoinSet::new();
    let mut stopped = shared.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => match shared.places.take(peer.ip()) {
                Ok(place) => {
                    connections.spawn(serve(stream, peer, place, shared.clone()));
                }
                Err(full) => shared.shed(&stream, full),
            },
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) => {
                tracing::warn!(error = %e, "cannot accept a connection; trying again");
                sleep(BACK_OFF).await;
            }
        }
    }
    // Who is connected already, as far as the kernel is concerned, is not reset but served.
    while let Some((stream, peer)) = waiting(&socket).await {
        if let Ok(place) = shared.places.take(peer.ip()) {
            connections.spawn(serve(stream, peer, place, shared.clone()));
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

/// The next connection, if there is one at this moment.
async fn waiting(socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::select! {
        biased;
        accepted = socket.accept() => accepted.ok(),
        () = std::future::ready(()) => None,
    }
}

/// The connection that was next is gone; the socket is sound.
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
    // Answers are written whole; waiting for more to send would only delay them.
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
        // An error means that the sender is gone, which it is only after the signal.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    match &shared.tls {
        None => {
            let progress = Progress::new(settings);
            connection::drive(stream, progress.clone(), service(&progress), settings, stop).await;
        }
        Some(tls) => {
            // A failed handshake is the peer's affair and, on the open Internet, too common to be
            // logged.
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
            Full::Network => &self.network_overload,
        };
        // An empty send buffer takes it whole. Over TLS there is nothing to be said before the
        // handshake.
        if self.tls.is_none() {
            let _ = stream.try_write(answer);
        }
    }
}
