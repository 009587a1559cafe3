//! The signing keys in the database, and the key-encryption key that opens them.

use tm_auth_server::Config;
use tm_auth_server::signing_keys::check::all_unseal;

use super::database::Database;
use super::report::{Verdict, fail, ok};

pub(super) fn signing(config: &Config, database: &Database) -> Verdict {
    let Some(contents) = database.contents() else {
        return database.no_contents();
    };
    let stored = &contents.signing_keys;
    match all_unseal(config, stored) {
        Err(problem) => fail(problem),
        Ok(()) if stored.is_empty() => ok("none yet: the first start creates them"),
        Ok(()) => ok(format!("{} in the database, and each opens", stored.len())),
    }
}
