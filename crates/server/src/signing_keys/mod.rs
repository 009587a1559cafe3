//! The service's signing and MAC keys. [`rotation`] changes the set in the database, [`current`]
//! holds it in memory.

pub mod check;
pub(crate) mod current;
pub mod key_ring;
pub mod rotation;
