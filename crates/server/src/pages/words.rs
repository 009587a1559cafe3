//! The wording of times, states, reasons and actions on pages.

use jiff::Timestamp;
use tm_auth_core::api_key::setting::SettingChange;
use tm_auth_core::user::{AuthMethod, SessionKind};
use tm_auth_proto::ErrorCode;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_store::AuditAction;

use crate::mail::templates::key_words;
pub(crate) use crate::mail::templates::key_words::scopes;

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
            ApiKeyStatus::Expired => (
                "Expired",
                "",
                "Programs can no longer use this key. Create another key.",
            ),
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

const REFUSED: &str = "The request was refused.";

/// The reason why a request with a key was refused.
pub(crate) fn refusal(code: &str) -> &'static str {
    use ErrorCode as Code;
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    // A newer version of the service can have written a code that this one does not know.
    let Some(code) = known else { return REFUSED };
    match code {
        Code::InvalidRequest => "The request was malformed.",
        Code::BadSignatureEncoding => "The signature could not be read.",
        Code::InvalidCredentials => {
            "The signature was not made with this key. Check the key file of the program."
        }
        Code::TimestampOutOfRange => {
            "The clock of the program’s machine was off by more than 30 seconds. Correct it."
        }
        Code::Replayed => "The same signed request was sent twice. Sign each request again.",
        Code::ChallengeBeforeRecovery => {
            "The request was signed before the service was restored from a backup."
        }
        Code::WrongEnvironment => "The key belongs to the other environment, production or UAT.",
        Code::KeyRevoked => "The key was revoked. Create another key.",
        Code::KeyExpired => "The key had expired. Create another key.",
        Code::KeyPending => "The key was not active yet.",
        Code::KeyDisabled => "The key was disabled.",
        Code::AccountDisabled => "The account was disabled.",
        Code::IpNotAllowed => {
            "The IP address is not among the allowed IP addresses of the key. If it is yours, add it."
        }
        Code::RateLimited => "There were too many requests.",
        // Not refusals of a mint.
        Code::InvalidPublicKey
        | Code::PrivateKeySubmitted
        | Code::KnownPrivateKey
        | Code::InvalidProof
        | Code::AppleSignInUnknown
        | Code::AppleSignInCancelled
        | Code::AppleTokenInvalid
        | Code::PasskeyRefused
        | Code::CeremonyOver
        | Code::MethodNotAllowed
        | Code::RequestTimeout
        | Code::BodyTooLarge
        | Code::UnsupportedMediaType
        | Code::InvalidRefreshToken
        | Code::RefreshSuperseded
        | Code::RefreshReused
        | Code::SessionExpired
        | Code::SessionEnded
        | Code::InvalidCode
        | Code::MissingToken
        | Code::InvalidToken
        | Code::MissingSession
        | Code::CrossSiteRequest
        | Code::ManagementTokenRequired
        | Code::ReauthRequired
        | Code::InsufficientScope
        | Code::NotFound
        | Code::KeyNotFound
        | Code::SessionNotFound
        | Code::KeyAlreadyRegistered
        | Code::KeyLimitReached
        | Code::KeyNotLive
        | Code::AddressInCooldown
        | Code::AddressHasAccount
        | Code::AppleLinkedElsewhere
        | Code::AppleAlreadyLinked
        | Code::PasskeyNotFound
        | Code::PasskeyAlreadyRegistered
        | Code::PasskeyLimitReached
        | Code::LastLoginMethod
        | Code::NothingToRecover
        | Code::Internal
        | Code::AppleUnavailable
        | Code::Unavailable => REFUSED,
    }
}

/// The wording of an action of the audit trail.
pub(crate) fn action(action: &AuditAction) -> String {
    use AuditAction as Action;
    let words = match action {
        Action::AccountCreated => "The account was created",
        Action::AccountDisabled => "The account was disabled",
        Action::AccountEnabled => "The account was enabled again",
        Action::AccountDeleted => "The account was deleted",
        Action::SignIn => "Logged in",
        Action::SignInRefused => "A login was refused",
        Action::SessionEnded | Action::SessionRevoked => "A session was ended",
        Action::SessionFastForwarded => "A session continued after the service was restored from a backup",
        Action::RefreshReused => "A session was ended because an old refresh token was used again",
        Action::ManagementSessionIssued => "True Markets staff issued a session for managing the account",
        Action::KeyRegistered => "Registered an API key",
        Action::KeyActivated => "Activated an API key",
        Action::KeyChanged => "Changed an API key",
        Action::KeyDisabled => "Disabled an API key",
        Action::KeyEnabled => "Enabled an API key",
        Action::KeyRevoked => "Revoked an API key",
        Action::PasskeyAdded => "Added a passkey",
        Action::PasskeyRemoved => "Removed a passkey",
        Action::PasskeyRenamed => "Renamed a passkey",
        Action::EmailChanged => "Changed the e-mail address",
        Action::AppleLinked => "Linked Sign in with Apple",
        Action::AppleUnlinked => "Unlinked Sign in with Apple",
        Action::AppleMailDisabled => "Apple stopped forwarding e-mail from your hidden address",
        Action::AppleMailEnabled => "Apple forwards e-mail from your hidden address again",
        Action::RecoveryStarted => "Started a recovery",
        Action::RecoveryCancelled => "Cancelled the recovery",
        Action::RecoveryCompleted => "Completed the recovery",
        Action::CodeSent => "A login code was sent",
        Action::CodeRefused => "A login code was refused",
        // These are never about an account, so no page shows them.
        Action::LimitReached => "A rate limit was reached",
        Action::TokensRevoked => "Revoked tokens",
        Action::SigningKeyChanged => "Changed a key of the service",
        Action::SigningKeyRemoved => "Deleted a key of the service",
        Action::SigningKeyRevoked => "Revoked a key of the service",
        Action::DatabaseRecovered => "Restored the database",
        Action::DatabaseWentBack => "Repeated revocations that the database had lost",
        Action::DatabaseImported => "Imported the database",
        // Written by a newer version of the service: show the name as it is.
        Action::Unknown(name) => return name.replace('_', " "),
    };
    words.to_owned()
}

/// The wording of an entry's detail: what a change of a key changed, or pairs such as
/// `method=passkey`. `None` if nothing in it is for users.
pub(crate) fn detail(detail: &str) -> Option<String> {
    if let Ok(changes) = serde_json::from_str::<Vec<SettingChange>>(detail) {
        return (!changes.is_empty()).then(|| key_words::changes(&changes));
    }
    let words: Vec<&str> = detail
        .split_whitespace()
        .filter_map(|pair| match pair.split_once('=')? {
            ("method", name) => AuthMethod::parse(name).map(method),
            ("kind", name) => SessionKind::parse(name).map(kind),
            ("code", "invalid_code") => Some("the code was wrong or expired"),
            ("code", "rate_limited") => Some("too many attempts"),
            _ => None,
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::Passkey => "with a passkey",
        AuthMethod::EmailCode => "with an e-mail code",
        AuthMethod::MagicLink => "with an e-mail link",
        AuthMethod::Apple => "with Apple",
        AuthMethod::Operator => "confirmed by True Markets staff",
    }
}

fn kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Browser => "in a browser",
        SessionKind::Native | SessionKind::Management => "in a program",
    }
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
    fn details_are_worded_and_unknown_ones_are_left_out() {
        assert_eq!(
            detail("method=passkey kind=browser").unwrap(),
            "with a passkey, in a browser"
        );
        assert_eq!(detail("3 sessions ended"), None);
        let newer = AuditAction::parse("from_the_future");
        assert_eq!(action(&newer), "from the future");
    }
}
