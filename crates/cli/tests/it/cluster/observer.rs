//! A client that looks on: what each node answers while something is wrong.
//!
//! 1. One task per place mints, with a key of its own, and notes each answer with the time it took.
//! 2. Another asks the same place for what has to go on without the database: JWKS, revocation list, liveness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_testing::bot::Bot;
use tokio::sync::watch;
use tokio::task::JoinSet;

const PAUSE: Duration = Duration::from_millis(50);

/// At work until it is asked what it saw.
pub(super) struct Witness {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Seen>,
}

/// What was answered.
#[derive(Default)]
pub(super) struct Seen {
    /// 503 with `Retry-After`.
    pub(super) unavailable: usize,
    /// Anything else.
    pub(super) wrong: Vec<String>,
    /// The longest wait for any answer.
    pub(super) slowest: Duration,
    /// Reads that do not need the database.
    pub(super) read: usize,
}

impl Witness {
    /// At these places, each with its bot.
    pub(super) fn start(places: &[(AuthApi, Arc<Bot>)]) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for (api, bot) in places {
            tasks.spawn(mint(api.clone(), Arc::clone(bot), stop.subscribe()));
            tasks.spawn(read(api.clone(), stop.subscribe()));
        }
        Self { stop, tasks }
    }

    pub(super) async fn stop(self) -> Seen {
        self.stop.send_replace(true);
        let mut all = Seen::default();
        for seen in self.tasks.join_all().await {
            all.unavailable += seen.unavailable;
            all.wrong.extend(seen.wrong);
            all.slowest = all.slowest.max(seen.slowest);
            all.read += seen.read;
        }
        all
    }
}

async fn mint(api: AuthApi, bot: Arc<Bot>, mut stop: watch::Receiver<bool>) -> Seen {
    let mut seen = Seen::default();
    while !*stop.borrow_and_update() {
        let began = Instant::now();
        match api.mint(&bot.challenge()).await {
            Ok(_) => {}
            Err(error) if is_unavailable(&error) => seen.unavailable += 1,
            Err(error) => seen.wrong.push(format!("{}: {error}", api.base_url())),
        }
        seen.slowest = seen.slowest.max(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

async fn read(api: AuthApi, mut stop: watch::Receiver<bool>) -> Seen {
    let mut seen = Seen::default();
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client");
    while !*stop.borrow_and_update() {
        for path in ["/.well-known/jwks.json", "/revocations", "/health/live"] {
            let url = format!("{}{path}", api.base_url());
            match http.get(&url).send().await {
                Ok(answer) if answer.status() == 200 => seen.read += 1,
                Ok(answer) => seen.wrong.push(format!("{url}: {}", answer.status())),
                Err(error) => seen.wrong.push(format!("{url}: {error}")),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

/// 503, with a word about when to ask again.
pub(super) fn is_unavailable(error: &ApiError) -> bool {
    error.status() == Some(503) && error.retry_after().is_some()
}

/// Whether a node says that it does its work.
pub(super) async fn is_ready(api: &AuthApi) -> bool {
    let url = format!("{}/health/ready", api.base_url());
    match reqwest::get(&url).await {
        Ok(answer) => match answer.status().as_u16() {
            200 => true,
            503 => false,
            other => panic!("{url} is neither ready nor not: {other}"),
        },
        Err(error) => panic!("{url}: {error}"),
    }
}
