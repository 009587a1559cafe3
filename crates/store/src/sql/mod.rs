//! The store in SQL, written once for both databases.
//!
//! 1. A method of [`Store`] hands a piece of work to [`Store::write`] or [`Store::read`].
//! 2. On SQLite the writer's thread runs it in its group commit; on PostgreSQL it is a SERIALIZABLE transaction,
//!    retried if another one was in the way. Either way the work sees the database as if it were alone.
//! 3. The work is a function of one noun over [`Tx`]: the same statements, whichever database it is.
//!
//! What is hot (opening and rotating a session) has on PostgreSQL a faster way, [`crate::postgres`], which leaves
//! to this code whatever is not plain.

mod account;
pub(crate) mod api_key;
mod apple_identity;
pub(crate) mod audit;
mod ceremony;
mod contact;
mod email_code;
mod housekeeping;
mod identity;
mod key_refusal;
mod passkey;
mod recovery;
mod reminder;
mod revocation;
mod row;
pub(crate) mod session;
pub(crate) mod setting;
mod signing_key;
mod store;
mod tx;
mod user_session;
pub(crate) mod value;

pub(crate) use row::{Columns, Row};
pub(crate) use store::Engine;
pub use store::Store;
pub(crate) use tx::Tx;
pub(crate) use value::args;
