//! The fields of the forms that create and edit a key, as the user typed them.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tm_auth_core::ApiKey;
use tm_auth_proto::{ErrorCode, Scope, Scopes};

use super::words::sentence;
use crate::error::ApiError;

/// The posted fields. A permission is `on` if its box is ticked, else empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) label: String,
    read: String,
    trade: String,
    transfer: String,
    pub(crate) expires_at: String,
    allowed_ips: String,
}

impl Settings {
    /// The fields with the values of an existing key.
    pub(crate) fn of(key: &ApiKey) -> Self {
        let on = |scope| {
            if key.scopes.contains(scope) {
                "on".to_owned()
            } else {
                String::new()
            }
        };
        let networks: Vec<String> = key.allowed_ips.iter().map(ToString::to_string).collect();
        Self {
            label: key.label.clone(),
            read: on(Scope::Read),
            trade: on(Scope::Trade),
            transfer: on(Scope::Transfer),
            expires_at: key.expires_at.map(datetime_local).unwrap_or_default(),
            allowed_ips: networks.join("\n"),
        }
    }

    /// The initial values for a new key: permission to read and trade, and this expiry.
    pub(crate) fn proposed(expiry: Timestamp) -> Self {
        Self {
            read: "on".to_owned(),
            trade: "on".to_owned(),
            expires_at: datetime_local(expiry),
            ..Self::default()
        }
    }

    pub(crate) fn scopes(&self) -> Scopes {
        [
            (&self.read, Scope::Read),
            (&self.trade, Scope::Trade),
            (&self.transfer, Scope::Transfer),
        ]
        .into_iter()
        .filter(|(value, _)| !value.is_empty())
        .map(|(_, scope)| scope)
        .collect()
    }

    /// Parses the expiry. `None` if the field is empty: the key never expires.
    pub(crate) fn expiry(&self) -> Result<Option<Timestamp>, ApiError> {
        let text = self.expires_at.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let expiry: Option<Timestamp> = text
            .parse::<DateTime>()
            .ok()
            .and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
        expiry
            .map(Some)
            .ok_or_else(|| ApiError::invalid("expires_at", "write it like 2027-01-15T08:00, in UTC"))
    }

    /// The allowed addresses and networks, split at white space and commas.
    pub(crate) fn networks(&self) -> Vec<String> {
        self.allowed_ips
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// The names and values of hidden fields, which carry the settings to the form of the next
    /// step.
    pub(crate) fn hidden_fields(&self) -> Vec<(&'static str, String)> {
        [
            ("label", &self.label),
            ("read", &self.read),
            ("trade", &self.trade),
            ("transfer", &self.transfer),
            ("expires_at", &self.expires_at),
            ("allowed_ips", &self.allowed_ips),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.clone()))
        .collect()
    }

    pub(crate) fn view(self, errors: Errors, seen_ip: IpAddr) -> SettingsView {
        SettingsView {
            label: self.label,
            read: !self.read.is_empty(),
            trade: !self.trade.is_empty(),
            transfer: !self.transfer.is_empty(),
            expires_at: self.expires_at,
            allowed_ips: self.allowed_ips,
            errors,
            seen_ip: seen_ip.to_string(),
        }
    }
}

/// The value of an `<input type="datetime-local">`. It has no time zone; the label says UTC.
fn datetime_local(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The fields as the template shows them.
pub(crate) struct SettingsView {
    pub(crate) label: String,
    pub(crate) read: bool,
    pub(crate) trade: bool,
    pub(crate) transfer: bool,
    pub(crate) expires_at: String,
    pub(crate) allowed_ips: String,
    pub(crate) errors: Errors,
    pub(crate) seen_ip: String,
}

/// The error messages, by field.
#[derive(Default)]
pub(crate) struct Errors {
    pub(crate) label: Option<String>,
    pub(crate) scopes: Option<String>,
    pub(crate) expires_at: Option<String>,
    pub(crate) allowed_ips: Option<String>,
    pub(crate) public_key: Option<String>,
    pub(crate) signature: Option<String>,
    /// An error that belongs to no field.
    pub(crate) other: Option<String>,
}

impl Errors {
    /// Places the error beside its field, if the user can correct it in the form. `Err` returns
    /// every other error, such as one that requires another login.
    pub(crate) fn of(error: ApiError) -> Result<Self, ApiError> {
        let correctable =
            matches!(error.status().as_u16(), 400 | 409) || error.code == ErrorCode::TimestampOutOfRange;
        if !correctable {
            return Err(error);
        }
        let mut errors = Self::default();
        let (field, problem) = match error.field_violations() {
            [violation, ..] => (violation.field.as_str(), violation.message.as_str()),
            [] => ("", error.message()),
        };
        let place = match (field, error.code) {
            ("label", _) => &mut errors.label,
            ("scopes", _) => &mut errors.scopes,
            ("expires_at", _) => &mut errors.expires_at,
            ("allowed_ips", _) => &mut errors.allowed_ips,
            ("public_key", _) => &mut errors.public_key,
            ("signature" | "proof", _) | (_, ErrorCode::TimestampOutOfRange) => &mut errors.signature,
            _ => &mut errors.other,
        };
        *place = Some(sentence(problem));
        Ok(errors)
    }
}
