//! The service's endpoints, one method each. No state, no retries: those are
//! [`TokenSource`](crate::TokenSource)'s.

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
pub(crate) use transport::Answer;

use crate::error::ApiError;
use base_url::base_path;
use transport::Call;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last one read. The service itself gives up on a request after 5 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the 60 s after which the service closes an idle connection, so that no request is written
/// to one that is about to go.
const IDLE: Duration = Duration::from_secs(45);

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
}

impl fmt::Debug for AuthApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthApi")
            .field("base_url", &self.base)
            .finish_non_exhaustive()
    }
}
