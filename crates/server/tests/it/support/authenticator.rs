//! A software authenticator. Tests can tamper with every part of its responses.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tm_auth_server::random;

pub(crate) const USER_PRESENT: u8 = 1 << 0;
pub(crate) const USER_VERIFIED: u8 = 1 << 2;
pub(crate) const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub(crate) const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
pub(crate) const HAS_EXTENSIONS: u8 = 1 << 7;

/// One credential on one device.
pub(crate) struct Authenticator {
    pair: EcdsaKeyPair,
    pub(crate) credential_id: Vec<u8>,
    /// The user handle of the last registration.
    pub(crate) user_handle: Option<Vec<u8>>,
    pub(crate) counter: u32,
    /// The flags of every response.
    pub(crate) flags: u8,
}

/// The response to a registration, before it is encoded and sent.
pub(crate) struct Made {
    pub(crate) client_data: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) credential_id: Vec<u8>,
    /// The COSE public key.
    pub(crate) key: Vec<u8>,
    /// Bytes after the key, such as extensions.
    pub(crate) rest: Vec<u8>,
    pub(crate) format: String,
    pub(crate) statement: Vec<u8>,
    pub(crate) transports: Vec<&'static str>,
}

/// The response to an authentication, before it is signed and sent.
pub(crate) struct Used {
    pub(crate) client_data: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) credential_id: Vec<u8>,
    pub(crate) user_handle: Option<Vec<u8>>,
    /// Bytes after the counter, such as extensions.
    pub(crate) rest: Vec<u8>,
}

impl Authenticator {
    /// An authenticator with synchronised passkeys, like most.
    pub(crate) fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            credential_id: random::bytes::<32>().to_vec(),
            user_handle: None,
            counter: 0,
            flags: USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP,
        }
    }

    /// An authenticator with device-bound passkeys and a signature counter.
    pub(crate) fn device_bound() -> Self {
        Self {
            counter: 1,
            flags: USER_PRESENT | USER_VERIFIED,
            ..Self::new()
        }
    }

    /// Creates a credential according to `options`, for a page of this origin.
    pub(crate) fn create(&mut self, options: &Value, origin: &str) -> Made {
        let asked = &options["publicKey"];
        self.user_handle = Some(unbase64(&asked["user"]["id"]));
        Made {
            client_data: client_data("webauthn.create", &asked["challenge"], origin),
            rp_id: asked["rp"]["id"].as_str().unwrap().to_owned(),
            flags: self.flags | HAS_CREDENTIAL,
            counter: self.counter,
            credential_id: self.credential_id.clone(),
            key: self.public_key(),
            rest: Vec::new(),
            format: "none".to_owned(),
            statement: vec![0xa0],
            transports: vec!["internal", "hybrid", "tomorrow"],
        }
    }

    /// Uses the credential according to `options`. Increments the counter unless it is zero.
    pub(crate) fn get(&mut self, options: &Value, origin: &str) -> Used {
        let asked = &options["publicKey"];
        if self.counter > 0 {
            self.counter += 1;
        }
        Used {
            client_data: client_data("webauthn.get", &asked["challenge"], origin),
            rp_id: asked["rpId"].as_str().unwrap().to_owned(),
            flags: self.flags,
            counter: self.counter,
            credential_id: self.credential_id.clone(),
            user_handle: self.user_handle.clone(),
            rest: Vec::new(),
        }
    }

    /// The ES256 public key in COSE.
    fn public_key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..],
        ]
        .concat()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }
}

impl Made {
    pub(crate) fn auth_data(&self) -> Vec<u8> {
        let length = u16::try_from(self.credential_id.len()).unwrap();
        [
            &authenticator_data(&self.rp_id, self.flags, self.counter)[..],
            &[0; 16],
            &length.to_be_bytes(),
            &self.credential_id,
            &self.key,
            &self.rest,
        ]
        .concat()
    }

    pub(crate) fn object(&self) -> Vec<u8> {
        [
            &[0xa3][..],
            &cbor(3, b"fmt"),
            &cbor(3, self.format.as_bytes()),
            &cbor(3, b"attStmt"),
            &self.statement,
            &cbor(3, b"authData"),
            &cbor(2, &self.auth_data()),
        ]
        .concat()
    }

    pub(crate) fn answer(&self) -> Value {
        self.answer_with(&self.object())
    }

    pub(crate) fn answer_with(&self, object: &[u8]) -> Value {
        let id = base64(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": base64(&self.client_data),
                "attestationObject": base64(object),
                "transports": self.transports,
            },
            "clientExtensionResults": { "credProps": { "rk": true }, "tomorrow": { "a": [1] } },
        })
    }
}

impl Used {
    pub(crate) fn auth_data(&self) -> Vec<u8> {
        let mut data = authenticator_data(&self.rp_id, self.flags, self.counter);
        data.extend(&self.rest);
        data
    }

    /// The response, signed by the authenticator `by`.
    pub(crate) fn answer(&self, by: &Authenticator) -> Value {
        let hash = digest(&SHA256, &self.client_data);
        self.answer_with(&by.sign(&[&self.auth_data(), hash.as_ref()].concat()))
    }

    pub(crate) fn answer_with(&self, signature: &[u8]) -> Value {
        let id = base64(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "clientDataJSON": base64(&self.client_data),
                "authenticatorData": base64(&self.auth_data()),
                "signature": base64(signature),
                "userHandle": self.user_handle.as_deref().map(base64),
            },
            "clientExtensionResults": {},
        })
    }
}

/// Replaces every `from` in the client data by `to`.
pub(crate) fn bend(client_data: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(client_data.clone()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *client_data = text.replace(from, to).into_bytes();
}

fn client_data(kind: &str, challenge: &Value, origin: &str) -> Vec<u8> {
    let challenge = challenge.as_str().unwrap();
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
        .into_bytes()
}

fn authenticator_data(rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
    let hash = digest(&SHA256, rp_id.as_bytes());
    [hash.as_ref(), &[flags], &counter.to_be_bytes()].concat()
}

/// A CBOR string: `kind` 2 is a byte string, 3 a text string.
pub(crate) fn cbor(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let head = match length {
        0..=23 => vec![kind << 5 | u8::try_from(length).unwrap()],
        24..=255 => vec![kind << 5 | 0x18, u8::try_from(length).unwrap()],
        _ => [&[kind << 5 | 0x19][..], &length.to_be_bytes()].concat(),
    };
    [head, content.to_vec()].concat()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unbase64(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}
