//! Recoveries: who lost the passkey waits, announced.

use async_trait::async_trait;
use tm_auth_core::Refusal;
use tm_auth_core::recovery::Recovery;
use tm_auth_proto::AccountId;

use crate::{Origin, Result};

/// What the service does with recoveries.
#[async_trait]
pub trait Recoveries: Send + Sync {
    /// Starts one for an account that has a passkey. One that is there already stays as it is, so that asking
    /// again never moves its end; only one that has lapsed is replaced. Returns the one that counts and whether
    /// it was started just now.
    async fn start_recovery(
        &self,
        new: Recovery,
        origin: &Origin,
    ) -> Result<Result<(Recovery, bool), Refusal>>;

    /// The recovery of an account, in whatever state.
    async fn recovery(&self, uid: AccountId) -> Result<Option<Recovery>>;

    /// Cancels it. `false`: there was none.
    async fn cancel_recovery(&self, uid: AccountId, origin: &Origin) -> Result<bool>;
}
