//! The handlers of the API, one file per noun.

pub(crate) mod api_keys;
pub(crate) mod email;
pub(crate) mod failures;
pub(crate) mod health;
pub(crate) mod jwks;
pub(crate) mod mint;
pub(crate) mod own_key;
pub(crate) mod refresh;
pub(crate) mod revocations;
pub(crate) mod sessions;
pub(crate) mod view;
