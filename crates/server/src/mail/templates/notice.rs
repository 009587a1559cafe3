//! Mails that say what changed.

use jiff::{SignedDuration, Timestamp};

use super::{Fact, Letter, Letterhead, Link, coarse_network, masked, quoted, time};
use crate::http::context::Context;
use crate::mail::Mail;

/// Old news is of no use.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

const NOT_YOU: &str =
    "If that was not you, sign in now: end the sessions and revoke the keys that you do not know.";

/// What happened.
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
    /// Told to the old address.
    EmailChanged {
        old: String,
        new: String,
    },
    AppleLinked,
    AppleUnlinked,
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
        // Nobody can sign in by this address any more.
        closing = vec!["If that was not you, write to the support of True Markets.".to_owned()];
    }
    let signs_in = !matches!(notice, Notice::AccountDeleted | Notice::EmailChanged { .. });
    let letter = Letter {
        subject: format!("{subject} ({product})"),
        opening: vec![what],
        code: None,
        link: signs_in.then(|| Link {
            label: "Look at your account",
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

/// The page that shows it.
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
            format!("The API key {} was created in your account and can mint tokens.", quoted(label)),
        ),
        Notice::KeyRevoked { label } => (
            "An API key was revoked",
            format!("The API key {} was revoked. Whatever used it is refused from now on.", quoted(label)),
        ),
        Notice::KeyChanged { label } => (
            "An API key was changed",
            format!("The name, scopes, addresses or end of the API key {} were changed.", quoted(label)),
        ),
        Notice::PasskeyAdded { name } => (
            "A passkey was added",
            format!("The passkey {} can sign in to your account from now on.", quoted(name)),
        ),
        Notice::PasskeyRemoved { name } => (
            "A passkey was removed",
            format!("The passkey {} cannot sign in to your account any more.", quoted(name)),
        ),
        Notice::EmailChanged { new, .. } => (
            "Your e-mail address was changed",
            format!(
                "Your account has another address now: {}. This one does not sign in to it any more, and gets no further mail about it.",
                masked(new)
            ),
        ),
        Notice::AppleLinked => (
            "Sign in with Apple was linked",
            "An Apple account can sign in to your account from now on.".to_owned(),
        ),
        Notice::AppleUnlinked => (
            "Sign in with Apple was unlinked",
            "No Apple account can sign in to your account any more.".to_owned(),
        ),
        Notice::AccountDeleted => (
            "Your account was deleted",
            "Your account was deleted. Its API keys are revoked and its sessions are over.".to_owned(),
        ),
        Notice::RecoveryStarted { ready_at } => (
            "A recovery of your account has begun",
            format!(
                "Somebody signed in without your passkey and asked to add a new one. From {} on they can. If you have your passkey, sign in with it: that cancels the recovery.",
                time(*ready_at)
            ),
        ),
        Notice::RecoveryCancelled => (
            "The recovery of your account was cancelled",
            "The recovery of your account was cancelled. Adding a passkey takes one that you have.".to_owned(),
        ),
        Notice::RecoveryCompleted => (
            "The recovery of your account is over",
            "A passkey was added to your account after the waiting time of its recovery.".to_owned(),
        ),
        Notice::SessionReused => (
            "A session was ended",
            "A refresh token of your account was presented again after a later one had been used, as happens when somebody copied it. That session is over; API keys and other sessions go on."
                .to_owned(),
        ),
        Notice::SignedOutEverywhere => (
            "You were signed out everywhere",
            "The sessions of your account were ended. API keys go on.".to_owned(),
        ),
    }
}
