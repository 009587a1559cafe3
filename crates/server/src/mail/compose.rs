//! From rows of the outbox to a mail.

use aws_lc_rs::digest::{SHA256, digest};
use lettre::Address;
use tm_auth_core::signing::Sealed;
use tm_auth_proto::AccountId;
use tm_auth_store::outbox::{LeasedMail, MailContent, MailId};

use super::templates::{self, CodeLetter};
use super::{Mail, Mailer, address, note_dropped};

/// A mail to be sent, from one row or from several notices of an account.
pub(super) struct Ready {
    pub(super) ids: Vec<MailId>,
    pub(super) to: Address,
    pub(super) mail: Mail,
    /// Identifies duplicates: the same for every attempt.
    pub(super) message_id: uuid::Uuid,
    pub(super) created_at: jiff::Timestamp,
    /// The number of failed attempts.
    pub(super) attempts: u32,
    /// The account that was charged for it.
    pub(super) charged: Option<AccountId>,
    /// The request that caused the first of it.
    pub(super) request_id: Option<String>,
}

impl Mailer {
    /// Seals the mail of a code for the database.
    pub(crate) fn seal(&self, id: MailId, letter: &CodeLetter) -> Vec<u8> {
        let text = serde_json::to_vec(letter).expect("a letter is plain JSON");
        self.keys[0].seal_mail(&text, id, self.environment).0
    }

    fn unseal(&self, id: MailId, sealed: Vec<u8>) -> Option<CodeLetter> {
        let sealed = Sealed(sealed);
        let text = self
            .keys
            .iter()
            .find_map(|key| key.unseal_mail(&sealed, id, self.environment).ok())?;
        serde_json::from_slice(&text).ok()
    }

    /// Composes one mail. `None`: it can never be sent, which is logged.
    pub(super) fn ready(&self, mails: &[LeasedMail]) -> Option<Ready> {
        let first = mails.first()?;
        let (to, mail) = self
            .render(mails)
            .and_then(checked)
            .map_err(|reason| note_dropped(first.request_id.as_deref(), reason, None))
            .ok()?;
        Some(Ready {
            ids: mails.iter().map(|mail| mail.id).collect(),
            to,
            mail,
            message_id: message_id(first.id),
            created_at: first.created_at,
            attempts: first.attempts,
            charged: match &first.content {
                MailContent::Notice(notice) => notice.uid,
                _ => None,
            },
            request_id: first.request_id.clone(),
        })
    }

    fn render(&self, mails: &[LeasedMail]) -> Result<Mail, &'static str> {
        let (head, first) = (self.letterhead(), &mails[0]);
        let to = first.recipient.as_str();
        Ok(match &first.content {
            MailContent::Code(sealed) => {
                // Sealed under a key-encryption key that this node no longer has.
                let letter = self.unseal(first.id, sealed.clone()).ok_or("unreadable")?;
                templates::email_code(head, to, first.created_at, &letter)
            }
            MailContent::Reminder(reminder) => templates::key_reminder(head, to, reminder),
            MailContent::Notice(_) => {
                let changes: Vec<_> = mails
                    .iter()
                    .filter_map(|mail| match &mail.content {
                        MailContent::Notice(notice) => Some((mail.created_at, notice)),
                        _ => None,
                    })
                    .collect();
                templates::notices(head, to, &changes)
            }
            MailContent::Unreadable => return Err("unreadable"),
        })
    }
}

/// The last check before an address and a subject become headers.
pub(super) fn checked(mail: Mail) -> Result<(Address, Mail), &'static str> {
    let to = address::check(&mail.to).map_err(|_| "address")?;
    if mail.subject.contains(char::is_control) {
        return Err("unreadable");
    }
    Ok((to, mail))
}

/// A hash, because the row's id is internal.
fn message_id(id: MailId) -> uuid::Uuid {
    let hash = digest(&SHA256, &[b"tm-auth message id\0".as_slice(), &id].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
