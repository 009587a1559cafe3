//! Storage, spoken in intentions.
//!
//! [`Store`] has one method for each thing the service means to do; each is one transaction, and its comment
//! is its guarantee. [`SqlStore`] keeps them in [`sqlite`], the embedded default, or in [`postgres`], for several
//! nodes. The [`conformance`] suite (feature of that name) is the definition of the trait: an implementation is
//! whatever passes it.

pub mod account;
pub mod api_key;
pub mod apple_identity;
pub mod audit;
pub mod ceremony;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contact;
pub mod error;
pub mod housekeeping;
pub mod identity;
pub mod key_refusal;
pub mod passkey;
pub mod person_session;
pub mod postgres;
pub mod recovery;
pub mod reminder;
pub mod revocation;
pub mod session;
pub mod sign_in_code;
mod sql;
pub mod sqlite;
pub mod transfer;

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::registration::ConfirmedKey;
use tm_auth_core::session::NewSession;
use tm_auth_core::signing::StoredKey;
use tm_auth_core::{Account, ApiKey, Refusal};
use tm_auth_proto::{AccountId, Environment, KeyId};

pub use account::NewAccount;
pub use api_key::{KeyChange, KeyUse, NewApiKey};
pub use apple_identity::{AppleIdentities, AppleIdentity, AppleSignIn, AppleSubject, AppleWithdrawal};
pub use audit::{AuditEntry, Origin};
pub use ceremony::{Ceremonies, Ceremony};
pub use contact::Contacts;
pub use error::{Result, StoreError};
pub use housekeeping::{Change, Changes, Retention, Swept};
pub use identity::{EmailChange, Identities, WaysIn};
pub use key_refusal::{KeyRefusal, KeyRefusals};
pub use passkey::Passkeys;
pub use person_session::PersonSessions;
pub use recovery::Recoveries;
pub use reminder::{DueReminder, Reminders};
pub use revocation::{Revocation, Revoked};
pub use session::{OpenOutcome, Rotated, RotatedPerson, Rotation, RotationKind};
pub use sign_in_code::SignInCodes;
pub use sql::SqlStore;

/// The database, as the service uses it.
///
/// A method that returns `Err` has decided nothing that its caller may rely on: the change may or may not
/// have been made, and the caller answers 503. `Ok` means the change is durable.
#[async_trait]
pub trait Store:
    AppleIdentities
    + Ceremonies
    + Contacts
    + Identities
    + KeyRefusals
    + Passkeys
    + PersonSessions
    + Recoveries
    + Reminders
    + SignInCodes
    + Send
    + Sync
    + 'static
{
    /// Binds an empty database to an environment; refuses one that belongs to the other.
    async fn bind_environment(&self, environment: Environment) -> Result<()>;

    /// Whether the database answers and takes writes, and its clock agrees with this machine's where it has one.
    async fn ping(&self) -> Result<()>;

    // --- accounts ---

    /// Makes an account with its personal organization. `None`: the e-mail address belongs to another one.
    async fn create_account(&self, account: NewAccount, origin: &Origin) -> Result<Option<Account>>;

    /// One account.
    async fn account(&self, uid: AccountId) -> Result<Option<Account>>;

    /// All accounts, oldest first.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// Disables an account (`Some`) or lets it act again (`None`). No mint or refresh that begins after this
    /// returned succeeds, and the tokens issued before are on the revocation list. `false`: no such account.
    async fn set_account_disabled(
        &self,
        uid: AccountId,
        disabled_at: Option<Timestamp>,
        origin: &Origin,
    ) -> Result<bool>;

    // --- API keys ---

    /// One key with its account, whatever its state.
    async fn api_key(&self, key_id: KeyId) -> Result<Option<ApiKey>>;

    /// The keys of an account with their last use, newest first.
    async fn api_keys_of(&self, uid: AccountId) -> Result<Vec<(ApiKey, Option<KeyUse>)>>;

    /// Registers a key. A public key is registered once for ever, by whomever; `max_live` counts keys that
    /// are neither pending nor revoked nor expired at `new.created_at`. As many may be pending beside them.
    async fn register_key(
        &self,
        new: NewApiKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>>;

    /// Activates a pending key of this account if it was registered less than 24 hours before and `max_live`
    /// allows another live one. Doing it twice is no error.
    async fn activate_key(
        &self,
        uid: AccountId,
        confirmed: ConfirmedKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>>;

    /// Changes a live key of this account. While it is disabled, no mint or refresh that begins after this
    /// returned succeeds, and it is on the revocation list; enabling it takes it off again.
    async fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>>;

    /// Revokes a key of this account. No mint or refresh that begins after this returned succeeds, and the
    /// key is on the revocation list. Doing it twice is no error.
    async fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>>;

    /// Notes when and from where keys were last used. Older notes never overwrite newer ones.
    async fn record_use(&self, uses: Vec<KeyUse>) -> Result<()>;

    // --- sessions ---

    /// Opens a session if its id is new and key and account stand as they did at the decision.
    async fn open_session(&self, new: NewSession) -> Result<OpenOutcome>;

    /// Judges a presented refresh token by [`tm_auth_core::rotation::decide`] on the row as it is, and moves
    /// the row along, in one step. A reuse ends the session in the same step.
    async fn rotate_session(&self, rotation: Rotation) -> Result<Result<Rotated, Refusal>>;

    /// Ends the session of a refresh token, a key's or a person's, whichever of the session's tokens it is. `false`: there was no
    /// live session with this secret.
    async fn end_session(
        &self,
        presented: tm_auth_core::token::refresh::Presented,
        origin: &Origin,
    ) -> Result<bool>;

    // --- the service's own keys ---

    /// The service's keys and the version of the set.
    async fn service_keys(&self) -> Result<(i64, Vec<StoredKey>)>;

    /// Replaces rows of the set if it is still at `version`. `false`: somebody else was faster; read again.
    async fn update_service_keys(
        &self,
        version: i64,
        put: Vec<StoredKey>,
        remove: Vec<String>,
        origin: &Origin,
    ) -> Result<bool>;

    // --- revocation ---

    /// What was revoked at or after `since`.
    async fn revocations(&self, since: Timestamp) -> Result<Vec<Revocation>>;

    /// Adds an entry to the list; a later one for the same subject replaces it.
    async fn revoke(&self, revocation: Revocation, origin: &Origin) -> Result<()>;

    // --- housekeeping ---

    /// What changed after the change with this number. A number that there is not says that changes were missed.
    async fn changes(&self, after: i64) -> Result<Changes>;

    /// Adds entries to the audit trail.
    async fn audit(&self, entries: Vec<AuditEntry>) -> Result<()>;

    /// The newest audit entries of an account, or of all.
    async fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>>;

    /// Deletes one bounded batch of what nobody needs any more.
    async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept>;

    /// Writes a consistent copy of the database beside the running service.
    async fn backup(&self, target: &Path) -> Result<()>;

    /// Marks the database as restored at `at`: challenges signed before are refused, so that a signature
    /// whose session the backup lost cannot be used again. Optionally ends all sessions.
    async fn mark_recovered(&self, at: Timestamp, end_sessions: bool, origin: &Origin) -> Result<u64>;
}
