//! A pair of tokens, when to refresh it, and when to stop using it.

use std::time::Duration;

use jiff::Timestamp;
use tm_auth_proto::TokenResponse;
use zeroize::Zeroizing;

use super::AccessToken;

/// How long before its expiry a token is refreshed. A token with a lifetime below 20 minutes is
/// refreshed when three quarters of it have passed.
const REFRESH_LEAD: Duration = Duration::from_mins(5);
/// How long before its expiry a token is no longer handed out, so that it does not expire in
/// transit. A tenth of the lifetime if that is shorter.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// The tokens of the last mint or refresh.
pub(super) struct TokenPair {
    pub(super) access_token: AccessToken,
    /// `None` after the service responded that the session is over.
    pub(super) refresh_token: Option<Zeroizing<String>>,
    refresh_at: Timestamp,
    unusable_at: Timestamp,
    /// Whether a resource server responded 401 to the access token.
    rejected: bool,
}

/// Whether an access token may be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It may.
    Fresh,
    /// It may, and it is time for a refresh.
    RefreshDue,
    /// It may not.
    Unusable,
}

impl TokenPair {
    /// `now` is the service's clock, as far as it is known. `random` spreads the time of the
    /// refresh.
    pub(super) fn new(tokens: TokenResponse, now: Timestamp, random: u64) -> Self {
        let expires_at = tokens.expires_in;
        let lifetime = Duration::try_from(expires_at.duration_since(now)).unwrap_or_default();
        Self {
            access_token: AccessToken {
                token: tokens.access_token.into(),
                expires_at,
            },
            refresh_token: Some(Zeroizing::new(tokens.refresh_token)),
            refresh_at: before(expires_at, jitter(REFRESH_LEAD.min(lifetime / 4), random)),
            unusable_at: before(expires_at, EXPIRY_MARGIN.min(lifetime / 10)),
            rejected: false,
        }
    }

    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        if self.rejected || now >= self.unusable_at {
            Freshness::Unusable
        } else if now >= self.refresh_at {
            Freshness::RefreshDue
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

/// Returns 80 % to 120 % of `lead`, so that bots that started together do not refresh together.
fn jitter(lead: Duration, random: u64) -> Duration {
    let permille = 800 + u32::try_from(random % 401).unwrap_or(200);
    lead * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(lifetime: i64, random: u64) -> TokenPair {
        let tokens = TokenResponse {
            access_token: "a".to_owned(),
            refresh_token: "r".to_owned(),
            expires_in: at(lifetime),
            token_type: "Bearer".to_owned(),
            key_expires_at: None,
        };
        TokenPair::new(tokens, at(0), random)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_764_000_000 + second).unwrap()
    }

    /// The first seconds at which a token with this lifetime is due for a refresh, and unusable.
    fn turns(lifetime: i64, random: u64) -> (i64, i64) {
        let pair = pair(lifetime, random);
        let first = |wanted: Freshness| (0..=lifetime).find(|second| pair.freshness(at(*second)) == wanted);
        (
            first(Freshness::RefreshDue).unwrap(),
            first(Freshness::Unusable).unwrap(),
        )
    }

    #[test]
    fn a_long_lived_token_is_refreshed_four_to_six_minutes_before_its_expiry() {
        assert_eq!(turns(3600, 0), (3600 - 240, 3590));
        assert_eq!(turns(3600, 200), (3600 - 300, 3590));
        assert_eq!(turns(3600, 400), (3600 - 360, 3590));
        assert_eq!(turns(3600, 401), turns(3600, 0));
    }

    #[test]
    fn a_short_lived_token_is_refreshed_after_about_three_quarters_of_its_lifetime() {
        assert_eq!(turns(600, 200), (450, 590));
        assert_eq!(turns(40, 200), (30, 36));
    }

    #[test]
    fn a_rejected_token_and_an_expired_token_are_unusable() {
        let mut rejected = pair(3600, 0);
        assert_eq!(rejected.freshness(at(0)), Freshness::Fresh);
        rejected.reject();
        assert_eq!(rejected.freshness(at(0)), Freshness::Unusable);
        assert_eq!(pair(-5, 0).freshness(at(0)), Freshness::Unusable);
        assert_eq!(pair(3600, 0).freshness(at(4000)), Freshness::Unusable);
    }
}
