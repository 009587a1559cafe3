//! Observes the answers of each endpoint during a fault. Each endpoint has two tasks:
//!
//! 1. One mints with its own key, counts 503 and records other errors and the longest wait.
//! 2. One reads what must work without the database: JWKS, revocation list and liveness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_testing::bot::Bot;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The pause between two requests of a task.
const PAUSE: Duration = Duration::from_millis(50);

/// Running observation tasks.
pub(super) struct Observer {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Observations>,
}

/// The observed answers.
#[derive(Default)]
pub(super) struct Observations {
    /// The number of mints that got 503 with `Retry-After`.
    pub(super) unavailable: usize,
    /// All other failed mints, and all failed reads.
    pub(super) wrong: Vec<String>,
    /// The longest wait for the answer to a mint.
    pub(super) slowest: Duration,
    /// The number of successful reads that do not need the database.
    pub(super) read: usize,
}

impl Observer {
    /// Starts observing these endpoints. Each has its own bot.
    pub(super) fn start(endpoints: &[(AuthApi, Arc<Bot>)]) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for (api, bot) in endpoints {
            tasks.spawn(observe_mints(api.clone(), Arc::clone(bot), stop.subscribe()));
            tasks.spawn(observe_reads(api.clone(), stop.subscribe()));
        }
        Self { stop, tasks }
    }

    /// Stops and returns the observations.
    pub(super) async fn stop(self) -> Observations {
        self.stop.send_replace(true);
        let mut all = Observations::default();
        for observed in self.tasks.join_all().await {
            all.unavailable += observed.unavailable;
            all.wrong.extend(observed.wrong);
            all.slowest = all.slowest.max(observed.slowest);
            all.read += observed.read;
        }
        all
    }
}

async fn observe_mints(api: AuthApi, bot: Arc<Bot>, mut stop: watch::Receiver<bool>) -> Observations {
    let mut observed = Observations::default();
    while !*stop.borrow_and_update() {
        let started = Instant::now();
        match api.mint(&bot.challenge()).await {
            Ok(_) => {}
            Err(error) if is_unavailable(&error) => observed.unavailable += 1,
            Err(error) => observed.wrong.push(format!("{}: {error}", api.base_url())),
        }
        observed.slowest = observed.slowest.max(started.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    observed
}

async fn observe_reads(api: AuthApi, mut stop: watch::Receiver<bool>) -> Observations {
    let mut observed = Observations::default();
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("the HTTP client can be built");
    while !*stop.borrow_and_update() {
        for path in ["/.well-known/jwks.json", "/revocations", "/health/live"] {
            let url = format!("{}{path}", api.base_url());
            match http.get(&url).send().await {
                Ok(answer) if answer.status() == 200 => observed.read += 1,
                Ok(answer) => observed.wrong.push(format!("{url}: {}", answer.status())),
                Err(error) => observed.wrong.push(format!("{url}: {error}")),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    observed
}

/// Whether the answer was 503 with `Retry-After`.
pub(super) fn is_unavailable(error: &ApiError) -> bool {
    error.status() == Some(503) && error.retry_after().is_some()
}

/// Whether a node reports that it is ready.
pub(super) async fn is_ready(api: &AuthApi) -> bool {
    let url = format!("{}/health/ready", api.base_url());
    match reqwest::get(&url).await {
        Ok(answer) => match answer.status().as_u16() {
            200 => true,
            503 => false,
            other => panic!("{url} answered {other}"),
        },
        Err(error) => panic!("{url}: {error}"),
    }
}
