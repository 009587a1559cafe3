//! Errors as HTML pages. API clients get the JSON body instead.
//!
//! 1. The request must be for a page and accept HTML.
//! 2. A GET without a login, or without a fresh enough one, redirects to the login page and back.
//! 3. Every other error is a page with an explanation, the code and the request id.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::ACCEPT;
use http::{HeaderMap, Method, Uri};
use tm_auth_proto::ErrorCode;

use super::next::Next;
use super::page::{Layout, Page};
use super::words::sentence;
use crate::app::App;
use crate::error::ApiError;
use crate::http::query::query_value;

/// A client that gets errors as HTML. Decided before the request is handled.
#[derive(Clone, Debug)]
pub(crate) struct HtmlClient {
    /// Whether the request is a GET, which can be repeated after a login.
    is_get: bool,
    /// The page to return to after a login: the requested page, or the page with the posted form.
    back: String,
}

impl HtmlClient {
    /// `None` for an API client.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let path = uri.path();
        let is_page = !["/v1/", "/.well-known/", "/static/"]
            .iter()
            .any(|programs| path.starts_with(programs));
        // Check the path before any header: this also runs for each mint and refresh.
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
        let is_get = *method == Method::GET;
        let back = match uri.path_and_query() {
            Some(page) if is_get => page.to_string(),
            _ => form_page(path),
        };
        Some(Self { is_get, back })
    }

    /// The login page, with the way back.
    fn sign_in(&self) -> String {
        format!("/sign-in?next={}", query_value(&self.back))
    }
}

/// The page with the form that posts to `path`: the Security page, the page at the same path, or
/// the page one level above.
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

/// The page of an error, with the error's status, or a redirect to the login page.
pub(crate) fn page(app: &App, client: &HtmlClient, error: &ApiError, request_id: &str) -> Response {
    let status = error.status();
    let (title, text, way_out) = match error.code {
        ErrorCode::MissingSession | ErrorCode::ReauthRequired if client.is_get => {
            return Redirect::to(&client.sign_in()).into_response();
        }
        ErrorCode::MissingSession => (
            "You are logged out",
            "Your session has ended. Nothing was changed. Log in, then try again.".to_owned(),
            (client.sign_in(), "Log in"),
        ),
        ErrorCode::ReauthRequired => (
            "Please confirm that it is you",
            "Your last login is more than five minutes old, or this requires a stronger login method of your account. Nothing was changed. Log in again, then try again.".to_owned(),
            (client.sign_in(), "Log in again"),
        ),
        ErrorCode::CrossSiteRequest => (
            "This request was refused",
            "The request did not come from a page of your current session. Nothing was changed. Open the page again, then try again.".to_owned(),
            home(),
        ),
        ErrorCode::AppleSignInUnknown => (
            "This login has ended",
            "Apple’s answer does not belong to a login that this browser started within the last ten minutes, or it was already used. Nothing was changed. Log in again.".to_owned(),
            (client.sign_in(), "Log in"),
        ),
        ErrorCode::AppleSignInCancelled => (
            "You are not logged in",
            "The login was cancelled at Apple. Nothing was changed. Try again, or choose another login method.".to_owned(),
            (client.sign_in(), "Log in"),
        ),
        ErrorCode::AppleTokenInvalid => (
            "Apple’s answer is not valid",
            "Apple’s answer could not be verified. You are not logged in, and nothing was changed. Log in again.".to_owned(),
            (client.sign_in(), "Log in"),
        ),
        ErrorCode::AppleUnavailable => (
            "Apple cannot be reached",
            "Apple did not answer. Nothing was changed. Try again in a moment, or choose another login method.".to_owned(),
            (client.sign_in(), "Log in"),
        ),
        ErrorCode::AddressHasAccount => (
            "This address already has an account",
            "An account with the e-mail address of your Apple account already exists. Nothing was changed. Log in to that account as usual. You can then link Apple on its Security page.".to_owned(),
            ("/sign-in?next=/security".to_owned(), "Log in"),
        ),
        ErrorCode::AppleLinkedElsewhere | ErrorCode::AppleAlreadyLinked => (
            "Apple was not linked",
            explanation(error),
            ("/security".to_owned(), "Open the Security page"),
        ),
        ErrorCode::NotFound | ErrorCode::KeyNotFound => (
            "Page not found",
            "The address is wrong, or the page was removed, or it belongs to another account.".to_owned(),
            home(),
        ),
        ErrorCode::InvalidCode => (
            "This code or link is not valid",
            "It was already used, has expired or was opened in another browser. Nothing was changed. Ask for a new e-mail.".to_owned(),
            (client.back.clone(), "Start again"),
        ),
        ErrorCode::RateLimited => (
            "Too many requests",
            "Wait a minute, then try again.".to_owned(),
            home(),
        ),
        _ if status.is_server_error() => (
            "The service has a problem",
            "The service could not handle your request. It may or may not have taken effect: check before you try again. If the problem persists, send the request ID below to True Markets support.".to_owned(),
            home(),
        ),
        _ => ("The request failed", explanation(error), home()),
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

/// The error's message as a sentence, without the name of a part of the request that users do not
/// see.
fn explanation(error: &ApiError) -> String {
    match error.field_violations() {
        [violation, ..] if matches!(violation.field.as_str(), "cookie" | "form") => {
            sentence(&violation.message)
        }
        _ => sentence(error.message()),
    }
}

fn home() -> (String, &'static str) {
    ("/api-keys".to_owned(), "Open your API keys")
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
    fn a_login_leads_back_to_the_page_with_the_form() {
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
