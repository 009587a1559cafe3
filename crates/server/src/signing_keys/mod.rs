//! The service's own keys: the set in the database as it changes over time, and the set in memory that signs.

pub mod key_ring;
pub mod rotation;
