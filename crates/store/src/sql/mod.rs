//! The store's methods in SQL, written once for both databases.
//!
//! 1. A method of [`Store`] passes a closure, its work, to [`Store::write`] or [`Store::read`].
//! 2. On SQLite the writer thread runs the work within its group commit. On PostgreSQL the work is
//!    a SERIALIZABLE transaction, which is retried after a conflict with another one. Either way it
//!    runs as if it had the database to itself.
//! 3. The work is a function over [`Tx`] with the same statements for both databases.
//!
//! On PostgreSQL, opening and rotating a session uses batched statements ([`crate::postgres`]) and
//! falls back to this code for uncommon cases.

pub(crate) mod account;
pub(crate) mod api_key;
mod apple_identity;
pub(crate) mod audit;
mod ceremony;
pub(crate) mod check;
mod contact;
mod email_code;
mod housekeeping;
mod identity;
pub(crate) mod inspection;
mod key_refusal;
mod outbox;
mod passkey;
mod recovery;
mod reminder;
mod repeat;
pub(crate) mod restored;
mod revocation;
mod rewound;
mod row;
pub(crate) mod session;
pub(crate) mod setting;
mod signing_key;
mod store;
mod tx;
mod user_session;
pub(crate) mod value;

pub use inspection::{Contents, Inspection};
pub(crate) use outbox::Outbox;
pub(crate) use row::{Columns, Row};
pub(crate) use store::Engine;
pub use store::{Call, Store};
pub(crate) use tx::{On, Tx};
pub(crate) use value::args;
