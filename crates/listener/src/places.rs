//! Places for connections: a total, and a share of it for each network.
//!
//! Without the share, one client could take every place and the service with it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::NetworkPrefix;

/// One /48 can hold this many times the places of a /64. Providers assign whole /48s, but also
/// parts of one /48 to different customers.
const SITE_SHARE: usize = 4;

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Connections at a time, over all listening addresses.
    pub total: usize,
    /// Connections at a time from one IPv4 address or one IPv6 /64. An IPv6 /48 may have four
    /// times as many.
    pub per_network: usize,
    /// Proxies: their connections carry the requests of many clients, so they count only in total.
    pub proxies: Vec<IpNet>,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All places are taken.
    Total,
    /// The network of the peer has its share.
    Network,
}

impl Full {
    /// For the metric.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Network => "network",
        }
    }
}

/// The places of a listener.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    capacity: Capacity,
    taken: Mutex<Taken>,
}

/// Has an entry for each network with a connection, so it is bounded by the total.
#[derive(Default)]
struct Taken {
    total: usize,
    by_network: HashMap<NetworkPrefix, usize>,
}

/// A connection's place. Dropping it frees the place.
pub struct Place {
    places: Places,
    networks: Vec<NetworkPrefix>,
}

impl Places {
    /// Places that are all free.
    pub fn new(capacity: Capacity) -> Self {
        Self(Arc::new(Inner {
            capacity,
            taken: Mutex::default(),
        }))
    }

    /// Takes a place for a connection from `peer`.
    pub fn take(&self, peer: IpAddr) -> Result<Place, Full> {
        let capacity = &self.0.capacity;
        let networks = networks(peer.to_canonical(), &capacity.proxies);
        let mut taken = self.0.taken();
        if taken.total >= capacity.total {
            return Err(Full::Total);
        }
        let is_full = |(network, share): (&NetworkPrefix, usize)| {
            let used = taken.by_network.get(network).copied().unwrap_or_default();
            used >= capacity.per_network.saturating_mul(share)
        };
        if networks.iter().zip([1, SITE_SHARE]).any(is_full) {
            return Err(Full::Network);
        }
        taken.total += 1;
        for network in &networks {
            *taken.by_network.entry(*network).or_default() += 1;
        }
        taken.report();
        drop(taken);
        Ok(Place {
            places: self.clone(),
            networks,
        })
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing can panic between two numbers that belong together.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 connections")]
    fn report(&self) {
        metrics::gauge!("tm_auth_connections").set(self.total as f64);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken();
        taken.total -= 1;
        for network in &self.networks {
            if let Some(count) = taken.by_network.get_mut(network) {
                *count -= 1;
                if *count == 0 {
                    taken.by_network.remove(network);
                }
            }
        }
        taken.report();
    }
}

/// The networks that a connection from `peer` is charged to: its own, then its site if it is a
/// larger one.
fn networks(peer: IpAddr, proxies: &[IpNet]) -> Vec<NetworkPrefix> {
    if proxies.iter().any(|proxy| proxy.contains(&peer)) {
        return Vec::new();
    }
    let mut networks = vec![NetworkPrefix::of(peer), NetworkPrefix::site(peer)];
    networks.dedup();
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, per_network: usize) -> Places {
        Places::new(Capacity {
            total,
            per_network,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
        })
    }

    fn take(places: &Places, peer: &str) -> Result<Place, Full> {
        places.take(peer.parse().unwrap())
    }

    /// Takes places from different peers until one is refused.
    fn take_all(places: &Places, peer: impl Fn(usize) -> String) -> (Vec<Place>, Full) {
        let mut held = Vec::new();
        loop {
            match take(places, &peer(held.len())) {
                Ok(place) => held.push(place),
                Err(full) => return (held, full),
            }
        }
    }

    #[test]
    fn q04_one_address_cannot_take_every_place() {
        let places = places(10, 3);
        let (held, full) = take_all(&places, |_| "192.0.2.1".to_owned());
        assert_eq!((held.len(), full), (3, Full::Network));
        // The same address, mapped into IPv6.
        assert_eq!(take(&places, "::ffff:192.0.2.1").err(), Some(Full::Network));
        assert!(take(&places, "192.0.2.2").is_ok());
        drop(held);
        assert!(take(&places, "192.0.2.1").is_ok());
    }

    #[test]
    fn q04_a_64_has_the_share_of_an_address_and_a_48_four_times_that() {
        let places = places(100, 3);
        let (one, full) = take_all(&places, |n| format!("2001:db8:1:2::{n:x}"));
        assert_eq!((one.len(), full), (3, Full::Network));
        let (others, full) = take_all(&places, |n| format!("2001:db8:1:{:x}::1", n + 0x100));
        assert_eq!((others.len(), full), (9, Full::Network));
        assert!(take(&places, "2001:db8:2::1").is_ok());
    }

    #[test]
    fn q04_a_peer_behind_nat64_has_the_share_of_its_ipv4_address() {
        let places = places(100, 3);
        let (one, full) = take_all(&places, |_| "64:ff9b::192.0.2.1".to_owned());
        assert_eq!((one.len(), full), (3, Full::Network));
        assert_eq!(take(&places, "192.0.2.1").err(), Some(Full::Network));
        let others: Vec<_> = (2..50)
            .map(|n| take(&places, &format!("64:ff9b::192.0.2.{n}")))
            .collect();
        assert!(others.iter().all(Result::is_ok));
    }

    #[test]
    fn q04_proxies_count_only_in_total() {
        let places = places(10, 3);
        let (held, full) = take_all(&places, |_| "10.1.2.3".to_owned());
        assert_eq!((held.len(), full), (10, Full::Total));
        assert_eq!(take(&places, "192.0.2.1").err(), Some(Full::Total));
    }

    #[test]
    fn q04_nothing_is_kept_for_a_network_without_connections() {
        let places = places(10, 3);
        drop(take_all(&places, |_| "2001:db8::1".to_owned()));
        let taken = places.0.taken();
        assert!(taken.total == 0 && taken.by_network.is_empty());
    }
}
