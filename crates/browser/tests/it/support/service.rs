//! Runs the service in this process on a real database and a loopback port.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use tempfile::TempDir;
use tm_auth_proto::Environment;
use tm_auth_server::config::{Database, Kek, SigningAlgorithm};
use tm_auth_server::{App, Config, serve};
use tm_auth_store::Store;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_testing::postgres::Postgres;
use tokio::sync::oneshot;

use super::clock::ShiftedClock;

/// A running service. Dropping it stops the service.
pub(crate) struct Service {
    /// `http://localhost:PORT`, which browsers treat as a secure context.
    pub(crate) origin: String,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) app: Arc<App>,
    _folder: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_on_postgres() -> Self {
        Self::start_with(|config| {
            config.database = Database::Postgres {
                url: Postgres::shared().database().parse().unwrap(),
                max_connections: 8,
            };
        })
        .await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let port = reserve_port();
        let origin = format!("http://localhost:{port}");
        let folder = TempDir::new().expect("a folder can be created");
        let path = folder.path().join("tm-auth.db");
        let kek = Kek::new(std::array::from_fn(|index| {
            u8::try_from(index * 5 % 251).unwrap() ^ 0x3c
        }))
        .unwrap();
        let public_url = format!("{origin}/v1/auth").parse().unwrap();
        let mut config = Config::new(Environment::Uat, public_url, path, kek);
        config.network.listen = vec![([127, 0, 0, 1], port).into()];
        // Creating RSA keys is slow.
        config.tokens.algorithm = SigningAlgorithm::ES256;
        change(&mut config);
        let config = config.check().unwrap();

        let store = open(&config.database).await;
        let clock = Arc::new(ShiftedClock::default());
        let app = App::start(config, store, Arc::clone(&clock) as _).await.unwrap();
        let bound = serve::bind(Arc::clone(&app)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(bound.serve(async {
            stopped.await.ok();
        }));
        Self {
            origin,
            clock,
            app,
            _folder: folder,
            _stop: stop,
        }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }
}

async fn open(database: &Database) -> Arc<Store> {
    match database {
        Database::Sqlite { path } => {
            let options = SqliteOptions {
                path: path.clone(),
                role: Role::Server,
                synchronous: Synchronous::Full,
            };
            Arc::new(sqlite::open(&options).unwrap())
        }
        Database::Postgres { url, max_connections } => {
            let options = PostgresOptions {
                url: url.expose().to_owned(),
                max_connections: *max_connections,
            };
            Arc::new(postgres::open(&options).await.unwrap())
        }
    }
}

/// Reserves a port, since the issuer URL contains the port before the service binds it. The port is
/// below the range that Linux uses for outgoing connections, so that none of them gets it.
fn reserve_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    /// A bound UDP socket of the same number reserves the port: another process of these tests
    /// cannot bind it, but the service can bind TCP.
    static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let try_reserve = |port: u16| {
        let reservation = UdpSocket::bind(("127.0.0.1", port)).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        RESERVED.lock().unwrap().push(reservation);
        Some(port)
    };
    let offset = u16::try_from(std::process::id() % 24 * 500).unwrap();
    std::iter::repeat_with(|| 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000)
        .find_map(try_reserve)
        .unwrap()
}
