//! Sessions of people, behind the switch.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::person::PersonSession;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, SessionId};
use tm_auth_store::{Origin, PersonSessions, Result, RotatedPerson, Rotation};

use super::SwitchedStore;

#[async_trait]
impl PersonSessions for SwitchedStore {
    async fn open_person_session(
        &self,
        new: PersonSession,
        network: String,
        replaces: Option<SessionId>,
        origin: &Origin,
    ) -> Result<bool> {
        self.gate("open_person_session").await?;
        self.inner
            .open_person_session(new, network, replaces, origin)
            .await
    }

    async fn person_session(&self, sid: SessionId) -> Result<Option<(PersonSession, Account)>> {
        self.gate("person_session").await?;
        self.inner.person_session(sid).await
    }

    async fn person_sessions_of(&self, uid: AccountId) -> Result<Vec<PersonSession>> {
        self.gate("person_sessions_of").await?;
        self.inner.person_sessions_of(uid).await
    }

    async fn touch_person_session(&self, sid: SessionId, at: Timestamp, address: IpAddr) -> Result<()> {
        self.gate("touch_person_session").await?;
        self.inner.touch_person_session(sid, at, address).await
    }

    async fn rotate_person_session(&self, rotation: Rotation) -> Result<Result<RotatedPerson, Refusal>> {
        self.gate("rotate_person_session").await?;
        self.inner.rotate_person_session(rotation).await
    }

    async fn end_person_session(&self, uid: AccountId, sid: SessionId, origin: &Origin) -> Result<bool> {
        self.gate("end_person_session").await?;
        self.inner.end_person_session(uid, sid, origin).await
    }

    async fn end_person_sessions(
        &self,
        uid: AccountId,
        keep: Option<SessionId>,
        origin: &Origin,
    ) -> Result<u64> {
        self.gate("end_person_sessions").await?;
        self.inner.end_person_sessions(uid, keep, origin).await
    }
}
