//! Mailed codes, behind the switch.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::one_time_code::{FlowId, Length, Purpose};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, Refusal};
use tm_auth_store::sign_in_code::{CodeAttempt, CodeFlow, NewCode, ProvedEmail};
use tm_auth_store::{NewAccount, Origin, Result, SignInCodes};

use super::SwitchedStore;

#[async_trait]
impl SignInCodes for SwitchedStore {
    async fn ask_for_code(&self, new: NewCode, origin: &Origin) -> Result<Option<Length>> {
        self.gate("ask_for_code").await?;
        self.inner.ask_for_code(new, origin).await
    }

    async fn withdraw_code(&self, flow_id: FlowId) -> Result<()> {
        self.gate("withdraw_code").await?;
        self.inner.withdraw_code(flow_id).await
    }

    async fn consume_code(
        &self,
        attempt: CodeAttempt,
        origin: &Origin,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        self.gate("consume_code").await?;
        self.inner.consume_code(attempt, origin).await
    }

    async fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        self.gate("consume_link").await?;
        self.inner
            .consume_link(link_hash, browser_hash, purpose, now)
            .await
    }

    async fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
        self.gate("code_flow").await?;
        self.inner.code_flow(browser_hash, now).await
    }

    async fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>> {
        self.gate("account_by_proved_email").await?;
        self.inner.account_by_proved_email(proved, new, origin).await
    }
}
