//! Ceremonies, behind the switch.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_store::{Ceremonies, Ceremony, Result};

use super::SwitchedStore;

#[async_trait]
impl Ceremonies for SwitchedStore {
    async fn begin_ceremony(&self, new: Ceremony) -> Result<()> {
        self.gate("begin_ceremony").await?;
        self.inner.begin_ceremony(new).await
    }

    async fn take_ceremony(
        &self,
        id_hash: [u8; 32],
        kind: &'static str,
        now: Timestamp,
    ) -> Result<Option<Ceremony>> {
        self.gate("take_ceremony").await?;
        self.inner.take_ceremony(id_hash, kind, now).await
    }
}
