//! A logged-in browser: the cookie, headers and CSRF token that a real one sends.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tm_auth_core::Account;
use tm_auth_core::rotation::TokenFamily;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession, session_id};
use tm_auth_server::random;
use tm_auth_store::AuditContext;

use super::{Answer, TestServer};

/// A browser with a user session.
pub(crate) struct TestBrowser {
    pub(crate) account: Account,
    pub(crate) session: UserSession,
    /// `sid=…`, as the browser sends it.
    pub(crate) cookie: String,
    /// The CSRF token of forms and scripts.
    pub(crate) csrf: String,
    origin: String,
    http: reqwest::Client,
}

/// A response to a browser.
#[derive(Debug)]
pub(crate) struct HtmlPage {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl HtmlPage {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `Location` of a redirect.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location")
    }

    #[track_caller]
    pub(crate) fn assert_shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not in {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is in {self:?}");
        self
    }
}

impl TestServer {
    /// A browser whose user has just logged in with a passkey.
    pub(crate) async fn browser(&self, account: &Account) -> TestBrowser {
        self.browser_signed_in(account, AuthMethod::Passkey, self.now())
            .await
    }

    pub(crate) async fn browser_signed_in(
        &self,
        account: &Account,
        method: AuthMethod,
        proved_at: Timestamp,
    ) -> TestBrowser {
        let now = self.now();
        let secret = SessionSecret::new(random::bytes());
        let session = UserSession {
            sid: session_id(now, &random::bytes()),
            uid: account.uid,
            kind: SessionKind::Browser,
            secret_hash: secret.hash(),
            proof: Proof {
                method,
                at: proved_at,
            },
            family: TokenFamily::start(now),
            mac_kid: None,
            opened_at: now,
            last_used_at: now,
            expires_at: now + SessionKind::Browser.lifetimes().absolute,
            address: [127, 0, 0, 1].into(),
            device: "a test".to_owned(),
            ended: None,
        };
        let opened = self
            .store
            .open_user_session(
                session.clone(),
                "127.0.0.1/32".to_owned(),
                None,
                &AuditContext {
                    actor: account.uid.to_string(),
                    ip: Some(session.address),
                    ..AuditContext::operator(now)
                },
            )
            .await
            .unwrap();
        assert!(opened, "the account is enabled");
        let mut value = session.sid.0.as_bytes().to_vec();
        value.extend(URL_SAFE_NO_PAD.decode(secret.encode()).unwrap());
        let token = format!("tm-auth csrf v1 {}", secret.encode());
        TestBrowser {
            account: account.clone(),
            session,
            cookie: format!("sid={}", URL_SAFE_NO_PAD.encode(value)),
            csrf: URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())),
            origin: self.origin.clone(),
            http: self.http.clone(),
        }
    }

    /// Opens a page in a browser without a session.
    pub(crate) async fn page(&self, path: &str) -> HtmlPage {
        let request = self.http.get(format!("{}{path}", self.origin));
        HtmlPage::of(request.header("accept", "text/html").send().await.unwrap()).await
    }
}

impl TestBrowser {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.origin))
            .header("cookie", &self.cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> HtmlPage {
        let request = self.request(Method::GET, path);
        HtmlPage::of(
            request
                .header("accept", "text/html,application/xhtml+xml")
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Submits a form of one of the service's pages.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        self.post_from(path, &fields, &self.origin).await
    }

    /// Submits exactly these fields from a page of `origin`.
    pub(crate) async fn post_from(&self, path: &str, fields: &[(&str, &str)], origin: &str) -> HtmlPage {
        // The pages' `Referrer-Policy: no-referrer` turns a form's `Origin` into `null`.
        let (origin, site) = if origin == self.origin {
            ("null", "same-origin")
        } else {
            (origin, "cross-site")
        };
        let request = self
            .request(Method::POST, path)
            .header("accept", "text/html,application/xhtml+xml")
            .header("origin", origin)
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded");
        HtmlPage::of(request.body(encode(fields)).send().await.unwrap()).await
    }

    /// Calls a path of the API as a script of one of the service's pages does.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self
            .request(method, &format!("/v1/auth{path}"))
            .header("origin", &self.origin)
            .header("sec-fetch-site", "same-origin")
            .header("x-csrf-token", &self.csrf);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

/// Encodes fields as `application/x-www-form-urlencoded`.
pub(super) fn encode(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}
