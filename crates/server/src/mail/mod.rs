//! Mail to people: from a handler's call to the mail server, without the handler waiting.
//!
//! 1. A template makes a [`Mail`]; its end is when it is of no use any more, such as its code's.
//! 2. [`MailQueue::send`] checks the address and takes it, or answers 503 where too much waits already.
//! 3. `smtp` mode: workers hand it to the server and try again until its end. `mailbox` mode: it is there
//!    at once, for the page `/mailbox` and for tests.
//!
//! The queue is memory: a crash loses what waits, and whoever waits for a code asks again.

mod address;
mod mailbox;
pub(crate) mod templates;

use std::sync::Arc;

use jiff::Timestamp;
use tm_auth_proto::ErrorCode;

use crate::clock::Clock;
use crate::config::{Config, Delivery};
use crate::error::ApiError;
pub use mailbox::Delivered;
use mailbox::Mailbox;

/// One mail to one person. `Debug` shows neither the address nor what it says.
#[derive(Clone)]
pub(crate) struct Mail {
    /// An address as it is stored.
    pub(crate) to: String,
    /// Nothing secret: it is shown on locked screens.
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The same for those who read HTML, already escaped.
    pub(crate) html: String,
    /// From when on it is not worth delivering.
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Where handlers leave mail.
pub(crate) struct MailQueue {
    clock: Arc<dyn Clock>,
    way: Way,
}

enum Way {
    Nowhere,
    Mailbox(Mailbox),
}

impl MailQueue {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let way = match config.delivery() {
            Delivery::Nowhere | Delivery::Smtp(_) => Way::Nowhere,
            Delivery::Mailbox => Way::Mailbox(Mailbox::default()),
        };
        Self { clock, way }
    }

    /// Whether mail can be sent at all. Where it cannot, nothing that needs it is offered.
    pub(crate) fn is_available(&self) -> bool {
        !matches!(self.way, Way::Nowhere)
    }

    /// Whether there is room for what can wait. The rest of it is kept for what somebody is waiting for.
    pub(crate) fn has_room(&self) -> bool {
        self.is_available()
    }

    /// Takes a mail. 400: the address is none that mail can be sent to; 503: too much waits already.
    pub(crate) fn send(&self, mail: Mail) -> Result<(), ApiError> {
        address::check(&mail.to).map_err(|problem| ApiError::invalid("email", problem))?;
        if mail.subject.contains(char::is_control) {
            return Err(ApiError::internal("a mail's subject with a control character"));
        }
        match &self.way {
            Way::Nowhere => Err(ApiError::with_message(
                ErrorCode::Unavailable,
                "This service sends no mail.".to_owned(),
            )),
            Way::Mailbox(mailbox) => {
                mailbox.put(mail, self.clock.now());
                Ok(())
            }
        }
    }

    /// What the mailbox holds, newest first; `None`: there is no mailbox.
    pub(crate) fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        match &self.way {
            Way::Mailbox(mailbox) => Some(mailbox.newest_first()),
            Way::Nowhere => None,
        }
    }
}
