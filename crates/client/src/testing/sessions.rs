//! The service's rules for mints and refreshes, as far as a client can observe them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, REVOCATIONS_TYP, TmClaims};
use tm_auth_proto::{
    AccessClaims, ApiKeyTokenRequest, Audience, Environment, ErrorCode, KeyId, RevocationList, Scopes,
    SessionId, TokenResponse, challenge, compact,
};

use crate::Signer;

/// The largest difference between a request's timestamp and the clock.
const TIMESTAMP_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
/// How long after its exchange a refresh token gives the newest one again.
const REUSE_GRACE: SignedDuration = SignedDuration::from_secs(90);

/// The keys and sessions of the stand-in.
pub(super) struct SessionStore {
    signing_key: Signer,
    issuer: String,
    pub(super) access_token_lifetime: Duration,
    pub(super) key_expires_at: Option<Timestamp>,
    keys: BTreeMap<KeyId, Vec<u8>>,
    /// Key id, timestamp and r of every accepted signature.
    used: BTreeSet<(KeyId, i64, [u8; 32])>,
    sessions: BTreeMap<SessionId, Session>,
    issued: u64,
}

struct Session {
    key_id: KeyId,
    opened_at: Timestamp,
    /// The counter of the newest refresh token.
    current: u64,
    /// The counter of the refresh token that was exchanged for it.
    parent: Option<u64>,
    rotated_at: Timestamp,
    /// When each counter was last exchanged.
    exchanged_at: BTreeMap<u64, Timestamp>,
    ended: bool,
}

impl Session {
    fn exchange(&mut self, counter: u64, now: Timestamp) {
        self.current += 1;
        self.rotated_at = now;
        self.exchanged_at.insert(counter, now);
    }
}

impl SessionStore {
    pub(super) fn new(signing_key: Signer, issuer: String) -> Self {
        Self {
            signing_key,
            issuer,
            access_token_lifetime: Duration::from_hours(1),
            key_expires_at: None,
            keys: BTreeMap::new(),
            used: BTreeSet::new(),
            sessions: BTreeMap::new(),
            issued: 0,
        }
    }

    pub(super) fn signing_key(&self) -> &Signer {
        &self.signing_key
    }

    pub(super) fn register(&mut self, key: &Signer) -> KeyId {
        self.issued += 1;
        let key_id = KeyId::generate(Environment::Uat, u128::from(self.issued).to_be_bytes());
        self.keys.insert(key_id, key.public_point().to_vec());
        key_id
    }

    pub(super) fn end_all(&mut self) {
        for session in self.sessions.values_mut() {
            session.ended = true;
        }
    }

    pub(super) fn mint(
        &mut self,
        request: &ApiKeyTokenRequest,
        now: Timestamp,
    ) -> Result<TokenResponse, ErrorCode> {
        let signed_at =
            Timestamp::from_second(request.timestamp).map_err(|_| ErrorCode::TimestampOutOfRange)?;
        // The service compares whole seconds.
        if (signed_at.as_second() - now.as_second()).unsigned_abs()
            > TIMESTAMP_TOLERANCE.as_secs().unsigned_abs()
        {
            return Err(ErrorCode::TimestampOutOfRange);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(&request.signature)
            .map_err(|_| ErrorCode::BadSignatureEncoding)?;
        let key_id: KeyId = request
            .key_id
            .parse()
            .map_err(|_| ErrorCode::InvalidCredentials)?;
        let point = self.keys.get(&key_id).ok_or(ErrorCode::InvalidCredentials)?;
        let text = challenge::mint(&request.key_id, request.timestamp);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(text.as_bytes(), &signature)
            .map_err(|_| ErrorCode::InvalidCredentials)?;
        let r: [u8; 32] = signature[..32]
            .try_into()
            .map_err(|_| ErrorCode::BadSignatureEncoding)?;
        if !self.used.insert((key_id, request.timestamp, r)) {
            return Err(ErrorCode::Replayed);
        }
        self.issued += 1;
        let sid: SessionId = format!("{:032x}", self.issued)
            .parse()
            .map_err(|_| ErrorCode::Internal)?;
        let session = Session {
            key_id,
            opened_at: now,
            current: 0,
            parent: None,
            rotated_at: now,
            exchanged_at: BTreeMap::new(),
            ended: false,
        };
        self.sessions.insert(sid, session);
        self.tokens(sid, now)
    }

    pub(super) fn refresh(&mut self, token: &str, now: Timestamp) -> Result<TokenResponse, ErrorCode> {
        let (sid, counter) = parse(token).ok_or(ErrorCode::InvalidRefreshToken)?;
        let session = self.sessions.get_mut(&sid).ok_or(ErrorCode::SessionExpired)?;
        if session.ended {
            return Err(ErrorCode::SessionEnded);
        }
        let within_grace = |since: &Timestamp| now.duration_since(*since) <= REUSE_GRACE;
        let exchanged_soon = session.exchanged_at.get(&counter).is_some_and(within_grace);
        if counter == session.current {
            session.parent = Some(counter);
            session.exchange(counter, now);
        } else if exchanged_soon {
            // Threads of one client: the token may be several exchanges old.
        } else if session.parent == Some(counter) {
            // The response with the successor was lost: issue another successor.
            session.exchange(counter, now);
        } else if within_grace(&session.rotated_at) {
            return Err(ErrorCode::RefreshSuperseded);
        } else {
            session.ended = true;
            return Err(ErrorCode::RefreshReused);
        }
        self.tokens(sid, now)
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(session) = parse(token).and_then(|(sid, _)| self.sessions.get_mut(&sid)) {
            session.ended = true;
        }
    }

    /// Returns the signed revocation list: every session that was ended.
    pub(super) fn revocations(&self, now: Timestamp) -> Result<String, ErrorCode> {
        let iat = now.as_second() - now.as_second().rem_euclid(30);
        let ended = self.sessions.iter().filter(|(_, session)| session.ended);
        let list = RevocationList {
            iss: self.issuer.clone(),
            env: Environment::Uat,
            iat,
            exp: iat + 120,
            sids: ended.map(|(sid, _)| *sid).collect(),
            keys: Vec::new(),
            uids: BTreeMap::new(),
            issued_before: None,
        };
        self.signed(REVOCATIONS_TYP, &list)
    }

    fn signed(&self, typ: &str, payload: &impl Serialize) -> Result<String, ErrorCode> {
        let payload = serde_json::to_vec(payload).map_err(|_| ErrorCode::Internal)?;
        let input = compact::signing_input("ES256", typ, self.signing_key.fingerprint(), &payload);
        let signature = self.signing_key.sign(&input).map_err(|_| ErrorCode::Internal)?;
        Ok(format!("{input}.{signature}"))
    }

    fn tokens(&mut self, sid: SessionId, now: Timestamp) -> Result<TokenResponse, ErrorCode> {
        self.issued += 1;
        let session = self.sessions.get(&sid).ok_or(ErrorCode::Internal)?;
        let exp = now
            .checked_add(self.access_token_lifetime)
            .map_err(|_| ErrorCode::Internal)?;
        // Drop fractions of a second, so that `expires_in` and the claim `exp` are the same
        // instant.
        let exp = Timestamp::from_second(exp.as_second()).map_err(|_| ErrorCode::Internal)?;
        let owner = "00000000-0000-8000-8000-000000000001";
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            sub: owner.to_owned(),
            aud: Audience::One(self.issuer.trim_end_matches("/v1/auth").to_owned()),
            iat: now.as_second(),
            nbf: None,
            exp: exp.as_second(),
            jti: format!("{:032x}", self.issued),
            client_id: session.key_id.to_string(),
            scope: Scopes::ALL.to_string(),
            uid: owner.parse().map_err(|_| ErrorCode::Internal)?,
            tm: TmClaims {
                organization_id: owner.parse().map_err(|_| ErrorCode::Internal)?,
            },
            sid,
            auth_time: session.opened_at.as_second(),
            amr: Vec::new(),
            env: Environment::Uat,
        };
        Ok(TokenResponse {
            access_token: self.signed(ACCESS_TOKEN_TYP, &claims)?,
            refresh_token: format!("stand-in.{sid}.{}", session.current),
            expires_in: exp,
            token_type: "Bearer".to_owned(),
            key_expires_at: self.key_expires_at,
        })
    }
}

/// Returns the session and the counter of a refresh token, which is opaque to clients.
fn parse(token: &str) -> Option<(SessionId, u64)> {
    let (sid, counter) = token.strip_prefix("stand-in.")?.split_once('.')?;
    Some((sid.parse().ok()?, counter.parse().ok()?))
}
