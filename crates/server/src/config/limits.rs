//! `[limits]`: rates, sizes and deadlines. None can be disabled.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::error::{ConfigError, within};

/// The section `[limits]`. Deadlines are whole seconds in the file. A network is an IPv4 address or
/// an IPv6 /64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests per minute of one network, except mints, refreshes and health checks.
    pub requests_per_network_per_minute: u32,
    /// Requests per minute of one logged-in owner.
    pub requests_per_account_per_minute: u32,
    /// Failed mints per minute from one network that name the same API key.
    pub failures_per_key_per_minute: u32,
    /// Failed authentications per minute from one network.
    pub failures_per_network_per_minute: u32,
    /// Mints per minute of one API key, with a valid signature.
    pub mints_per_key_per_minute: u32,
    /// Logins per hour of one account, by any method.
    pub logins_per_account_per_hour: u32,
    /// Mints per day of all keys of one account.
    pub mints_per_account_per_day: u32,
    /// Refreshes per minute of one session.
    pub refreshes_per_session_per_minute: u32,
    /// E-mail codes per hour that one network requests.
    pub codes_per_network_per_hour: u32,
    /// E-mail codes per hour that all networks request together.
    pub codes_per_hour: u32,
    /// Logins and registrations with a passkey or with Apple that all networks begin in a minute.
    pub ceremonies_per_minute: u32,
    /// Accounts per hour that all networks create with a passkey.
    pub sign_ups_per_hour: u32,
    /// Wrong e-mail codes per five minutes from one network, for all e-mail addresses together.
    pub wrong_codes_per_network_per_5_minutes: u32,
    /// Changes of API keys and login methods per minute of one account. Disabling, revoking and
    /// removing have the same limit of their own.
    pub changes_per_account_per_minute: u32,
    /// The largest request body, in bytes.
    pub body_bytes: usize,
    /// The largest request line with its headers, in bytes.
    pub header_bytes: usize,
    /// Maximum number of open connections, over all listening addresses.
    pub max_connections: usize,
    /// Open connections from one IPv4 address or one IPv6 /64; an IPv6 /48 may have four times as
    /// many. Connections of trusted proxies count only in total.
    pub max_connections_per_network: usize,
    /// From accepting a connection, or the end of its TLS handshake, to a request's first byte.
    #[serde(rename = "first_byte_seconds", deserialize_with = "seconds")]
    pub first_byte: Duration,
    /// From accepting a connection to the end of its TLS handshake.
    #[serde(rename = "tls_handshake_seconds", deserialize_with = "seconds")]
    pub tls_handshake: Duration,
    /// From a request's first byte to the end of its headers.
    #[serde(rename = "header_read_seconds", deserialize_with = "seconds")]
    pub header_read: Duration,
    /// From the end of the headers to the end of the body.
    #[serde(rename = "body_read_seconds", deserialize_with = "seconds")]
    pub body_read: Duration,
    /// From the end of the headers to the beginning of the answer.
    #[serde(rename = "request_seconds", deserialize_with = "seconds")]
    pub request: Duration,
    /// One call to the database.
    #[serde(rename = "database_seconds", deserialize_with = "seconds")]
    pub database: Duration,
    /// From an answer to the first byte of the next request. The default is longer than the 60 s for
    /// which load balancers keep an idle connection by default.
    #[serde(rename = "keep_alive_seconds", deserialize_with = "seconds")]
    pub keep_alive: Duration,
    /// From the first blocked write of an answer until the client has taken everything that is
    /// buffered. A client that reads slowly gets no extension.
    #[serde(rename = "write_stall_seconds", deserialize_with = "seconds")]
    pub write_stall: Duration,
    /// From the signal to stop until the listening sockets close. Meanwhile the service answers all
    /// requests but fails readiness, so that a load balancer sends new requests elsewhere.
    #[serde(rename = "drain_seconds", deserialize_with = "seconds")]
    pub drain: Duration,
    /// How long requests in flight may take to finish after that.
    #[serde(rename = "shutdown_seconds", deserialize_with = "seconds")]
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_network_per_minute: 6_000,
            requests_per_account_per_minute: 1_200,
            failures_per_key_per_minute: 30,
            failures_per_network_per_minute: 300,
            mints_per_key_per_minute: 60,
            logins_per_account_per_hour: 200,
            mints_per_account_per_day: 100_000,
            refreshes_per_session_per_minute: 60,
            codes_per_network_per_hour: 20,
            codes_per_hour: 5_000,
            ceremonies_per_minute: 6_000,
            sign_ups_per_hour: 1_000,
            wrong_codes_per_network_per_5_minutes: 30,
            changes_per_account_per_minute: 60,
            body_bytes: 16 * 1024,
            header_bytes: 16 * 1024,
            max_connections: 10_000,
            max_connections_per_network: 1000,
            first_byte: Duration::from_secs(10),
            tls_handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            database: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
            drain: Duration::ZERO,
            shutdown: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, rate, most) in [
            (
                "requests_per_network_per_minute",
                self.requests_per_network_per_minute,
                600_000,
            ),
            (
                "requests_per_account_per_minute",
                self.requests_per_account_per_minute,
                600_000,
            ),
            (
                "failures_per_key_per_minute",
                self.failures_per_key_per_minute,
                60_000,
            ),
            (
                "failures_per_network_per_minute",
                self.failures_per_network_per_minute,
                600_000,
            ),
            ("mints_per_key_per_minute", self.mints_per_key_per_minute, 60_000),
            (
                "logins_per_account_per_hour",
                self.logins_per_account_per_hour,
                60_000,
            ),
            (
                "mints_per_account_per_day",
                self.mints_per_account_per_day,
                10_000_000,
            ),
            (
                "refreshes_per_session_per_minute",
                self.refreshes_per_session_per_minute,
                60_000,
            ),
            (
                "codes_per_network_per_hour",
                self.codes_per_network_per_hour,
                60_000,
            ),
            ("codes_per_hour", self.codes_per_hour, 1_000_000),
            ("ceremonies_per_minute", self.ceremonies_per_minute, 1_000_000),
            ("sign_ups_per_hour", self.sign_ups_per_hour, 1_000_000),
            (
                "wrong_codes_per_network_per_5_minutes",
                self.wrong_codes_per_network_per_5_minutes,
                60_000,
            ),
            (
                "changes_per_account_per_minute",
                self.changes_per_account_per_minute,
                60_000,
            ),
        ] {
            within(&format!("limits.{key}"), rate, 1, most)?;
        }
        within("limits.body_bytes", self.body_bytes, 4096, 1024 * 1024)?;
        within("limits.header_bytes", self.header_bytes, 8192, 64 * 1024)?;
        within("limits.max_connections", self.max_connections, 1, 1_000_000)?;
        within(
            "limits.max_connections_per_network",
            self.max_connections_per_network,
            1,
            1_000_000,
        )?;
        for (key, deadline, most) in [
            ("first_byte", self.first_byte, 60),
            ("tls_handshake", self.tls_handshake, 60),
            ("header_read", self.header_read, 60),
            ("body_read", self.body_read, 60),
            ("request", self.request, 300),
            ("database", self.database, 60),
            ("keep_alive", self.keep_alive, 3600),
            ("write_stall", self.write_stall, 300),
            ("shutdown", self.shutdown, 300),
        ] {
            if deadline.is_zero() || deadline > Duration::from_secs(most) {
                return Err(ConfigError::at(
                    &format!("limits.{key}_seconds"),
                    format_args!("{} is out of range; write 1 to {most}", deadline.as_secs()),
                ));
            }
        }
        within("limits.drain_seconds", self.drain.as_secs(), 0, 300)?;
        // The inner deadline must end first, so that the error says what was slow.
        if self.database >= self.request {
            return Err(ConfigError::at(
                "limits.database_seconds",
                "is not shorter than `limits.request_seconds`; write fewer seconds",
            ));
        }
        if self.body_read >= self.request {
            return Err(ConfigError::at(
                "limits.body_read_seconds",
                "is not shorter than `limits.request_seconds`; write fewer seconds",
            ));
        }
        Ok(())
    }
}

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}
