//! Settings and limits of the system that work, but not for all clients.

use tm_auth_server::{Config, open_files};

use super::report::{Verdict, ok, warn};

/// Warns if access tokens expire before some clients renew them.
pub(super) fn access_tokens(config: &Config) -> Verdict {
    let lifetime = config.tokens.access_ttl_seconds;
    if config.tokens.expire_before_clients_renew() {
        warn(format!(
            "access tokens live {lifetime} s, but there are clients that keep an access token for 55 to 58 minutes; set `tokens.access_ttl_seconds` to 3600"
        ))
    } else {
        ok(format!("access tokens live {lifetime} s"))
    }
}

/// Warns if the limit of open files allows fewer connections than are configured.
pub(super) fn open_files(config: &Config) -> Verdict {
    let places = open_files::places(config, open_files::raise_limit());
    let capacity = &places.capacity;
    match places.needed {
        None => ok(format!(
            "enough for {} connections, {} per network",
            capacity.total, capacity.per_network
        )),
        Some(needed) => warn(format!(
            "enough for {} of the {} connections in `limits.max_connections`; raise the hard limit to {needed} (`LimitNOFILE` in systemd), or lower the setting",
            capacity.total, config.limits.max_connections
        )),
    }
}
