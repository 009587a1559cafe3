//! `tm-auth serve`.

use std::sync::Arc;

use tm_auth_server::clock::SystemClock;
use tm_auth_server::serve::{Bound, bind};
use tm_auth_server::{App, Config};
use tm_auth_store::sqlite::Role;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgs, Outcome, deployment, logging};

pub(super) async fn run(args: &ConfigArgs) -> Outcome {
    let config = args.load()?;
    logging::init(&config.log);
    let public_url = config.public_url.as_str().to_owned();
    let bound = start(config).await?;
    for address in bound.addresses()? {
        tracing::info!(%address, public_url, "ready");
    }
    bound.serve(stop()?).await;
    Ok(())
}

/// Opens the database as the server and binds the sockets.
pub(super) async fn start(config: Config) -> Result<Bound, super::Failure> {
    let store = deployment::open(&config, Role::Server).await?;
    let app = App::start(config, store, Arc::new(SystemClock)).await?;
    Ok(bind(app).await?)
}

/// Resolves at SIGTERM or SIGINT.
pub(super) fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
