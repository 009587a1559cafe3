//! `GET /mailbox`: the e-mails that a sandbox would have sent.
//!
//! The page exists if mail is delivered to the mailbox ([`crate::config::Delivery`]), and only for
//! requests whose `Host` is this machine. Otherwise a foreign page could read every code by DNS
//! rebinding.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;
use tm_auth_proto::ErrorCode;

use super::page::{Layout, Page};
use super::words::Instant;
use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::mail::Delivered;

#[derive(Template)]
#[template(path = "mailbox.html")]
pub(crate) struct Mailbox {
    layout: Layout,
    mails: Vec<MailView>,
}

struct MailView {
    to: String,
    subject: String,
    at: Instant,
    blocks: Vec<Block>,
}

/// A part of an e-mail's text.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    Paragraph(Vec<String>),
    Code(String),
    Link { label: String, url: String },
}

pub(crate) async fn mailbox(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Result<Page<Mailbox>, ApiError> {
    let mails = app
        .mailbox()
        .filter(|_| host_is_this_machine(&headers))
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let origin = app.config.public_url.origin();
    let mails = mails
        .iter()
        .map(|mail| mail_view(mail, origin, &context))
        .collect();
    let layout = Layout::new(&app, "Mailbox").middle();
    Ok(Page(Mailbox { layout, mails }))
}

fn host_is_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(Ok(authority)) = host.map(str::parse::<Authority>) else {
        return false;
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn mail_view(mail: &Delivered, origin: &str, context: &Context) -> MailView {
    MailView {
        to: mail.to.clone(),
        subject: mail.subject.clone(),
        at: Instant::new(mail.at, context.now),
        blocks: mail
            .text
            .split("\n\n")
            .filter_map(|text| block(text, origin))
            .collect(),
    }
}

/// Recognises the parts of a letter's text by their form: an indented code, a label above a URL of
/// this service, and paragraphs.
fn block(text: &str, origin: &str) -> Option<Block> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.as_slice() {
        [] => None,
        [code] if code.starts_with("    ") => Some(Block::Code(code.trim().to_owned())),
        [label, url] if url.strip_prefix(origin).is_some_and(|path| path.starts_with('/')) => {
            Some(Block::Link {
                label: label.trim_end_matches(':').to_owned(),
                url: (*url).to_owned(),
            })
        }
        lines => Some(Block::Paragraph(
            lines.iter().map(|&line| line.to_owned()).collect(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn f13_only_requests_to_this_machine_see_the_mailbox() {
        let asked = |host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            host_is_this_machine(&headers)
        };
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "127.8.8.8",
            "[::1]:8080",
            "a.localhost:1",
        ] {
            assert!(asked(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "",
            "evil.example/localhost",
        ] {
            assert!(!asked(host), "{host}");
        }
        assert!(!host_is_this_machine(&HeaderMap::new()));
    }

    #[test]
    fn f20_the_parts_of_a_letter_are_recognised() {
        let origin = "http://localhost:8080";
        let paragraph = |text: &str| Some(Block::Paragraph(vec![text.to_owned()]));
        assert_eq!(block("Hello", origin), paragraph("Hello"));
        assert_eq!(block("", origin), None);
        assert_eq!(
            block("    1234-5678", origin),
            Some(Block::Code("1234-5678".to_owned()))
        );
        let link = |url: &str| block(&format!("Log in:\n{url}"), origin);
        assert_eq!(
            link("http://localhost:8080/sign-in/link#a"),
            Some(Block::Link {
                label: "Log in".to_owned(),
                url: "http://localhost:8080/sign-in/link#a".to_owned()
            })
        );
        for url in [
            "http://localhost:8080.evil.example/",
            "http://localhost:80801/",
            "javascript:alert(1)",
        ] {
            assert!(matches!(link(url), Some(Block::Paragraph(_))), "{url}");
        }
    }
}
