//! The one way in which storage fails.

/// What storage methods return.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The database could not do what it was asked. The texts are for logs, never for callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is full, locked or overloaded. Trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row holds what no version of this program writes.
    #[error("the database holds a damaged row: {0}")]
    Damaged(String),
    /// It is not this service's database, or not one that this version can use.
    #[error("{0}")]
    Unusable(String),
}
