//! `tm-auth doctor`: checks what the service needs, and changes nothing.
//!
//! Each check has a stable id and one line. A check runs even if others fail, and waits only a few
//! seconds for what is outside this process. `docs/OPERATIONS.md` lists the checks.

mod apple;
mod clock;
mod database;
mod keys;
mod limits;
mod mail;
mod network;
mod report;
mod tls;

use clap::Args;
use tm_auth_server::Config;

use self::database::Database;
use self::report::{Report, fail, ok};
use super::{ConfigArgs, Failure, Outcome};

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also check all pages of a SQLite database, and read every row of every table
    #[arg(long)]
    full: bool,
    /// Print an array of objects with id, level (ok, warn or fail) and message
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &DoctorArgs) -> Outcome {
    let mut report = Report::new(args.json);
    match args.config.load() {
        Ok(config) => check(&config, args.full, &mut report).await?,
        Err(Failure(problem)) => report.add("configuration", fail(problem))?,
    }
    report.finish()
}

async fn check(config: &Config, full: bool, report: &mut Report) -> Outcome {
    let summary = format!("{}, {}", config.environment, config.public_url.as_str());
    report.add("configuration", ok(summary))?;
    let database = Database::read(config).await;
    report.add("database.schema", database.schema(config))?;
    report.add("database.integrity", database.integrity(config, full).await)?;
    report.add("database.environment", database.environment(config))?;
    report.add("database.writes", database.writes(config))?;
    report.add("database.files", database::files(config))?;
    report.add("database.durability", database.durability(config))?;
    report.add("keys.signing", keys::signing(config, &database))?;
    report.add("tokens.lifetime", limits::access_tokens(config))?;
    report.add("limits.open_files", limits::open_files(config))?;
    report.add("network.listen", network::listen(config, &database).await)?;
    report.add("network.exposure", network::exposure(config))?;
    report.add("network.proxies", network::proxies(config))?;
    report.add("network.public_url", network::public_url(config).await)?;
    report.add("tls.certificate", tls::certificate(config))?;
    report.add("mail.delivery", mail::delivery(config))?;
    report.add("mail.server", mail::server(config).await)?;
    let (apple, apple_time) = apple::reach(config).await;
    report.add("apple", apple)?;
    report.add("clock", clock::check(&database, apple_time))
}
