//! `tm-auth serve`.

use std::sync::Arc;

use tm_auth_server::clock::SystemClock;
use tm_auth_server::serve::{Bound, bind};
use tm_auth_server::{App, Config};
use tm_auth_store::sqlite::Role;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgs, Outcome, deployment, logging};

pub(super) async fn run(args: &ConfigArgs) -> Outcome {
    logging::start();
    let config = args.load()?;
    logging::init(&config.log);
    // SIGHUP during the start must not kill the process either. SIGTERM and SIGINT do until it serves.
    let _hang_up = signal(SignalKind::hangup())?;
    let public_url = config.public_url.as_str().to_owned();
    let bound = start(config).await?;
    for address in bound.addresses()? {
        tracing::info!(%address, public_url, "ready");
    }
    bound.serve(stop(Hangup::Ignored)?).await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the database as the server and binds the sockets.
pub(super) async fn start(config: Config) -> Result<Bound, super::Failure> {
    let store = deployment::open(&config, Role::Server).await?;
    let app = App::start(config, store, Arc::new(SystemClock)).await?;
    Ok(bind(app).await?)
}

/// What SIGHUP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Nothing. Some supervisors send it to ask for a reload.
    Ignored,
    /// Stops the process: its terminal has gone.
    Stops,
}

/// Resolves at SIGTERM or SIGINT, and logs which one came.
pub(super) fn stop(hangup: Hangup) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let signal = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = hang_up.recv() => {}
            }
            if hangup == Hangup::Stops {
                break "SIGHUP";
            }
            tracing::warn!(
                "SIGHUP changes nothing: settings are read at the start, so restart to apply them"
            );
        };
        tracing::info!(signal, "stopping");
    })
}
