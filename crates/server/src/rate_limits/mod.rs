//! Decides which requests are charged to which caller.
//!
//! A failed authentication is charged to the caller's network, and to the pair of network and key
//! if it names a key. It is never charged to the key alone: otherwise any caller who knows a key id
//! could lock its owner out. An authenticated request is charged to its key or session. The limits
//! are per node: n nodes admit n times as many requests.
//!
//! [`budgets`] lists every budget of the service.

pub(crate) mod audit;
pub mod budgets;
pub mod limiter;
mod network;

use std::time::Duration;

use tm_auth_core::ApiKey;
use tm_auth_proto::{AccountId, ErrorCode, KeyId, SessionId};

use crate::config;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::rate_limits::limiter::{Rate, RateLimiter, RetryAfter};
use crate::rate_limits::network::{NetworkBudget, SubjectBudget};

/// Ceremonies of passkeys and of Apple that one network begins in a minute.
pub(crate) const CEREMONIES_PER_MINUTE: u32 = 120;
/// Answers of authenticators that are refused from one network in five minutes.
pub(crate) const PASSKEY_FAILURES_PER_5_MINUTES: u32 = 30;
/// Accounts that one network creates with a passkey in an hour.
pub(crate) const SIGN_UPS_PER_HOUR: u32 = 20;

/// Maximum number of entries per limiter.
const CAPACITY: usize = 100_000;

/// Calls of `POST /token/refresh` with tokens of one session, for each refresh that the session may
/// make. A call that repeats an answer costs a read and a signature.
const CALLS_PER_ROTATION: u32 = 10;

/// Prompt answers that cost the caller nothing, to one network in a minute; see
/// [`Limits::pause`].
pub(crate) const PROMPT_ANSWERS_PER_MINUTE: u32 = 600;

/// How much later further ones leave. It bounds a client in a closed loop to two requests a second
/// for each connection that it may have. Probes of Kubernetes wait a second by default, and can come
/// from the address of a client.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// The total of a budget without a setting of its own is that of this many networks.
const NETWORKS: u32 = 100;

pub(crate) struct Limits {
    requests: NetworkBudget,
    accounts: RateLimiter<AccountId>,
    failures_of_key: SubjectBudget<KeyId>,
    failures: NetworkBudget,
    mints: RateLimiter<KeyId>,
    account_mints: RateLimiter<AccountId>,
    logins: RateLimiter<AccountId>,
    refreshes: RateLimiter<SessionId>,
    refresh_calls: SubjectBudget<SessionId>,
    ceremonies: NetworkBudget,
    passkey_failures: NetworkBudget,
    sign_ups: NetworkBudget,
    codes: NetworkBudget,
    wrong_codes: NetworkBudget,
    changes: RateLimiter<AccountId>,
    removals: RateLimiter<AccountId>,
    prompt_answers: SubjectBudget<()>,
}

impl Limits {
    pub(crate) fn new(limits: &config::Limits) -> Self {
        let changes = Rate::per_minute(limits.changes_per_account_per_minute);
        let refreshes = Rate::per_minute(limits.refreshes_per_session_per_minute);
        let five_minutes = |count| Rate::new(count, Duration::from_mins(5));
        let hour = |count| Rate::new(count, Duration::from_hours(1));
        let of_networks = |rate: Rate| NetworkBudget::new(rate, rate.times(NETWORKS));
        Self {
            // A sixth of a minute's requests at once: a minute's, at full speed, would be felt by others.
            requests: of_networks(Rate::new(
                limits.requests_per_network_per_minute.div_ceil(6),
                Duration::from_secs(10),
            )),
            accounts: RateLimiter::new(Rate::per_minute(limits.requests_per_account_per_minute), CAPACITY),
            failures_of_key: SubjectBudget::new(Rate::per_minute(limits.failures_per_key_per_minute)),
            failures: of_networks(Rate::per_minute(limits.failures_per_network_per_minute)),
            mints: RateLimiter::new(Rate::per_minute(limits.mints_per_key_per_minute), CAPACITY),
            account_mints: RateLimiter::new(
                Rate::new(limits.mints_per_account_per_day, Duration::from_hours(24)),
                CAPACITY,
            ),
            logins: RateLimiter::new(hour(limits.logins_per_account_per_hour), CAPACITY),
            refreshes: RateLimiter::new(refreshes, CAPACITY),
            refresh_calls: SubjectBudget::new(refreshes.times(CALLS_PER_ROTATION)),
            ceremonies: NetworkBudget::new(
                Rate::per_minute(CEREMONIES_PER_MINUTE),
                Rate::per_minute(limits.ceremonies_per_minute),
            ),
            passkey_failures: of_networks(five_minutes(PASSKEY_FAILURES_PER_5_MINUTES)),
            sign_ups: NetworkBudget::new(hour(SIGN_UPS_PER_HOUR), hour(limits.sign_ups_per_hour)),
            codes: NetworkBudget::new(
                hour(limits.codes_per_network_per_hour),
                hour(limits.codes_per_hour),
            ),
            wrong_codes: of_networks(five_minutes(limits.wrong_codes_per_network_per_5_minutes)),
            changes: RateLimiter::new(changes, CAPACITY),
            removals: RateLimiter::new(changes, CAPACITY),
            prompt_answers: SubjectBudget::new(Rate::per_minute(PROMPT_ANSWERS_PER_MINUTE)),
        }
    }

    /// Charges a request of any kind to the caller's network, unless it is
    /// [unmetered](budgets::is_unmetered).
    pub(crate) fn may_request(
        &self,
        context: &Context,
        method: &http::Method,
        route: &str,
    ) -> Result<(), ApiError> {
        if budgets::is_unmetered(method, route) {
            return Ok(());
        }
        self.requests
            .charge_or_refuse(context.address, context.now)
            .map_err(refuse)
    }

    /// How long an answer waits before it leaves. Refusals for too many requests, health checks, and
    /// errors on routes that are not charged to [`Budget::Requests`](budgets::Budget::Requests) cost
    /// the caller nothing. Without a pause, a client that does not stop would take the processor from
    /// others by being refused.
    ///
    /// A pause refuses no request, so a load balancer or a bot behind the same address loses nothing but
    /// time.
    pub(crate) fn pause(
        &self,
        context: &Context,
        method: &http::Method,
        route: &str,
        code: Option<ErrorCode>,
    ) -> Option<Duration> {
        let costs_nothing = match code {
            Some(ErrorCode::RateLimited) => true,
            Some(_) => budgets::is_unmetered(method, route),
            None => budgets::is_health_check(method, route),
        };
        if !costs_nothing {
            return None;
        }
        let paused = self
            .prompt_answers
            .peek(context.address, (), context.now)
            .is_err();
        self.prompt_answers.charge(context.address, (), context.now);
        paused.then_some(PAUSE)
    }

    /// Charges a request of a logged-in owner.
    pub(crate) fn charge_account(&self, context: &Context, uid: AccountId) -> Result<(), ApiError> {
        self.accounts.charge_or_refuse(uid, context.now).map_err(refuse)
    }

    /// Charges a login to its account. Each leaves a row.
    pub(crate) fn charge_login(&self, context: &Context, uid: AccountId) -> Result<(), ApiError> {
        self.logins.charge_or_refuse(uid, context.now).map_err(refuse)
    }

    /// Whether this network may try to authenticate.
    pub(crate) fn may_try(&self, context: &Context) -> Result<(), ApiError> {
        self.failures.peek(context.address, context.now).map_err(refuse)
    }

    /// Whether this network may try to mint with this key. A key that was used recently may be tried
    /// even if the network has used up its failures: many bots can share an address, and one that
    /// fails must not lock the others out. The failures of the pair of network and key still count.
    pub(crate) fn may_mint(
        &self,
        context: &Context,
        key_id: Option<KeyId>,
        is_recent: impl FnOnce() -> bool,
    ) -> Result<(), ApiError> {
        let (address, now) = (context.address, context.now);
        if let Some(key_id) = key_id {
            self.failures_of_key.peek(address, key_id, now).map_err(refuse)?;
        }
        match self.failures.peek(address, now) {
            Err(_) if is_recent() => Ok(()),
            other => other.map_err(refuse),
        }
    }

    /// Charges a failed authentication to the caller's network.
    pub(crate) fn charge_failure(&self, context: &Context, key_id: Option<KeyId>) {
        self.failures.charge(context.address, context.now);
        if let Some(key_id) = key_id {
            self.failures_of_key.charge(context.address, key_id, context.now);
        }
    }

    /// Replayed request: refunds the key and charges the caller's network. Otherwise a party who
    /// saw one request could use up the key's budget with it.
    pub(crate) fn charge_replay(&self, context: &Context, key: &ApiKey) {
        self.mints.refund(&key.key_id);
        self.account_mints.refund(&key.account.uid);
        self.charge_failure(context, Some(key.key_id));
    }

    /// Charges a mint to its key and its account.
    pub(crate) fn charge_mint(&self, context: &Context, key: &ApiKey) -> Result<(), ApiError> {
        self.charge_key(context, key.key_id)?;
        self.account_mints
            .charge_or_refuse(key.account.uid, context.now)
            .map_err(refuse)
    }

    /// Charges an authenticated use of a key.
    pub(crate) fn charge_key(&self, context: &Context, key_id: KeyId) -> Result<(), ApiError> {
        self.mints.charge_or_refuse(key_id, context.now).map_err(refuse)
    }

    /// Charges a refresh token with a valid MAC, whatever it yields. The session is charged for each
    /// network on its own: otherwise a thief elsewhere could use up the owner's calls.
    pub(crate) fn charge_refresh_call(&self, context: &Context, sid: SessionId) -> Result<(), ApiError> {
        let (address, now) = (context.address, context.now);
        self.refresh_calls.peek(address, sid, now).map_err(refuse)?;
        self.refresh_calls.charge(address, sid, now);
        Ok(())
    }

    /// Whether a session may change once more.
    pub(crate) fn may_rotate(&self, context: &Context, sid: SessionId) -> Result<(), ApiError> {
        self.refreshes.peek(&sid, context.now).map_err(refuse)
    }

    /// Charges a refresh that changed its session, or a call for a session that is over.
    pub(crate) fn charge_rotation(&self, context: &Context, sid: SessionId) {
        self.refreshes.charge(sid, context.now);
    }

    /// Charges a change of an account's keys or login methods. Each may write rows that are kept for
    /// a long time, and a mail.
    pub(crate) fn charge_change(&self, context: &Context, uid: AccountId) -> Result<(), ApiError> {
        self.changes.charge_or_refuse(uid, context.now).map_err(refuse)
    }

    /// Charges a change that takes access away. Other changes cannot use up this budget, because an
    /// owner who fears for a key must not wait.
    pub(crate) fn charge_removal(&self, context: &Context, uid: AccountId) -> Result<(), ApiError> {
        self.removals.charge_or_refuse(uid, context.now).map_err(refuse)
    }

    /// Charges the start of a ceremony, with a passkey or with Apple. Each opened login page starts
    /// one, which leaves a row for minutes.
    pub(crate) fn may_begin_ceremony(&self, context: &Context) -> Result<(), ApiError> {
        self.ceremonies
            .charge_or_refuse(context.address, context.now)
            .map_err(refuse)
    }

    /// Whether this network may send an authenticator's response.
    pub(crate) fn may_finish_passkey(&self, context: &Context) -> Result<(), ApiError> {
        self.passkey_failures
            .peek(context.address, context.now)
            .map_err(refuse)
    }

    /// Charges an authenticator's response that was refused.
    pub(crate) fn charge_passkey_failure(&self, context: &Context) {
        self.passkey_failures.charge(context.address, context.now);
    }

    /// Charges a new account, created with a passkey.
    pub(crate) fn charge_sign_up(&self, context: &Context) -> Result<(), ApiError> {
        self.sign_ups
            .charge_or_refuse(context.address, context.now)
            .map_err(refuse)
    }

    /// Charges the request for an e-mail code to the caller's network, whatever the address. A
    /// refused request costs nothing. The refusal depends on the network alone, so it tells nothing
    /// about the address.
    pub(crate) fn may_mail_code(&self, context: &Context) -> Result<(), ApiError> {
        self.codes
            .charge_or_refuse(context.address, context.now)
            .map_err(refuse)
    }

    /// Refunds the request for a code that was not mailed: one impatient user must not use up the
    /// codes of everyone behind the same address.
    pub(crate) fn refund_code(&self, context: &Context) {
        self.codes.refund(context.address);
    }

    /// Whether this network may try an e-mail code.
    pub(crate) fn may_try_code(&self, context: &Context) -> Result<(), ApiError> {
        self.wrong_codes
            .peek(context.address, context.now)
            .map_err(refuse)
    }

    /// Charges a wrong code to the caller's network.
    pub(crate) fn charge_wrong_code(&self, context: &Context) {
        self.wrong_codes.charge(context.address, context.now);
    }
}

fn refuse(wait: RetryAfter) -> ApiError {
    ApiError::rate_limited(wait.seconds())
}

#[cfg(test)]
mod tests {
    use http::Method;
    use jiff::Timestamp;

    use super::*;

    fn context(address: &str) -> Context {
        Context {
            request_id: String::new(),
            address: address.parse().unwrap(),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    /// How many answers to these addresses leave at once.
    fn prompt(limits: &Limits, address: fn(usize) -> String) -> usize {
        let paused = |n: &usize| {
            let context = context(&address(*n));
            limits.pause(&context, &Method::GET, "/sign-in", Some(ErrorCode::RateLimited))
        };
        (0..10_000).find(|n| paused(n).is_some()).unwrap_or(10_000)
    }

    #[test]
    fn q20_refusals_are_paused_for_a_network_and_a_site_that_do_not_stop() {
        let limits = Limits::new(&config::Limits::default());
        assert_eq!(prompt(&limits, |_| "192.0.2.1".to_owned()), 600);
        assert_eq!(prompt(&limits, |n| format!("2001:db8:1:{n:x}::1")), 2_400);
        assert_eq!(
            prompt(&limits, |_| "192.0.2.2".to_owned()),
            600,
            "another network"
        );
    }

    #[test]
    fn q20_only_answers_that_cost_the_caller_nothing_are_paused() {
        let limits = Limits::new(&config::Limits::default());
        prompt(&limits, |_| "192.0.2.1".to_owned());
        let here = context("192.0.2.1");
        let pause = |method: Method, route: &str, code| limits.pause(&here, &method, route, code);
        let (mint, health) = ("/v1/auth/api-key/token", "/v1/auth/health/live");
        assert_eq!(pause(Method::POST, mint, None), None, "a mint");
        assert_eq!(pause(Method::GET, "/sign-in", None), None, "a page");
        let not_found = Some(ErrorCode::NotFound);
        assert_eq!(
            pause(Method::GET, "unmatched", not_found),
            None,
            "charged as a request"
        );
        assert_eq!(
            pause(Method::POST, mint, Some(ErrorCode::InvalidRequest)),
            Some(PAUSE)
        );
        assert_eq!(pause(Method::GET, health, None), Some(PAUSE));
    }
}
