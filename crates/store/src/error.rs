//! The error of the store.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

/// Result of the store's methods.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A failed call of the store.
///
/// The source is the reason, such as the driver's error. [`Chain`] writes both. The texts are for
/// logs, never for clients of the service.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// The database cannot be reached, or is full, locked or overloaded. A retry may help.
    Unavailable(Cause),
    /// A row has contents that no version of this program writes.
    Damaged(Cause),
    /// The database file is damaged, or is not a database any more. A retry does not help, a restore
    /// does.
    Corrupt(Cause),
    /// The database belongs to another program or environment, or this version cannot use it. The
    /// error displays its cause.
    Unusable(Cause),
}

/// The reason of a [`StoreError`]. Its `Debug` shows the text only, since a driver's error may
/// contain values of rows.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

/// An error or a text, from which a cause is created.
type Source = Box<dyn Error + Send + Sync>;

impl StoreError {
    /// Creates [`StoreError::Unavailable`] from an error or a text.
    pub fn unavailable(cause: impl Into<Source>) -> Self {
        Self::Unavailable(Cause::from(cause.into()))
    }

    pub(crate) fn damaged(cause: impl Into<Source>) -> Self {
        Self::Damaged(Cause::from(cause.into()))
    }

    pub(crate) fn corrupt(cause: impl Into<Source>) -> Self {
        Self::Corrupt(Cause::from(cause.into()))
    }

    pub(crate) fn unusable(cause: impl Into<Source>) -> Self {
        Self::Unusable(Cause::from(cause.into()))
    }

    /// Creates [`StoreError::Unusable`] for an action, such as opening a file, that failed with an
    /// error.
    pub(crate) fn cannot(what: impl Display, source: impl Into<Source>) -> Self {
        Self::unusable(Failed {
            what: format!("cannot {what}"),
            source: source.into(),
        })
    }
}

impl Display for StoreError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(_) => f.write_str("the database is unavailable"),
            Self::Damaged(_) => f.write_str("the database holds a damaged row"),
            Self::Corrupt(_) => f.write_str("the database file is damaged"),
            Self::Unusable(cause) => write!(f, "{cause}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Damaged(cause) | Self::Corrupt(cause) => Some(&*cause.0),
            Self::Unusable(cause) => cause.0.source(),
        }
    }
}

impl From<Source> for Cause {
    fn from(source: Source) -> Self {
        Self(source.into())
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Failed {
    what: String,
    source: Source,
}

/// Writes an error and its sources in one line. Leaves out a source whose text is already there.
pub struct Chain<'e>(pub &'e dyn Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let said = cause.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            next = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_source_and_is_printed_once() {
        let busy = StoreError::unavailable("too many callers wait");
        assert_eq!(busy.to_string(), "the database is unavailable");
        assert_eq!(busy.source().unwrap().to_string(), "too many callers wait");
        assert_eq!(
            Chain(&busy).to_string(),
            "the database is unavailable: too many callers wait"
        );

        let refused = StoreError::cannot("open /data", std::io::Error::other("permission denied"));
        assert_eq!(refused.to_string(), "cannot open /data");
        assert_eq!(
            Chain(&refused).to_string(),
            "cannot open /data: permission denied"
        );
    }

    #[test]
    fn a_drivers_error_can_be_downcast_and_its_details_are_not_printed() {
        let driver: StoreError = sqlx::Error::PoolTimedOut.into();
        let source = driver.source().unwrap();
        assert!(matches!(source.downcast_ref(), Some(sqlx::Error::PoolTimedOut)));
        assert!(!format!("{driver:?}").contains("PoolTimedOut"));
    }

    #[test]
    fn a_repeated_source_is_printed_once() {
        let inner = std::io::Error::other("reset by peer");
        let repeats: StoreError = sqlx::Error::Io(inner).into();
        let text = Chain(&repeats).to_string();
        assert_eq!(text.matches("reset by peer").count(), 1, "{text}");
    }
}
