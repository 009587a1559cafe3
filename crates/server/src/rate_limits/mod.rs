//! Decides which requests are charged to which caller.
//!
//! A failed authentication is charged to the caller's network, and to the pair of network and key
//! if it names a key. It is never charged to the key alone: otherwise any caller who knows a key id
//! could lock its owner out. An authenticated request is charged to its key or session. The limits
//! are per node: n nodes admit n times as many requests.

pub(crate) mod audit;
pub mod limiter;

use std::time::Duration;

use tm_auth_proto::{KeyId, SessionId};

use crate::config;
use crate::error::ApiError;
use crate::http::client_address::NetworkPrefix;
use crate::http::context::Context;
use crate::rate_limits::limiter::{Rate, RateLimiter, RetryAfter};

/// Maximum number of entries per limiter.
const CAPACITY: usize = 100_000;

pub(crate) struct Limits {
    unproven_key: RateLimiter<(NetworkPrefix, KeyId)>,
    unproven: RateLimiter<NetworkPrefix>,
    proven_key: RateLimiter<KeyId>,
    session: RateLimiter<SessionId>,
    passkey_begun: RateLimiter<NetworkPrefix>,
    passkey_failed: RateLimiter<NetworkPrefix>,
    passkey_sign_up: RateLimiter<NetworkPrefix>,
    code_request: RateLimiter<NetworkPrefix>,
    wrong_code: RateLimiter<NetworkPrefix>,
}

impl Limits {
    pub(crate) fn new(limits: &config::Limits) -> Self {
        Self {
            unproven_key: RateLimiter::new(Rate::per_minute(limits.unproven_per_key_per_minute), CAPACITY),
            unproven: RateLimiter::new(Rate::per_minute(limits.unproven_per_address_per_minute), CAPACITY),
            proven_key: RateLimiter::new(Rate::per_minute(limits.proven_per_key_per_minute), CAPACITY),
            session: RateLimiter::new(Rate::per_minute(limits.refresh_per_session_per_minute), CAPACITY),
            passkey_begun: RateLimiter::new(Rate::per_minute(120), CAPACITY),
            passkey_failed: RateLimiter::new(Rate::new(30, Duration::from_mins(5)), CAPACITY),
            passkey_sign_up: RateLimiter::new(Rate::new(20, Duration::from_hours(1)), CAPACITY),
            code_request: RateLimiter::new(
                Rate::new(limits.codes_per_address_per_hour, Duration::from_hours(1)),
                CAPACITY,
            ),
            wrong_code: RateLimiter::new(
                Rate::new(
                    limits.wrong_codes_per_address_per_5_minutes,
                    Duration::from_mins(5),
                ),
                CAPACITY,
            ),
        }
    }

    /// Whether this network may try to authenticate, with this key if the request names one.
    pub(crate) fn may_try(&self, context: &Context, key_id: Option<KeyId>) -> Result<(), ApiError> {
        let network = NetworkPrefix::of(context.address);
        self.unproven.peek(&network, context.now).map_err(refuse)?;
        match key_id {
            Some(key_id) => self
                .unproven_key
                .peek(&(network, key_id), context.now)
                .map_err(refuse),
            None => Ok(()),
        }
    }

    /// Charges a failed authentication to the caller's network.
    pub(crate) fn charge_failure(&self, context: &Context, key_id: Option<KeyId>) {
        let network = NetworkPrefix::of(context.address);
        self.unproven.charge(network, context.now);
        if let Some(key_id) = key_id {
            self.unproven_key.charge((network, key_id), context.now);
        }
    }

    /// Replayed request: refunds the key and charges the caller's network. Otherwise a party who
    /// saw one request could use up the key's budget with it.
    pub(crate) fn charge_replay(&self, context: &Context, key_id: KeyId) {
        self.proven_key.refund(&key_id);
        self.charge_failure(context, Some(key_id));
    }

    /// Charges an authenticated use of a key.
    pub(crate) fn charge_key(&self, context: &Context, key_id: KeyId) -> Result<(), ApiError> {
        self.proven_key
            .charge_or_refuse(key_id, context.now)
            .map_err(refuse)
    }

    /// Charges a refresh token with a valid MAC.
    pub(crate) fn charge_session(&self, context: &Context, sid: SessionId) -> Result<(), ApiError> {
        self.session.charge_or_refuse(sid, context.now).map_err(refuse)
    }

    /// Charges the start of a passkey ceremony. Each opened login page starts one, which leaves a
    /// row for five minutes.
    pub(crate) fn may_begin_passkey(&self, context: &Context) -> Result<(), ApiError> {
        self.passkey_begun
            .charge_or_refuse(NetworkPrefix::of(context.address), context.now)
            .map_err(refuse)
    }

    /// Whether this network may send an authenticator's response.
    pub(crate) fn may_finish_passkey(&self, context: &Context) -> Result<(), ApiError> {
        self.passkey_failed
            .peek(&NetworkPrefix::of(context.address), context.now)
            .map_err(refuse)
    }

    /// Charges an authenticator's response that was refused.
    pub(crate) fn charge_passkey_failure(&self, context: &Context) {
        self.passkey_failed
            .charge(NetworkPrefix::of(context.address), context.now);
    }

    /// Charges a sign-up with a passkey.
    pub(crate) fn charge_passkey_sign_up(&self, context: &Context) -> Result<(), ApiError> {
        self.passkey_sign_up
            .charge_or_refuse(NetworkPrefix::of(context.address), context.now)
            .map_err(refuse)
    }

    /// Charges the request for an e-mail code to the caller's network, whatever the address. A
    /// refused request costs nothing.
    pub(crate) fn may_mail_code(&self, context: &Context) -> bool {
        let network = NetworkPrefix::of(context.address);
        self.code_request.charge_or_refuse(network, context.now).is_ok()
    }

    /// Whether this network may try an e-mail code.
    pub(crate) fn may_try_code(&self, context: &Context) -> Result<(), ApiError> {
        let network = NetworkPrefix::of(context.address);
        self.wrong_code.peek(&network, context.now).map_err(refuse)
    }

    /// Charges a wrong code to the caller's network.
    pub(crate) fn charge_wrong_code(&self, context: &Context) {
        self.wrong_code
            .charge(NetworkPrefix::of(context.address), context.now);
    }
}

fn refuse(wait: RetryAfter) -> ApiError {
    ApiError::rate_limited(wait.seconds())
}
