//! Verifies a True Markets access token, which it reads from standard input.
//!
//! 1. Build a verifier for one issuer and one audience.
//! 2. Fetch the issuer's keys and revocation list.
//! 3. Verify the token: signature, type, issuer, audience, expiry, revocation.
//!
//! A service builds the verifier once and keeps it: background tasks refresh the keys and the
//! revocation list, and `tm_auth_verifier::BearerLayer` or `Caller` does step 3 for each request.

use std::error::Error;
use std::io::Read;
use std::process::ExitCode;

use tm_auth_verifier::{Verifier, VerifyError};

#[tokio::main]
async fn main() -> ExitCode {
    match verify().await {
        Ok(claims) => {
            println!("{claims}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn verify() -> Result<String, Box<dyn Error>> {
    let verifier = verifier()?;
    verifier.refresh().await?;
    let mut token = String::new();
    std::io::stdin().read_to_string(&mut token)?;
    match verifier.verify(token.trim()).await {
        Ok(claims) => Ok(serde_json::to_string(&claims)?),
        Err(VerifyError::InvalidToken(reason)) => Err(format!("refused: {reason}").into()),
        Err(error) => Err(error.into()),
    }
}

fn verifier() -> Result<Verifier, Box<dyn Error>> {
    let mut builder = Verifier::builder(setting("TM_ISSUER")?, setting("TM_AUDIENCE")?);
    // Only needed if the documents are not below the issuer's own URL, for example behind a proxy.
    if let Ok(url) = setting("TM_JWKS") {
        builder = builder.jwks_url(url);
    }
    if let Ok(url) = setting("TM_REVOCATIONS") {
        builder = builder.revocations_url(url);
    }
    Ok(builder.build()?)
}

fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("set {name}"))
}
