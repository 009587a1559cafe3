//! `tm-auth key list`.

use clap::Args;
use tm_auth_client::proto::ApiKey;
use tm_auth_core::user_text;

use super::management::ManagementArgs;
use crate::client::{Console, Failure};

/// List the keys of the account, newest first, revoked ones included
#[derive(Args, Debug)]
#[command(after_help = crate::client::EXIT_CODES)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) management: ManagementArgs,
    /// Print the service's response as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn run(args: &ListArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let api = args.management.service.api()?;
    let token = args.management.token(&api, console).await?;
    let listed = api.api_keys(&token).await;
    let list = listed.map_err(|error| Failure::from_api_error(&error, console.now))?;
    if args.json {
        return console.print(&serde_json::json!(list).to_string());
    }
    if list.keys.is_empty() {
        console.note("The account has no keys.");
    }
    for key in &list.keys {
        console.print(&line(key))?;
    }
    Ok(())
}

fn line(key: &ApiKey) -> String {
    let end = key
        .expires_at
        .map_or_else(|| "never".to_owned(), |end| end.to_string());
    let used = key
        .last_used_at
        .map_or_else(|| "never".to_owned(), |used| used.to_string());
    let status = serde_json::json!(key.status);
    format!(
        "{}  {:<8}  {}  scopes: {}  expires: {end}  last used: {used}",
        key.key_id,
        status.as_str().unwrap_or_default(),
        // A service may be compromised: its labels must not control this terminal.
        user_text::clean(&key.label, " "),
        key.scopes,
    )
}
