//! The endpoints of the auth service, one method each. Has no state and does not retry; see
//! [`TokenSource`](crate::TokenSource) for that.

mod base_url;
mod transport;

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use tm_auth_proto::{
    ApiKey, ApiKeyList, ApiKeyTokenRequest, EmailCodeRequest, EmailCodeVerification, Health, JwkSet, KeyId,
    OwnApiKey, RefreshTokenRequest, RegisterApiKey, TokenAudience, TokenResponse, UpdateApiKey,
};

pub use base_url::BaseUrlError;
pub(crate) use transport::Response;

use crate::error::ApiError;
use base_url::normalize;
use transport::Request;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From connecting to the last byte of the response. A mint, a refresh or a revocation whose
/// response is lost this way can be repeated.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Below the 75 s (`limits.keep_alive_seconds`) after which the service closes an idle connection,
/// so that no request is sent on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// A client of one auth service. Clones are cheap and share the connection pool.
#[derive(Clone)]
pub struct AuthApi {
    base: String,
    http: reqwest::Client,
}

impl AuthApi {
    /// Creates a client of the service at `base_url`, for example `https://api.truemarkets.co`. The
    /// path `/v1/auth` is appended if it is missing. Plain `http` is accepted for loopback hosts
    /// only.
    pub fn new(base_url: &str) -> Result<Self, BaseUrlError> {
        let base = normalize(base_url)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("tm-auth-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // The service never redirects, and credentials must not be sent to another server.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(BaseUrlError::Client)?;
        Ok(Self { base, http })
    }

    /// Returns the URL of the base path without a trailing slash, for example
    /// `https://api.truemarkets.co/v1/auth`.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// `POST /api-key/token`: exchanges a signature, see
    /// [`Signer::mint_request`](crate::Signer::mint_request), for a pair of tokens.
    pub async fn mint(&self, request: &ApiKeyTokenRequest) -> Result<TokenResponse, ApiError> {
        Ok(self.mint_response(request).await?.body)
    }

    /// `POST /token/refresh`: exchanges the newest refresh token for a new pair of tokens. If the
    /// response is lost, repeat the request with the same refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Result<TokenResponse, ApiError> {
        Ok(self.refresh_response(refresh_token).await?.body)
    }

    pub(crate) async fn mint_response(
        &self,
        request: &ApiKeyTokenRequest,
    ) -> Result<Response<TokenResponse>, ApiError> {
        self.json(Request::post("/api-key/token", request)).await
    }

    pub(crate) async fn refresh_response(
        &self,
        refresh_token: &str,
    ) -> Result<Response<TokenResponse>, ApiError> {
        let refresh_token = refresh_token.to_owned();
        self.json(Request::post(
            "/token/refresh",
            &RefreshTokenRequest { refresh_token },
        ))
        .await
    }

    /// `POST /token/revoke`: ends the session of a refresh token. Also succeeds if the token is
    /// invalid (RFC 7009 section 2.2).
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), ApiError> {
        let refresh_token = refresh_token.to_owned();
        self.send(Request::post(
            "/token/revoke",
            &RefreshTokenRequest { refresh_token },
        ))
        .await
        .map(drop)
    }

    /// `POST /email/otc`: requests a code by mail. The response does not tell whether a mail was
    /// sent.
    pub async fn request_email_code(&self, email: &str) -> Result<(), ApiError> {
        let email = email.to_owned();
        self.send(Request::post("/email/otc", &EmailCodeRequest { email }))
            .await
            .map(drop)
    }

    /// `POST /email/otc/verify`: exchanges a mailed code for a pair of tokens. With
    /// [`TokenAudience::Auth`] the access token manages API keys, otherwise it is for the platform.
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
            .json(Request::post("/email/otc/verify", &verification))
            .await?
            .body)
    }

    /// `GET /.well-known/jwks.json`: fetches the keys that verify access tokens.
    pub async fn jwks(&self) -> Result<JwkSet, ApiError> {
        Ok(self.json(Request::get("/.well-known/jwks.json")).await?.body)
    }

    /// `GET /revocations`: fetches the revocation list, a JWS to verify with the keys of
    /// [`AuthApi::jwks`]. Fails if it is longer than `max_len` bytes.
    pub async fn revocations(&self, max_len: usize) -> Result<String, ApiError> {
        let mut request = Request::get("/revocations");
        request.max_body = max_len;
        let response = self.send(request).await?;
        String::from_utf8(response.body).map_err(|_| ApiError::Unreadable {
            status: response.status,
            request_id: response.request_id,
            reason: "not text".to_owned(),
        })
    }

    /// `GET /health`: fetches whether the service is ready, and its time.
    pub async fn health(&self) -> Result<Health, ApiError> {
        Ok(self.json(Request::get("/health")).await?.body)
    }

    /// `GET /api-key`: fetches the API key that minted `access_token`, and the IP address that the
    /// service sees.
    pub async fn own_api_key(&self, access_token: &str) -> Result<OwnApiKey, ApiError> {
        Ok(self
            .json(Request::get("/api-key").bearer(access_token))
            .await?
            .body)
    }

    /// `GET /api-keys`: fetches the account's API keys, newest first.
    pub async fn api_keys(&self, management_token: &str) -> Result<ApiKeyList, ApiError> {
        Ok(self
            .json(Request::get("/api-keys").bearer(management_token))
            .await?
            .body)
    }

    /// `GET /api-keys/{key_id}`: fetches one API key of the account.
    pub async fn api_key(&self, management_token: &str, key_id: KeyId) -> Result<ApiKey, ApiError> {
        let request = Request::get(&format!("/api-keys/{key_id}")).bearer(management_token);
        Ok(self.json(request).await?.body)
    }

    /// `POST /api-keys`: registers a public key as an API key.
    pub async fn register_api_key(
        &self,
        management_token: &str,
        request: &RegisterApiKey,
    ) -> Result<ApiKey, ApiError> {
        let request = Request::post("/api-keys", request).bearer(management_token);
        Ok(self.json(request).await?.body)
    }

    /// `PATCH /api-keys/{key_id}`: changes an API key. Absent members stay unchanged.
    pub async fn update_api_key(
        &self,
        management_token: &str,
        key_id: KeyId,
        changes: &UpdateApiKey,
    ) -> Result<ApiKey, ApiError> {
        let request = Request::new(Method::PATCH, &format!("/api-keys/{key_id}"))
            .body(changes)
            .bearer(management_token);
        Ok(self.json(request).await?.body)
    }

    /// `DELETE /api-keys/{key_id}`: revokes an API key. This cannot be undone.
    pub async fn revoke_api_key(&self, management_token: &str, key_id: KeyId) -> Result<(), ApiError> {
        let request = Request::new(Method::DELETE, &format!("/api-keys/{key_id}")).bearer(management_token);
        self.send(request).await.map(drop)
    }
}

impl fmt::Debug for AuthApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthApi")
            .field("base_url", &self.base)
            .finish_non_exhaustive()
    }
}
