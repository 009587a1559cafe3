//! Budgets of networks, at three levels.
//!
//! 1. The *network*: an IPv4 address or an IPv6 /64, within which a host picks addresses freely.
//! 2. The *site*: an IPv6 /48, which providers assign as a whole. It has four times the budget of a
//!    network, since parts of one /48 can belong to different customers.
//! 3. All networks together. This bounds what the service does, stores or mails for strangers.
//!    Over it, each site still has an eighth of its own budget.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_listener::NetworkPrefix;

use super::CAPACITY;
use super::limiter::{Rate, RateLimiter, RetryAfter};

/// A site has this many times the budget of a network.
const SITE_SHARE: u32 = 4;

/// If the total is used up, a site is refused once it has used this part of its own budget: an
/// eighth.
const FAIR_PART: u32 = 8;

/// A budget that is charged to networks.
pub(super) struct NetworkBudget {
    network: RateLimiter<NetworkPrefix>,
    site: RateLimiter<NetworkPrefix>,
    total: RateLimiter<()>,
}

impl NetworkBudget {
    /// `network` is the budget of one network, `total` that of all networks.
    pub(super) fn new(network: Rate, total: Rate) -> Self {
        Self {
            network: RateLimiter::new(network, CAPACITY),
            site: RateLimiter::new(network.times(SITE_SHARE), CAPACITY),
            total: RateLimiter::new(total, 1),
        }
    }

    /// Whether a request from `address` would be admitted. Charges nothing. The error has the
    /// longest of the waits that apply.
    ///
    /// If the total is used up, refuses only sites that have used an eighth of their own budget.
    /// Otherwise strangers with many addresses could lock out every client.
    pub(super) fn peek(&self, address: IpAddr, now: Timestamp) -> Result<(), RetryAfter> {
        let site = NetworkPrefix::site(address);
        let of_network = self.network.peek(&NetworkPrefix::of(address), now);
        let of_site = self.site.peek(&site, now);
        let of_all = match self.total.peek(&(), now) {
            Err(_) if !self.site.has_used(&site, FAIR_PART, now) => Ok(()),
            total => total,
        };
        longest([of_network, of_site, of_all])
    }

    /// Charges one request, admitted or not.
    pub(super) fn charge(&self, address: IpAddr, now: Timestamp) {
        self.network.charge(NetworkPrefix::of(address), now);
        self.site.charge(NetworkPrefix::site(address), now);
        self.total.charge((), now);
    }

    /// Charges one request if it is admitted; a refused one costs nothing.
    pub(super) fn charge_or_refuse(&self, address: IpAddr, now: Timestamp) -> Result<(), RetryAfter> {
        self.peek(address, now)?;
        self.charge(address, now);
        Ok(())
    }

    /// Refunds one charge.
    pub(super) fn refund(&self, address: IpAddr) {
        self.network.refund(&NetworkPrefix::of(address));
        self.site.refund(&NetworkPrefix::site(address));
        self.total.refund(&());
    }
}

fn longest<const N: usize>(levels: [Result<(), RetryAfter>; N]) -> Result<(), RetryAfter> {
    match levels
        .into_iter()
        .filter_map(Result::err)
        .max_by_key(|wait| wait.duration())
    {
        Some(wait) => Err(wait),
        None => Ok(()),
    }
}

/// A budget of one subject, such as a key, for each network.
pub(super) struct SubjectBudget<S> {
    network: RateLimiter<(NetworkPrefix, S)>,
    site: RateLimiter<(NetworkPrefix, S)>,
}

impl<S: Copy + Eq + std::hash::Hash> SubjectBudget<S> {
    /// `rate` is the budget of one subject from one network.
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            network: RateLimiter::new(rate, CAPACITY),
            site: RateLimiter::new(rate.times(SITE_SHARE), CAPACITY),
        }
    }

    /// Whether a request from `address` about `subject` would be admitted. Charges nothing.
    pub(super) fn peek(&self, address: IpAddr, subject: S, now: Timestamp) -> Result<(), RetryAfter> {
        longest([
            self.network.peek(&(NetworkPrefix::of(address), subject), now),
            self.site.peek(&(NetworkPrefix::site(address), subject), now),
        ])
    }

    /// Charges one request, admitted or not.
    pub(super) fn charge(&self, address: IpAddr, subject: S, now: Timestamp) {
        self.network.charge((NetworkPrefix::of(address), subject), now);
        self.site.charge((NetworkPrefix::site(address), subject), now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn budget(network: u32, total: u32) -> NetworkBudget {
        NetworkBudget::new(Rate::per_minute(network), Rate::per_minute(total))
    }

    /// How many of `count` requests at once are admitted.
    fn admitted(budget: &NetworkBudget, count: u32, from: impl Fn(u32) -> String) -> usize {
        let requests = (0..count).map(|n| budget.charge_or_refuse(address(&from(n)), at(0)));
        requests.flatten().count()
    }

    #[test]
    fn q06_a_site_has_four_times_the_budget_of_a_network() {
        let budget = budget(10, 1000);
        assert_eq!(admitted(&budget, 100, |n| format!("2001:db8:1:2::{n:x}")), 10);
        assert_eq!(
            admitted(&budget, 200, |n| format!("2001:db8:1:{:x}::1", n + 16)),
            30
        );
        assert_eq!(admitted(&budget, 100, |_| "2001:db8:2::1".to_owned()), 10);
    }

    #[test]
    fn q06_an_ipv4_address_is_charged_once() {
        let budget = budget(10, 1000);
        assert_eq!(admitted(&budget, 100, |_| "192.0.2.1".to_owned()), 10);
        assert_eq!(admitted(&budget, 100, |_| "192.0.2.2".to_owned()), 10);
    }

    #[test]
    fn q06_all_networks_share_a_total_beyond_which_each_site_has_an_eighth() {
        let budget = budget(10, 50);
        // Five addresses use up the total.
        assert_eq!(admitted(&budget, 200, |n| format!("192.0.2.{}", n / 40)), 50);
        // The 5 are an eighth of the 40 of a site.
        assert_eq!(admitted(&budget, 200, |_| "198.51.100.1".to_owned()), 5);
        assert_eq!(admitted(&budget, 200, |n| format!("2001:db8:1:{n:x}::1")), 5);
        let later = budget.peek(address("192.0.2.1"), at(240));
        assert_eq!(later, Ok(()), "the total has recovered");
    }

    #[test]
    fn q06_a_client_with_few_failures_is_not_refused_if_others_use_up_the_total() {
        let budget = budget(10, 50);
        budget.charge(address("198.51.100.1"), at(0));
        for n in 0..100 {
            budget.charge(address(&format!("192.0.2.{n}")), at(0));
        }
        assert_eq!(budget.peek(address("198.51.100.1"), at(0)), Ok(()));
        assert_eq!(budget.peek(address("198.51.100.2"), at(0)), Ok(()));
    }

    #[test]
    fn q06_the_longest_wait_is_told() {
        let budget = NetworkBudget::new(Rate::per_minute(10), Rate::new(10, Duration::from_hours(1)));
        for _ in 0..10 {
            budget.charge(address("192.0.2.1"), at(0));
        }
        let wait = budget.peek(address("192.0.2.1"), at(0)).unwrap_err();
        assert_eq!(wait.seconds(), 360);
    }

    #[test]
    fn q06_a_subject_has_a_budget_for_each_network_and_site() {
        let budget = SubjectBudget::new(Rate::per_minute(30));
        let mut wrong = 0;
        for n in 0..2000 {
            let from = address(&format!("2001:db8:1:{n:x}::1"));
            if budget.peek(from, "key", at(0)).is_ok() {
                budget.charge(from, "key", at(0));
                wrong += 1;
            }
        }
        assert_eq!(wrong, 120);
        assert!(budget.peek(address("2001:db8:2::1"), "key", at(0)).is_ok());
        assert!(
            budget
                .peek(address("2001:db8:1::1"), "another key", at(0))
                .is_ok()
        );
    }
}
