//! `tm-auth key register`: registers the public key and writes its id into the key file.
//!
//! 1. Load the key file. The key must not be registered yet, and --out must not exist.
//! 2. Sign the registration text, since the service requires proof of possession.
//! 3. Register the public key.
//! 4. Write the id into the file. If this fails, the message contains the id, because the key is
//!    registered already.
//! 5. Move the file to its final name.

use std::path::{Path, PathBuf};

use clap::Args;
use tm_auth_client::proto::{AccessClaims, CompactJws, ErrorCode, KeyFile, RegisterApiKey, Scope};
use tm_auth_client::{AuthApi, KeyFileError, key_file};

use super::lifetime::Lifetime;
use super::management::ManagementArgs;
use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// A login younger than this is recent for the service, which allows 300 s. The rest is for the
/// difference of the clocks.
const RECENT_LOGIN_SECONDS: i64 = 290;

/// Register the public key of a key pair from `tm-auth key new`
///
/// The private key stays on this machine and signs the proof that you hold it. Writes the key id
/// into the key file, then moves the file to truemarkets-api-key-<first 8 of the id>.json in the
/// same folder, or to --out.
#[derive(Args, Debug)]
#[command(after_help = crate::client::EXIT_CODES)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(super) key: KeyFileArgs,
    #[command(flatten)]
    pub(super) management: ManagementArgs,
    /// A name for the key [default: the one in the key file]
    #[arg(long)]
    pub(super) label: Option<String>,
    /// A permission of the key: read, trade or transfer. Repeat for several [default: all three]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// When the key expires: days such as 90d, a date such as 2027-01-31 (midnight UTC), an RFC
    /// 3339 time, or never [default: set by the service, normally a year]
    #[arg(long, value_name = "WHEN")]
    pub(super) expires: Option<Lifetime>,
    /// An address or network that may use the key, such as 203.0.113.7 or 203.0.113.0/24. Repeat
    /// for several [default: any address]
    #[arg(long = "allow-ip", value_name = "ADDRESS")]
    pub(super) allow_ip: Vec<String>,
    /// Where to move the registered key file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

pub(super) async fn run(args: &RegisterArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (mut file, signer) = args.key.load()?;
    if let Some(key_id) = file.key_id {
        return Err(Failure::usage(format!(
            "the key is registered already, as {key_id}"
        )));
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Failure::usage(format!(
            "{} exists already and is not overwritten",
            out.display()
        )));
    }
    let api = args.management.service.api()?;
    let token = args.management.token(&api, console).await?;
    let claims = claims(&token)?;
    let label = args.label.clone().unwrap_or_else(|| file.label.clone());
    let request = RegisterApiKey {
        label: if label.is_empty() {
            "tm-auth".to_owned()
        } else {
            label
        },
        public_key: signer.public_jwk(),
        proof: signer.registration_proof(&claims.iss, claims.uid, console.now)?,
        scopes: (!args.scopes.is_empty()).then(|| args.scopes.iter().copied().collect()),
        expires_at: args.expires.map(|lifetime| lifetime.expires_at(console.now)),
        allowed_ips: args.allow_ip.clone(),
        pending: false,
    };
    let registered = api.register_api_key(&token, &request).await;
    let key = registered.map_err(|error| {
        let failure = Failure::from_api_error(&error, console.now);
        let recent = console.now.as_second() - claims.auth_time < RECENT_LOGIN_SECONDS;
        if args.management.is_from_login() && recent && error.code() == Some(ErrorCode::ReauthRequired) {
            // The login is recent, so the service requires a stronger one: the account has a
            // passkey.
            failure.hint(format!(
                "this account has a passkey, so register the key at {}",
                api_keys_page(&api)
            ))
        } else {
            failure
        }
    })?;

    file.key_id = Some(key.key_id);
    file.label.clone_from(&key.label);
    let path = save_registered(&args.key.key_file, args.out.as_deref(), &file).map_err(|error| {
        Failure::from(error).hint(format!(
            "the key is registered as {}: add \"key_id\": \"{}\" to {}",
            key.key_id,
            key.key_id,
            args.key.key_file.display()
        ))
    })?;
    console.print(&format!("key_id: {}", key.key_id))?;
    console.print(&format!("key_file: {}", path.display()))?;
    console.print(&format!("scopes: {}", key.scopes))?;
    let expiry = key
        .expires_at
        .map_or_else(|| "never".to_owned(), |expiry| expiry.to_string());
    console.print(&format!("expires: {expiry}"))
}

/// The URL of the API Keys page, at the root of the service's origin.
fn api_keys_page(api: &AuthApi) -> String {
    let base = api.base_url();
    format!("{}/api-keys", base.strip_suffix("/v1/auth").unwrap_or(base))
}

/// The token's claims, unverified: the proof contains `iss` and `uid`, and the service verifies
/// both.
fn claims(token: &str) -> Result<AccessClaims, Failure> {
    CompactJws::parse(token)
        .ok()
        .and_then(|jws| serde_json::from_slice(&jws.payload).ok())
        .ok_or_else(|| Failure::usage("the management token is not an access token of this platform"))
}

/// Writes the id into the old file first, so that it is not lost. Then moves the file, unless the
/// target exists. Returns the file's path.
pub(super) fn save_registered(
    old: &Path,
    out: Option<&Path>,
    file: &KeyFile,
) -> Result<PathBuf, KeyFileError> {
    key_file::replace(old, file)?;
    let target = match (out, file.key_id) {
        (Some(out), _) => out.to_owned(),
        (None, Some(key_id)) => old.with_file_name(KeyFile::name(key_id)),
        (None, None) => return Ok(old.to_owned()),
    };
    if target == old || target.exists() {
        return Ok(old.to_owned());
    }
    // Copy instead of rename, because the target may be on another file system.
    key_file::create(&target, file)?;
    // The new file is complete. If the old one cannot be removed, it is only a second copy.
    std::fs::remove_file(old).ok();
    Ok(target)
}
