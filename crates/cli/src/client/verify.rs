//! `tm-auth verify`: verifies a token like a resource server and prints each check.
//!
//! 1. Get the keys from the service, from another URL, or from a file.
//! 2. Check the token's signature, issuer, audience and times.
//! 3. If the token is valid and the keys are the service's own, check the revocation list.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use tm_auth_client::proto::{Environment, RevocationList, text};
use tm_auth_client::{ApiError, AuthApi};
use tm_auth_verifier::{
    CheckResult, Fetch, FetchError, FetchRequest, Fetched, HttpFetch, KeySet, MAX_JWKS_LEN,
    MAX_REVOCATIONS_LEN, Outcome, Policy, check, check_revocations, explain,
};

use super::service::ServiceArgs;
use super::{Console, Failure};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Verify an access token as a resource server does
///
/// Prints each check with ✓ or ✗ and exits with 0 only if the token is valid. Reads the token, or
/// the JSON response of a mint, from standard input:
///
///   tm-auth token | tm-auth verify
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = super::EXIT_CODES)]
pub(crate) struct VerifyArgs {
    /// The access token; other users of the machine can see it here [default: standard input]
    pub(super) token: Option<String>,
    /// The JWKS, a URL or a file. With this option the revocation list is not checked [default: the
    /// service's own]
    #[arg(long, value_name = "URL|FILE")]
    pub(super) jwks: Option<String>,
    /// The issuer that the token must name [default: the service's base URL]
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// The audience that the token must name [default: the issuer's origin]
    #[arg(long, value_name = "URL")]
    pub(super) audience: Option<String>,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

pub(super) async fn run(args: &VerifyArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let token = match &args.token {
        Some(token) if token != "-" => token.trim().to_owned(),
        _ => console.read("the access token")?,
    };
    let token = access_token(token)?;
    let api = args.service.api()?;
    let policy = policy(args, &api);
    let keys = keys(args.jwks.as_deref(), &api).await?;
    for line in explain(&token, &keys, &policy, console.now) {
        print(line, console)?;
    }
    let claims = check(&token, &keys, &policy, console.now)
        .map_err(|refusal| Failure::refused(format!("the token is not valid: {refusal}")))?;
    if args.jwks.is_some() {
        console.print("· revocation: not checked, since --jwks names other keys")?;
    } else {
        match revocations(&api, &keys, &policy, console).await? {
            Some(list) if list.revokes(&claims) => {
                console.print("✗ revocation: the token is on the revocation list")?;
                return Err(Failure::refused("the token is not valid: it was revoked"));
            }
            Some(_) => console.print("✓ revocation")?,
            None => console.print("· revocation: not checked, since the service has no revocation list")?,
        }
    }
    console.note(&format!(
        "valid for {} s: uid {}, client {}, scope \"{}\"",
        claims.exp - console.now.as_second(),
        claims.uid,
        claims.client_id,
        claims.scope
    ));
    Ok(())
}

fn policy(args: &VerifyArgs, api: &AuthApi) -> Policy {
    let issuer = args.issuer.as_deref().unwrap_or(api.base_url());
    let origin = issuer.strip_suffix("/v1/auth").unwrap_or(issuer);
    let policy = Policy::new(issuer, args.audience.as_deref().unwrap_or(origin));
    let platform = [Environment::Production, Environment::Uat];
    match platform
        .into_iter()
        .find(|environment| environment.public_base_url() == issuer)
    {
        Some(environment) => policy.environment(environment),
        None => policy,
    }
}

fn print(line: CheckResult, console: &mut Console<'_>) -> Result<(), Failure> {
    match line.outcome {
        Outcome::Passed => console.print(&format!("✓ {}", line.check)),
        Outcome::Failed(refusal) => console.print(&format!("✗ {}: {refusal}", line.check)),
        Outcome::NotReached => console.print(&format!("· {}: not reached", line.check)),
    }
}

/// Extracts the access token: the text itself, or the member `access_token` of a JSON object.
fn access_token(text: String) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Response {
        access_token: String,
    }
    if !text.starts_with('{') {
        return Ok(text);
    }
    serde_json::from_str(&text)
        .map(|Response { access_token }| access_token)
        .map_err(|_| Failure::usage("this is not a JSON object with a string `access_token`"))
}

async fn keys(jwks: Option<&str>, api: &AuthApi) -> Result<KeySet, Failure> {
    let own = format!("{}/.well-known/jwks.json", api.base_url());
    let from = jwks.unwrap_or(&own);
    let text = if from.contains("://") {
        fetch(from).await?
    } else {
        std::fs::read(from).map_err(|error| Failure::usage(format!("cannot read {from}: {error}")))?
    };
    let text = text::from_bytes(&text).map_err(|problem| Failure::usage(format!("{from} {problem}")))?;
    let keys =
        KeySet::from_json(text.as_bytes()).map_err(|error| Failure::usage(format!("{from}: {error}")))?;
    if keys.is_empty() {
        return Err(Failure::usage(format!("{from} contains no usable key")));
    }
    Ok(keys)
}

/// Fetches the keys, over https only or from this machine: they decide which tokens are valid.
async fn fetch(url: &str) -> Result<Vec<u8>, Failure> {
    let parsed = reqwest::Url::parse(url).map_err(|error| Failure::usage(format!("{url}: {error}")))?;
    let this_machine = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && this_machine) {
        return Err(Failure::usage(format!("{url}: keys are fetched over https only")));
    }
    let client = HttpFetch::new().map_err(|error| Failure::usage(error.to_string()))?;
    let request = FetchRequest {
        url,
        etag: None,
        max_len: MAX_JWKS_LEN,
    };
    let fetched = tokio::time::timeout(TIMEOUT, client.fetch(request)).await;
    match fetched.unwrap_or(Err(FetchError::Timeout)) {
        Ok(Fetched::Document { body, .. }) => Ok(body),
        Ok(Fetched::NotModified { .. }) => Err(Failure::unavailable(format!("{url}: unexpected status 304"))),
        Err(FetchError::Status(status)) if status < 500 => {
            Err(Failure::refused(format!("{url}: status {status}")).hint("check TM_BASE_URL or --jwks"))
        }
        Err(error) => Err(Failure::unavailable(format!("{url}: {error}"))
            .hint("check TM_BASE_URL or --jwks, and the network")),
    }
}

/// Fetches the revocation list. `None` if the service publishes none.
async fn revocations(
    api: &AuthApi,
    keys: &KeySet,
    policy: &Policy,
    console: &Console<'_>,
) -> Result<Option<RevocationList>, Failure> {
    let text = match api.revocations(MAX_REVOCATIONS_LEN).await {
        Ok(text) => text,
        Err(ApiError::Server(error)) if error.status == 404 => return Ok(None),
        Err(error) => return Err(Failure::from_api_error(&error, console.now)),
    };
    check_revocations(text.trim(), keys, policy, console.now)
        .map(Some)
        .map_err(|refusal| Failure::refused(format!("the service's revocation list is not valid: {refusal}")))
}
