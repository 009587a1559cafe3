//! Whether Apple can be reached, if Sign in with Apple is offered.

use std::error::Error;
use std::time::Instant;

use jiff::SignedDuration;
use reqwest::header::DATE;
use reqwest::redirect::Policy;
use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};

use super::report::{Verdict, fail, in_time, ok};

/// Fetches Apple's keys. Returns also this machine's time minus Apple's, if its answer has a date.
pub(super) async fn reach(config: &Config) -> (Verdict, Option<SignedDuration>) {
    let Some(apple) = &config.apple else {
        return (ok("Sign in with Apple is not configured"), None);
    };
    let url = format!("{}/auth/keys", apple.issuer);
    match in_time(fetch(&url)).await {
        Ok((200, ahead)) => (ok(format!("{url} answers")), ahead),
        Ok((status, ahead)) => (
            fail(format!("{url} answered {status}: correct `apple.issuer`")),
            ahead,
        ),
        Err(problem) => (
            fail(format!(
                "{url} cannot be reached: {problem}; allow connections to it, or users cannot sign in with Apple"
            )),
            None,
        ),
    }
}

async fn fetch(url: &str) -> Result<(u16, Option<SignedDuration>), String> {
    let client = reqwest::Client::builder().redirect(Policy::none()).build();
    let client = client.map_err(|error| chain(&error))?;
    let (asked, stopwatch) = (SystemClock.now(), Instant::now());
    let answer = client.get(url).send().await.map_err(|error| chain(&error))?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let ahead = date.and_then(|date| {
        let half = SignedDuration::try_from(stopwatch.elapsed() / 2).ok()?;
        let date = jiff::fmt::rfc2822::parse(date).ok()?;
        Some((asked + half).duration_since(date.timestamp()))
    });
    Ok((answer.status().as_u16(), ahead))
}

fn chain(error: &dyn Error) -> String {
    tm_auth_store::error::Chain(error).to_string()
}
