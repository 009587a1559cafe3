//! `tm-auth doctor`: checks what the service needs, each thing after those it depends on.

use tm_auth_server::clock::Clock;
use tm_auth_server::{Config, open_files};
use tm_auth_store::error::Chain;

use super::{ConfigArgs, Failure, Outcome, deployment};
use crate::output;

pub(super) async fn run(args: &ConfigArgs) -> Outcome {
    let config = args.load()?;
    passed(
        "configuration",
        &format!("{}, {}", config.environment, config.public_url.as_str()),
    )?;
    let pending = deployment::pending_migrations(&config).await?;
    if !pending.is_empty() {
        return Err(Failure(format!(
            "schema: pending migrations {}: run `tm-auth migrate`",
            pending.join(", ")
        )));
    }
    let deployment = args.open().await?;
    passed("database", &config.database.to_string())?;
    deployment
        .store
        .ping()
        .await
        .map_err(|error| Failure(format!("writes: {}", Chain(&error))))?;
    passed("writes", "the database accepts them")?;
    let keys = deployment.signing_keys();
    let listed = keys.list().await?;
    if listed.is_empty() {
        passed("signing keys", "none yet; the first start creates them")?;
    } else {
        let ring = keys.ring().await?;
        passed(
            "signing keys",
            &format!("{} in the database; {} signs", listed.len(), ring.signing().kid()),
        )?;
    }
    match &config.network.forwarding_proxies() {
        [] => passed("client addresses", "from the connection; no proxy is trusted"),
        proxies => passed(
            "client addresses",
            &format!(
                "from X-Forwarded-For of {} trusted proxies or networks",
                proxies.len()
            ),
        ),
    }?;
    access_tokens(&config)?;
    connections(&config)?;
    passed(
        "clock",
        &format!(
            "{} (UTC); compare it with a clock you trust",
            deployment.clock.now()
        ),
    )
}

/// Warns if access tokens expire before some clients renew them.
fn access_tokens(config: &Config) -> Outcome {
    let lifetime = config.tokens.access_ttl_seconds;
    if config.tokens.expire_before_clients_renew() {
        output::print(format_args!(
            "warning  access tokens: they live {lifetime} s, but there are clients that keep an access token \
             for 55 to 58 minutes; set `tokens.access_ttl_seconds` to 3600"
        ))?;
        Ok(())
    } else {
        passed("access tokens", &format!("they live {lifetime} s"))
    }
}

/// Warns if the limit of open files allows fewer connections than are configured.
fn connections(config: &Config) -> Outcome {
    let places = open_files::places(config, open_files::raise_limit());
    let capacity = &places.capacity;
    match places.needed {
        None => passed(
            "connections",
            &format!("{}, {} per network", capacity.total, capacity.per_network),
        ),
        Some(needed) => Ok(output::print(format_args!(
            "warning  connections: the limit of open files allows {} of the {} in `limits.max_connections`; \
             raise the hard limit to {needed} (`LimitNOFILE` in systemd), or lower the setting",
            capacity.total, config.limits.max_connections
        ))?),
    }
}

fn passed(what: &str, detail: &str) -> Outcome {
    Ok(output::print(format_args!("ok  {what}: {detail}"))?)
}
