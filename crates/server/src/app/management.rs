//! What proof of identity the management of an account takes.

use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_core::person::Proof;
use tm_auth_proto::{ErrorCode, SessionId};

use super::App;
use crate::error::ApiError;

/// Who manages an account: a signed-in browser, or the holder of a token whose only audience is this service. A
/// platform token, which resource servers see, never suffices here.
pub(crate) struct Management {
    pub(crate) account: Account,
    pub(crate) proof: Proof,
    /// The session it comes from: one of the account's, or an operator's, which no row stands for.
    pub(crate) sid: SessionId,
}

impl Management {
    /// Demands that the account's owner proved who they are within the last five minutes, by whatever way.
    pub(crate) fn require_fresh(&self, now: Timestamp) -> Result<(), ApiError> {
        if self.proof.is_fresh(now) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::ReauthRequired))
        }
    }

    /// Demands a proof of the last five minutes by the strongest way that the account has: what changes
    /// credentials takes no mail where there is a passkey.
    pub(crate) async fn require_strong(&self, app: &App, now: Timestamp) -> Result<(), ApiError> {
        self.require_fresh(now)?;
        if self.proof.method.is_strongest() || !app.database(app.store.has_passkey(self.account.uid)).await? {
            Ok(())
        } else {
            Err(ApiError::with_message(
                ErrorCode::ReauthRequired,
                "this account has a passkey: sign in with it".to_owned(),
            ))
        }
    }
}
