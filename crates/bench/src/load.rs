//! A load of a fixed number of requests with bounded concurrency. Every request must succeed.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::server::Server;

/// The number of concurrent requests.
const CONCURRENCY: usize = 32;

/// Mints. Returns the server's CPU time per request in µs, and the refresh tokens.
pub(crate) async fn mint(server: &Server, requests: usize) -> (f64, Vec<String>) {
    let bodies: Vec<_> = (0..requests)
        .map(|_| {
            server
                .signer
                .mint_request(server.key_id, now())
                .expect("signing works")
        })
        .collect();
    let before = server.cpu();
    let tokens = all(bodies, |body| {
        let api = server.api.clone();
        async move { api.mint(&body).await.expect("a mint succeeds").refresh_token }
    })
    .await;
    (per_request(server.cpu() - before, requests), tokens)
}

/// Refreshes each token once. Returns the server's CPU time per request in µs.
pub(crate) async fn refresh(server: &Server, tokens: Vec<String>) -> f64 {
    let requests = tokens.len();
    let before = server.cpu();
    all(tokens, |token| {
        let api = server.api.clone();
        async move { api.refresh(&token).await.expect("a refresh succeeds") }
    })
    .await;
    per_request(server.cpu() - before, requests)
}

async fn all<I, O: Send + 'static, F: Future<Output = O> + Send + 'static>(
    inputs: Vec<I>,
    ask: impl Fn(I) -> F,
) -> Vec<O> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    for input in inputs {
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .expect("the semaphore stays open");
        let request = ask(input);
        tasks.spawn(async move {
            let answer = request.await;
            drop(permit);
            answer
        });
    }
    tasks.join_all().await
}

#[allow(clippy::cast_precision_loss, reason = "thousands")]
fn per_request(cpu: f64, requests: usize) -> f64 {
    cpu / requests as f64
}

#[allow(
    clippy::disallowed_methods,
    reason = "a load generator signs with the real time"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
