//! The database of the service.
//!
//! [`Store`] has one method for each operation of the service. Each method is one transaction, and
//! its comment is its guarantee. The rows are in [`sqlite`], the embedded default, or in
//! [`postgres`], for several nodes. The [`conformance`] suite (feature of that name) runs on both
//! and defines the meaning of the methods.

pub mod account;
pub mod api_key;
pub mod apple_identity;
pub mod audit;
mod audit_action;
pub mod ceremony;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod email_code;
pub mod error;
#[cfg(feature = "faults")]
pub mod faults;
pub mod housekeeping;
pub mod identity;
pub mod key_refusal;
pub mod outbox;
pub mod passkey;
pub mod postgres;
pub mod reminder;
pub mod repeat;
pub mod revocation;
mod schema;
pub mod session;
mod sql;
pub mod sqlite;
#[cfg(test)]
mod statements;
pub mod transfer;

pub use account::NewAccount;
pub use api_key::{Changed, DeadKeys, KeyChange, KeyLimits, KeyUse, NewApiKey};
pub use apple_identity::{AppleIdentity, AppleSignIn, AppleSubject, AppleWithdrawal};
pub use audit::{AuditContext, AuditEntry, History};
pub use audit_action::AuditAction;
pub use ceremony::Ceremony;
pub use error::{Result, StoreError};
pub use housekeeping::{Change, Changes, Retention, Swept};
pub use identity::{EmailChange, LoginMethods};
pub use key_refusal::KeyRefusal;
pub use reminder::DueReminder;
pub use repeat::{LostChange, Repeated};
pub use revocation::{Revocation, Revoked};
pub use session::{OpenOutcome, RefusedRotation, Rotated, RotatedUserSession, Rotation, RotationKind};
pub use sql::{Call, Contents, Inspection, Store};
