//! The suite that defines [`crate::Store`].
