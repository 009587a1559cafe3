//! A service, a browser that everything it sends is written down of, and what a person does with it.
//!
//! 1. [`Service`] runs in this process on a real database; its clock goes with the machine's, since browser and
//!    SDK know no other, and can be turned ahead.
//! 2. [`Browser`] is a Chromium of the test's own: profile, download folder, chromedriver.
//! 3. All it sends goes through a [`Recorder`], which keeps every byte.
//! 4. Whatever the browser complains of in its console fails the test at [`Browser::close`].

mod apple;
mod axe;
mod browser;
mod chromedriver;
mod clock;
mod inspection;
mod installed;
mod keys;
pub(crate) mod leak;
mod mail;
mod passkeys;
mod recorder;
pub(crate) mod sdk;
mod security;
mod service;
mod sign_in;

pub(crate) use apple::AppleProvider;
pub(crate) use browser::{Browser, Theme};
pub(crate) use passkeys::Authenticator;
pub(crate) use service::Service;
