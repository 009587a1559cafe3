//! A simulated browser: it keeps cookies, does not follow redirects, and sends the origin of its
//! requests.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tm_auth_core::Account;
use tm_auth_core::rotation::TokenFamily;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::token::refresh;
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession, session_id};
use tm_auth_proto::SessionId;
use tm_auth_server::random;
use tm_auth_store::AuditContext;

use super::{Answer, TestServer};

/// A typical `User-Agent`.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// The `Accept` header for pages.
const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Visitor<'a> {
    server: &'a TestServer,
    pub(crate) cookies: BTreeMap<String, String>,
    /// The address that a trusted proxy reports; `None` if there is no proxy.
    pub(crate) forwarded_for: Option<String>,
}

impl TestServer {
    /// A browser without cookies.
    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            server: self,
            cookies: BTreeMap::new(),
            forwarded_for: None,
        }
    }

    /// A browser in which the account's owner has just logged in.
    pub(crate) async fn signed_in(&self, account: &Account, method: AuthMethod) -> Visitor<'_> {
        let (session, secret) = self.opened(account, method, SessionKind::Browser).await;
        let mut cookie = session.sid.0.as_bytes().to_vec();
        cookie.extend(URL_SAFE_NO_PAD.decode(secret.encode()).unwrap());
        let mut visitor = self.visitor();
        visitor
            .cookies
            .insert(self.cookie("sid"), URL_SAFE_NO_PAD.encode(cookie));
        visitor
    }

    /// The session and refresh token of a program in which the owner has just logged in.
    pub(crate) async fn signed_in_program(
        &self,
        account: &Account,
        kind: SessionKind,
    ) -> (UserSession, String) {
        let (session, secret) = self.opened(account, AuthMethod::EmailCode, kind).await;
        let (issuer, ring) = (self.token_issuer(), self.signing_keys().ring().await.unwrap());
        let token = refresh::issue(
            session.sid,
            &session.family,
            session.idle_expires_at(),
            &secret,
            &issuer.url,
            issuer.environment,
            ring.mac(),
        );
        (session, token)
    }

    async fn opened(
        &self,
        account: &Account,
        method: AuthMethod,
        kind: SessionKind,
    ) -> (UserSession, SessionSecret) {
        let (now, secret) = (self.now(), SessionSecret::new(random::bytes()));
        let session = UserSession {
            sid: session_id(now, &random::bytes()),
            uid: account.uid,
            kind,
            secret_hash: secret.hash(),
            proof: Proof { method, at: now },
            family: TokenFamily::start(now),
            mac_kid: None,
            opened_at: now,
            last_used_at: now,
            expires_at: now + kind.lifetimes().absolute,
            address: [127, 0, 0, 1].into(),
            device: "Firefox on Linux".to_owned(),
            ended: None,
        };
        let (network, audit_context) = ("127.0.0.1/32".to_owned(), AuditContext::service(now));
        let opened = self
            .store
            .open_user_session(session.clone(), network, None, &audit_context)
            .await;
        assert!(opened.unwrap());
        (session, secret)
    }

    /// The cookie's name on this server, with `__Host-` if the service uses HTTPS.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let prefix = if self.config.public_url.is_https() {
            "__Host-"
        } else {
            ""
        };
        format!("{prefix}{name}")
    }
}

impl Visitor<'_> {
    /// The session that the cookie identifies.
    pub(crate) fn sid(&self) -> Option<SessionId> {
        let cookie = self.cookies.get(&self.server.cookie("sid"))?;
        let bytes = URL_SAFE_NO_PAD.decode(cookie).unwrap();
        Some(SessionId(uuid::Uuid::from_slice(&bytes[..16]).unwrap()))
    }

    /// The CSRF token of the session, or an empty string if there is no session.
    pub(crate) fn csrf(&self) -> String {
        let Some(cookie) = self.cookies.get(&self.server.cookie("sid")) else {
            return String::new();
        };
        let secret = URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(cookie).unwrap()[16..]);
        let text = format!("tm-auth csrf v1 {secret}");
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    }

    /// A request with a `User-Agent` and the cookies only. `path` is relative to the origin.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.server.origin);
        let mut request = self
            .server
            .http
            .request(method, url)
            .header("user-agent", USER_AGENT);
        if let Some(address) = &self.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        if self.cookies.is_empty() {
            return request;
        }
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request.header("cookie", cookies.join("; "))
    }

    /// A request from one of the service's pages.
    fn request_of_our_page(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .header("origin", self.server.config.public_url.origin())
            .header("sec-fetch-site", "same-origin")
    }

    /// Sends the request and applies the cookies that the response sets and clears.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request.send().await.unwrap()).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Opens a page.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).header("accept", HTML);
        self.send(request).await
    }

    /// Submits a form of one of the service's pages, with the CSRF token if there is a session.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf();
        let mut fields = fields.to_vec();
        if !csrf.is_empty() && !path.starts_with("/sign-in") && path != "/apple/start" {
            fields.push(("csrf", &csrf));
        }
        self.submit_exactly(path, &fields).await
    }

    /// Sends a form of one of the service's pages with exactly these fields.
    pub(crate) async fn submit_exactly(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect::<Vec<_>>()
            .join("&");
        let request = self
            .request_of_our_page(Method::POST, path)
            .header("accept", HTML)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await
    }

    /// Calls the API as a script of one of the service's pages does.
    pub(crate) async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self
            .request_of_our_page(method, path)
            .header("x-csrf-token", self.csrf());
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }
}

/// Percent-encodes a form field.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
