//! Sessions of people: browsers and command lines.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::person::PersonSession;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, SessionId};

use crate::{Origin, Result, RotatedPerson, Rotation};

/// What the service does with sessions of people.
#[async_trait]
pub trait PersonSessions: Send + Sync {
    /// Opens a session if its account may act, notes the network as one from which the account signs in, and
    /// ends the session that it replaces, whosever that was: a step-up or another sign-in in the same browser
    /// never leaves the old one alive. `false`: the account is unknown or disabled, and nothing was done.
    async fn open_person_session(
        &self,
        new: PersonSession,
        network: String,
        replaces: Option<SessionId>,
        origin: &Origin,
    ) -> Result<bool>;

    /// One session with its account, whatever their state.
    async fn person_session(&self, sid: SessionId) -> Result<Option<(PersonSession, Account)>>;

    /// The sessions of an account that were not ended, newest first. Some may have run out.
    async fn person_sessions_of(&self, uid: AccountId) -> Result<Vec<PersonSession>>;

    /// Notes that a session was used. An older note never overwrites a newer one.
    async fn touch_person_session(&self, sid: SessionId, at: Timestamp, address: IpAddr) -> Result<()>;

    /// Judges a presented refresh token like [`crate::Store::rotate_session`], for a person's session.
    async fn rotate_person_session(&self, rotation: Rotation) -> Result<Result<RotatedPerson, Refusal>>;

    /// Ends a session of this account; its access tokens are on the revocation list. `false`: there was no
    /// such session, or it was ended already.
    async fn end_person_session(&self, uid: AccountId, sid: SessionId, origin: &Origin) -> Result<bool>;

    /// Ends every session of this account but `keep`. Returns how many.
    async fn end_person_sessions(
        &self,
        uid: AccountId,
        keep: Option<SessionId>,
        origin: &Origin,
    ) -> Result<u64>;
}
