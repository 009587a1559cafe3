//! An error as a page, for people; programs get the JSON body.
//!
//! 1. It must be a page that was asked for, by a browser that takes HTML.
//! 2. Who is not signed in is led to the sign-in and back.
//! 3. Everybody else reads what is wrong in words, the code, and the request id.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::ACCEPT;
use http::{HeaderMap, Method, Uri};
use tm_auth_proto::ErrorCode;

use super::next::Next;
use super::page::{Layout, Page};
use crate::app::App;
use crate::error::ApiError;
use crate::http::query::query_value;

/// What tells, before the request is handled, whether its error will be read by a person.
#[derive(Clone, Debug)]
pub(crate) struct HtmlClient {
    /// Whether the page may simply be asked for again.
    asked: bool,
    /// Where to come back to after a sign-in: what was asked for, or the page that a form stood on.
    back: String,
}

impl HtmlClient {
    /// `None`: a program.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let path = uri.path();
        let is_page = !["/v1/", "/.well-known/", "/static/"]
            .iter()
            .any(|programs| path.starts_with(programs));
        // Before any header is looked at: mints and refreshes pass here too.
        if !is_page {
            return None;
        }
        let takes_html = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/html"));
        if !takes_html {
            return None;
        }
        let asked = *method == Method::GET;
        let back = match uri.path_and_query() {
            Some(page) if asked => page.to_string(),
            _ => form_page(path),
        };
        Some(Self { asked, back })
    }

    /// The way to the sign-in and back.
    fn sign_in(&self) -> String {
        format!("/sign-in?next={}", query_value(&self.back))
    }
}

/// Where the form stood that was posted to `path`: at the same address, at the one above it, or on the page of
/// all ways in.
fn form_page(path: &str) -> String {
    let of_security = ["/security/", "/passkeys/", "/recovery/", "/apple/"];
    if of_security.iter().any(|prefix| path.starts_with(prefix)) {
        return "/security".to_owned();
    }
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let page = [path, above]
        .into_iter()
        .map(Next::parse)
        .find(|page| *page != Next::parse(""));
    page.unwrap_or_else(|| Next::parse("")).to_string()
}

/// The page of an error. Its status stays, but for a redirect to the sign-in.
pub(crate) fn page(app: &App, client: &HtmlClient, error: &ApiError, request_id: &str) -> Response {
    let status = error.status();
    let (title, text, way_out) = match error.code {
        ErrorCode::MissingSession | ErrorCode::ReauthRequired if client.asked => {
            return Redirect::to(&client.sign_in()).into_response();
        }
        ErrorCode::MissingSession => (
            "You are signed out",
            "Your session has ended. Nothing was changed. Sign in, then try again.".to_owned(),
            (client.sign_in(), "Sign in"),
        ),
        ErrorCode::ReauthRequired => (
            "Please confirm that it is you",
            "This takes a sign-in of the last five minutes, by the strongest way your account has. Nothing was changed.".to_owned(),
            (client.sign_in(), "Sign in again"),
        ),
        ErrorCode::CrossSiteRequest => (
            "That did not come from this page",
            "The request was refused because it did not come from a page of this service, or from one of an earlier session. Nothing was changed. Open the page again and repeat it.".to_owned(),
            home(),
        ),
        ErrorCode::AppleSignInUnknown => (
            "This sign-in is over",
            "What came back from Apple does not belong to a sign-in that this browser began within the last ten minutes, or it came twice. Nothing was changed. Begin again.".to_owned(),
            (client.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleSignInCancelled => (
            "Nobody was signed in",
            "The sign-in was cancelled at Apple. Nothing was changed. Try it again, or choose another way.".to_owned(),
            (client.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleTokenInvalid => (
            "Apple’s answer does not hold",
            "What came back from Apple could not be verified, so nobody was signed in and nothing was changed. Begin again.".to_owned(),
            (client.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleUnavailable => (
            "Apple does not answer",
            "Apple could not be reached just now. Nothing was changed. Try again in a moment, or choose another way to sign in.".to_owned(),
            (client.sign_in(), "Sign in"),
        ),
        ErrorCode::AddressHasAccount => (
            "This address has an account already",
            "An account here has the e-mail address of your Apple account. Sign in to it the way you always do; on its security page you can then link Apple. Nothing was changed.".to_owned(),
            ("/sign-in?next=/security".to_owned(), "Sign in"),
        ),
        ErrorCode::AppleLinkedElsewhere | ErrorCode::AppleAlreadyLinked => (
            "Apple was not linked",
            error.message().to_owned(),
            ("/security".to_owned(), "To your security page"),
        ),
        ErrorCode::NotFound | ErrorCode::KeyNotFound => (
            "There is nothing here",
            "The address is wrong, or what was here is gone, or it belongs to another account.".to_owned(),
            home(),
        ),
        ErrorCode::RateLimited => (
            "Too many tries",
            "Please wait a minute, then try again.".to_owned(),
            home(),
        ),
        _ if status.is_server_error() => (
            "That is our fault",
            "The service could not do this just now. Nothing that you see as done was lost. Try again in a moment; if it stays like this, tell us the request number below.".to_owned(),
            home(),
        ),
        _ => ("That did not work", error.message().to_owned(), home()),
    };
    let template = Problem {
        layout: Layout::new(app, title).middle(),
        text,
        way_out,
        status: status.as_u16(),
        code: error.code.as_str(),
        request_id,
    };
    (status, error.headers(), Page(template)).into_response()
}

fn home() -> (String, &'static str) {
    ("/api-keys".to_owned(), "To your API keys")
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    layout: Layout,
    text: String,
    way_out: (String, &'static str),
    status: u16,
    code: &'static str,
    request_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_sign_in_a_person_is_back_at_the_form() {
        let key = "/api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
        for (posted, page) in [
            (format!("{key}/edit"), format!("{key}/edit")),
            (format!("{key}/enable"), key.to_owned()),
            ("/api-keys/new/proof".to_owned(), "/api-keys/new".to_owned()),
            ("/security/email".to_owned(), "/security".to_owned()),
            ("/passkeys/remove".to_owned(), "/security".to_owned()),
            ("/".to_owned(), "/api-keys".to_owned()),
            ("//evil.example/x".to_owned(), "/api-keys".to_owned()),
        ] {
            assert_eq!(form_page(&posted), page);
        }
    }
}
