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

use super::page::{Frame, Page};
use crate::App;
use crate::error::ApiError;

/// What tells, before the request is handled, whether its error will be read by a person.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Where to come back to after a sign-in.
    back: Option<String>,
    /// The page whose form it was, where it was one.
    page: &'static str,
}

impl Reader {
    /// `None`: a program.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let path = uri.path();
        let is_page = !["/v1/", "/.well-known/", "/static/"]
            .iter()
            .any(|programs| path.starts_with(programs));
        let takes_html = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/html"));
        let back = || uri.path_and_query().map(ToString::to_string);
        (is_page && takes_html).then(|| Self {
            back: if *method == Method::GET { back() } else { None },
            page: page_of(path),
        })
    }

    /// The way to the sign-in and back.
    fn sign_in(&self) -> String {
        let back = self.back.as_deref().unwrap_or(self.page);
        format!("/sign-in?next={}", super::query_value(back))
    }
}

/// Where the form is that posts to this path.
fn page_of(path: &str) -> &'static str {
    let of_security = ["/security/", "/passkeys/", "/recovery/", "/apple/"];
    if of_security.iter().any(|prefix| path.starts_with(prefix)) {
        "/security"
    } else {
        "/api-keys"
    }
}

/// The page of an error. Its status stays, but for a redirect to the sign-in.
pub(crate) fn page(app: &App, reader: &Reader, error: &ApiError, request_id: &str) -> Response {
    let status = error.status();
    let (title, text, way_out) = match error.code {
        ErrorCode::MissingSession | ErrorCode::ReauthRequired if reader.back.is_some() => {
            return Redirect::to(&reader.sign_in()).into_response();
        }
        ErrorCode::MissingSession => (
            "You are signed out",
            "Your session has ended. Nothing was changed. Sign in, then try again.".to_owned(),
            (reader.sign_in(), "Sign in"),
        ),
        ErrorCode::ReauthRequired => (
            "Please confirm that it is you",
            "This takes a sign-in of the last five minutes, by the strongest way your account has. Nothing was changed.".to_owned(),
            (reader.sign_in(), "Sign in again"),
        ),
        ErrorCode::CrossSiteRequest => (
            "That did not come from this page",
            "The request was refused because it did not come from a page of this service, or from one of an earlier session. Nothing was changed. Open the page again and repeat it.".to_owned(),
            home(),
        ),
        ErrorCode::AppleSignInUnknown => (
            "This sign-in is over",
            "What came back from Apple does not belong to a sign-in that this browser began within the last ten minutes, or it came twice. Nothing was changed. Begin again.".to_owned(),
            (reader.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleSignInCancelled => (
            "Nobody was signed in",
            "The sign-in was cancelled at Apple. Nothing was changed. Try it again, or choose another way.".to_owned(),
            (reader.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleTokenInvalid => (
            "Apple’s answer does not hold",
            "What came back from Apple could not be verified, so nobody was signed in and nothing was changed. Begin again.".to_owned(),
            (reader.sign_in(), "Sign in"),
        ),
        ErrorCode::AppleUnavailable => (
            "Apple does not answer",
            "Apple could not be reached just now. Nothing was changed. Try again in a moment, or choose another way to sign in.".to_owned(),
            (reader.sign_in(), "Sign in"),
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
        frame: Frame::new(app, title).middle(),
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
    frame: Frame,
    text: String,
    way_out: (String, &'static str),
    status: u16,
    code: &'static str,
    request_id: &'a str,
}
