//! The authentication that managing an account requires.

use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_core::user::Proof;
use tm_auth_proto::{ErrorCode, SessionId};

use super::App;
use crate::error::ApiError;

/// A caller who may manage an account: a logged-in browser, or the holder of a token whose only
/// audience is this service. A platform token, which resource servers see, is never enough.
pub(crate) struct Management {
    pub(crate) account: Account,
    pub(crate) proof: Proof,
    /// The caller's session. An operator's token names a session that does not exist.
    pub(crate) sid: SessionId,
}

impl Management {
    /// Requires an authentication within the last five minutes, with any method.
    pub(crate) fn require_fresh(&self, now: Timestamp) -> Result<(), ApiError> {
        if self.proof.is_fresh(now) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::ReauthRequired))
        }
    }

    /// Requires an authentication within the last five minutes, with the strongest method that the
    /// account has. If the account has a passkey, an e-mailed code is not enough.
    pub(crate) async fn require_strong(&self, app: &App, now: Timestamp) -> Result<(), ApiError> {
        self.require_fresh(now)?;
        if self.proof.method.is_strongest() || !app.store.has_passkey(self.account.uid).await? {
            Ok(())
        } else {
            Err(ApiError::with_message(
                ErrorCode::ReauthRequired,
                "this account has a passkey: log in with it".to_owned(),
            ))
        }
    }
}
