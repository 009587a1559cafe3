//! Recovery: how somebody who lost the passkey gets one again, and a thief of the mailbox does not.
//!
//! 1. Its owner signs in by mail and starts a recovery, which is announced by mail.
//! 2. For 24 hours it gives nothing. Whoever has a passkey signs in with it, which cancels the recovery at once.
//! 3. Then, for seven days, a fresh e-mail sign-in may add a passkey; that ends the recovery. Everything else
//!    that takes a passkey still takes one: the new one.
//!
//! It binds nobody else: existing API keys go on, and any fresh sign-in may revoke them.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::AccountId;

use crate::person::{AuthMethod, Proof};

/// How long it is announced before it gives anything.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// How long it may then be used: one that was forgotten must not weaken the account for ever.
pub const OPEN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A recovery, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whose.
    pub uid: AccountId,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it is over and may be used.
    pub ready_at: Timestamp,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its owner waits.
    Waiting,
    /// An e-mail sign-in may add a passkey.
    Ready,
    /// As if it had never been.
    Lapsed,
}

impl Recovery {
    /// One that begins now.
    pub fn start(uid: AccountId, now: Timestamp) -> Self {
        Self {
            uid,
            started_at: now,
            ready_at: now + WAIT,
        }
    }

    /// When it lapses.
    pub fn lapses_at(&self) -> Timestamp {
        self.ready_at + OPEN
    }

    /// Where it stands.
    pub fn stage(&self, now: Timestamp) -> Stage {
        if now < self.ready_at {
            Stage::Waiting
        } else if now < self.lapses_at() {
            Stage::Ready
        } else {
            Stage::Lapsed
        }
    }
}

/// Whether this proof may start a recovery: a fresh one, and by mail, since the announcement goes to the same
/// address and its owner is who must see it.
pub fn may_start(proof: &Proof, now: Timestamp) -> bool {
    proof.is_fresh(now) && by_mail(proof.method)
}

/// Whether this proof may add a passkey because of a recovery.
pub fn may_add_passkey(proof: &Proof, recovery: Option<&Recovery>, now: Timestamp) -> bool {
    proof.is_fresh(now)
        && by_mail(proof.method)
        && recovery.is_some_and(|recovery| recovery.stage(now) == Stage::Ready)
}

fn by_mail(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::EmailCode | AuthMethod::MagicLink)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn proof(method: AuthMethod, seconds: i64) -> Proof {
        Proof {
            method,
            at: at(seconds),
        }
    }

    #[test]
    fn c12_a_recovery_gives_nothing_for_a_day_and_then_one_thing_for_a_week() {
        let recovery = Recovery::start(AccountId(uuid::Uuid::nil()), at(0));
        let (day, week) = (24 * 3600, 7 * 24 * 3600);
        for (seconds, stage) in [
            (0, Stage::Waiting),
            (day - 1, Stage::Waiting),
            (day, Stage::Ready),
            (day + week - 1, Stage::Ready),
            (day + week, Stage::Lapsed),
        ] {
            assert_eq!(recovery.stage(at(seconds)), stage, "{seconds}");
            let by_mail = proof(AuthMethod::EmailCode, seconds);
            assert_eq!(
                may_add_passkey(&by_mail, Some(&recovery), at(seconds)),
                stage == Stage::Ready
            );
            assert!(!may_add_passkey(&by_mail, None, at(seconds)));
        }
    }

    #[test]
    fn c12_only_a_fresh_sign_in_by_mail_starts_or_uses_one() {
        let recovery = Recovery::start(AccountId(uuid::Uuid::nil()), at(-2 * 24 * 3600));
        for (method, may) in [
            (AuthMethod::EmailCode, true),
            (AuthMethod::MagicLink, true),
            (AuthMethod::Apple, false),
            (AuthMethod::Passkey, false),
            (AuthMethod::Operator, false),
        ] {
            for (seconds, fresh) in [(0, true), (-300, true), (-301, false)] {
                let proof = proof(method, seconds);
                assert_eq!(may_start(&proof, at(0)), may && fresh, "{method:?} {seconds}");
                assert_eq!(may_add_passkey(&proof, Some(&recovery), at(0)), may && fresh);
            }
        }
    }
}
