//! A pair of tokens, and the two instants that matter about it.

use std::time::Duration;

use jiff::Timestamp;
use tm_auth_proto::TokenResponse;
use zeroize::Zeroizing;

use super::AccessToken;

/// How long before its end a token is refreshed, if it lives long enough; lives of less than twenty minutes
/// are refreshed after three quarters.
const LEAD: Duration = Duration::from_mins(5);
/// How long before its end a token is no longer handed out, so that it does not end on its way.
const MARGIN: Duration = Duration::from_secs(10);

/// What a mint or refresh brought.
pub(super) struct Held {
    pub(super) access: AccessToken,
    /// `None` once the service said that its session is over.
    pub(super) refresh_token: Option<Zeroizing<String>>,
    /// From when to fetch the next one.
    refresh_at: Timestamp,
    /// From when not to hand this one out.
    unusable_at: Timestamp,
    /// A resource server refused it.
    rejected: bool,
}

/// What a held token is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// Good, but it is time to fetch the next.
    Stale,
    Useless,
}

impl Held {
    /// `now` is the server's clock as far as it is known. `random` spreads the time of the refresh.
    pub(super) fn new(tokens: TokenResponse, now: Timestamp, random: u64) -> Self {
        let expires_at = tokens.expires_in;
        let life = Duration::try_from(expires_at.duration_since(now)).unwrap_or_default();
        Self {
            access: AccessToken {
                token: tokens.access_token.into(),
                expires_at,
            },
            refresh_token: Some(Zeroizing::new(tokens.refresh_token)),
            refresh_at: before(expires_at, spread(LEAD.min(life / 4), random)),
            unusable_at: before(expires_at, MARGIN.min(life / 10)),
            rejected: false,
        }
    }

    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        if self.rejected || now >= self.unusable_at {
            Freshness::Useless
        } else if now >= self.refresh_at {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    pub(super) fn reject(&mut self) {
        self.rejected = true;
    }
}

fn before(at: Timestamp, lead: Duration) -> Timestamp {
    at.checked_sub(lead).unwrap_or(Timestamp::MIN)
}

/// Between 80 % and 120 % of `lead`, so that bots that started together do not refresh together.
fn spread(lead: Duration, random: u64) -> Duration {
    let permille = 800 + u32::try_from(random % 401).unwrap_or(200);
    lead * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(life: i64, random: u64) -> Held {
        let tokens = TokenResponse {
            access_token: "a".to_owned(),
            refresh_token: "r".to_owned(),
            expires_in: at(life),
            token_type: "Bearer".to_owned(),
            key_expires_at: None,
        };
        Held::new(tokens, at(0), random)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_764_000_000 + second).unwrap()
    }

    /// The first seconds at which a token of `life` seconds is stale, and useless.
    fn turns(life: i64, random: u64) -> (i64, i64) {
        let held = held(life, random);
        let first = |wanted: Freshness| (0..=life).find(|second| held.freshness(at(*second)) == wanted);
        (
            first(Freshness::Stale).unwrap(),
            first(Freshness::Useless).unwrap(),
        )
    }

    #[test]
    fn a_long_life_is_refreshed_four_to_six_minutes_before_its_end() {
        assert_eq!(turns(3600, 0), (3600 - 240, 3590));
        assert_eq!(turns(3600, 200), (3600 - 300, 3590));
        assert_eq!(turns(3600, 400), (3600 - 360, 3590));
        assert_eq!(turns(3600, 401), turns(3600, 0));
    }

    #[test]
    fn a_short_life_is_refreshed_after_about_three_quarters() {
        assert_eq!(turns(600, 200), (450, 590));
        assert_eq!(turns(40, 200), (30, 36));
    }

    #[test]
    fn a_rejected_token_and_one_past_its_end_are_useless() {
        let mut rejected = held(3600, 0);
        assert_eq!(rejected.freshness(at(0)), Freshness::Fresh);
        rejected.reject();
        assert_eq!(rejected.freshness(at(0)), Freshness::Useless);
        assert_eq!(held(-5, 0).freshness(at(0)), Freshness::Useless);
        assert_eq!(held(3600, 0).freshness(at(4000)), Freshness::Useless);
    }
}
