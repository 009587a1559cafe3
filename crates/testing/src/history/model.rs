//! One session as one row: what the nodes together must look like.
//!
//! The rule itself is not written here. [`tm_auth_core::session::Session::permit`] says whether the session goes
//! on, [`tm_auth_core::rotation::decide`] which token is the newest.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use tm_auth_core::rotation::{Decision, Line, decide};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::session::{EndReason, Lives, Session};
use tm_auth_core::{Account, ApiKey, Lifecycle, PublicKey, Refusal};
use tm_auth_proto::{AccountId, ErrorCode, KeyId, OrganizationId, Scopes, SessionId};
use uuid::Uuid;

use super::{Answer, Call};

/// No address rule is judged, so any address does.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The curve's generator, a valid point like any other: no signature is judged.
const POINT: [u8; 33] = [
    0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];

/// What of a session can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Where its line of tokens stands.
    pub line: Line,
    /// Whether and why it was ended.
    pub ended: Option<EndReason>,
    /// Whether its key was revoked.
    pub key_revoked: bool,
}

/// What a call does to a session, and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The session afterwards.
    pub next: State,
    /// The answer.
    pub reply: Reply,
}

/// An answer, as far as the rule decides it: of a token the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Tokens, the refresh token with this counter.
    Issued(i64),
    /// It is ended or revoked.
    Done,
    /// A refusal.
    Refused(ErrorCode),
}

/// The row of one session, less its [`State`].
#[derive(Debug)]
pub struct Model {
    session: Session,
    live_key: ApiKey,
    revoked_key: ApiKey,
    lives: Lives,
}

impl Model {
    /// A session that was opened at `opened_at`, with a key that has no end.
    pub fn new(opened_at: Timestamp, lives: Lives) -> Self {
        let session = Session {
            sid: SessionId(Uuid::nil()),
            key_id: KeyId(Uuid::nil()),
            secret_hash: SecretHash([0; 32]),
            line: Line::start(opened_at),
            mac_kid: String::new(),
            opened_at,
            expires_at: opened_at + lives.absolute,
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
            lives,
        }
    }

    /// Just opened.
    pub fn start(&self) -> State {
        State {
            line: self.session.line,
            ended: None,
            key_revoked: false,
        }
    }

    /// Applies a call. None where no correct service can be in this state and be asked this: the presented token
    /// is newer than the row, so the row lost a rotation; or the call is none on an open session.
    pub fn step(&self, state: &State, call: &Call, now: Timestamp) -> Option<Step> {
        let answered = |next, reply| Some(Step { next, reply });
        match call {
            Call::Mint { .. } => None,
            Call::RevokeKey { .. } => {
                let next = State {
                    key_revoked: true,
                    ..*state
                };
                answered(next, Reply::Done)
            }
            Call::EndSession { .. } => {
                let ended = state.ended.or(Some(EndReason::Revoked));
                answered(State { ended, ..*state }, Reply::Done)
            }
            Call::Refresh { counter, .. } => {
                if let Err(refusal) = self.permit(state, now) {
                    return answered(*state, Reply::Refused(refusal.code()));
                }
                match decide(&state.line, *counter, now, self.lives.same_successor) {
                    Decision::Rotate {
                        fast_forward: true, ..
                    } => None,
                    Decision::Rotate { next: line, .. } | Decision::Reissue { next: line } => {
                        answered(State { line, ..*state }, Reply::Issued(line.current))
                    }
                    Decision::Repeat => answered(*state, Reply::Issued(state.line.current)),
                    Decision::Superseded => {
                        answered(*state, Reply::Refused(Refusal::RefreshSuperseded.code()))
                    }
                    Decision::Reuse => {
                        let ended = Some(EndReason::Reused);
                        let refusal = Refusal::RefreshReused.code();
                        answered(State { ended, ..*state }, Reply::Refused(refusal))
                    }
                }
            }
        }
    }

    fn permit(&self, state: &State, now: Timestamp) -> Result<(), Refusal> {
        let mut session = self.session.clone();
        session.line = state.line;
        session.ended = state.ended.map(|reason| (now, reason));
        let key = if state.key_revoked {
            &self.revoked_key
        } else {
            &self.live_key
        };
        session.permit(key, SOMEWHERE, &self.lives, now)
    }
}

impl Reply {
    /// Whether this is the answer that was read.
    pub fn is(self, answer: &Answer) -> bool {
        match (self, answer) {
            (Self::Issued(counter), Answer::Issued { counter: read, .. }) => counter == *read,
            (Self::Done, Answer::Done) => true,
            (Self::Refused(code), Answer::Refused(read)) => code == *read,
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
        public_key: PublicKey::from_sec1(&POINT).expect("the generator is on the curve"),
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
