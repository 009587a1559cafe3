//! `tm-auth refresh`: exchanges a refresh token.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use tm_auth_client::proto::{RefreshTokenRequest, text};

use super::service::ServiceArgs;
use super::{Console, Failure, token};

/// Exchange a refresh token and print the new access token
///
/// Reads the refresh token, or the JSON output of `tm-auth token --json`, from standard input or
/// from a file:
///
///   tm-auth token --json > tokens.json
///   tm-auth refresh --json < tokens.json > newer.json
///
/// A refresh token can be exchanged once: keep the new one, which only --json prints. If the
/// response is lost, run the command again with the same refresh token.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = super::EXIT_CODES)]
pub(crate) struct RefreshArgs {
    /// Read the refresh token from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(super) refresh_token_file: Option<PathBuf>,
    /// Print the whole response, with the new refresh token
    #[arg(long)]
    pub(super) json: bool,
    /// Only print the body of POST /v1/auth/token/refresh, for curl; send no request
    #[arg(long, conflicts_with = "json")]
    pub(super) request_body: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

pub(super) async fn run(args: &RefreshArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let text = match &args.refresh_token_file {
        Some(path) => {
            let bytes = std::fs::read(path)
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
            let text = text::from_bytes(&bytes);
            text.map_err(|problem| Failure::usage(format!("{} {problem}", path.display())))?
                .to_owned()
        }
        None => console.read("the refresh token, or the JSON response of a mint")?,
    };
    let refresh_token = refresh_token(&text)?;
    if args.request_body {
        let body = RefreshTokenRequest { refresh_token };
        return console.print(&serde_json::json!(body).to_string());
    }
    let refreshed = args.service.api()?.refresh(&refresh_token).await;
    let tokens = refreshed.map_err(|error| Failure::from_api_error(&error, console.now))?;
    token::print(&tokens, args.json, console)
}

/// Extracts the refresh token: the text itself, or the member `refresh_token` of a JSON object.
fn refresh_token(text: &str) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Response {
        refresh_token: String,
    }
    let text = text.trim();
    if text.starts_with('{') {
        return match serde_json::from_str(text) {
            Ok(Response { refresh_token }) => Ok(refresh_token),
            // Leave out serde's message, which could quote a token.
            Err(_) => Err(Failure::usage(
                "this is not a JSON object with a string `refresh_token`",
            )),
        };
    }
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(Failure::usage(
            "this is neither a refresh token nor the JSON response of a mint",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_found_alone_and_in_a_json_response() {
        assert_eq!(refresh_token("abc\n").unwrap(), "abc");
        assert_eq!(
            refresh_token(r#" {"access_token":"x","refresh_token":"abc"}"#).unwrap(),
            "abc"
        );
        for bad in ["", "a b", "{}", r#"{"refresh_token":7}"#, "{"] {
            assert!(refresh_token(bad).is_err(), "{bad}");
        }
    }
}
