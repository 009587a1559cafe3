//! The value of `--expires`.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// When a new key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// Never.
    Never,
    /// At this time.
    Until(Timestamp),
    /// This many days from now.
    Days(u16),
}

impl Lifetime {
    /// The time of expiry; `None` for never.
    pub(super) fn expires_at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Until(end) => Some(end),
            // Cannot overflow: the maximum is about 180 years.
            Self::Days(days) => now
                .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
                .ok(),
        }
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse().ok())
            && days > 0
        {
            return Ok(Self::Days(days));
        }
        // A date means midnight UTC at its start. The command prints the resulting time in full.
        text.parse()
            .or_else(|_| format!("{text}T00:00:00Z").parse())
            .map(Self::Until)
            .map_err(|_| "use days such as 90d, a date such as 2027-01-31 (midnight UTC), a time such as 2027-01-31T12:00:00Z, or never".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_takes_days_a_date_a_time_or_never() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let expires_at = |text: &str| {
            text.parse::<Lifetime>()
                .unwrap()
                .expires_at(now)
                .map(|time| time.to_string())
        };
        assert_eq!(expires_at("never"), None);
        assert_eq!(expires_at("90d").unwrap(), "2027-02-22T00:00:00Z");
        assert_eq!(expires_at("2027-01-31").unwrap(), "2027-01-31T00:00:00Z");
        assert_eq!(
            expires_at("2027-01-31T12:00:00+01:00").unwrap(),
            "2027-01-31T11:00:00Z"
        );
        for bad in [
            "",
            "90",
            "0d",
            "-1d",
            "70000d",
            "tomorrow",
            "2027-13-01",
            "2027-01-31T12:00",
        ] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }
}
