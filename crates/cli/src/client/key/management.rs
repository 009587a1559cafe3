//! The management token: from an option, or from the session of `tm-auth login`.

use clap::Args;
use tm_auth_client::AuthApi;

use crate::client::service::ServiceArgs;
use crate::client::session_file::{Session, SessionFileArgs};
use crate::client::{Console, Failure};

/// Refreshes the access token this long before it expires, so that it does not expire in transit.
const REFRESH_EARLY: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// The service and the management token.
#[derive(Args, Debug)]
pub(super) struct ManagementArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// A management token; `-` reads it from standard input. Prefer TM_MANAGEMENT_TOKEN, since
    /// other users of the machine can see arguments. A token minted with an API key cannot manage
    /// keys [default: the session of `tm-auth login`]
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
    /// Whether the token comes from `tm-auth login`, that is from a login by e-mail.
    pub(super) fn is_from_login(&self) -> bool {
        self.token.is_none()
    }

    pub(super) async fn token(&self, api: &AuthApi, console: &mut Console<'_>) -> Result<String, Failure> {
        let token = match self.token.as_deref() {
            Some("-") => console.read("the management token")?,
            Some(token) => token.trim().to_owned(),
            None => return self.session_token(api, console).await,
        };
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(Failure::usage(
                "the management token must not be empty or contain spaces",
            ));
        }
        Ok(token)
    }

    /// The access token of the last login, which must be at this service. Refreshes it if it
    /// expired.
    async fn session_token(&self, api: &AuthApi, console: &mut Console<'_>) -> Result<String, Failure> {
        let path = self.session.path()?;
        let session = Session::load(&path)?;
        if session.base_url != api.base_url() {
            return Err(Failure::usage(format!(
                "the last login was at {}, not at this service",
                session.base_url
            ))
            .hint("log in at this service: `tm-auth login`"));
        }
        if session.expires_at > console.now + REFRESH_EARLY {
            return Ok(session.access_token.clone());
        }
        let refreshed = api.refresh(&session.refresh_token).await;
        let tokens = refreshed.map_err(|error| {
            Failure::from_api_error(&error, console.now).hint("log in again: `tm-auth login`")
        })?;
        let session = Session::new(api, &session.email, &tokens);
        session.save(&path)?;
        Ok(session.access_token.clone())
    }
}
