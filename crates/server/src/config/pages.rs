//! `[pages]`: text of the pages.

use serde::Deserialize;

/// The section `[pages]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// The `tm-auth` program in the commands that the pages show, as one shell word. `tm-auth dev`
    /// sets it to its own path, so that the commands work as shown.
    pub command: String,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            command: "tm-auth".to_owned(),
        }
    }
}
