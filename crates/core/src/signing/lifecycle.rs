//! When a key begins and ends: `published → signing → retiring → gone`.
//!
//! 1. The first key of an empty database signs at once; nobody has cached an older set.
//! 2. One spare is always published beside the signing key. It may sign once it has been published for
//!    longer than any verifier caches the set, so rotation surprises nobody, and an emergency switches to a
//!    key that verifiers already have.
//! 3. A rotation makes the spare sign and the old key retire; a new spare is published.
//! 4. A retiring key stays published until the last token it signed has ended; then its row goes.
//!
//! MAC keys are never published and need no spare; a retiring one stays as long as a refresh token may rest.

use jiff::{SignedDuration, Timestamp};

use super::{Algorithm, Sealed};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs access tokens and the revocation list.
    AccessToken,
    /// Authenticates refresh tokens.
    RefreshToken,
}

impl Purpose {
    /// As it is stored and sealed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// Back from [`Purpose::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AccessToken, Self::RefreshToken]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

/// A key as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub kid: String,
    /// What it is for.
    pub purpose: Purpose,
    /// `None` for a MAC key.
    pub algorithm: Option<Algorithm>,
    /// The private part.
    pub sealed: Sealed,
    /// Since when it is published.
    pub published_at: Timestamp,
    /// Since when it signs.
    pub signing_since: Option<Timestamp>,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Verifiers learn it; it signs nothing yet.
    Published,
    /// It signs.
    Signing,
    /// It signs no more; what it signed still holds.
    Retiring,
}

impl StoredKey {
    /// Where it stands.
    pub fn state(&self) -> KeyState {
        match (self.retired_at, self.signing_since) {
            (Some(_), _) => KeyState::Retiring,
            (None, Some(_)) => KeyState::Signing,
            (None, None) => KeyState::Published,
        }
    }
}

/// The times and the algorithm that rule a purpose's keys.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// A signing key is replaced at this age.
    pub rotate_after: SignedDuration,
    /// A key is published this long before it first signs.
    pub publish_before: SignedDuration,
    /// A retired key stays this long: the longest life of what it signed, and the verifiers' leeway.
    pub keep_after: SignedDuration,
    /// The algorithm of new keys; `None` for MAC keys.
    pub algorithm: Option<Algorithm>,
}

/// One step along the life of a purpose's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a key that signs at once: there is none.
    CreateSigning,
    /// Make a key and publish it.
    CreateSpare,
    /// Let this key sign, and let the one that signs now retire.
    Promote(String),
    /// Delete this row: nothing that holds refers to it.
    Remove(String),
}

/// What is due at `now` for the keys of one purpose.
pub fn due(keys: &[StoredKey], purpose: Purpose, schedule: &Schedule, now: Timestamp) -> Vec<Step> {
    let of = |state| {
        keys.iter()
            .filter(move |key| key.purpose == purpose && key.state() == state)
    };
    let mut steps: Vec<Step> = of(KeyState::Retiring)
        .filter(|key| key.retired_at.is_some_and(|at| at + schedule.keep_after <= now))
        .map(|key| Step::Remove(key.kid.clone()))
        .collect();
    let Some(signing) = of(KeyState::Signing).next() else {
        // Lost to an emergency: the spare, which verifiers have, takes over; else a new one must.
        steps.push(match spare(keys, purpose) {
            Some(spare) => Step::Promote(spare.kid.clone()),
            None => Step::CreateSigning,
        });
        if purpose == Purpose::AccessToken {
            steps.push(Step::CreateSpare);
        }
        return steps;
    };
    let old = signing
        .signing_since
        .is_some_and(|since| since + schedule.rotate_after <= now);
    let replace = old || signing.algorithm != schedule.algorithm;
    match spare(keys, purpose) {
        Some(spare) if spare.algorithm != schedule.algorithm => {
            // The algorithm was changed: this spare will never sign.
            steps.extend([Step::Remove(spare.kid.clone()), Step::CreateSpare]);
        }
        Some(spare) if replace && spare.published_at + schedule.publish_before <= now => {
            steps.extend([Step::Promote(spare.kid.clone()), Step::CreateSpare]);
        }
        None if purpose == Purpose::AccessToken => steps.push(Step::CreateSpare),
        None if replace => steps.push(Step::CreateSigning),
        Some(_) | None => {}
    }
    steps
}

/// When the spare may sign without surprising a verifier.
pub fn spare_ready_at(keys: &[StoredKey], schedule: &Schedule) -> Option<Timestamp> {
    spare(keys, Purpose::AccessToken).map(|spare| spare.published_at + schedule.publish_before)
}

/// The spare of a purpose: the longest published of its keys that never signed.
pub fn spare(keys: &[StoredKey], purpose: Purpose) -> Option<&StoredKey> {
    keys.iter()
        .filter(|key| key.purpose == purpose && key.state() == KeyState::Published)
        .min_by_key(|key| (key.published_at, key.kid.as_str()))
}
