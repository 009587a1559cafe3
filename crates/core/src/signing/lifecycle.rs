//! Rotation of the service's keys. A key is published, then signs, then retires, then is removed.
//!
//! 1. The first key of an empty database signs at once, because verifiers have cached no older set.
//! 2. A next key is always published beside the signing key. It may sign once it has been published
//!    for longer than verifiers cache the set, so that verifiers have it when its first token
//!    arrives. In an emergency it can replace the signing key at once.
//! 3. A rotation promotes the next key to signing key and retires the old one. Another next key is
//!    published.
//! 4. A retiring key stays published until the last token that it signed has expired. Then its row
//!    is removed.
//!
//! MAC keys of refresh tokens are never published, so they need no next key. A retiring one is kept
//! as long as a refresh token can stay unused.

use jiff::{SignedDuration, Timestamp};

use super::{Algorithm, Sealed};

/// Purpose of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs access tokens and the revocation list.
    AccessToken,
    /// Authenticates refresh tokens.
    RefreshToken,
}

impl Purpose {
    /// Name in the database and in the associated data of a sealed key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// Parses the result of [`Purpose::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AccessToken, Self::RefreshToken]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

/// A key as stored in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Key id.
    pub kid: String,
    /// Purpose of the key.
    pub purpose: Purpose,
    /// Signature algorithm; `None` for a MAC key.
    pub algorithm: Option<Algorithm>,
    /// Sealed private key or MAC key.
    pub sealed: Sealed,
    /// When the key was created, and published unless it is a MAC key.
    pub published_at: Timestamp,
    /// When the key started to sign.
    pub signing_since: Option<Timestamp>,
    /// When the key stopped signing.
    pub retired_at: Option<Timestamp>,
}

/// State of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key signs nothing yet; verifiers can already fetch it.
    Published,
    /// The key signs new tokens.
    Signing,
    /// The key signs nothing any more; its tokens are still valid.
    Retiring,
}

impl StoredSigningKey {
    /// State of the key.
    pub fn state(&self) -> KeyState {
        match (self.retired_at, self.signing_since) {
            (Some(_), _) => KeyState::Retiring,
            (None, Some(_)) => KeyState::Signing,
            (None, None) => KeyState::Published,
        }
    }
}

/// Schedule for the keys of one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Time that a key signs before it is replaced.
    pub rotate_after: SignedDuration,
    /// Minimum time between publishing a key and signing with it.
    pub publish_before: SignedDuration,
    /// Time that a retired key is kept: the longest lifetime of its tokens, plus a leeway.
    pub keep_after: SignedDuration,
    /// Algorithm of new keys; `None` for MAC keys.
    pub algorithm: Option<Algorithm>,
}

/// A change to the keys of one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create a key that signs at once, and retire the current signing key, if any.
    CreateSigning,
    /// Create and publish the next key.
    CreateNextKey,
    /// Make this key sign, and retire the current signing key, if any.
    Promote(String),
    /// Delete the row of this key.
    Remove(String),
}

/// The steps that are due at `now` for the keys of one purpose.
pub fn due(keys: &[StoredSigningKey], purpose: Purpose, schedule: &Schedule, now: Timestamp) -> Vec<Step> {
    let of = |state| {
        keys.iter()
            .filter(move |key| key.purpose == purpose && key.state() == state)
    };
    let mut steps: Vec<Step> = of(KeyState::Retiring)
        .filter(|key| key.retired_at.is_some_and(|at| at + schedule.keep_after <= now))
        .map(|key| Step::Remove(key.kid.clone()))
        .collect();
    let Some(signing) = of(KeyState::Signing).next() else {
        // Steps 1 and 2: an empty database, or the signing key was removed in an emergency.
        // Verifiers probably have the next key already.
        steps.push(match next_key(keys, purpose) {
            Some(next_key) => Step::Promote(next_key.kid.clone()),
            None => Step::CreateSigning,
        });
        if purpose == Purpose::AccessToken {
            steps.push(Step::CreateNextKey);
        }
        return steps;
    };
    let old = signing
        .signing_since
        .is_some_and(|since| since + schedule.rotate_after <= now);
    let replace = old || signing.algorithm != schedule.algorithm;
    match next_key(keys, purpose) {
        Some(next_key) if next_key.algorithm != schedule.algorithm => {
            // The configured algorithm changed, so this key will never sign.
            steps.extend([Step::Remove(next_key.kid.clone()), Step::CreateNextKey]);
        }
        Some(next_key) if replace && next_key.published_at + schedule.publish_before <= now => {
            steps.extend([Step::Promote(next_key.kid.clone()), Step::CreateNextKey]);
        }
        None if purpose == Purpose::AccessToken => steps.push(Step::CreateNextKey),
        None if replace => steps.push(Step::CreateSigning),
        Some(_) | None => {}
    }
    steps
}

/// When the next key may sign, because verifiers that cache the set will have it.
pub fn next_key_ready_at(keys: &[StoredSigningKey], schedule: &Schedule) -> Option<Timestamp> {
    next_key(keys, Purpose::AccessToken).map(|next_key| next_key.published_at + schedule.publish_before)
}

/// The next key of a purpose: of the keys that never signed, the one published first.
pub fn next_key(keys: &[StoredSigningKey], purpose: Purpose) -> Option<&StoredSigningKey> {
    keys.iter()
        .filter(|key| key.purpose == purpose && key.state() == KeyState::Published)
        .min_by_key(|key| (key.published_at, key.kid.as_str()))
}
