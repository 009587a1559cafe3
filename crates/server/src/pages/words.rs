//! The wording of times, states, reasons and actions on pages.

use jiff::Timestamp;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{Scope, Scopes};

/// A time, with the time at which the page shows it.
#[derive(Clone, Copy)]
pub(crate) struct Instant {
    at: Timestamp,
    now: Timestamp,
}

impl Instant {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// RFC 3339 in whole seconds, for attributes.
    pub(crate) fn iso(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The exact second, with its time zone.
    pub(crate) fn exact(&self) -> String {
        self.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// The distance from now, such as "2 hours ago".
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

/// The status of a key, in words.
pub(crate) struct Status {
    pub(crate) word: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) meaning: &'static str,
    /// Whether the key is active or can be enabled.
    pub(crate) usable: bool,
    pub(crate) pending: bool,
    pub(crate) disabled: bool,
}

impl Status {
    pub(crate) fn of(status: ApiKeyStatus) -> Self {
        let (word, tone, meaning) = match status {
            ApiKeyStatus::Active => ("Active", "ok", "Programs can use this key."),
            ApiKeyStatus::Disabled => (
                "Disabled",
                "warn",
                "Programs cannot use this key until you enable it.",
            ),
            ApiKeyStatus::Pending => (
                "Not confirmed",
                "warn",
                "Waiting for you to confirm that the key file is saved.",
            ),
            ApiKeyStatus::Expired => ("Expired", "", "Programs can no longer use this key."),
            ApiKeyStatus::Revoked => ("Revoked", "bad", "This key can never be used again."),
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

/// The reason why a request with a key was refused.
pub(crate) fn refusal(code: &str) -> &'static str {
    match code {
        "invalid_credentials" => "The signature was not made with this key.",
        "bad_signature_encoding" => "The signature could not be read.",
        "timestamp_out_of_range" => "The clock of the program’s machine was off by more than 30 seconds.",
        "replayed" => "The same signed request was sent twice.",
        "challenge_before_recovery" => {
            "The request was signed before the service was restored from a backup."
        }
        "key_revoked" => "The key was revoked.",
        "key_expired" => "The key had expired.",
        "key_pending" => "The key was not active yet.",
        "key_disabled" => "The key was disabled.",
        "account_disabled" => "The account was disabled.",
        "ip_not_allowed" => "The IP address is not on the key’s list.",
        "wrong_environment" => "The key belongs to the other environment.",
        "rate_limited" => "There were too many requests.",
        "invalid_request" => "The request was malformed.",
        _ => "The request was refused.",
    }
}

/// The wording of an action of the audit trail.
pub(crate) fn action(action: &str) -> String {
    let words = match action {
        "account_created" => "The account was created",
        "account_disabled" => "The account was disabled",
        "account_enabled" => "The account was enabled again",
        "account_deleted" => "The account was deleted",
        "sign_in" => "Logged in",
        "sign_in_refused" => "A login was refused",
        "session_ended" | "session_revoked" => "A session was ended",
        "session_fast_forwarded" => "A session continued after the service was restored from a backup",
        "refresh_reused" => "A session was ended because an old refresh token was used again",
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
        "apple_mail_disabled" => "Apple stopped forwarding e-mail from your hidden address",
        "apple_mail_enabled" => "Apple forwards e-mail from your hidden address again",
        "recovery_started" => "Started a recovery",
        "recovery_cancelled" => "Cancelled the recovery",
        "recovery_completed" => "Completed the recovery",
        "code_sent" => "A login code was sent",
        "code_refused" => "A login code was refused",
        // Written by a newer version of the service: show the name as it is.
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

/// The wording of an entry's detail, such as `method=passkey`. `None` if no pair of it is for
/// users.
pub(crate) fn detail(detail: &str) -> Option<String> {
    let words: Vec<&str> = detail
        .split_whitespace()
        .filter_map(|pair| match pair.split_once('=')? {
            ("method", "passkey") => Some("with a passkey"),
            ("method", "email_code") => Some("with an e-mail code"),
            ("method", "magic_link") => Some("with an e-mail link"),
            ("method", "apple") => Some("with Apple"),
            ("method", "operator") => Some("confirmed by an operator"),
            ("kind", "browser") => Some("in a browser"),
            ("kind", "native" | "management") => Some("in a program"),
            ("code", "invalid_code") => Some("the code was wrong or expired"),
            ("code", "rate_limited") => Some("too many attempts"),
            _ => None,
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Turns the phrase of an error, such as "must not be empty", into a sentence.
pub(crate) fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    let sentence: String = first.chain(chars).collect();
    if sentence.ends_with(['.', '?']) {
        sentence
    } else {
        format!("{sentence}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_and_relative() {
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
    fn scopes_are_listed_in_words() {
        assert_eq!(scopes(Scopes::ALL), "read, trade and transfer");
        let some: Scopes = [Scope::Trade, Scope::Read].into_iter().collect();
        assert_eq!(scopes(some), "read and trade");
    }

    #[test]
    fn details_are_worded_and_unknown_ones_are_left_out() {
        assert_eq!(
            detail("method=passkey kind=browser").unwrap(),
            "with a passkey, in a browser"
        );
        assert_eq!(detail("3 sessions ended"), None);
        assert_eq!(action("from_the_future"), "from the future");
    }
}
