//! Authenticates the caller by a bearer token or by the session cookie of a browser.

pub(crate) mod bearer;
pub(crate) mod browser;
pub(crate) mod csrf_form;
