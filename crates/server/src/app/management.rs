//! What proof of identity the management of an account takes.

use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_core::user::Proof;
use tm_auth_proto::{ErrorCode, SessionId};

use super::App;
use crate::error::ApiError;

/// A caller who manages an account: a signed-in browser, or the holder of a token whose only
/// audience is this service. A platform token, which resource servers see, is never enough.
pub(crate) struct Management {
    pub(crate) account: Account,
    pub(crate) proof: Proof,
    /// The session of the caller. An operator's token has an id here that no row has.
    pub(crate) sid: SessionId,
}

impl Management {
    /// Requires a proof of identity of the last five minutes, in any way.
    pub(crate) fn require_fresh(&self, now: Timestamp) -> Result<(), ApiError> {
        if self.proof.is_fresh(now) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::ReauthRequired))
        }
    }

    /// Requires a proof of identity of the last five minutes in the strongest way that the account
    /// has. If the account has a passkey, a mailed code is not enough to change credentials.
    pub(crate) async fn require_strong(&self, app: &App, now: Timestamp) -> Result<(), ApiError> {
        self.require_fresh(now)?;
        if self.proof.method.is_strongest() || !app.store.has_passkey(self.account.uid).await? {
            Ok(())
        } else {
            Err(ApiError::with_message(
                ErrorCode::ReauthRequired,
                "this account has a passkey: sign in with it".to_owned(),
            ))
        }
    }
}
