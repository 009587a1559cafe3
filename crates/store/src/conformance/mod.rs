//! The suite that defines the meaning of [`crate::Store`].
//!
//! Each case takes an empty database and uses its public methods only, so both databases must
//! behave the same. [`cases`] lists them; the runner creates one empty database per case. A case
//! that fails panics. Times are fixed, so the database's clock does not matter.

mod accounts;
mod api_keys;
mod apple_identities;
mod ceremonies;
mod contacts;
mod contents;
mod dead_keys;
mod email_codes;
pub mod given;
mod histories;
mod housekeeping;
mod identities;
mod key_refusals;
mod key_states;
mod outbox;
mod passkeys;
mod recoveries;
mod reminders;
mod repeated;
mod repeats;
mod revocations;
mod rewound;
mod rotation;
mod sessions;
mod signing_keys;
mod user_sessions;

use std::pin::Pin;
use std::sync::Arc;

use crate::Store;

/// A test of one guarantee.
#[derive(Clone, Copy)]
pub struct Case {
    /// The module and the function.
    pub name: &'static str,
    /// Runs the case on an empty database. Panics if the guarantee does not hold.
    pub run: fn(Arc<Store>) -> Running,
}

/// The future of a case.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All cases.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        accounts::CASES,
        identities::CASES,
        user_sessions::CASES,
        api_keys::CASES,
        apple_identities::CASES,
        key_states::CASES,
        dead_keys::CASES,
        key_refusals::CASES,
        sessions::CASES,
        contents::CASES,
        email_codes::accounts::CASES,
        email_codes::attempts::CASES,
        email_codes::browsers::CASES,
        email_codes::sending::CASES,
        rotation::CASES,
        ceremonies::CASES,
        passkeys::CASES,
        recoveries::CASES,
        signing_keys::CASES,
        revocations::CASES,
        rewound::CASES,
        housekeeping::CASES,
        histories::CASES,
        contacts::CASES,
        reminders::CASES,
        outbox::CASES,
        repeated::CASES,
        repeats::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The table of a module's cases. A case that is left out of it is dead code, which the compiler
/// reports.
macro_rules! table {
    ($noun:literal: $($case:ident),+ $(,)?) => {
        pub(in crate::conformance) const CASES: &[super::Case] = &[$(super::Case {
            name: concat!($noun, "::", stringify!($case)),
            run: |store| Box::pin(async move { $case(&store).await }),
        }),+];
    };
}
use table;
