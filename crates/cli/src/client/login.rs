//! `tm-auth login`: logs in with an e-mail code, to manage the account's keys.
//!
//! 1. The service mails a code to the address, unless --code gives one.
//! 2. The code is exchanged for tokens whose only audience is the auth service, so they cannot
//!    trade.
//! 3. The tokens are saved in a file that only its owner can read, for `tm-auth key`.

use clap::Args;
use tm_auth_client::proto::TokenAudience;

use super::service::ServiceArgs;
use super::session_file::{Session, SessionFileArgs};
use super::{Console, Failure};

/// Log in with an e-mail code, to register, list and revoke API keys
///
/// A new address creates an account. For five minutes you can register keys (`tm-auth key
/// register`), for a day list and revoke them. An account with a passkey registers keys on the API
/// Keys page only.
#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct LoginArgs {
    /// Your e-mail address [default: prompt for it]
    #[arg(long, env = "TM_EMAIL", value_name = "ADDRESS")]
    email: Option<String>,
    /// A code from an earlier mail [default: mail one and prompt for it]
    #[arg(long, value_name = "CODE", requires = "email")]
    code: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    session: SessionFileArgs,
}

pub(super) async fn run(args: &LoginArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let api = args.service.api()?;
    // Before the code, which works only once, is used.
    let path = args.session.path()?;
    let email = match &args.email {
        Some(email) => email.trim().to_owned(),
        None => console.line("E-mail address")?,
    };
    let code = match &args.code {
        Some(code) => code.clone(),
        None => {
            let asked = api.request_email_code(&email).await;
            asked.map_err(|error| Failure::from_api_error(&error, console.now))?;
            console.note(&format!(
                "A code is on its way to {email}, unless one was mailed within the last minute."
            ));
            console.line("Code")?
        }
    };
    let verified = api
        .verify_email_code(&email, &code, Some(TokenAudience::Auth))
        .await;
    let tokens = verified.map_err(|error| Failure::from_api_error(&error, console.now))?;
    Session::new(&api, &email, &tokens).save(&path)?;
    console.print(&format!("logged_in: {email}"))?;
    console.print(&format!("session_file: {}", path.display()))?;
    console.note("Now create a key: `tm-auth key new`, then `tm-auth key register` within five minutes.");
    Ok(())
}
