//! The e-mails that report changes.

use jiff::{SignedDuration, Timestamp};

use super::isolate::{isolated, quoted};
use super::{Fact, Letter, Letterhead, Link, coarse_network, masked, time};
use crate::http::context::Context;
use crate::mail::Mail;

/// A notice is dropped if it is not delivered within this time.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

const NOT_YOU: &str = "If this was not you, log in now, then end the sessions and revoke the API keys that you do not recognise.";

/// A change to report.
pub(crate) enum Notice {
    KeyCreated {
        label: String,
    },
    KeyRevoked {
        label: String,
    },
    KeyChanged {
        label: String,
    },
    PasskeyAdded {
        name: String,
    },
    PasskeyRemoved {
        name: String,
    },
    /// Sent to the old address.
    EmailChanged {
        old: String,
        new: String,
    },
    AppleLinked,
    AppleUnlinked,
    /// Apple reported that the user withdrew consent or deleted the Apple account.
    AppleWithdrawn,
    AccountDeleted,
    RecoveryStarted {
        ready_at: Timestamp,
    },
    RecoveryCancelled,
    RecoveryCompleted,
    SessionReused,
    SignedOutEverywhere,
}

pub(crate) fn notice(head: Letterhead<'_>, context: &Context, to: &str, notice: &Notice) -> Mail {
    let product = head.product();
    let (subject, what) = words(notice);
    let mut closing = vec![NOT_YOU.to_owned()];
    if matches!(notice, Notice::AccountDeleted | Notice::EmailChanged { .. }) {
        // The recipient's address can no longer log in.
        closing = vec!["If this was not you, contact True Markets support.".to_owned()];
    }
    let can_log_in = !matches!(notice, Notice::AccountDeleted | Notice::EmailChanged { .. });
    let letter = Letter {
        subject: format!("{subject} ({product})"),
        opening: vec![what],
        code: None,
        link: can_log_in.then(|| Link {
            label: "Open your account",
            url: head.url(path(notice)),
        }),
        closing,
        facts: vec![
            Fact {
                name: "When",
                value: time(context.now),
            },
            Fact {
                name: "From",
                value: coarse_network(context.address),
            },
        ],
    };
    letter.to(head, to, context.now + LIFE)
}

/// The page that shows the change.
fn path(notice: &Notice) -> &'static str {
    match notice {
        Notice::KeyCreated { .. } | Notice::KeyRevoked { .. } | Notice::KeyChanged { .. } => "/api-keys",
        _ => "/security",
    }
}

fn words(notice: &Notice) -> (&'static str, String) {
    match notice {
        Notice::KeyCreated { label } => (
            "An API key was created",
            format!("The API key {} was created in your account. Programs can use it from now on.", quoted(label)),
        ),
        Notice::KeyRevoked { label } => (
            "An API key was revoked",
            format!("The API key {} was revoked. Programs can no longer use it.", quoted(label)),
        ),
        Notice::KeyChanged { label } => (
            "An API key was changed",
            format!("The API key {} was changed: its name, permissions, allowed IP addresses or expiry, or whether it is enabled.", quoted(label)),
        ),
        Notice::PasskeyAdded { name } => (
            "A passkey was added",
            format!("The passkey {} was added. It can log in to your account.", quoted(name)),
        ),
        Notice::PasskeyRemoved { name } => (
            "A passkey was removed",
            format!("The passkey {} was removed. It can no longer log in to your account.", quoted(name)),
        ),
        Notice::EmailChanged { new, .. } => (
            "Your e-mail address was changed",
            format!(
                "The e-mail address of your account was changed to {}. This address can no longer log in to the account and gets no further notices.",
                isolated(&masked(new))
            ),
        ),
        Notice::AppleLinked => (
            "Sign in with Apple was linked",
            "An Apple account was linked. It can log in to your account.".to_owned(),
        ),
        Notice::AppleUnlinked => (
            "Sign in with Apple was unlinked",
            "Your Apple account was unlinked. It can no longer log in to your account.".to_owned(),
        ),
        Notice::AppleWithdrawn => (
            "Sign in with Apple was unlinked",
            "Apple reported that Sign in with Apple was stopped for your account, or that the Apple account was deleted. The Apple account was unlinked, and all sessions of your account were ended. Your API keys keep working.".to_owned(),
        ),
        Notice::AccountDeleted => (
            "Your account was deleted",
            "Your account was deleted. Its API keys were revoked and its sessions were ended.".to_owned(),
        ),
        Notice::RecoveryStarted { ready_at } => (
            "A recovery of your account was started",
            format!(
                "After an e-mail login, your passkey was reported lost. From {} on, an e-mail login can add a new passkey. If you still have your passkey, log in with it: that cancels the recovery.",
                time(*ready_at)
            ),
        ),
        Notice::RecoveryCancelled => (
            "The recovery of your account was cancelled",
            "The recovery of your account was cancelled. Adding a passkey requires one of your existing passkeys again.".to_owned(),
        ),
        Notice::RecoveryCompleted => (
            "The recovery of your account was completed",
            "A passkey was added to your account after the waiting time of its recovery.".to_owned(),
        ),
        Notice::SessionReused => (
            "A session was ended",
            "An old refresh token of a session of your account was used again, as happens when a token is copied. As a precaution, the session was ended. Your API keys and other sessions keep working."
                .to_owned(),
        ),
        Notice::SignedOutEverywhere => (
            "You were logged out",
            "Sessions of your account were ended, and their devices were logged out. Your API keys keep working.".to_owned(),
        ),
    }
}
