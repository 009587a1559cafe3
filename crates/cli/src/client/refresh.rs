//! `tm-auth refresh`: exchange a refresh token.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use tm_auth_client::proto::RefreshTokenRequest;

use super::service::ServiceArgs;
use super::{Console, Failure, token};

/// Exchange a refresh token and print the new access token
///
/// Reads the refresh token, or the whole JSON answer of `tm-auth token --json`, from standard input or from
/// a file:
///
///   tm-auth token --json > tokens.json
///   tm-auth refresh --json < tokens.json > newer.json
///
/// A refresh token can be exchanged once: keep the new one, which only --json prints. If the answer is lost,
/// run it again with the same refresh token.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_help = super::EXIT_CODES)]
pub(crate) struct RefreshArgs {
    /// Read the refresh token from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(super) refresh_token_file: Option<PathBuf>,
    /// Print the whole answer, with the new refresh token
    #[arg(long)]
    pub(super) json: bool,
    /// Ask nobody: only print {"refresh_token":"…"}, the body of POST /v1/auth/token/refresh, for curl
    #[arg(long, conflicts_with = "json")]
    pub(super) request_body: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

pub(super) async fn run(args: &RefreshArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let text = match &args.refresh_token_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?,
        None => console.read("the refresh token, or the whole JSON answer of a mint")?,
    };
    let refresh_token = refresh_token(&text)?;
    if args.request_body {
        let body = RefreshTokenRequest { refresh_token };
        return console.print(&serde_json::json!(body).to_string());
    }
    let refreshed = args.service.api()?.refresh(&refresh_token).await;
    let tokens = refreshed.map_err(|error| Failure::of_service(&error, console.now))?;
    token::print(&tokens, args.json, console)
}

/// The refresh token in a text: the text itself, or a member of the JSON it is.
fn refresh_token(text: &str) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        refresh_token: String,
    }
    let text = text.trim();
    if text.starts_with('{') {
        return match serde_json::from_str(text) {
            Ok(Answer { refresh_token }) => Ok(refresh_token),
            // serde's message could quote a token.
            Err(_) => Err(Failure::usage("the JSON has no member `refresh_token`")),
        };
    }
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(Failure::usage(
            "a refresh token is one word, or a member of the JSON answer of a mint",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_found_alone_and_in_an_answer() {
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
