//! Pending ceremonies: WebAuthn registrations and authentications, and logins with Apple.

use std::borrow::Cow;

use jiff::Timestamp;
use tm_auth_proto::AccountId;

/// What the service remembers between the two requests of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// SHA-256 of the secrets that the browser sends with the second request.
    pub id_hash: [u8; 32],
    /// Kind of the ceremony. A ceremony of one kind cannot complete another.
    pub kind: Cow<'static, str>,
    /// The account, if it was known at the beginning.
    pub uid: Option<AccountId>,
    /// What the second request needs, in the caller's own encoding.
    pub state: String,
    /// When the ceremony expires.
    pub expires_at: Timestamp,
}
