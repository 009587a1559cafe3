//! What machines say, in words: times, states, reasons, actions.

use jiff::Timestamp;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{Scope, Scopes};

/// A time, beside the time at which it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Instant {
    at: Timestamp,
    now: Timestamp,
}

impl Instant {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// For machines: RFC 3339, in whole seconds.
    pub(crate) fn iso(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The exact second, in UTC: whose midnight it is must never be a question.
    pub(crate) fn exact(&self) -> String {
        self.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// How far away it is.
    pub(crate) fn relative(&self) -> String {
        let seconds = self.at.as_second() - self.now.as_second();
        let (count, unit) = match seconds.unsigned_abs() {
            0..60 if seconds <= 0 => return "just now".to_owned(),
            0..60 => return "in less than a minute".to_owned(),
            distance @ 60..3600 => (distance / 60, "minute"),
            distance @ 3600..172_800 => (distance / 3600, "hour"),
            distance => (distance / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        if seconds < 0 {
            format!("{count} {unit}{plural} ago")
        } else {
            format!("in {count} {unit}{plural}")
        }
    }
}

/// A key's state, as its owner reads it.
pub(crate) struct Status {
    pub(crate) word: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) meaning: &'static str,
    /// Whether there is still something to decide about it.
    pub(crate) usable: bool,
    pub(crate) pending: bool,
    pub(crate) disabled: bool,
}

impl Status {
    pub(crate) fn of(status: ApiKeyStatus) -> Self {
        let (word, tone, meaning) = match status {
            ApiKeyStatus::Active => ("Active", "ok", "It mints tokens."),
            ApiKeyStatus::Disabled => ("Disabled", "warn", "Nothing works with it until you enable it."),
            ApiKeyStatus::Pending => (
                "Not confirmed",
                "warn",
                "It waits for your word that its file is saved.",
            ),
            ApiKeyStatus::Expired => ("Expired", "", "Its end has passed."),
            ApiKeyStatus::Revoked => ("Revoked", "bad", "It was ended for ever."),
        };
        Self {
            word,
            tone,
            meaning,
            usable: matches!(status, ApiKeyStatus::Active | ApiKeyStatus::Disabled),
            pending: status == ApiKeyStatus::Pending,
            disabled: status == ApiKeyStatus::Disabled,
        }
    }
}

pub(crate) fn scopes(scopes: Scopes) -> String {
    if scopes == Scopes::ALL {
        return "read, trade and transfer".to_owned();
    }
    let words: Vec<&str> = Scope::ALL
        .into_iter()
        .filter(|scope| scopes.contains(*scope))
        .map(Scope::as_str)
        .collect();
    words.join(" and ")
}

/// Why a request that named a key was refused.
pub(crate) fn refusal(code: &str) -> &'static str {
    match code {
        "invalid_credentials" => "The signature was not by this key.",
        "bad_signature_encoding" => "The signature could not be read.",
        "timestamp_out_of_range" => "The clock of the machine was off by more than 30 seconds.",
        "replayed" => "The same signed request came twice.",
        "challenge_before_recovery" => "It was signed before the service was restored.",
        "key_revoked" => "The key was revoked.",
        "key_expired" => "The key had expired.",
        "key_pending" => "The key was not confirmed yet.",
        "key_disabled" => "The key was disabled.",
        "account_disabled" => "The account was disabled.",
        "ip_not_allowed" => "The address is not on the key's list.",
        "wrong_environment" => "The key belongs to the other environment.",
        "rate_limited" => "There were too many requests.",
        "invalid_request" => "The request was malformed.",
        _ => "It was refused.",
    }
}

/// What the audit trail says was done.
pub(crate) fn action(action: &str) -> String {
    let words = match action {
        "account_created" => "The account was made",
        "account_disabled" => "The account was disabled",
        "account_enabled" => "The account was enabled again",
        "account_deleted" => "The account was deleted",
        "sign_in" => "Signed in",
        "sign_in_refused" => "A sign-in was refused",
        "session_ended" | "session_revoked" => "A session was ended",
        "session_fast_forwarded" => "A session was taken up again",
        "refresh_reused" => "A session was ended, because an old refresh token came again",
        "management_session_issued" => "An operator issued a session for managing the account",
        "key_registered" => "Registered a key",
        "key_activated" => "Activated a key",
        "key_changed" => "Changed a key",
        "key_disabled" => "Disabled a key",
        "key_enabled" => "Enabled a key",
        "key_revoked" => "Revoked a key",
        "passkey_added" => "Added a passkey",
        "passkey_removed" => "Removed a passkey",
        "passkey_renamed" => "Renamed a passkey",
        "email_changed" => "Changed the e-mail address",
        "apple_linked" => "Linked Sign in with Apple",
        "apple_unlinked" => "Unlinked Sign in with Apple",
        "apple_mail_disabled" => "Apple stopped passing mail on to the hidden address",
        "apple_mail_enabled" => "Apple passes mail on to the hidden address again",
        "recovery_started" => "Started a recovery",
        "recovery_cancelled" => "Cancelled the recovery",
        "recovery_completed" => "The recovery was completed",
        "code_sent" => "A sign-in code was mailed",
        "code_refused" => "A sign-in code was refused",
        // A newer word than this page knows: better shown as it is than not at all.
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

/// A word of an entry's detail (`method=passkey`), where it tells a person something.
pub(crate) fn detail(detail: &str) -> Option<String> {
    let words: Vec<&str> = detail
        .split_whitespace()
        .filter_map(|pair| match pair.split_once('=')? {
            ("method", "passkey") => Some("with a passkey"),
            ("method", "email_code") => Some("with a code from a mail"),
            ("method", "magic_link") => Some("with the link from a mail"),
            ("method", "apple") => Some("with Apple"),
            ("method", "operator") => Some("vouched for by an operator"),
            ("kind", "browser") => Some("in a browser"),
            ("kind", "native" | "management") => Some("in a program"),
            ("code", "invalid_code") => Some("the code was wrong or too old"),
            ("code", "rate_limited") => Some("too many tries"),
            _ => None,
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_and_say_how_far_away_they_are() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let instant = |seconds: i64| {
            let at = Timestamp::from_millisecond((1_800_000_000 + seconds) * 1000 + 999).unwrap();
            Instant::new(at, now)
        };
        assert_eq!(instant(0).exact(), "2027-01-15 08:00:00 UTC");
        assert_eq!(instant(0).iso(), "2027-01-15T08:00:00Z");
        for (seconds, words) in [
            (0, "just now"),
            (-59, "just now"),
            (-60, "1 minute ago"),
            (-3599, "59 minutes ago"),
            (-3600, "1 hour ago"),
            (-172_800, "2 days ago"),
            (59, "in less than a minute"),
            (120, "in 2 minutes"),
            (86_400, "in 24 hours"),
            (31_536_000, "in 365 days"),
        ] {
            assert_eq!(instant(seconds).relative(), words);
        }
    }

    #[test]
    fn scopes_are_a_phrase() {
        assert_eq!(scopes(Scopes::ALL), "read, trade and transfer");
        let some: Scopes = [Scope::Trade, Scope::Read].into_iter().collect();
        assert_eq!(scopes(some), "read and trade");
    }

    #[test]
    fn details_are_words_and_never_raw() {
        assert_eq!(
            detail("method=passkey kind=browser").unwrap(),
            "with a passkey, in a browser"
        );
        assert_eq!(detail("3 sessions ended"), None);
        assert_eq!(action("from_the_future"), "from the future");
    }
}
