//! The parties of a flood: networks and sites behind a proxy, and owners.

use reqwest::Method;
use serde_json::Value;
use tm_auth_core::Account;
use tm_auth_server::Config;
use tm_auth_server::config::Forwarded;

use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{Answer, TestServer, Visitor};

/// Requests beyond a limit. All of them must be refused.
const BEYOND: usize = 3;

/// An address of one IPv6 /64.
pub(super) fn in_one_network(number: usize) -> String {
    format!("2001:db8:1:1::{:x}", number + 1)
}

/// An address of another /64 for each number, all in the /48 of [`in_one_network`].
pub(super) fn in_one_site(number: usize) -> String {
    format!("2001:db8:1:{:x}::1", number + 0x10)
}

/// An address of another /48 for each number.
pub(super) fn in_another_site(number: usize) -> String {
    format!("2001:db8:{:x}::1", number + 0x10)
}

/// A server that trusts the tests, which connect from 127.0.0.1, as its proxy.
pub(super) async fn start_with(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(|config| {
        config.network.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.network.forwarded = Some(Forwarded::XForwardedFor);
        change(config);
    })
    .await
}

/// The same, with a mail server. While it is down, mail waits in the outbox.
pub(super) async fn start_with_mail(change: impl FnOnce(&mut Config)) -> (TestServer, SmtpServer) {
    let smtp = SmtpServer::start(Behaviour::default()).await;
    let settings = smtp.settings();
    let server = start_with(|config| {
        config.mail = settings;
        change(config);
    })
    .await;
    (server, smtp)
}

impl TestServer {
    /// A browser without cookies at this address.
    pub(super) fn visitor_at(&self, from: &str) -> Visitor<'_> {
        let mut visitor = self.visitor();
        visitor.forwarded_for = Some(from.to_owned());
        visitor
    }

    pub(super) async fn get_from(&self, from: &str, path: &str) -> Answer {
        let request = self.http.get(self.url(path)).header("x-forwarded-for", from);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(super) async fn post_from(&self, from: &str, path: &str, body: &Value) -> Answer {
        let request = self.http.post(self.url(path)).header("x-forwarded-for", from);
        Answer::of(request.json(body).send().await.unwrap()).await
    }

    /// Sends a request with a fresh management token of the account.
    pub(super) async fn manage_from(
        &self,
        from: &str,
        account: &Account,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let token = self.management_token(account).await;
        let mut request = self.http.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.header("x-forwarded-for", from).send().await.unwrap()).await
    }
}

/// The limit of a flood, and the answers below and beyond it.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) requests: usize,
    pub(super) served: u16,
    pub(super) refused: (u16, &'static str),
}

impl Limit {
    /// A limit beyond which the answer is 429.
    pub(super) fn rate(requests: usize, served: u16) -> Self {
        Self {
            requests,
            served,
            refused: (429, "rate_limited"),
        }
    }

    pub(super) fn assert_served(self, answer: &Answer) {
        assert_eq!(answer.status, self.served, "{answer:?}");
    }

    pub(super) fn assert_refused(self, answer: &Answer) {
        let (status, code) = self.refused;
        answer.assert_error(status, code);
        if status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }

    /// Floods from addresses of `from`: exactly the limit is served. Returns how many requests were
    /// sent.
    pub(super) async fn flood(
        self,
        from: impl Fn(usize) -> String,
        send: impl AsyncFn(String) -> Answer,
    ) -> usize {
        for number in 0..self.requests + BEYOND {
            let answer = send(from(number)).await;
            if number < self.requests {
                self.assert_served(&answer);
            } else {
                self.assert_refused(&answer);
            }
        }
        self.requests + BEYOND
    }
}
