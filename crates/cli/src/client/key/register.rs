//! `tm-auth key register`: the public half goes to the service, its id comes into the file.
//!
//! 1. Load the key file; it must not be registered yet, and the new name must be free.
//! 2. Sign the registration text with the key: the service registers no key without proof of possession.
//! 3. Register.
//! 4. Write the id into the file. From here on the key is known to the service, so a failure names the id.
//! 5. Give the file its lasting name.

use std::path::{Path, PathBuf};

use clap::Args;
use tm_auth_client::proto::{AccessClaims, CompactJws, ErrorCode, KeyFile, RegisterApiKey, Scope};
use tm_auth_client::{AuthApi, KeyFileError, key_file};

use super::lifetime::Lifetime;
use super::management::ManagementArgs;
use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// How old a sign-in may be that makes keys; a little less than the service allows, for clocks.
const FRESH_SECONDS: i64 = 290;

/// Register the public half of a key made by `key new`
///
/// The private half stays here; it only signs
/// the proof that you hold it. The key id is written into the key file, which is then renamed to
/// truemarkets-api-key-<first 8 of the id>.json beside the old one, or to --out.
#[derive(Args, Debug)]
#[command(after_help = crate::client::EXIT_CODES)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(super) key: KeyFileArgs,
    #[command(flatten)]
    pub(super) management: ManagementArgs,
    /// A name for the key; the one in the key file where it is left out
    #[arg(long)]
    pub(super) label: Option<String>,
    /// What the key may do: read, trade or transfer. Repeat it for several; all three where it is left out
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// When the key ends: 90d, 2027-01-31 (midnight UTC), an RFC 3339 instant, or never; a year from now
    /// where it is left out
    #[arg(long, value_name = "WHEN")]
    pub(super) expires: Option<Lifetime>,
    /// An address or network from which alone the key works, such as 203.0.113.7 or 203.0.113.0/24. Repeat
    /// it for several; any address where it is left out
    #[arg(long = "allow-ip", value_name = "ADDRESS")]
    pub(super) allow_ip: Vec<String>,
    /// Where to put the registered key file
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
            "{} exists and is not overwritten",
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
        expires_at: args.expires.map(|lifetime| lifetime.end(console.now)),
        allowed_ips: args.allow_ip.clone(),
        pending: false,
    };
    let registered = api.register_api_key(&token, &request).await;
    let key = registered.map_err(|error| {
        let failure = Failure::of_service(&error, console.now);
        let fresh = console.now.as_second() - claims.auth_time < FRESH_SECONDS;
        if args.management.is_signed_in() && fresh && error.code() == Some(ErrorCode::ReauthRequired) {
            // By mail one is not proved strongly enough where there is something stronger.
            failure.hint(format!(
                "this account has a passkey, and makes its keys at {}",
                page(&api)
            ))
        } else {
            failure
        }
    })?;

    file.key_id = Some(key.key_id);
    file.label.clone_from(&key.label);
    let path = keep(&args.key.key_file, args.out.as_deref(), &file).map_err(|error| {
        Failure::from(error).hint(format!(
            "the key is registered as {}: put \"key_id\": \"{}\" into {} yourself",
            key.key_id,
            key.key_id,
            args.key.key_file.display()
        ))
    })?;
    console.print(&format!("key_id: {}", key.key_id))?;
    console.print(&format!("key_file: {}", path.display()))?;
    console.print(&format!("scopes: {}", key.scopes))?;
    let end = key
        .expires_at
        .map_or_else(|| "never".to_owned(), |end| end.to_string());
    console.print(&format!("expires: {end}"))
}

/// The page of API keys, which stands at the root of the service's host.
fn page(api: &AuthApi) -> String {
    let base = api.base_url();
    format!("{}/api-keys", base.strip_suffix("/v1/auth").unwrap_or(base))
}

/// `iss` and `uid`, which the proof is bound to. The token is the caller's own; the service verifies it.
fn claims(token: &str) -> Result<AccessClaims, Failure> {
    CompactJws::parse(token)
        .ok()
        .and_then(|jws| serde_json::from_slice(&jws.payload).ok())
        .ok_or_else(|| Failure::usage("the management token is not an access token of this platform"))
}

/// Writes the registered file over the old one first, so that the id is safe, and then moves it.
pub(super) fn keep(old: &Path, out: Option<&Path>, file: &KeyFile) -> Result<PathBuf, KeyFileError> {
    key_file::replace(old, file)?;
    let lasting = match (out, file.key_id) {
        (Some(out), _) => out.to_owned(),
        (None, Some(key_id)) => old.with_file_name(KeyFile::name(key_id)),
        (None, None) => return Ok(old.to_owned()),
    };
    if lasting == old || lasting.exists() {
        return Ok(old.to_owned());
    }
    // Written anew rather than renamed: the new place may be on another file system.
    key_file::create(&lasting, file)?;
    // The new file is whole. An old one that cannot be removed is a second copy, not a loss.
    std::fs::remove_file(old).ok();
    Ok(lasting)
}
