//! Test support: a service, a browser with recorded requests, and the steps of a user.
//!
//! 1. [`Service`] runs in this process on a real database. Its clock is the machine's, which the
//!    browser and the SDK use, plus an offset that a test can increase.
//! 2. [`Browser`] is a Chromium process with its own profile, download folder and chromedriver.
//! 3. All requests of the browser go through a [`Recorder`], which keeps every byte.
//! 4. An unexpected warning or error in the browser's console fails the test at [`Browser::close`].

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
