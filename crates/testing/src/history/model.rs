//! The sequential model: one session as one row. Several nodes together must behave like it.
//!
//! The rules are those of the service. [`tm_auth_core::session::Session::check_usable`] decides
//! whether a session may be refreshed, [`tm_auth_core::rotation::decide`] what a refresh token
//! yields.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use tm_auth_core::rotation::{Decision, TokenFamily, decide};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::session::{EndReason, Session, SessionLifetimes};
use tm_auth_core::{Account, ApiKey, Lifecycle, PublicKey, Refusal};
use tm_auth_proto::{AccountId, ErrorCode, KeyId, OrganizationId, Scopes, SessionId};
use uuid::Uuid;

use super::{Answer, Call};

/// The client's address. The model has no address rules, so the value does not matter.
const ANY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The public key: the generator of P-256. The model has no signatures, so any valid point does.
const ANY_POINT: [u8; 33] = [
    0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];

/// The parts of a session that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The state of its refresh tokens.
    pub family: TokenFamily,
    /// Why it was ended; `None` while it is live.
    pub ended: Option<EndReason>,
    /// Whether its key was revoked.
    pub key_revoked: bool,
}

/// The effect of a call on a session, and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The session after the call.
    pub next: State,
    /// The answer.
    pub reply: Reply,
}

/// The part of an answer that the rules decide: the counter of a token, but not its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Tokens; the refresh token has this counter.
    Issued(i64),
    /// The session was ended, or the key revoked.
    Done,
    /// A refusal.
    Refused(ErrorCode),
}

/// The parts of a session that do not change; see [`State`] for the others.
#[derive(Debug)]
pub struct Model {
    session: Session,
    live_key: ApiKey,
    revoked_key: ApiKey,
    lifetimes: SessionLifetimes,
}

impl Model {
    /// A session opened at `opened_at`, with a key that does not expire.
    pub fn new(opened_at: Timestamp, lifetimes: SessionLifetimes) -> Self {
        let session = Session {
            sid: SessionId(Uuid::nil()),
            key_id: KeyId(Uuid::nil()),
            secret_hash: SecretHash([0; 32]),
            family: TokenFamily::start(opened_at),
            mac_kid: String::new(),
            opened_at,
            expires_at: opened_at + lifetimes.absolute,
            ended: None,
        };
        let live_key = key(opened_at);
        let revoked_key = ApiKey {
            lifecycle: Lifecycle::Revoked {
                revoked_at: opened_at,
                disabled_at: None,
            },
            ..live_key.clone()
        };
        Self {
            session,
            live_key,
            revoked_key,
            lifetimes,
        }
    }

    /// The state right after the mint.
    pub fn start(&self) -> State {
        State {
            family: self.session.family,
            ended: None,
            key_revoked: false,
        }
    }

    /// Applies a call. `None` if no correct service can receive this call in this state: either the
    /// presented token is newer than the row, so the row lost a rotation, or the call is a mint.
    pub fn step(&self, state: &State, call: &Call, now: Timestamp) -> Option<Step> {
        let step_to = |next, reply| Some(Step { next, reply });
        match call {
            Call::Mint { .. } => None,
            Call::RevokeKey { .. } => {
                let next = State {
                    key_revoked: true,
                    ..*state
                };
                step_to(next, Reply::Done)
            }
            Call::EndSession { .. } => {
                let ended = state.ended.or(Some(EndReason::Revoked));
                step_to(State { ended, ..*state }, Reply::Done)
            }
            Call::Refresh { counter, .. } => {
                if let Err(refusal) = self.check_usable(state, now) {
                    return step_to(*state, Reply::Refused(refusal.code()));
                }
                match decide(&state.family, *counter, now, self.lifetimes.reuse_grace) {
                    Decision::Rotate {
                        fast_forward: true, ..
                    } => None,
                    Decision::Rotate { next: family, .. } | Decision::Reissue { next: family } => {
                        step_to(State { family, ..*state }, Reply::Issued(family.current))
                    }
                    Decision::Repeat => step_to(*state, Reply::Issued(state.family.current)),
                    Decision::Superseded => {
                        step_to(*state, Reply::Refused(Refusal::RefreshSuperseded.code()))
                    }
                    Decision::Reuse => {
                        let ended = Some(EndReason::Reused);
                        let refusal = Refusal::RefreshReused.code();
                        step_to(State { ended, ..*state }, Reply::Refused(refusal))
                    }
                }
            }
        }
    }

    fn check_usable(&self, state: &State, now: Timestamp) -> Result<(), Refusal> {
        let mut session = self.session.clone();
        session.family = state.family;
        session.ended = state.ended.map(|reason| (now, reason));
        let key = if state.key_revoked {
            &self.revoked_key
        } else {
            &self.live_key
        };
        session.check_usable(key, ANY_ADDRESS, &self.lifetimes, now)
    }
}

impl Reply {
    /// Whether this is the recorded answer.
    pub fn matches(self, answer: &Answer) -> bool {
        match (self, answer) {
            (
                Self::Issued(counter),
                Answer::Issued {
                    counter: recorded, ..
                },
            ) => counter == *recorded,
            (Self::Done, Answer::Done) => true,
            (Self::Refused(code), Answer::Refused(recorded)) => code == *recorded,
            _ => false,
        }
    }
}

fn key(created_at: Timestamp) -> ApiKey {
    ApiKey {
        key_id: KeyId(Uuid::nil()),
        account: Account {
            uid: AccountId(Uuid::nil()),
            organization_id: OrganizationId(Uuid::nil()),
            email: None,
            created_at,
            disabled_at: None,
            version: 0,
        },
        label: String::new(),
        public_key: PublicKey::from_sec1(&ANY_POINT).expect("the generator is on the curve"),
        scopes: Scopes::ALL,
        allowed_ips: Vec::new(),
        created_at,
        expires_at: None,
        lifecycle: Lifecycle::Active {
            activated_at: created_at,
        },
        version: 0,
    }
}
