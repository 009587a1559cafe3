//! Who is calling: a bearer token, or the cookie of a signed-in browser.

pub(crate) mod bearer;
pub(crate) mod browser;
pub(crate) mod csrf_form;
