//! Simulates programs with an API key and the owner of the key, and reads their tokens.

use jiff::Timestamp;
use tm_auth_client::{ApiError, AuthApi, Runtime, Signer, SystemRuntime};
use tm_auth_proto::{
    AccessClaims, AccountId, ApiKeyTokenRequest, CompactJws, KeyId, RegisterApiKey, TokenResponse,
};

/// A program with an API key.
pub struct Bot {
    /// The id of its key.
    pub key_id: KeyId,
    signer: Signer,
}

impl Bot {
    /// Creates the bot that holds the private key of `key_id`.
    pub fn new(key_id: KeyId, signer: Signer) -> Self {
        Self { key_id, signer }
    }

    /// Signs a challenge with the current time. Each challenge is different, since the ECDSA
    /// signature is randomized.
    pub fn challenge(&self) -> ApiKeyTokenRequest {
        self.signer
            .mint_request(self.key_id, now())
            .expect("the key signs")
    }

    /// Mints once, without a retry.
    pub async fn mint(&self, api: &AuthApi) -> Result<TokenResponse, ApiError> {
        api.mint(&self.challenge()).await
    }
}

/// The owner of an account, who registers and revokes its keys.
pub struct Owner {
    /// The account.
    pub uid: AccountId,
    /// The service's issuer URL, which registration proofs contain.
    pub issuer: String,
    /// Returns a management token of the account. Called before each request that needs one.
    pub management_token: Box<dyn Fn() -> String + Send + Sync>,
}

impl Owner {
    /// Builds the request that registers this key, with a proof signed now.
    pub fn registration(&self, signer: &Signer) -> RegisterApiKey {
        let proof = signer
            .registration_proof(&self.issuer, self.uid, now())
            .expect("the key signs");
        RegisterApiKey {
            label: "bot".to_owned(),
            public_key: signer.public_jwk(),
            proof,
            scopes: None,
            expires_at: None,
            allowed_ips: Vec::new(),
            pending: false,
        }
    }

    /// Creates a key and registers it, without a retry.
    pub async fn register(&self, api: &AuthApi) -> Result<Bot, ApiError> {
        let signer = Signer::generate().expect("a key pair can be generated");
        let key = api
            .register_api_key(&(self.management_token)(), &self.registration(&signer))
            .await?;
        Ok(Bot::new(key.key_id, signer))
    }
}

/// Returns the claims of the access token, unverified.
pub fn claims(tokens: &TokenResponse) -> AccessClaims {
    let payload = CompactJws::parse(&tokens.access_token)
        .expect("the token is a JWS")
        .payload;
    serde_json::from_slice(&payload).expect("the payload has the claims")
}

/// Returns the counter of the refresh token (its claim `n`), unverified.
pub fn refresh_counter(tokens: &TokenResponse) -> i64 {
    let payload = CompactJws::parse(&tokens.refresh_token)
        .expect("the token is a JWS")
        .payload;
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("the payload has the claims");
    claims["n"].as_i64().expect("`n` is a number")
}

/// The machine's time: the programs under test have no other clock.
pub(crate) fn now() -> Timestamp {
    SystemRuntime.now()
}
