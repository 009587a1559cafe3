//! `tm-auth dev`: a sandbox with one command.
//!
//! 1. The first start creates a folder with a key-encryption key and an ordinary configuration
//!    file. Administrative commands work on it with `--config`.
//! 2. It creates a demo account and a demo key. The private key is only in the key file.
//! 3. It prints commands to paste, and serves.
//!
//! Later starts use the same folder, account and key.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::SignedDuration;
use tm_auth_client::{Signer, key_file};
use tm_auth_core::{PublicKey, registration};
use tm_auth_proto::{AccountId, KeyFile, KeyId, OrganizationId, Scopes};
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::{App, Config, random, serve};
use tm_auth_store::sqlite::Role;
use tm_auth_store::{AuditContext, KeyLimits, NewAccount, NewApiKey, Store};

use super::accounts::uuid_v4;
use super::serve::Hangup;
use super::{Failure, Outcome, deployment, logging, quick_start};
use crate::output;

/// Options of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The loopback address to listen on; port 0 chooses a free port
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The folder for the database, the configuration and the keys
    #[arg(long, default_value = "./tm-auth-dev", value_name = "DIR")]
    data: PathBuf,
}

pub(super) async fn run(args: DevArgs) -> Outcome {
    logging::start();
    let listen = loopback(args.listen)?;
    let data = prepare(&args.data, listen.port())?;
    let mut config = Config::load(Some(&data.join(CONFIG)), environment(&data, listen.port()))?;
    config.network.listen = addresses(listen);
    config.pages.command = quick_start::program()?;
    let config = config.check()?;
    logging::init(&config.log);

    let store: Arc<Store> = deployment::open(&config, Role::Server).await?;
    let clock = SystemClock;
    let issuer = config.issuer().to_owned();
    let origin = config.public_url.origin().to_owned();
    let app = App::start(config.clone(), Arc::clone(&store), Arc::new(clock)).await?;
    let key_file = demo_key(&config, store.as_ref(), &issuer, &data, &clock).await?;
    let bound = serve::bind(app).await?;
    quick_start::print(&origin, &key_file, &data)?;
    output::print(format_args!("ready {origin}"))?;
    bound.serve(super::serve::stop(Hangup::Stops)?).await;
    Ok(())
}

const CONFIG: &str = "tm-auth.toml";
const KEK: &str = "kek";

/// Refuses other addresses: `dev` shows its mail, which contains login codes, on a page.
fn loopback(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure(format!(
            "{listen} is not a loopback address: `dev` serves only this machine; use `tm-auth serve` for others"
        )));
    }
    if listen.port() != 0 {
        return Ok(listen);
    }
    // The issuer URL contains the port, so it must be known before the service starts.
    let port = TcpListener::bind(listen)?.local_addr()?.port();
    Ok(SocketAddr::new(listen.ip(), port))
}

/// Adds the other loopback address if it is available: some clients resolve `localhost` to ::1,
/// others to 127.0.0.1.
fn addresses(listen: SocketAddr) -> Vec<SocketAddr> {
    let other: IpAddr = if listen.is_ipv4() {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    let other = SocketAddr::new(other, listen.port());
    let available = TcpListener::bind(other).is_ok();
    std::iter::once(listen)
        .chain(available.then_some(other))
        .collect()
}

/// Creates the folder and its files if they are missing. Returns its absolute path.
fn prepare(data: &Path, port: u16) -> Result<PathBuf, Failure> {
    fs::create_dir_all(data)?;
    let data = data.canonicalize()?;
    let kek = data.join(KEK);
    if !kek.exists() {
        write_private(&kek, &format!("{}\n", base64(&random::bytes::<32>())))?;
    }
    let config = data.join(CONFIG);
    if !config.exists() {
        write_private(&config, &default_config(&data, port))?;
    }
    Ok(data)
}

fn default_config(data: &Path, port: u16) -> String {
    let path = |name: &str| toml_string(&data.join(name).display().to_string());
    format!(
        "# Written by `tm-auth dev`, which overrides public_url, network.listen and the two paths.\n\
         # Administrative commands work on this sandbox with `--config` and this file.\n\
         environment = \"uat\"\n\
         public_url = \"http://localhost:{port}/v1/auth\"\n\n\
         [database]\npath = {}\n\n\
         [keys]\nkek_file = {}\n\n\
         [log]\nformat = \"text\"\nlevel = \"warn\"\n",
        path("tm-auth.db"),
        path(KEK),
    )
}

/// Quotes text as a TOML basic string, for which a JSON string is valid.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The environment variables, with those overridden that follow from the arguments: the folder and
/// the port may differ from the first start.
fn environment(data: &Path, port: u16) -> Vec<(String, String)> {
    let path = |name: &str| data.join(name).display().to_string();
    let overrides = [
        ("TM_AUTH__PUBLIC_URL", format!("http://localhost:{port}/v1/auth")),
        ("TM_AUTH__DATABASE__PATH", path("tm-auth.db")),
        ("TM_AUTH__KEYS__KEK_FILE", path(KEK)),
    ];
    let names = overrides.clone().map(|(name, _)| name);
    let inherited = std::env::vars().filter(|(name, _)| !names.contains(&name.as_str()));
    inherited
        .chain(overrides.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}

/// Finds a usable key file, or creates a demo key in the oldest account, which it creates if there
/// is none.
async fn demo_key(
    config: &Config,
    store: &Store,
    issuer: &str,
    data: &Path,
    clock: &SystemClock,
) -> Result<PathBuf, Failure> {
    if let Some(found) = usable_key_file(store, data, clock).await? {
        return Ok(found);
    }
    let now = clock.now();
    let audit_context = AuditContext::operator(now);
    let uid = match store.accounts().await?.first() {
        Some(account) => account.uid,
        None => {
            let uid = AccountId(uuid_v4());
            let new = NewAccount {
                uid,
                organization_id: OrganizationId(uuid_v4()),
                email: None,
                created_at: now,
            };
            store.create_account(new, &audit_context).await?;
            uid
        }
    };
    let signer = Signer::generate()?;
    let proof = signer.registration_proof(issuer, uid, now)?;
    let public_key =
        registration::verify_possession(PublicKey::parse(&signer.public_jwk())?, &proof, issuer, uid, now)?;
    let new = NewApiKey {
        key_id: KeyId::generate(config.environment, random::bytes()),
        uid,
        label: "demo".to_owned(),
        public_key,
        scopes: Scopes::ALL,
        allowed_ips: Vec::new(),
        created_at: now,
        active: true,
        expires_at: Some(
            now + SignedDuration::from_hours(24 * i64::from(config.api_keys.default_expiry_days)),
        ),
    };
    let no_limits = KeyLimits {
        live: u32::MAX,
        per_day: u32::MAX,
    };
    let key = store.register_key(new, no_limits, &audit_context).await??;
    let path = data.join(KeyFile::name(key.key_id));
    let file = KeyFile {
        key_id: Some(key.key_id),
        ..signer.key_file("demo", now)?
    };
    key_file::create(&path, &file)?;
    Ok(path)
}

/// Finds a key file in the folder whose key can mint.
///
/// Opens only `.json` files: closing any descriptor of the database file would release SQLite's
/// POSIX locks for the whole process, and the next command would take the database for unused.
async fn usable_key_file(
    store: &Store,
    data: &Path,
    clock: &SystemClock,
) -> Result<Option<PathBuf>, Failure> {
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        if !is_key_file(&path) {
            continue;
        }
        let Ok(KeyFile {
            key_id: Some(key_id), ..
        }) = key_file::load(&path)
        else {
            continue;
        };
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if store
            .api_key(key_id)
            .await?
            .is_some_and(|key| key.check_usable(local, clock.now()).is_ok())
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_key_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
