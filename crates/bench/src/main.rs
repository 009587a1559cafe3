//! Measures mints and refreshes beside what the machine allows. Run it with `scripts/bench`; `scripts/bench postgres`
//! measures what they cost a PostgreSQL server instead ([`database`]).
//!
//! 1. The limit: CPU time of the signatures that a mint or a refresh cannot do without, in this process.
//! 2. The service: a server process of its own on loopback, driven by a bounded number of requests. What
//!    counts is the CPU time of the *server*, as the system accounts it: the load generator shares the
//!    machine, so requests per second would say more about the two of them than about the service.
//! 3. Both in turn, several times over, so that a machine whose speed drifts does so for both. Quoted are
//!    the median, the smallest and the largest, and the ratio of the medians.

mod baseline;
mod database;
mod load;
mod server;
mod statistics;

use std::path::{Path, PathBuf};

use statistics::Figure;

const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];
/// Runs of each figure.
const RUNS: usize = 5;
/// Requests per run.
const REQUESTS: usize = 2_000;

#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nothing installed a provider before");
    let mut arguments = std::env::args().skip(1);
    let what = arguments
        .next()
        .expect("usage: tm-auth-bench PATH_OF_TM_AUTH|postgres [RUNS]");
    let runs = arguments
        .next()
        .map_or(RUNS, |runs| runs.parse().expect("RUNS is a number"));
    println!(
        "machine: {}, {} cores",
        server::machine(),
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    if what == "postgres" {
        database::compare(runs).await;
    } else {
        compare(&PathBuf::from(what), runs).await;
    }
}

async fn compare(binary: &Path, runs: usize) {
    println!("n = {runs} runs of {REQUESTS} requests; CPU µs of the server per request; median (min–max)\n");
    println!(
        "{:<10} {:<6} {:>24} {:>24} {:>7}",
        "path", "alg", "server", "signatures alone", "ratio"
    );
    for algorithm in ALGORITHMS {
        let (mut mint, mut refresh) = (Figure::default(), Figure::default());
        let (mut mint_limit, mut refresh_limit) = (Figure::default(), Figure::default());
        let service = server::Server::start(binary, algorithm);
        for _ in 0..runs {
            let limit = baseline::measure(algorithm);
            mint_limit.add(limit.mint);
            refresh_limit.add(limit.refresh);
            let (minted, tokens) = load::mint(&service, REQUESTS).await;
            mint.add(minted);
            refresh.add(load::refresh(&service, tokens).await);
        }
        for (path, figure, limit) in [
            ("mint", &mint, &mint_limit),
            ("refresh", &refresh, &refresh_limit),
        ] {
            println!(
                "{path:<10} {algorithm:<6} {figure:>24} {limit:>24} {:>7.2}",
                figure.median() / limit.median()
            );
        }
    }
}
