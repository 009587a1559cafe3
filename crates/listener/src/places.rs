//! Places for connections: a total, and a share of it for each network.
//!
//! Without the share, one client could take every place and the service with it. The connections
//! that a network begins within a second are limited as well, because a TLS handshake costs as much
//! as many requests, and a connection that closes at once frees its place.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::NetworkPrefix;

/// One /48 can hold this many times the places of a /64. Providers assign whole /48s, but also
/// parts of one /48 to different customers.
const SITE_SHARE: usize = 4;

/// The connections that a network may begin within [`WINDOW`]. A /48 may begin [`SITE_SHARE`] times
/// as many.
const BEGUN_PER_NETWORK: usize = 1000;
const WINDOW: Duration = Duration::from_secs(1);

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
    /// The network of the peer has begun too many connections within a second.
    Rate,
}

impl Full {
    /// For the metric.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Network => "network",
            Self::Rate => "rate",
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

/// Has an entry for each network with a connection, open or begun within the last second, so it is
/// bounded by the total and by what the loop that accepts them can accept in a second.
#[derive(Default)]
struct Taken {
    total: usize,
    by_network: HashMap<NetworkPrefix, Share>,
    /// The connections that were begun within the last [`WINDOW`], in their order.
    begun: VecDeque<(Instant, Vec<NetworkPrefix>)>,
}

/// What a network has.
#[derive(Clone, Copy, Default)]
struct Share {
    open: usize,
    begun: usize,
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

    /// Takes a place for a connection from `peer`, which begins `now`.
    pub fn take(&self, peer: IpAddr, now: Instant) -> Result<Place, Full> {
        let capacity = &self.0.capacity;
        let networks = networks(peer.to_canonical(), &capacity.proxies);
        let mut taken = self.0.taken();
        taken.forget_begun_before(now);
        if taken.total >= capacity.total {
            return Err(Full::Total);
        }
        for (network, times) in networks.iter().zip([1, SITE_SHARE]) {
            let share = taken.by_network.get(network).copied().unwrap_or_default();
            if share.open >= capacity.per_network.saturating_mul(times) {
                return Err(Full::Network);
            }
            if share.begun >= BEGUN_PER_NETWORK * times {
                return Err(Full::Rate);
            }
        }
        taken.total += 1;
        for network in &networks {
            let share = taken.by_network.entry(*network).or_default();
            share.open += 1;
            share.begun += 1;
        }
        if !networks.is_empty() {
            taken.begun.push_back((now, networks.clone()));
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
    /// Forgets what was begun more than [`WINDOW`] ago.
    fn forget_begun_before(&mut self, now: Instant) {
        while let Some((_, networks)) = self
            .begun
            .pop_front_if(|(begun, _)| now.saturating_duration_since(*begun) >= WINDOW)
        {
            for network in &networks {
                self.change(network, |share| share.begun -= 1);
            }
        }
    }

    /// Changes the share of a network that has one. Forgets the network with its last connection.
    fn change(&mut self, network: &NetworkPrefix, change: impl FnOnce(&mut Share)) {
        if let Some(share) = self.by_network.get_mut(network) {
            change(share);
            if share.open == 0 && share.begun == 0 {
                self.by_network.remove(network);
            }
        }
    }

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
            taken.change(network, |share| share.open -= 1);
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
        places.take(peer.parse().unwrap(), Instant::now())
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
    fn q20_a_network_begins_a_limited_number_of_connections_within_a_second() {
        let places = places(10_000, 10_000);
        let start = Instant::now();
        let begin = |peer: &str, seconds| {
            let at = start + Duration::from_secs(seconds);
            places.take(peer.parse().unwrap(), at).map(drop)
        };
        let begun = |peer: fn(usize) -> String, seconds| {
            let opened = (0..10_000).map_while(|n| begin(&peer(n), seconds).ok()).count();
            (opened, begin(&peer(0), seconds).err())
        };
        assert_eq!(begun(|_| "192.0.2.1".to_owned(), 0), (1000, Some(Full::Rate)));
        assert_eq!(
            begun(|n| format!("2001:db8:1:2::{n:x}"), 0),
            (1000, Some(Full::Rate))
        );
        assert_eq!(
            begun(|n| format!("2001:db8:1:{:x}::1", n % 100 + 16), 0),
            (3000, Some(Full::Rate))
        );
        assert_eq!(begin("192.0.2.2", 0), Ok(()));
        assert_eq!(begun(|_| "10.1.2.3".to_owned(), 0), (10_000, None), "a proxy");
        assert_eq!(begun(|_| "192.0.2.1".to_owned(), 1), (1000, Some(Full::Rate)));
    }

    #[test]
    fn q04_nothing_is_kept_for_a_network_without_connections() {
        let places = places(10, 3);
        drop(take_all(&places, |_| "2001:db8::1".to_owned()));
        let later = Instant::now() + WINDOW;
        drop(places.take("10.1.2.3".parse().unwrap(), later));
        let taken = places.0.taken();
        assert!(taken.total == 0 && taken.by_network.is_empty() && taken.begun.is_empty());
    }
}
