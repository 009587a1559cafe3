//! Why keys were refused, behind the switch.

use async_trait::async_trait;
use tm_auth_proto::AccountId;
use tm_auth_store::{KeyRefusal, KeyRefusals, Result};

use super::SwitchedStore;

#[async_trait]
impl KeyRefusals for SwitchedStore {
    async fn record_refusals(&self, refusals: Vec<KeyRefusal>) -> Result<()> {
        self.gate("record_refusals").await?;
        self.inner.record_refusals(refusals).await
    }

    async fn refusals_of(&self, uid: AccountId) -> Result<Vec<KeyRefusal>> {
        self.gate("refusals_of").await?;
        self.inner.refusals_of(uid).await
    }
}
