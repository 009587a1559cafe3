//! Ceremonies under way: a passkey being made or used, a sign-in with Apple.

use std::borrow::Cow;

use jiff::Timestamp;
use tm_auth_proto::AccountId;

/// What the service remembers while a browser is busy elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// SHA-256 of the secrets that the browser comes back with.
    pub id_hash: [u8; 32],
    /// What it is for: a ceremony of one kind never serves another.
    pub kind: Cow<'static, str>,
    /// Whose it is, where that was known when it began.
    pub uid: Option<AccountId>,
    /// What the next step needs, in a form that the caller chooses.
    pub state: String,
    /// When it is over.
    pub expires_at: Timestamp,
}
