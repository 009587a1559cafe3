//! The e-mails that report changes.

use jiff::Timestamp;
use tm_auth_core::api_key::setting::SettingChange;
use tm_auth_store::outbox::{Notice, WaitingNotice};

use super::isolate::{isolated, quoted};
use super::{Fact, Letter, Letterhead, Link, coarse_network, key_words, masked, time};
use crate::mail::Mail;

/// The most changes that one mail lists.
const MAX_LISTED: usize = 20;

const NOT_YOU: &str = "If this was not you, log in now, then end the sessions and revoke the API keys that you do not recognise.";

/// Reports changes, each with its time: one in a mail of its own words, several in a list.
pub(crate) fn notices(head: Letterhead<'_>, to: &str, changes: &[(Timestamp, &WaitingNotice)]) -> Mail {
    match changes {
        [(at, notice)] if notice.more == 0 => one(head, to, *at, notice),
        _ => several(head, to, changes),
    }
}

fn one(head: Letterhead<'_>, to: &str, at: Timestamp, change: &WaitingNotice) -> Mail {
    let product = head.product();
    let notice = &change.notice;
    let (subject, what) = words(notice);
    let mut closing = vec![NOT_YOU.to_owned()];
    if notice.is_last() {
        // The recipient's address can no longer log in.
        closing = vec!["If this was not you, contact True Markets support.".to_owned()];
    }
    let mut facts = vec![Fact {
        name: "When",
        value: time(at),
    }];
    facts.extend(change.ip.map(|ip| Fact {
        name: "From",
        value: coarse_network(ip),
    }));
    let letter = Letter {
        subject: format!("{subject} ({product})"),
        opening: vec![what],
        code: None,
        link: (!notice.is_last()).then(|| Link {
            label: "Open your account",
            url: head.url(path(notice)),
        }),
        closing,
        facts,
    };
    letter.to(head, to)
}

fn several(head: Letterhead<'_>, to: &str, changes: &[(Timestamp, &WaitingNotice)]) -> Mail {
    let product = head.product();
    let total: usize = changes.iter().map(|(_, change)| 1 + change.more as usize).sum();
    // Many changes of keys must not hide another change.
    let mut listed: Vec<_> = changes.to_vec();
    listed.sort_by_key(|(_, change)| match &change.notice {
        Notice::KeyChanged { changes, .. } => !changes.iter().any(SettingChange::adds_scopes),
        _ => false,
    });
    listed.truncate(MAX_LISTED);
    listed.sort_by_key(|(at, _)| *at);
    let mut opening = vec![format!("{total} changes were made to your account:")];
    opening.extend(listed.iter().map(|(at, change)| {
        let from = change
            .ip
            .map(|ip| format!(", from {}", coarse_network(ip)))
            .unwrap_or_default();
        format!("{}{from}: {}", time(*at), words(&change.notice).1)
    }));
    if total > listed.len() {
        let more = total - listed.len();
        opening.push(format!("This e-mail does not list {more} more of them."));
    }
    let letter = Letter {
        subject: format!("{total} changes were made to your account ({product})"),
        opening,
        code: None,
        link: Some(Link {
            label: "See all activity of your account",
            url: head.url("/activity"),
        }),
        closing: vec![NOT_YOU.to_owned()],
        facts: Vec::new(),
    };
    letter.to(head, to)
}

/// The page that shows the change.
fn path(notice: &Notice) -> &'static str {
    match notice {
        Notice::KeyCreated { .. } | Notice::KeyRevoked { .. } | Notice::KeyChanged { .. } => "/api-keys",
        _ => "/security",
    }
}

/// The subject of a change: the most important of its settings.
fn key_changed(changes: &[SettingChange]) -> &'static str {
    match changes {
        _ if changes.iter().any(SettingChange::adds_scopes) => "An API key got more permissions",
        [SettingChange::Disabled { to: true, .. }] => "An API key was disabled",
        [SettingChange::Disabled { to: false, .. }] => "An API key was enabled",
        [SettingChange::Label { .. }] => "An API key was renamed",
        _ => "An API key was changed",
    }
}

fn words(notice: &Notice) -> (&'static str, String) {
    match notice {
        Notice::KeyCreated { label, settings } => (
            "An API key was created",
            format!(
                "The API key {} was created in your account. Programs can use it from now on.{}",
                quoted(label),
                settings.as_ref().map(|settings| format!(" {}", key_words::settings(settings))).unwrap_or_default()
            ),
        ),
        Notice::KeyRevoked { label } => (
            "An API key was revoked",
            format!("The API key {} was revoked. Programs can no longer use it.", quoted(label)),
        ),
        Notice::KeyChanged { label, changes } if changes.is_empty() => (
            "An API key was changed",
            format!("The API key {} was changed.", quoted(label)),
        ),
        Notice::KeyChanged { label, changes } => (
            key_changed(changes),
            format!("The API key {} was changed: {}.", quoted(label), key_words::changes(changes)),
        ),
        Notice::PasskeyAdded { name } => (
            "A passkey was added",
            format!("The passkey {} was added. It can log in to your account.", quoted(name)),
        ),
        Notice::PasskeyRemoved { name } => (
            "A passkey was removed",
            format!("The passkey {} was removed. It can no longer log in to your account.", quoted(name)),
        ),
        Notice::EmailChanged { new } => (
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

#[cfg(test)]
mod tests {
    use tm_auth_proto::{Environment, Scope, Scopes};

    use super::*;

    #[test]
    fn r27_many_renames_do_not_hide_a_key_that_got_more_permissions() {
        let url = "https://api.truemarkets.co/v1/auth".parse().unwrap();
        let head = Letterhead::new(Environment::Production, &url);
        let change = |label: &str, change| WaitingNotice {
            notice: Notice::KeyChanged {
                label: label.to_owned(),
                changes: vec![change],
            },
            ip: None,
            uid: None,
            held: true,
            more: 0,
        };
        let rename = |number: usize| SettingChange::Label {
            from: "a".to_owned(),
            to: format!("b{number}"),
        };
        let mut waiting: Vec<_> = (0..40).map(|number| change("renamed", rename(number))).collect();
        let from = [Scope::Read].into_iter().collect();
        let to = Scopes::ALL;
        waiting.push(change("stronger", SettingChange::Scopes { from, to }));
        let listed: Vec<_> = waiting
            .iter()
            .map(|waiting| (Timestamp::UNIX_EPOCH, waiting))
            .collect();
        let mail = notices(head, "ada@example.com", &listed);
        assert!(
            mail.text
                .contains("permissions from read to read, trade and transfer"),
            "{}",
            mail.text
        );
        assert!(mail.text.contains("does not list 21 more"), "{}", mail.text);
    }
}
