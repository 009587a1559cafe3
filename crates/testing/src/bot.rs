//! Programs with a key, the owner who registers it, and what their tokens say.

use jiff::Timestamp;
use tm_auth_client::{ApiError, AuthApi, Runtime, Signer, SystemRuntime};
use tm_auth_proto::{
    AccessClaims, AccountId, ApiKeyTokenRequest, CompactJws, KeyId, RegisterApiKey, TokenResponse,
};

/// A program with a key.
pub struct Bot {
    /// Its key.
    pub key_id: KeyId,
    signer: Signer,
}

impl Bot {
    /// The holder of the private half of `key_id`.
    pub fn new(key_id: KeyId, signer: Signer) -> Self {
        Self { key_id, signer }
    }

    /// A challenge, signed now. No two are the same.
    pub fn challenge(&self) -> ApiKeyTokenRequest {
        self.signer.mint_request(self.key_id, now()).expect("a signature")
    }

    /// Asks once.
    pub async fn mint(&self, api: &AuthApi) -> Result<TokenResponse, ApiError> {
        api.mint(&self.challenge()).await
    }
}

/// Who registers and revokes an account's keys.
pub struct Owner {
    /// The account.
    pub uid: AccountId,
    /// The service's issuer, which registration proofs name.
    pub issuer: String,
    /// Gives a token that manages the account's keys. Called before each request that takes one.
    pub management_token: Box<dyn Fn() -> String + Send + Sync>,
}

impl Owner {
    /// What registers this key, signed now.
    pub fn registration(&self, signer: &Signer) -> RegisterApiKey {
        let proof = signer
            .registration_proof(&self.issuer, self.uid, now())
            .expect("a signature");
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

    /// Makes a key and registers it. Asks once.
    pub async fn register(&self, api: &AuthApi) -> Result<Bot, ApiError> {
        let signer = Signer::generate().expect("a key pair");
        let key = api
            .register_api_key(&(self.management_token)(), &self.registration(&signer))
            .await?;
        Ok(Bot::new(key.key_id, signer))
    }
}

/// What an access token says.
pub fn claims(tokens: &TokenResponse) -> AccessClaims {
    let payload = CompactJws::parse(&tokens.access_token).expect("a JWS").payload;
    serde_json::from_slice(&payload).expect("claims")
}

/// Which of its session's refresh tokens this is: its counter.
pub fn generation(tokens: &TokenResponse) -> i64 {
    let payload = CompactJws::parse(&tokens.refresh_token).expect("a JWS").payload;
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("claims");
    claims["n"].as_i64().expect("a counter")
}

/// The machine's time: what is under test are real programs, which know no other.
pub(crate) fn now() -> Timestamp {
    SystemRuntime.now()
}
