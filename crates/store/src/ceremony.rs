//! Ceremonies under way: a passkey being made or used, a sign-in with Apple.

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_proto::AccountId;

use crate::Result;

/// What the service remembers while a browser is busy elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// SHA-256 of the secrets that the browser comes back with.
    pub id_hash: [u8; 32],
    /// What it is for: a ceremony of one kind never serves another.
    pub kind: Cow<'static, str>,
    /// Whose it is, where that was known when it began.
    pub uid: Option<AccountId>,
    /// What the next step needs, in the words of whoever began it. Nothing secret but to that step.
    pub state: String,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// What the service does with ceremonies.
#[async_trait]
pub trait Ceremonies: Send + Sync {
    /// Remembers one. Its id is fresh randomness and collides with no other.
    async fn begin_ceremony(&self, new: Ceremony) -> Result<()>;

    /// Takes one away and gives it to whoever asked first: of any number of callers exactly one gets it, and
    /// it is gone whatever that caller makes of it, also where it turns out to be of another kind or over.
    /// `None`: there is none of this kind that is not over.
    async fn take_ceremony(
        &self,
        id_hash: [u8; 32],
        kind: &'static str,
        now: Timestamp,
    ) -> Result<Option<Ceremony>>;
}
