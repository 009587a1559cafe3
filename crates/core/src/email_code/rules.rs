//! Limits on e-mails and on attempts to guess a code.
//!
//! Most limits count per address and network of the requester, so that an attacker elsewhere cannot
//! use up the limits of the address's owner. Requesting another code resets no limit.
//!
//! **Guesses.** A wrong attempt counts once against every code that was outstanding at that time.
//! From one network, a code accepts 5 wrong attempts, and an address 20 per hour.
//!
//! Over all networks, at most [`SHORT_COMPARISONS_A_DAY`] comparisons with short codes of an
//! address happen within 24 hours. This bounds the chance of a correct guess to 100 · 10⁻⁸ = 10⁻⁶
//! per address and day. Each short code reserves 5 comparisons for the network that requested it.
//! Attempts from other networks share the rest. If there are not 5 comparisons left to reserve, new
//! codes are long (10⁻¹⁶ per guess); outstanding short codes still work from the network that
//! requested them. An attack can thus force the owner to type longer codes, but cannot lock the
//! owner out.
//!
//! **E-mails.** From one network, an address gets three per minute, five per hour, ten per day; from
//! one site (an IPv6 /48) twenty per day. After thirty per day from all networks, the address counts
//! as under attack. Networks from which its account logged in before then get codes as usual. Other
//! sites get one long code per hour, up to a hundred per day for the address.

use jiff::{SignedDuration, Timestamp};

use super::{FlowId, Length};

/// Wrong attempts per code and network.
pub const ATTEMPTS_PER_CODE: u32 = 5;
/// Wrong attempts per address, network and hour.
pub const ATTEMPTS_PER_HOUR: usize = 20;
/// Comparisons with short codes of an address within 24 hours, over all networks.
pub const SHORT_COMPARISONS_A_DAY: u32 = 100;
/// Outstanding codes per address and network. Another request deletes the oldest.
pub const OUTSTANDING: u32 = 3;
/// E-mails per address and network: each number of e-mails within its time span.
pub const SENDS: [(usize, SignedDuration); 3] = [(3, SignedDuration::from_mins(1)), (5, HOUR), (10, DAY)];
/// E-mails per address and site within 24 hours.
pub const SENDS_PER_SITE: usize = 20;
/// E-mails per address within 24 hours, after which the address counts as under attack.
pub const SENDS_PER_ADDRESS: u32 = 30;
/// E-mails per address within 24 hours, after which only known networks get more.
pub const SENDS_UNDER_ATTACK: u32 = 100;

/// Span of [`ATTEMPTS_PER_HOUR`].
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Longest span of the limits; older events do not count.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An outstanding code: neither used nor expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Id of the code's row.
    pub flow_id: FlowId,
    /// Network that requested the code.
    pub network: String,
    /// Number of digits.
    pub length: Length,
    /// When the code was requested.
    pub asked_at: Timestamp,
}

/// Earlier attempts on an address.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Wrong attempts from the attempting network within the last hour.
    pub by_network: Vec<Timestamp>,
    /// Comparisons with short codes within the last 24 hours, from all networks.
    pub short_comparisons: u32,
    /// Outstanding short codes of the address, for all networks and purposes.
    pub short_outstanding: u32,
}

impl Tried {
    /// Comparisons with short codes that are neither used nor reserved.
    fn left(&self) -> u32 {
        let reserved = self.short_outstanding.saturating_mul(ATTEMPTS_PER_CODE);
        SHORT_COMPARISONS_A_DAY.saturating_sub(self.short_comparisons.saturating_add(reserved))
    }

    /// Length of the next code.
    pub fn length(&self) -> Length {
        if self.left() >= ATTEMPTS_PER_CODE {
            Length::Short
        } else {
            Length::Long
        }
    }

    /// The codes that an attempt from `network` is compared with.
    pub fn comparable<'a>(
        &self,
        codes: &'a [Outstanding],
        network: &str,
        now: Timestamp,
    ) -> Vec<&'a Outstanding> {
        let within_hour = self.by_network.iter().filter(|at| **at > now - HOUR);
        if within_hour.count() >= ATTEMPTS_PER_HOUR {
            return Vec::new();
        }
        let attempts = |code: &Outstanding| self.by_network.iter().filter(|at| **at >= code.asked_at).count();
        let alive = |code: &&Outstanding| attempts(code) < ATTEMPTS_PER_CODE as usize;
        let (own, foreign): (Vec<_>, Vec<_>) = codes
            .iter()
            .filter(alive)
            .partition(|code| code.network == network);
        let (short, long): (Vec<_>, Vec<_>) =
            foreign.into_iter().partition(|code| code.length == Length::Short);
        let affordable = short.len() <= self.left() as usize;
        own.into_iter()
            .chain(long)
            .chain(short.into_iter().filter(|_| affordable))
            .collect()
    }
}

/// Earlier e-mails to an address.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// E-mails that the requesting network requested within the last 24 hours.
    pub to_network: Vec<Timestamp>,
    /// E-mails that the requesting site requested within the last 24 hours.
    pub to_site: Vec<Timestamp>,
    /// Number of e-mails within the last 24 hours, requested from all networks.
    pub in_all: u32,
    /// Whether the address's account has logged in from the requesting network before.
    pub known_network: bool,
}

/// Whether another e-mail may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaySend {
    /// Yes, with a code of the usual length.
    Yes,
    /// Yes, with a long code: the address is under attack and does not know the network.
    Long,
    /// The requesting network or site has to wait. This depends on its own requests alone, so the
    /// caller may be told.
    Wait(SignedDuration),
    /// No. This depends on the requests of others and on the account, so the caller is not told.
    No,
}

impl Sent {
    /// Whether another e-mail may be sent.
    pub fn may_send(&self, now: Timestamp) -> MaySend {
        let of_network = SENDS.map(|(most, span)| wait(&self.to_network, most, span, now));
        let of_site = wait(&self.to_site, SENDS_PER_SITE, DAY, now);
        if let Some(wait) = of_network.into_iter().chain([of_site]).flatten().max() {
            return MaySend::Wait(wait);
        }
        let site_waits = wait(&self.to_site, 1, HOUR, now).is_some();
        if self.known_network || self.in_all < SENDS_PER_ADDRESS {
            MaySend::Yes
        } else if self.in_all < SENDS_UNDER_ATTACK && !site_waits {
            MaySend::Long
        } else {
            MaySend::No
        }
    }
}

/// How long until fewer than `most` of these times are within `span`. `None`: fewer are already.
fn wait(times: &[Timestamp], most: usize, span: SignedDuration, now: Timestamp) -> Option<SignedDuration> {
    let mut within: Vec<Timestamp> = times.iter().copied().filter(|at| *at > now - span).collect();
    within.sort_unstable();
    let last_to_leave = within.len().checked_sub(most)?;
    Some((within[last_to_leave] + span).duration_since(now))
}
