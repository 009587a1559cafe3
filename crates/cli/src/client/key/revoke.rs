//! `tm-auth key revoke`.

use clap::Args;
use tm_auth_client::proto::KeyId;

use super::management::ManagementArgs;
use crate::client::{Console, Failure};

/// Revoke a key permanently
///
/// From now on the service refuses mints and refreshes with the key and lists its access tokens as
/// revoked. You cannot undo this.
#[derive(Args, Debug)]
#[command(after_help = crate::client::EXIT_CODES)]
pub(crate) struct RevokeArgs {
    /// The id of the key, as `tm-auth key list` prints it
    pub(super) key_id: KeyId,
    #[command(flatten)]
    pub(super) management: ManagementArgs,
}

pub(super) async fn run(args: &RevokeArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let api = args.management.service.api()?;
    let token = args.management.token(&api, console).await?;
    let revoked = api.revoke_api_key(&token, args.key_id).await;
    revoked.map_err(|error| Failure::from_api_error(&error, console.now))?;
    console.print(&format!("revoked: {}", args.key_id))
}
