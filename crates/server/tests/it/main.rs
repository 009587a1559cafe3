//! The service over real sockets, with a clock that stands until it is moved. Files mirror the URLs.

mod smoke;
mod support;
