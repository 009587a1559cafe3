//! Measures the CPU time of mints and refreshes. Run it with `scripts/bench`; `scripts/bench
//! postgres` measures the CPU time of the PostgreSQL server instead ([`database`]), and `scripts/bench
//! flood` how long a mint takes while another client floods the service ([`flood`]).
//!
//! 1. The baseline: the CPU time of the signatures that every mint and refresh needs, in this
//!    process.
//! 2. The service: the CPU time that the server process uses for a fixed number of requests on
//!    loopback. Requests per second would be misleading, since the load generator shares the
//!    machine.
//! 3. Both are measured in turn, several times, so that a drift in the machine's speed affects
//!    both. The output has the median, minimum and maximum, and the ratio of the medians.

mod baseline;
mod database;
mod flood;
mod load;
mod server;
mod statistics;

use std::path::{Path, PathBuf};

use statistics::Samples;

const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];
/// The default number of runs.
const RUNS: usize = 5;
/// The number of requests per run.
const REQUESTS: usize = 2_000;

#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("no provider is installed yet");
    let mut arguments = std::env::args().skip(1);
    let what = arguments
        .next()
        .expect("usage: tm-auth-bench PATH_OF_TM_AUTH|flood:PATH_OF_TM_AUTH|postgres [RUNS]");
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
    } else if let Some(binary) = what.strip_prefix("flood:") {
        flood::measure(&server::Server::start(Path::new(binary), "ES256")).await;
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
        let (mut mint, mut refresh) = (Samples::default(), Samples::default());
        let (mut mint_baseline, mut refresh_baseline) = (Samples::default(), Samples::default());
        let service = server::Server::start(binary, algorithm);
        for _ in 0..runs {
            let baseline = baseline::measure(algorithm);
            mint_baseline.add(baseline.mint);
            refresh_baseline.add(baseline.refresh);
            let (minted, tokens) = load::mint(&service, REQUESTS).await;
            mint.add(minted);
            refresh.add(load::refresh(&service, tokens).await);
        }
        for (path, samples, baseline) in [
            ("mint", &mint, &mint_baseline),
            ("refresh", &refresh, &refresh_baseline),
        ] {
            println!(
                "{path:<10} {algorithm:<6} {samples:>24} {baseline:>24} {:>7.2}",
                samples.median() / baseline.median()
            );
        }
    }
}
