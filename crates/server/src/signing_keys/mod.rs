//! The service's own keys: [`rotation`] changes the set in the database, [`current`] holds the set
//! in memory.

pub(crate) mod current;
pub mod key_ring;
pub mod rotation;
