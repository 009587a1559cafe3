//! `tm-auth login`: a mailed code becomes a sign-in that manages the account's keys.
//!
//! 1. The service mails a code to the address. Whoever has a code already gives it with --code.
//! 2. The code is exchanged for tokens whose only audience is the auth service: they trade nothing.
//! 3. They are kept in a file that only its owner can read; `tm-auth key …` finds them there.

use clap::Args;
use tm_auth_client::proto::TokenAudience;

use super::service::ServiceArgs;
use super::session_file::{Session, SessionFileArgs};
use super::{Console, Failure};

/// Sign in by a mailed code, to make, list and revoke API keys
///
/// An address that is new becomes an account. For five minutes after it keys can be made (`tm-auth key
/// register`), for a day listed and revoked. An account with a passkey makes its keys on its page.
#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct LoginArgs {
    /// The e-mail address; asked for where it is left out
    #[arg(long, env = "TM_EMAIL", value_name = "ADDRESS")]
    email: Option<String>,
    /// A code that was mailed before; where it is left out, one is mailed now and asked for
    #[arg(long, value_name = "CODE", requires = "email")]
    code: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    session: SessionFileArgs,
}

pub(super) async fn run(args: &LoginArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let api = args.service.api()?;
    // Before a code is used up for nothing.
    let path = args.session.path()?;
    let email = match &args.email {
        Some(email) => email.trim().to_owned(),
        None => console.line("E-mail address")?,
    };
    let code = match &args.code {
        Some(code) => code.clone(),
        None => {
            let asked = api.request_email_code(&email).await;
            asked.map_err(|error| Failure::of_service(&error, console.now))?;
            console.note(&format!(
                "A code is on its way to {email}, where one was not mailed within the last minute."
            ));
            console.line("Code")?
        }
    };
    let verified = api
        .verify_email_code(&email, &code, Some(TokenAudience::Auth))
        .await;
    let tokens = verified.map_err(|error| Failure::of_service(&error, console.now))?;
    Session::new(&api, &email, &tokens).save(&path)?;
    console.print(&format!("signed_in: {email}"))?;
    console.print(&format!("session_file: {}", path.display()))?;
    console.note("Now make a key: `tm-auth key new`, then `tm-auth key register` within five minutes.");
    Ok(())
}
