//! Account recovery for users who lost their passkey, designed to stop a thief of the mailbox.
//!
//! 1. The owner logs in by e-mail and starts a recovery. The service announces it by e-mail.
//! 2. For 24 hours the owner waits. A login with a passkey cancels the recovery.
//! 3. For the next seven days, a fresh login by e-mail may add a passkey, which ends the recovery.
//!    All other actions that require a passkey still do; the new one works.
//!
//! A recovery does not affect API keys. They keep working, and any login may revoke them.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::AccountId;

use crate::user::{AuthMethod, Proof};

/// Waiting time of step 2.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Duration of step 3. It is limited, so that a forgotten recovery does not weaken the account
/// forever.
pub const OPEN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A stored recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Account to recover.
    pub uid: AccountId,
    /// When the owner started the recovery.
    pub started_at: Timestamp,
    /// When the waiting time ends.
    pub ready_at: Timestamp,
}

/// Stage of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Step 2: the waiting time has not passed yet.
    Waiting,
    /// Step 3: a login by e-mail may add a passkey.
    Ready,
    /// The recovery has expired and has no effect any more.
    Lapsed,
}

impl Recovery {
    /// Step 1: starts a recovery.
    pub fn start(uid: AccountId, now: Timestamp) -> Self {
        Self {
            uid,
            started_at: now,
            ready_at: now + WAIT,
        }
    }

    /// When step 3 ends.
    pub fn lapses_at(&self) -> Timestamp {
        self.ready_at + OPEN
    }

    /// Stage of the recovery at `now`.
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

/// Whether a user with this proof may start a recovery. The user must have logged in by e-mail: the
/// announcement goes to the same address.
pub fn may_start(proof: &Proof, now: Timestamp) -> bool {
    proof.is_fresh(now) && by_mail(proof.method)
}

/// Whether a user with this proof may add a passkey in step 3 of a recovery.
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
    fn c12_a_recovery_waits_a_day_then_allows_adding_a_passkey_for_a_week() {
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
    fn c12_only_a_fresh_sign_in_by_email_starts_or_uses_a_recovery() {
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
