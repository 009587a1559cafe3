//! Fixtures of the cases: accounts, keys, sessions and fixed times.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use tm_auth_core::registration::{self, OwnedPublicKey};
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::{NewSession, SessionLifetimes};
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::{Account, ApiKey, PublicKey, Refusal};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{AccountId, Environment, KeyId, OrganizationId, Scopes, SessionId, challenge};
use uuid::{Builder, Uuid};

use crate::{
    AuditAction, AuditContext, KeyLimits, NewAccount, NewApiKey, OpenOutcome, Retention, Rotated, Rotation,
    Store,
};

/// The client's address.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// More keys than any case registers.
pub(crate) const MANY: u32 = 100;
/// Limits of an account that no case reaches.
pub(crate) const LIMITS: KeyLimits = live(MANY);
/// Lifetimes of the sessions.
pub(crate) const LIFETIMES: SessionLifetimes = SessionLifetimes {
    idle: SignedDuration::from_hours(30 * 24),
    absolute: SignedDuration::from_hours(365 * 24),
    reuse_grace: SignedDuration::from_secs(90),
};

/// This limit of live keys alone.
pub(crate) const fn live(live: u32) -> KeyLimits {
    KeyLimits {
        live,
        per_day: u32::MAX,
    }
}

/// The time this many seconds after the start of a case.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("within this century")
}

pub(crate) fn audit_context(seconds: i64) -> AuditContext {
    AuditContext {
        at: at(seconds),
        actor: "the suite".to_owned(),
        ip: Some(ADDRESS),
        request_id: Some("request 1".to_owned()),
    }
}

/// A number that is unique in this process.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn fresh_uuid() -> Uuid {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&fresh().to_be_bytes());
    Builder::from_custom_bytes(bytes).into_uuid()
}

pub(crate) fn fresh_key_id() -> KeyId {
    KeyId::generate(Environment::Uat, *fresh_uuid().as_bytes())
}

pub(crate) fn new_account(email: Option<&str>, seconds: i64) -> NewAccount {
    NewAccount {
        uid: AccountId(fresh_uuid()),
        organization_id: OrganizationId(fresh_uuid()),
        email: email.map(|email| email.parse().expect("an address")),
        created_at: at(seconds),
    }
}

pub(crate) async fn account(store: &Store) -> Account {
    store
        .create_account(new_account(None, 0), &audit_context(0))
        .await
        .expect("the database answers")
        .expect("no address is taken")
}

/// The public half of a new key pair, with proof of possession.
pub(crate) fn public_key(account: &Account) -> OwnedPublicKey {
    let issuer = "https://auth.test/v1/auth";
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("signing works");
    let key = PublicKey::from_sec1(pair.public_key().as_ref()).expect("a point");
    let timestamp = at(0).as_second();
    let text = challenge::registration(issuer, account.uid, &key.fingerprint(), timestamp);
    let signature = pair
        .sign(&SystemRandom::new(), text.as_bytes())
        .expect("signing works");
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let proof = RegistrationProof { timestamp, signature };
    registration::verify_possession(key, &proof, issuer, account.uid, at(0)).expect("the proof is valid")
}

/// An active key without restrictions, registered at second 0.
pub(crate) fn new_key(account: &Account) -> NewApiKey {
    NewApiKey {
        key_id: fresh_key_id(),
        uid: account.uid,
        label: "bot".to_owned(),
        public_key: public_key(account),
        scopes: Scopes::ALL,
        allowed_ips: Vec::new(),
        created_at: at(0),
        active: true,
        expires_at: None,
    }
}

pub(crate) async fn register(store: &Store, new: NewApiKey) -> ApiKey {
    let audit_context = audit_context(0);
    store
        .register_key(new, LIMITS, &audit_context)
        .await
        .expect("the database answers")
        .expect("the key can be registered")
}

/// A new account with one key.
pub async fn key(store: &Store) -> ApiKey {
    let account = account(store).await;
    register(store, new_key(&account)).await
}

/// A session to be opened, for a challenge of this second.
pub fn new_session(key: &ApiKey, seconds: i64) -> (NewSession, SessionSecret) {
    let number = u128::from(fresh());
    let mut sid = number.to_be_bytes();
    sid[..5].copy_from_slice(&at(seconds).as_second().to_be_bytes()[3..]);
    let secret = SessionSecret::new(number.to_le_bytes());
    let new = NewSession {
        sid: SessionId(Builder::from_custom_bytes(sid).into_uuid()),
        key_id: key.key_id,
        uid: key.account.uid,
        key_version: key.version,
        account_version: key.account.version,
        secret_hash: secret.hash(),
        open_nonce: number.to_be_bytes(),
        mac_kid: "mac-1".to_owned(),
        challenge_at: at(seconds),
        opened_at: at(seconds),
        expires_at: at(seconds) + LIFETIMES.absolute,
    };
    (new, secret)
}

pub(crate) async fn open(store: &Store, new: &NewSession) -> OpenOutcome {
    store
        .open_session(new.clone())
        .await
        .expect("the database answers")
}

/// A session of this key, opened at second 0.
pub(crate) async fn session(store: &Store, key: &ApiKey) -> (NewSession, SessionSecret) {
    let (new, secret) = new_session(key, 0);
    assert_eq!(open(store, &new).await, OpenOutcome::Opened);
    (new, secret)
}

/// The refresh token with this counter, presented at this second.
pub fn rotation(sid: SessionId, secret: &SessionSecret, counter: i64, seconds: i64) -> Rotation {
    Rotation {
        presented: presented(sid, secret, counter),
        address: ADDRESS,
        mac_kid: "mac-1".to_owned(),
        lifetimes: LIFETIMES,
        now: at(seconds),
        audit_context: audit_context(seconds),
    }
}

pub(crate) fn presented(sid: SessionId, secret: &SessionSecret, counter: i64) -> VerifiedRefreshToken {
    VerifiedRefreshToken {
        sid,
        counter,
        secret: secret.clone(),
    }
}

pub(crate) async fn rotate(store: &Store, rotation: Rotation) -> Result<Rotated, Refusal> {
    let rotated = store
        .rotate_session(rotation)
        .await
        .expect("the database answers");
    rotated.map_err(|refused| refused.refusal)
}

/// The number of entries of this action in the audit trail.
pub(crate) async fn audited(store: &Store, action: AuditAction) -> usize {
    let trail = store
        .audit_trail(None, 10_000)
        .await
        .expect("the database answers");
    trail.iter().filter(|entry| entry.action == action).count()
}

/// The service's retention, with small batches.
pub(crate) const RETENTION: Retention = Retention {
    batch: 10,
    session_idle: LIFETIMES.idle,
    session: SignedDuration::from_hours(7 * 24),
    challenge: SignedDuration::from_hours(26),
    revocation: SignedDuration::from_mins(62),
    audit: SignedDuration::from_hours(365 * 24),
    change: SignedDuration::from_hours(1),
    code: SignedDuration::from_hours(1),
    network: SignedDuration::from_hours(180 * 24),
    pending_key: SignedDuration::from_hours(24),
};
