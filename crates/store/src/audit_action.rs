//! What the audit trail says was done.

use std::fmt::{self, Display, Formatter};

macro_rules! audit_actions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal;)+) => {
        /// An action that is noted in the audit trail.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[doc = $doc])+ $variant,)+
            /// An action that a newer version of this program noted.
            Unknown(Box<str>),
        }

        impl AuditAction {
            /// All actions that this version notes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the database. It never changes.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }

            /// Parses the result of [`AuditAction::as_str`].
            pub fn parse(text: &str) -> Self {
                match text {
                    $($word => Self::$variant,)+
                    _ => Self::Unknown(text.into()),
                }
            }
        }
    };
}

audit_actions! {
    /// An account was created, by a sign-up or by an operator.
    AccountCreated = "account_created";
    /// An operator disabled an account.
    AccountDisabled = "account_disabled";
    /// An operator enabled an account again.
    AccountEnabled = "account_enabled";
    /// The owner deleted the account.
    AccountDeleted = "account_deleted";

    /// A user logged in, which opened a session.
    SignIn = "sign_in";
    /// A login failed.
    SignInRefused = "sign_in_refused";
    /// An operator issued a session with which a program can manage the account.
    ManagementSessionIssued = "management_session_issued";
    /// A user's session was ended.
    SessionEnded = "session_ended";
    /// A refresh token of an API key was revoked, which ended its session.
    SessionRevoked = "session_revoked";
    /// A refresh token was newer than its session's row, as after a restore, and was accepted.
    SessionFastForwarded = "session_fast_forwarded";
    /// A superseded refresh token was used again, which ended its session.
    RefreshReused = "refresh_reused";

    /// An API key was registered.
    KeyRegistered = "key_registered";
    /// A pending API key was activated.
    KeyActivated = "key_activated";
    /// The label, scopes, networks or expiry of an API key were changed.
    KeyChanged = "key_changed";
    /// An API key was disabled.
    KeyDisabled = "key_disabled";
    /// An API key was enabled again.
    KeyEnabled = "key_enabled";
    /// An API key was revoked.
    KeyRevoked = "key_revoked";

    /// A passkey was added.
    PasskeyAdded = "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = "passkey_removed";
    /// A passkey was renamed.
    PasskeyRenamed = "passkey_renamed";
    /// The account's e-mail address was set or changed.
    EmailChanged = "email_changed";
    /// An Apple account was linked, or its user consented again.
    AppleLinked = "apple_linked";
    /// An Apple account was unlinked, by the owner or because its user withdrew consent.
    AppleUnlinked = "apple_unlinked";
    /// Apple reported that it stopped forwarding mail to the user's relay address.
    AppleMailDisabled = "apple_mail_disabled";
    /// Apple reported that it forwards mail to the user's relay address again.
    AppleMailEnabled = "apple_mail_enabled";

    /// A recovery was started.
    RecoveryStarted = "recovery_started";
    /// A recovery was cancelled, by the owner or by the use of a passkey.
    RecoveryCancelled = "recovery_cancelled";
    /// A recovery ended because a passkey was added.
    RecoveryCompleted = "recovery_completed";

    /// A code was sent by e-mail.
    CodeSent = "code_sent";
    /// A code was wrong, used, expired or tried too often.
    CodeRefused = "code_refused";
    /// Requests from a network were refused because it reached a rate limit.
    LimitReached = "limit_reached";

    /// An entry was added to the revocation list by itself.
    TokensRevoked = "tokens_revoked";
    /// A signing or MAC key of the service was created, encrypted again, or changed its state.
    SigningKeyChanged = "signing_key_changed";
    /// A signing or MAC key of the service was deleted.
    SigningKeyRemoved = "signing_key_removed";
    /// An operator revoked a key of the service.
    SigningKeyRevoked = "signing_key_revoked";
    /// The database was marked as restored from a backup.
    DatabaseRecovered = "database_recovered";
    /// A node noticed that the database lost changes, and repeated the revocations that it knew.
    DatabaseWentBack = "database_went_back";
    /// The database was filled from an export.
    DatabaseImported = "database_imported";
}

impl Display for AuditAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_action_is_read_as_it_is_written() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), *action);
        }
        let names: HashSet<&str> = AuditAction::ALL.iter().map(AuditAction::as_str).collect();
        assert_eq!(names.len(), AuditAction::ALL.len());
        let newer = AuditAction::parse("from_the_future");
        assert_eq!(newer, AuditAction::Unknown("from_the_future".into()));
        assert_eq!(newer.as_str(), "from_the_future");
    }
}
