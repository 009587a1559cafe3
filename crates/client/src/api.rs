//! The service's endpoints, one method each. No state, no retries: those are
//! [`TokenSource`](crate::TokenSource)'s.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tm_auth_proto::{
    ApiKey, ApiKeyList, ApiKeyTokenRequest, EmailCodeRequest, EmailCodeVerification, Health, JwkSet, KeyId,
    OwnApiKey, RefreshTokenRequest, RegisterApiKey, TokenAudience, TokenResponse, UpdateApiKey,
};

use crate::error::{ApiError, Refusal, date};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last one read. The service itself gives up on a request after 5 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the 60 s after which the service closes an idle connection, so that no request is written
/// to one that is about to go.
const IDLE: Duration = Duration::from_secs(45);
/// No answer of the service is longer, the list of an account's keys included.
const MAX_ANSWER: usize = 1024 * 1024;
const BASE_PATH: &str = "/v1/auth";

/// A connection to one auth service. Cheap to clone; clones share the connection pool.
#[derive(Clone)]
pub struct AuthApi {
    base: String,
    http: reqwest::Client,
}

impl AuthApi {
    /// The service at `base_url`: an origin such as `https://api.truemarkets.co`, with or without
    /// `/v1/auth` at its end. Plain `http` only for this very machine.
    pub fn new(base_url: &str) -> Result<Self, BaseUrlError> {
        let base = base_path(base_url)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("tm-auth-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            // The service never redirects, and a body with a credential goes nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(BaseUrlError::Client)?;
        Ok(Self { base, http })
    }

    /// The URL of the base path, without a slash at its end: `https://api.truemarkets.co/v1/auth`.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// `POST /api-key/token`: tokens for a signature, made by
    /// [`Signer::mint_request`](crate::Signer::mint_request).
    pub async fn mint(&self, request: &ApiKeyTokenRequest) -> Result<TokenResponse, ApiError> {
        Ok(self.mint_at(request).await?.body)
    }

    /// `POST /token/refresh`: a new pair for the newest refresh token. Where the answer is lost, ask again
    /// with the same refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Result<TokenResponse, ApiError> {
        Ok(self.refresh_at(refresh_token).await?.body)
    }

    pub(crate) async fn mint_at(
        &self,
        request: &ApiKeyTokenRequest,
    ) -> Result<Answer<TokenResponse>, ApiError> {
        self.json(Call::post("/api-key/token", request)).await
    }

    pub(crate) async fn refresh_at(&self, refresh_token: &str) -> Result<Answer<TokenResponse>, ApiError> {
        let refresh_token = refresh_token.to_owned();
        self.json(Call::post(
            "/token/refresh",
            &RefreshTokenRequest { refresh_token },
        ))
        .await
    }

    /// `POST /token/revoke`: ends the session of a refresh token. Succeeds whatever was presented.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), ApiError> {
        let refresh_token = refresh_token.to_owned();
        self.send(Call::post(
            "/token/revoke",
            &RefreshTokenRequest { refresh_token },
        ))
        .await
        .map(drop)
    }

    /// `POST /email/otc`: has a code mailed. Succeeds whether a mail goes out or not.
    pub async fn request_email_code(&self, email: &str) -> Result<(), ApiError> {
        let email = email.to_owned();
        self.send(Call::post("/email/otc", &EmailCodeRequest { email }))
            .await
            .map(drop)
    }

    /// `POST /email/otc/verify`: tokens for a mailed code; for managing keys with [`TokenAudience::Auth`], else
    /// for the platform.
    pub async fn verify_email_code(
        &self,
        email: &str,
        code: &str,
        audience: Option<TokenAudience>,
    ) -> Result<TokenResponse, ApiError> {
        let verification = EmailCodeVerification {
            email: email.to_owned(),
            code: code.to_owned(),
            audience,
        };
        Ok(self
            .json(Call::post("/email/otc/verify", &verification))
            .await?
            .body)
    }

    /// `GET /.well-known/jwks.json`: the keys that verify access tokens.
    pub async fn jwks(&self) -> Result<JwkSet, ApiError> {
        Ok(self.json(Call::get("/.well-known/jwks.json")).await?.body)
    }

    /// `GET /revocations`: the revocation list, a JWS to verify with the keys of [`AuthApi::jwks`]. At most
    /// `max_len` bytes of it.
    pub async fn revocations(&self, max_len: usize) -> Result<String, ApiError> {
        let mut call = Call::get("/revocations");
        call.max_answer = max_len;
        let answer = self.send(call).await?;
        String::from_utf8(answer.body).map_err(|_| ApiError::Unreadable {
            status: answer.status,
            request_id: answer.request_id,
            reason: "not text".to_owned(),
        })
    }

    /// `GET /health`: whether the service can do its work, and what time it believes it is.
    pub async fn health(&self) -> Result<Health, ApiError> {
        Ok(self.json(Call::get("/health")).await?.body)
    }

    /// `GET /api-key`: the key that minted `access_token`, and the address this request comes from.
    pub async fn own_api_key(&self, access_token: &str) -> Result<OwnApiKey, ApiError> {
        Ok(self.json(Call::get("/api-key").bearer(access_token)).await?.body)
    }

    /// `GET /api-keys`: the keys of the account of a management token, newest first.
    pub async fn api_keys(&self, management_token: &str) -> Result<ApiKeyList, ApiError> {
        Ok(self
            .json(Call::get("/api-keys").bearer(management_token))
            .await?
            .body)
    }

    /// `GET /api-keys/{key_id}`.
    pub async fn api_key(&self, management_token: &str, key_id: KeyId) -> Result<ApiKey, ApiError> {
        let call = Call::get(&format!("/api-keys/{key_id}")).bearer(management_token);
        Ok(self.json(call).await?.body)
    }

    /// `POST /api-keys`: registers a public key.
    pub async fn register_api_key(
        &self,
        management_token: &str,
        request: &RegisterApiKey,
    ) -> Result<ApiKey, ApiError> {
        let call = Call::post("/api-keys", request).bearer(management_token);
        Ok(self.json(call).await?.body)
    }

    /// `PATCH /api-keys/{key_id}`: changes a key; what is left out stays.
    pub async fn update_api_key(
        &self,
        management_token: &str,
        key_id: KeyId,
        changes: &UpdateApiKey,
    ) -> Result<ApiKey, ApiError> {
        let call = Call::new(Method::PATCH, &format!("/api-keys/{key_id}"))
            .body(changes)
            .bearer(management_token);
        Ok(self.json(call).await?.body)
    }

    /// `DELETE /api-keys/{key_id}`: revokes a key, for good.
    pub async fn revoke_api_key(&self, management_token: &str, key_id: KeyId) -> Result<(), ApiError> {
        let call = Call::new(Method::DELETE, &format!("/api-keys/{key_id}")).bearer(management_token);
        self.send(call).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, ApiError> {
        let Answer {
            body,
            server_time,
            status,
            request_id,
        } = self.send(call).await?;
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(Answer {
                body,
                server_time,
                status,
                request_id,
            }),
            // serde's own message may quote a token.
            Err(error) => Err(ApiError::Unreadable {
                status,
                request_id,
                reason: format!(
                    "not the expected JSON at line {}, column {}",
                    error.line(),
                    error.column()
                ),
            }),
        }
    }

    async fn send(&self, call: Call) -> Result<Answer<Vec<u8>>, ApiError> {
        let url = format!("{}{}", self.base, call.path);
        let unreachable = |source: reqwest::Error| ApiError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let mut request = self.http.request(call.method, &url);
        if let Some(token) = call.bearer {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(body) = call.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let request_id = headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > call.max_answer {
                return Err(ApiError::Unreadable {
                    status: status.as_u16(),
                    request_id,
                    reason: format!("longer than {} bytes", call.max_answer),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(ApiError::Refused(Box::new(Refusal::new(
                status.as_u16(),
                &headers,
                &body,
            ))));
        }
        Ok(Answer {
            body,
            server_time: date(&headers),
            status: status.as_u16(),
            request_id,
        })
    }
}

impl fmt::Debug for AuthApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthApi")
            .field("base_url", &self.base)
            .finish_non_exhaustive()
    }
}

/// A success, and what its headers say.
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    /// The `Date` header.
    pub(crate) server_time: Option<Timestamp>,
    status: u16,
    request_id: Option<String>,
}

/// A request before it is sent.
struct Call {
    method: Method,
    path: String,
    bearer: Option<HeaderValue>,
    body: Option<Vec<u8>>,
    /// Longest answer that is read, in bytes.
    max_answer: usize,
}

impl Call {
    fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            bearer: None,
            body: None,
            max_answer: MAX_ANSWER,
        }
    }

    fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    fn post(path: &str, body: &impl Serialize) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    fn body(mut self, body: &impl Serialize) -> Self {
        // The request types are structs with string keys: they always serialize.
        self.body = serde_json::to_vec(body).ok();
        self
    }

    fn bearer(mut self, token: &str) -> Self {
        self.bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map(|mut value| {
                value.set_sensitive(true);
                value
            })
            // A token with a line break in it is none; without one the service answers `missing_token`.
            .ok();
        self
    }
}

/// Why a base URL is not one.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// It is no absolute URL.
    #[error("`{0}` is not a URL such as https://api.truemarkets.co")]
    NotAUrl(String),
    /// It would send credentials in clear text over a network.
    #[error("`{0}` is not https: only a service on this machine may be asked over plain http")]
    NotHttps(String),
    /// It carries more than scheme, host, port and path.
    #[error("the base URL must have no user name, query or fragment")]
    Surplus,
    /// The HTTP client could not be set up, for example without the system's root certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(reqwest::Error),
}

fn base_path(text: &str) -> Result<String, BaseUrlError> {
    let not_a_url = || BaseUrlError::NotAUrl(text.to_owned());
    let url = Url::parse(text.trim()).map_err(|_| not_a_url())?;
    let host = url.host_str().ok_or_else(not_a_url)?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(BaseUrlError::Surplus);
    }
    let this_machine = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if this_machine => {}
        "http" => return Err(BaseUrlError::NotHttps(text.to_owned())),
        _ => return Err(not_a_url()),
    }
    let base = url.as_str().trim_end_matches('/');
    Ok(if base.ends_with(BASE_PATH) {
        base.to_owned()
    } else {
        format!("{base}{BASE_PATH}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_an_origin_with_or_without_the_base_path() {
        for (given, base) in [
            ("https://api.truemarkets.co", "https://api.truemarkets.co/v1/auth"),
            (
                "https://api.truemarkets.co/",
                "https://api.truemarkets.co/v1/auth",
            ),
            (
                "https://api.truemarkets.co/v1/auth",
                "https://api.truemarkets.co/v1/auth",
            ),
            (
                "https://api.truemarkets.co/v1/auth/",
                "https://api.truemarkets.co/v1/auth",
            ),
            ("https://example.com/tm", "https://example.com/tm/v1/auth"),
            ("http://localhost:8080", "http://localhost:8080/v1/auth"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/v1/auth"),
            ("http://[::1]:1", "http://[::1]:1/v1/auth"),
        ] {
            assert_eq!(base_path(given).unwrap(), base, "{given}");
        }
    }

    #[test]
    fn credentials_never_leave_in_clear_text() {
        for given in [
            "http://api.truemarkets.co",
            "http://localhost.evil.example",
            "http://127.0.0.2",
        ] {
            assert!(
                matches!(base_path(given), Err(BaseUrlError::NotHttps(_))),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for given in ["", "api.truemarkets.co", "ftp://a.example", "mailto:a@b.example"] {
            assert!(
                matches!(base_path(given), Err(BaseUrlError::NotAUrl(_))),
                "{given}"
            );
        }
        for given in [
            "https://u@a.example",
            "https://:p@a.example",
            "https://a.example?x=1",
            "https://a.example#f",
        ] {
            assert!(matches!(base_path(given), Err(BaseUrlError::Surplus)), "{given}");
        }
    }
}
