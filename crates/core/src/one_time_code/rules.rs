//! How often an address gets mail, and which codes an attempt is compared with.
//!
//! Everything counts per (address, network of the requester), so that nobody uses up what belongs to the owner
//! of the address elsewhere, and asking again resets nothing.
//!
//! **Guessing.** A wrong attempt counts once, against every code outstanding then. From one network a code takes
//! five, and an address twenty an hour. Over all networks short codes are compared at most
//! [`SHORT_COMPARISONS_A_DAY`] times in 24 hours, which bounds the chance of a guess to 100 · 10⁻⁸ = 10⁻⁶ per
//! address and day: every short code sets the five comparisons of the network that asked for it aside when it
//! is made, and an attempt from elsewhere is compared only with what is left. Where nothing is left for another
//! code, codes are long (a guess is 10⁻¹⁶), and the short ones that are still out work from the network that
//! asked. So an attack makes the owner type more digits, and never locks them out.
//!
//! **Mail.** One in 60 s, five an hour, ten a day; and beyond thirty a day for one address only networks from
//! which its account signed in before get any.

use jiff::{SignedDuration, Timestamp};

use super::{FlowId, Length};

/// Wrong attempts from one network while a code lives.
pub const ATTEMPTS_PER_CODE: u32 = 5;
/// Wrong attempts for one address from one network in an hour.
pub const ATTEMPTS_PER_HOUR: usize = 20;
/// Comparisons with short codes of an address in 24 hours, over all networks.
pub const SHORT_COMPARISONS_A_DAY: u32 = 100;
/// Codes of one (address, network) at a time; with one more the oldest gives way.
pub const OUTSTANDING: u32 = 3;
/// Mails of one (address, network): this many within that time.
pub const SENDS: [(usize, SignedDuration); 3] = [(1, SignedDuration::from_mins(1)), (5, HOUR), (10, DAY)];
/// Mails to one address within 24 hours, before only known networks get more.
pub const SENDS_PER_ADDRESS: u32 = 30;

/// What "an hour" is.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What "a day" is. Nothing older counts.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A live code that an attempt may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its row.
    pub flow_id: FlowId,
    /// Who asked for it.
    pub network: String,
    /// Its length.
    pub length: Length,
    /// When it was made.
    pub asked_at: Timestamp,
}

/// What has been tried on an address.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Wrong attempts from the network in question within the last hour.
    pub by_network: Vec<Timestamp>,
    /// Comparisons with short codes from all networks within the last 24 hours.
    pub short_comparisons: u32,
    /// Short codes of the address that are live, whoever asked and whatever for.
    pub short_outstanding: u32,
}

impl Tried {
    /// Comparisons with short codes that are neither used up nor set aside.
    fn left(&self) -> u32 {
        let aside = self.short_outstanding.saturating_mul(ATTEMPTS_PER_CODE);
        SHORT_COMPARISONS_A_DAY.saturating_sub(self.short_comparisons.saturating_add(aside))
    }

    /// How long the next code has to be.
    pub fn length(&self) -> Length {
        if self.left() >= ATTEMPTS_PER_CODE {
            Length::Short
        } else {
            Length::Long
        }
    }

    /// With which of these codes an attempt from `network` is compared.
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

/// What has been mailed to an address.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// At the wish of the network in question, within the last 24 hours.
    pub to_network: Vec<Timestamp>,
    /// At anybody's wish, within the last 24 hours.
    pub in_all: u32,
    /// Whether the address is that of an account which signed in from this network before.
    pub known_network: bool,
}

impl Sent {
    /// Whether one more may go out.
    pub fn may_send(&self, now: Timestamp) -> bool {
        let within = |span: SignedDuration| self.to_network.iter().filter(|at| **at > now - span).count();
        SENDS.iter().all(|(most, span)| within(*span) < *most)
            && (self.known_network || self.in_all < SENDS_PER_ADDRESS)
    }
}
