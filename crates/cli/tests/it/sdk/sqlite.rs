//! Runs the SDK against `tm-auth dev`, which uses SQLite.

use std::sync::Arc;

use tm_auth_server::clock::ManualClock;
use tm_auth_server::{App, Config, serve};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_verifier::SystemClock;

use super::{TestClock, run, verifier};
use crate::dev::{Dev, now};
use crate::platform;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_mints_and_refreshes() {
    against_dev("mints_and_refreshes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_calls_the_platform() {
    against_dev("calls_the_platform").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_refused_with_an_ended_session_and_mints_again() {
    against_dev("an_ended_session_is_refused_and_a_new_mint_works").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_refused_everywhere_with_a_revoked_key() {
    let dev = Dev::start(&[]);
    let uid = dev.demo_account().await;
    let token = dev.management_token(&uid);
    run(
        &dev.key_file(),
        &start_platform(&dev).await,
        &["a_revoked_key_is_refused_everywhere", &token],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_refreshes_an_expired_token_by_itself() {
    in_this_process(&["an_expired_token_is_refreshed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e19_a_hundred_threads_of_one_sdk_client_survive_two_expiries() {
    in_this_process(&["threads_of_one_client_refresh_at_two_expiries", "100"]).await;
}

/// Runs the service in this process, on the folder that `dev` created, so that the scenario can
/// advance the clocks of the service and the verifier.
async fn in_this_process(arguments: &[&str]) {
    let mut dev = Dev::start(&[]);
    dev.stop();
    let clock = Arc::new(ManualClock::new(now()));
    let mut config = Config::load(Some(&dev.config_file()), []).expect("the configuration of `dev` is valid");
    let store = sqlite::open(&SqliteOptions {
        path: config.database.file().expect("`dev` uses SQLite").to_owned(),
        role: Role::Server,
        synchronous: Synchronous::Full,
    })
    .expect("the database of `dev` opens");
    config.network.listen = vec![dev.address()];
    let app = App::start(config, Arc::new(store), Arc::clone(&clock) as _)
        .await
        .expect("the service starts");
    let bound = serve::bind(app).await.expect("the port of `dev` is free again");
    tokio::spawn(bound.serve(std::future::pending()));

    let verifier = verifier(dev.origin(), TestClock(Arc::clone(&clock))).await;
    let advance = Arc::new(move |by| clock.advance(by));
    let origin = platform::start(dev.origin(), verifier, advance).await;
    run(&dev.key_file(), &origin, arguments);
}

/// Runs a scenario against `tm-auth dev`.
async fn against_dev(scenario: &str) {
    let dev = Dev::start(&[]);
    run(&dev.key_file(), &start_platform(&dev).await, &[scenario]);
}

/// Starts a stand-in for the platform in front of the sandbox. Returns its origin.
async fn start_platform(dev: &Dev) -> String {
    let verifier = verifier(dev.origin(), SystemClock).await;
    platform::start(dev.origin(), verifier, Arc::new(|_| {})).await
}
