//! When a key ends, as a person writes it.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// The value of `--expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// Only when it is revoked.
    Never,
    /// At an instant.
    Until(Timestamp),
    /// So many days from now.
    Days(u16),
}

impl Lifetime {
    /// The instant of the end.
    pub(super) fn end(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Until(end) => Some(end),
            // Ten centuries and more before the last instant that can be written.
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
        // A bare date means its first instant in UTC, and the answer of the service shows it in full.
        text.parse()
            .or_else(|_| format!("{text}T00:00:00Z").parse())
            .map(Self::Until)
            .map_err(|_| "use a number of days such as 90d, a date such as 2027-01-31 (midnight UTC), an instant such as 2027-01-31T12:00:00Z, or never".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_days_a_date_an_instant_or_never() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let end = |text: &str| {
            text.parse::<Lifetime>()
                .unwrap()
                .end(now)
                .map(|end| end.to_string())
        };
        assert_eq!(end("never"), None);
        assert_eq!(end("90d").unwrap(), "2027-02-22T00:00:00Z");
        assert_eq!(end("2027-01-31").unwrap(), "2027-01-31T00:00:00Z");
        assert_eq!(end("2027-01-31T12:00:00+01:00").unwrap(), "2027-01-31T11:00:00Z");
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
