//! `tm-auth token`: mints.

use clap::Args;
use tm_auth_client::proto::TokenResponse;

use super::key_file::KeyFileArgs;
use super::service::ServiceArgs;
use super::{Console, Failure};

/// Mint with an API key and print the access token
///
/// For example:
///
///   curl -H "Authorization: Bearer $(tm-auth token)" https://api.truemarkets.co/...
///
/// With --json it prints the whole response: access_token, refresh_token, expires_in (the time at
/// which the access token expires) and token_type.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = super::EXIT_CODES)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(super) key: KeyFileArgs,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// Print the whole response, with the refresh token
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn run(args: &TokenArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (key_id, signer) = args.key.registered()?;
    let api = args.service.api()?;
    let request = signer.mint_request(key_id, console.now)?;
    let minted = api.mint(&request).await;
    let tokens = minted.map_err(|error| Failure::from_api_error(&error, console.now))?;
    print(&tokens, args.json, console)
}

/// Prints the access token, or the whole response.
pub(super) fn print(tokens: &TokenResponse, json: bool, console: &mut Console<'_>) -> Result<(), Failure> {
    if json {
        console.print(&serde_json::json!(tokens).to_string())
    } else {
        console.print(&tokens.access_token)
    }
}
