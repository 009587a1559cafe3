//! Mail that waits in the database until a mail server took it.
//!
//! 1. A change writes the mail that it causes in its own transaction, so no crash separates them.
//!    [`Store::keep_mail`](crate::Store::keep_mail) says whether the service sends mail at all.
//! 2. A node leases mail that is due ([`Store::lease_mail`](crate::Store::lease_mail)). While the
//!    lease lasts, no other node sends it. If the node dies, the mail is due again after the lease.
//! 3. The node reports the outcome: [`Store::remove_mail`](crate::Store::remove_mail) or
//!    [`Store::postpone_mail`](crate::Store::postpone_mail).
//!
//! So a mail is sent at least once. Its id is the same in each attempt.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tm_auth_core::api_key::setting::{KeySettings, SettingChange};
use tm_auth_proto::AccountId;

/// How long a notice is of use.
pub const NOTICE_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// The most notices of an account that wait. Further ones are only counted.
pub const MAX_NOTICES: u32 = 50;

/// The most codes that wait, for all addresses together.
pub const MAX_CODES: u32 = 10_000;

/// The id of a mail. A code has the id of its row in `email_codes`, another mail has a hash.
pub type MailId = [u8; 16];

/// A change of which the owner of an account is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Notice {
    KeyCreated {
        label: String,
        /// `None`: an earlier version wrote the notice.
        #[serde(default)]
        settings: Option<KeySettings>,
    },
    KeyRevoked {
        label: String,
    },
    KeyChanged {
        label: String,
        /// Empty: an earlier version wrote the notice.
        #[serde(default)]
        changes: Vec<SettingChange>,
    },
    PasskeyAdded {
        name: String,
    },
    PasskeyRemoved {
        name: String,
    },
    /// Goes to the old address.
    EmailChanged {
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

impl Notice {
    /// Whether it is the last mail to its recipient. Such a notice is neither delayed nor put
    /// together with others, because those may go to another address.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::EmailChanged { .. } | Self::AccountDeleted)
    }
}

/// The kinds of mail, each with room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A code, for which a user waits.
    Code,
    /// A notice of a change.
    Notice,
    /// A reminder that a key expires.
    Reminder,
}

impl MailKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Code, Self::Notice, Self::Reminder];

    /// The name in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Notice => "notice",
            Self::Reminder => "reminder",
        }
    }
}

/// What a node asks for.
#[derive(Clone, Copy, Debug)]
pub struct MailLease {
    /// Random id of the node.
    pub node: [u8; 16],
    /// The most mails. Codes and notices get half each; what one does not need goes to the other,
    /// and what remains to reminders.
    pub most: u32,
    /// Whether an odd place belongs to the codes. A caller that alternates starves neither.
    pub codes_first: bool,
    /// Time of the request.
    pub now: Timestamp,
    /// The end of the lease.
    pub until: Timestamp,
}

/// A mail that a node has leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedMail {
    /// Its id.
    pub id: MailId,
    /// The address, as it was at the time of the change.
    pub recipient: String,
    /// What it says.
    pub content: MailContent,
    /// Time of the change.
    pub created_at: Timestamp,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The request that caused it.
    pub request_id: Option<String>,
}

/// The content of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailContent {
    /// A code and its link, sealed by the service.
    Code(Vec<u8>),
    /// A notice.
    Notice(WaitingNotice),
    /// A reminder.
    Reminder(Reminder),
    /// No version of this program wrote it.
    Unreadable,
}

/// A notice that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingNotice {
    /// What was changed.
    pub notice: Notice,
    /// From where.
    pub ip: Option<IpAddr>,
    /// The account, if its notices may be put together into one mail.
    pub uid: Option<AccountId>,
    /// Whether it waits to be put together with others.
    pub held: bool,
    /// The number of further changes that had no room.
    pub more: u32,
}

/// A reminder that a key expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The key's label.
    pub label: String,
    /// Days before the expiry.
    pub days: u8,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// Why a mail is not sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Postponed {
    /// An attempt failed.
    Failed,
    /// Its account got enough mail. Until then it gathers with the account's other notices.
    Held,
    /// It was not tried.
    Untried,
}

/// A mail that was dropped because its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredMail {
    /// The request that caused it.
    pub request_id: Option<String>,
}

/// How much mail of a kind waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingMail {
    /// The kind.
    pub kind: MailKind,
    /// The number, counted up to [`MAX_CODES`].
    pub count: u32,
    /// Time of the oldest one's change.
    pub oldest: Option<Timestamp>,
}
