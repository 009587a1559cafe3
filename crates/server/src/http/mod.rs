//! What every room needs of HTTP, and knows nothing of the service: addresses, bodies, cookies, deadlines.

pub mod client_address;
pub(crate) mod cookie;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod same_origin;
