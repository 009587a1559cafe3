//! `[pages]`: what the pages say to people.

use serde::Deserialize;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// How the commands on the pages call the `tm-auth` program, as one word of a shell. `dev` puts
    /// its own path here, so that they can be pasted as they stand.
    pub command: String,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            command: "tm-auth".to_owned(),
        }
    }
}
