//! Recoveries, behind the switch.

use async_trait::async_trait;
use tm_auth_core::Refusal;
use tm_auth_core::recovery::Recovery;
use tm_auth_proto::AccountId;
use tm_auth_store::{Origin, Recoveries, Result};

use super::SwitchedStore;

#[async_trait]
impl Recoveries for SwitchedStore {
    async fn start_recovery(
        &self,
        new: Recovery,
        origin: &Origin,
    ) -> Result<Result<(Recovery, bool), Refusal>> {
        self.gate("start_recovery").await?;
        self.inner.start_recovery(new, origin).await
    }

    async fn recovery(&self, uid: AccountId) -> Result<Option<Recovery>> {
        self.gate("recovery").await?;
        self.inner.recovery(uid).await
    }

    async fn cancel_recovery(&self, uid: AccountId, origin: &Origin) -> Result<bool> {
        self.gate("cancel_recovery").await?;
        self.inner.cancel_recovery(uid, origin).await
    }
}
