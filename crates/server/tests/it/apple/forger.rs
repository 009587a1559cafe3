//! An issuer on loopback that signs any claims with any key.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tm_auth_server::config::Apple;

use super::{CLIENT_ID, configure, team_key};
use crate::support::{START, TestServer};

pub(crate) enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// RSA keys take long to generate, so all tests share two.
pub(crate) static RSA: LazyLock<Key> = LazyLock::new(Key::rsa);
pub(crate) static OTHER_RSA: LazyLock<Key> = LazyLock::new(Key::rsa);

impl Key {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({
                    "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
                    "n": encode(n.big_endian_without_leading_zero()), "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                    "x": encode(&point[1..33]), "y": encode(&point[33..]),
                })
            }
        }
    }

    /// A JWS with this header and payload.
    pub(crate) fn sign(&self, header: &Value, payload: &Value) -> String {
        let input = input(header, payload);
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    input.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
            Self::P256(pair) => pair
                .sign(&SystemRandom::new(), input.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The signing input of a JWS.
pub(crate) fn input(header: &Value, payload: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(payload))
}

/// The service, and the stand-in for Apple.
pub(crate) struct Forged {
    pub(crate) server: TestServer,
    pub(crate) issuer: String,
    told: Arc<Mutex<Told>>,
}

/// The answers of the stand-in, and the requests that it got.
struct Told {
    token: (u16, Value),
    keys: (u16, Value),
    keys_asked: u32,
    forms: Vec<BTreeMap<String, String>>,
}

impl Forged {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Apple)) -> Self {
        let told = Arc::new(Mutex::new(Told {
            token: (500, Value::Null),
            keys: (200, json!({ "keys": [RSA.jwk("k1")] })),
            keys_asked: 0,
            forms: Vec::new(),
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let router = Router::new()
            .route("/auth/token", post(token))
            .route("/auth/keys", get(keys))
            .with_state(Arc::clone(&told));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let server = TestServer::start_with(|config| {
            configure(config, &issuer, team_key().0);
            change(config.apple.as_mut().unwrap());
        })
        .await;
        Self { server, issuer, told }
    }

    /// The claims of a valid token for a flow with this nonce.
    pub(crate) fn claims(&self, nonce: &str) -> Value {
        let now = self.server.now().as_second();
        json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "001999.abc.0001", "nonce": nonce, "iat": now, "exp": now + 600,
            "email": "ada@example.com", "email_verified": "true", "is_private_email": "false", "nonce_supported": true,
        })
    }

    /// A token with these claims, signed as Apple signs.
    pub(crate) fn signed(claims: &Value) -> String {
        RSA.sign(&json!({ "alg": "RS256", "kid": "k1" }), claims)
    }

    /// Makes the token endpoint return this ID token.
    pub(crate) fn gives(&self, id_token: &str) {
        self.answers(
            200,
            json!({ "id_token": id_token, "access_token": "the-token", "token_type": "Bearer" }),
        );
    }

    /// Sets the answer of the token endpoint.
    pub(crate) fn answers(&self, status: u16, body: Value) {
        self.told.lock().unwrap().token = (status, body);
    }

    pub(crate) fn publishes(&self, status: u16, keys: &[Value]) {
        self.told.lock().unwrap().keys = (status, json!({ "keys": keys }));
    }

    pub(crate) fn keys_asked(&self) -> u32 {
        self.told.lock().unwrap().keys_asked
    }

    /// The forms that the token endpoint got, in order.
    pub(crate) fn forms(&self) -> Vec<BTreeMap<String, String>> {
        self.told.lock().unwrap().forms.clone()
    }
}

async fn token(
    State(told): State<Arc<Mutex<Told>>>,
    Form(form): Form<BTreeMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    let mut told = told.lock().unwrap();
    told.forms.push(form);
    let (status, body) = told.token.clone();
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

async fn keys(State(told): State<Arc<Mutex<Told>>>) -> (StatusCode, Json<Value>) {
    let mut told = told.lock().unwrap();
    told.keys_asked += 1;
    let (status, body) = told.keys.clone();
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

/// The start of these tests' clock.
pub(crate) const NOW: i64 = START;
