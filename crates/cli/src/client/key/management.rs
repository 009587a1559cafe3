//! The token that managing keys takes: one that was given, or that of `tm-auth login`.

use clap::Args;
use tm_auth_client::AuthApi;

use crate::client::service::ServiceArgs;
use crate::client::session_file::{Session, SessionFileArgs};
use crate::client::{Console, Failure};

/// Access tokens are exchanged this long before their end, so that none ends on its way.
const EARLY: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// Service and management token.
#[derive(Args, Debug)]
pub(super) struct ManagementArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// A management token; `-` reads it from standard input. Better in TM_MANAGEMENT_TOKEN: other users
    /// of this machine can see arguments. A token that a key minted never manages keys. Where it is left out,
    /// that of `tm-auth login` is used
    #[arg(
        long,
        env = "TM_MANAGEMENT_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    #[command(flatten)]
    session: SessionFileArgs,
}

impl ManagementArgs {
    /// Whether the token is that of `tm-auth login`, so of somebody who was proved by mail.
    pub(super) fn is_signed_in(&self) -> bool {
        self.token.is_none()
    }

    pub(super) async fn token(&self, api: &AuthApi, console: &mut Console<'_>) -> Result<String, Failure> {
        let token = match self.token.as_deref() {
            Some("-") => console.read("the management token")?,
            Some(token) => token.trim().to_owned(),
            None => return self.signed_in(api, console).await,
        };
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(Failure::usage("the management token is not one word"));
        }
        Ok(token)
    }

    /// The token of the last sign-in at this service, exchanged for a new one where it has ended.
    async fn signed_in(&self, api: &AuthApi, console: &mut Console<'_>) -> Result<String, Failure> {
        let path = self.session.path()?;
        let session = Session::load(&path)?;
        if session.base_url != api.base_url() {
            return Err(
                Failure::usage(format!("the last sign-in was at {}", session.base_url))
                    .hint("sign in at this service: `tm-auth login`"),
            );
        }
        if session.expires_at > console.now + EARLY {
            return Ok(session.access_token.clone());
        }
        let refreshed = api.refresh(&session.refresh_token).await;
        let tokens = refreshed.map_err(|error| {
            Failure::of_service(&error, console.now).hint("sign in again: `tm-auth login`")
        })?;
        let session = Session::new(api, &session.email, &tokens);
        session.save(&path)?;
        Ok(session.access_token.clone())
    }
}
