//! How many files and sockets the process can have open, and how many connections fit below that.
//!
//! A process starts with the *soft* limit, often 1,024, and may raise it up to the *hard* limit.
//! The database, the log and the mail server need some of these descriptors. If clients took all of
//! them, the service could not even answer 503.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tm_auth_listener::Capacity;

use crate::config::{Config, Database};

/// Kept for standard streams, listening sockets, the log, mail, Apple, metrics and DNS.
const RESERVE: u64 = 96;
/// Kept for a SQLite database: each of its connections has the file, its log and its index open.
const SQLITE_FILES: u64 = 64;
/// A network may have at most this fraction of all places, so an IPv6 /48 at most half of them.
const MOST_NETWORKS: usize = 8;

/// The places for connections, and what an operator should know of them.
#[derive(Clone, Debug)]
pub struct Places {
    /// For the listener.
    pub capacity: Capacity,
    /// The number of descriptors that the configured number of connections needs, if the limit is
    /// lower than that.
    pub needed: Option<u64>,
}

/// Raises the soft limit of open files to the hard one, and returns it. `None`: there is no limit,
/// or it cannot be read.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// The places for connections if this many files can be open.
pub fn places(config: &Config, open_files: Option<u64>) -> Places {
    let reserve = RESERVE
        + match &config.database {
            Database::Sqlite { .. } => SQLITE_FILES,
            Database::Postgres { max_connections, .. } => u64::from(*max_connections),
        };
    let wanted = config.limits.max_connections as u64;
    let fits = open_files.map_or(wanted, |files| files.saturating_sub(reserve).max(1));
    let total = usize::try_from(wanted.min(fits)).unwrap_or(usize::MAX);
    Places {
        capacity: Capacity {
            total,
            per_network: config
                .limits
                .max_connections_per_network
                .min(total.div_ceil(MOST_NETWORKS)),
            proxies: config.network.trusted_proxies.clone(),
        },
        needed: (fits < wanted).then_some(wanted + reserve),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let kek = "mZ3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8=";
        let settings = [
            ("TM_AUTH__ENVIRONMENT", "uat"),
            ("TM_AUTH__PUBLIC_URL", "https://auth.example.com/v1/auth"),
            ("TM_AUTH__DATABASE__PATH", "/var/lib/tm-auth/tm-auth.db"),
            ("TM_AUTH__KEYS__KEK", kek),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::load(None, settings).unwrap()
    }

    #[test]
    fn q04_connections_leave_descriptors_for_the_database() {
        let places = places(&config(), Some(1024));
        assert_eq!(places.capacity.total, 1024 - 96 - 64);
        assert_eq!(places.capacity.per_network, 864 / 8);
        assert_eq!(places.needed, Some(10_000 + 96 + 64));
    }

    #[test]
    fn q04_the_configured_number_is_used_if_it_fits() {
        for open_files in [None, Some(524_288)] {
            let places = places(&config(), open_files);
            assert_eq!(places.capacity.total, 10_000);
            assert_eq!(places.capacity.per_network, 1000);
            assert_eq!(places.needed, None);
        }
        assert_eq!(places(&config(), Some(10)).capacity.total, 1);
    }
}
