//! HTTP code that the API and the pages share. Knows neither [`crate::App`] nor the handlers.

pub(crate) mod body;
pub(crate) mod caching;
pub mod client_address;
pub(crate) mod context;
pub(crate) mod cookie;
pub(crate) mod device;
pub(crate) mod error;
pub(crate) mod fallback;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod nearest_path;
pub(crate) mod query;
pub(crate) mod same_origin;
