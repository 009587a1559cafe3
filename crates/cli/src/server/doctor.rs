//! `tm-auth doctor`: what an operator would check by hand, in the order in which things depend on each other.

use tm_auth_server::clock::Clock;
use tm_auth_store::error::Chain;

use super::{ConfigArgs, Failure, Outcome, deployment};

pub(super) async fn run(args: &ConfigArgs) -> Outcome {
    let config = args.load()?;
    good(
        "configuration",
        &format!("{}, {}", config.environment, config.public_url.as_str()),
    );
    let pending = deployment::pending_migrations(&config).await?;
    if !pending.is_empty() {
        return Err(Failure(format!(
            "schema: {} pending, run `tm-auth migrate`",
            pending.join(", ")
        )));
    }
    let deployment = args.open().await?;
    good("database", &config.database.to_string());
    deployment
        .store
        .ping()
        .await
        .map_err(|error| Failure(format!("database: takes no writes: {}", Chain(&error))))?;
    good("writes", "the database takes them");
    let keys = deployment.signing_keys();
    let listed = keys.list().await?;
    if listed.is_empty() {
        good("signing keys", "none yet; the first start makes them");
    } else {
        let ring = keys.ring().await?;
        good(
            "signing keys",
            &format!("{} in the database, {} signs", listed.len(), ring.signing().kid()),
        );
    }
    match &config.network.forwarding_proxies() {
        [] => good("client addresses", "those that connect; no proxy is trusted"),
        proxies => good(
            "client addresses",
            &format!("from X-Forwarded-For of {} trusted networks", proxies.len()),
        ),
    }
    good(
        "clock",
        &format!(
            "{} (UTC); compare it with a clock you trust",
            deployment.clock.now()
        ),
    );
    Ok(())
}

fn good(what: &str, detail: &str) {
    println!("ok  {what}: {detail}");
}
