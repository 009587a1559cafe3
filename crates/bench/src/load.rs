//! Sends a fixed number of requests with bounded concurrency. Every request must succeed.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::server::Server;

/// The number of concurrent requests.
const CONCURRENCY: usize = 32;

/// Sends this many mint requests. Returns the server's CPU time per request, in µs, and the refresh
/// tokens.
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
    let tokens = send_all(bodies, |body| {
        let api = server.api.clone();
        async move { api.mint(&body).await.expect("a mint succeeds").refresh_token }
    })
    .await;
    (per_request(server.cpu() - before, requests), tokens)
}

/// Refreshes each token once. Returns the server's CPU time per request, in µs.
pub(crate) async fn refresh(server: &Server, tokens: Vec<String>) -> f64 {
    let requests = tokens.len();
    let before = server.cpu();
    send_all(tokens, |token| {
        let api = server.api.clone();
        async move { api.refresh(&token).await.expect("a refresh succeeds") }
    })
    .await;
    per_request(server.cpu() - before, requests)
}

/// Sends one request per input, at most [`CONCURRENCY`] at a time. Returns the results in no
/// particular order.
async fn send_all<I, O: Send + 'static, F: Future<Output = O> + Send + 'static>(
    inputs: Vec<I>,
    send: impl Fn(I) -> F,
) -> Vec<O> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    for input in inputs {
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .expect("the semaphore stays open");
        let request = send(input);
        tasks.spawn(async move {
            let result = request.await;
            drop(permit);
            result
        });
    }
    tasks.join_all().await
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a few thousand requests are exact in f64"
)]
fn per_request(cpu: f64, requests: usize) -> f64 {
    cpu / requests as f64
}

#[allow(
    clippy::disallowed_methods,
    reason = "a load generator signs with the real time"
)]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
