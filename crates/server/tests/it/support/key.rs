//! The API key of a bot.

use jiff::Timestamp;
use serde_json::{Value, json};
use tm_auth_client::Signer;
use tm_auth_core::Account;
use tm_auth_proto::KeyId;

/// A key pair with its account, registered or not.
pub(crate) struct TestKey {
    pub(crate) signer: Signer,
    pub(crate) account: Account,
    key_id: Option<KeyId>,
}

impl TestKey {
    pub(crate) fn unregistered(account: &Account) -> Self {
        Self {
            signer: Signer::generate().unwrap(),
            account: account.clone(),
            key_id: None,
        }
    }

    /// The same key pair, owned by another account.
    pub(crate) fn owned_by(self, account: &Account) -> Self {
        Self {
            account: account.clone(),
            key_id: None,
            ..self
        }
    }

    pub(crate) fn registered(self, key_id: KeyId) -> Self {
        Self {
            key_id: Some(key_id),
            ..self
        }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.key_id.expect("the key is registered")
    }

    /// The body of the request that registers the key.
    pub(crate) fn registration(&self, issuer: &str, now: Timestamp) -> Value {
        let proof = self
            .signer
            .registration_proof(issuer, self.account.uid, now)
            .unwrap();
        json!({ "label": "bot", "public_key": self.signer.public_jwk(), "proof": proof })
    }

    /// The body of the request that mints a token.
    pub(crate) fn challenge(&self, now: Timestamp) -> Value {
        serde_json::to_value(self.signer.mint_request(self.id(), now).unwrap()).unwrap()
    }

    /// Signs any text in the format of a challenge's signature.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.signer.sign(text).unwrap()
    }
}
