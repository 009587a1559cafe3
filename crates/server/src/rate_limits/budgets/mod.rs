//! Every budget of the service: what it limits, who is charged, how much, and what happens at the
//! limit.
//!
//! The table in `docs/OPERATIONS.md` is generated from [`Budget::ALL`]. [`ROUTES`] names the budgets
//! of each route, and [`QUEUES`] those of what gathers in memory. A test compares both with the
//! source, so a route or queue without a budget fails it.

mod routes;

pub use routes::{QUEUES, ROUTES, TABLES, UNMETERED, is_health_check, is_unmetered};

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Open connections.
    Connections,
    /// Connections that are opened.
    NewConnections,
    /// Requests to all routes but the ones that programs use all the time.
    Requests,
    /// Answers that cost the caller nothing.
    PromptAnswers,
    /// Requests of a logged-in owner.
    AccountRequests,
    /// Changes of keys and login methods.
    Changes,
    /// Changes that take access away.
    Removals,
    /// Requests with credentials that are wrong.
    Failures,
    /// Wrong signatures for one key.
    KeyFailures,
    /// Mints of one key.
    Mints,
    /// Refreshes of one session.
    Refreshes,
    /// Logins and registrations with a passkey or with Apple that were begun.
    Ceremonies,
    /// Answers of authenticators that were refused.
    PasskeyFailures,
    /// Accounts created with a passkey.
    SignUps,
    /// E-mail codes that a network requests.
    Codes,
    /// E-mail codes to one address.
    CodesToAddress,
    /// Wrong e-mail codes from a network.
    WrongCodes,
    /// Wrong e-mail codes for one address.
    WrongCodesForAddress,
    /// API keys of one account.
    Keys,
    /// Registrations of API keys by one account.
    KeyRegistrations,
    /// Rows of sessions of API keys.
    Sessions,
    /// Rows of sessions of users.
    UserSessions,
    /// Rows of the audit trail, and of what is announced to other nodes.
    AuditEntries,
    /// Passkeys of one account.
    Passkeys,
    /// Bytes of one request.
    RequestBytes,
    /// Codes that wait to be mailed.
    Mail,
    /// Notices that wait to be mailed.
    Notices,
    /// Rows of the audit trail about limits that were reached.
    ReachedLimits,
    /// Reasons why keys were refused.
    KeyRefusals,
    /// Copies of keys in memory.
    KeyCopies,
    /// Memory of the limits themselves.
    LimiterEntries,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is limited.
    pub resource: &'static str,
    /// Who is charged. "network" is an IPv4 address or an IPv6 /64, "site" an IPv6 /48.
    pub charged: &'static str,
    /// How much, with the setting in backticks.
    pub limit: &'static str,
    /// What happens at the limit.
    pub at_limit: &'static str,
    /// The metric that shows it.
    pub metric: &'static str,
}

const PER_ROUTE: &str = "`tm_auth_requests_total{code=\"rate_limited\"}`";

const TOTAL: &str = "429; over the limit of all, each site still has an eighth of its own";

impl Budget {
    /// Every budget, in the order of the document.
    pub const ALL: &[Self] = &[
        Self::Connections,
        Self::NewConnections,
        Self::Requests,
        Self::PromptAnswers,
        Self::AccountRequests,
        Self::Changes,
        Self::Removals,
        Self::Failures,
        Self::KeyFailures,
        Self::Mints,
        Self::Refreshes,
        Self::Ceremonies,
        Self::PasskeyFailures,
        Self::SignUps,
        Self::Codes,
        Self::CodesToAddress,
        Self::WrongCodes,
        Self::WrongCodesForAddress,
        Self::Keys,
        Self::KeyRegistrations,
        Self::Sessions,
        Self::UserSessions,
        Self::AuditEntries,
        Self::Passkeys,
        Self::RequestBytes,
        Self::Mail,
        Self::Notices,
        Self::ReachedLimits,
        Self::KeyRefusals,
        Self::KeyCopies,
        Self::LimiterEntries,
    ];

    /// The row of this budget.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn row(self) -> Row {
        let (resource, charged, limit, at_limit, metric) = match self {
            Self::Connections => (
                "open connections",
                "network, site, all",
                "`limits.max_connections_per_network` per network and at most an eighth of all, four times that per site, `limits.max_connections` in all",
                "503, and the connection is closed",
                "`tm_auth_connections_shed_total{reason}`",
            ),
            Self::NewConnections => (
                "connections that are opened",
                "network, site",
                "1,000 within a second per network, 4,000 per site",
                "503, and the connection is closed",
                "`tm_auth_connections_shed_total{reason=\"rate\"}`",
            ),
            Self::Requests => (
                "requests, except mints, refreshes and health checks",
                "network, site, all",
                "`limits.requests_per_network_per_minute` per network, a sixth of them at once, 4 times that per site, 100 times that in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::PromptAnswers => (
                "answers 429, health checks, and errors of mints and refreshes",
                "network, site",
                "600 a minute per network, 2,400 per site",
                "further answers leave half a second later",
                "`tm_auth_paused_answers_total`",
            ),
            Self::AccountRequests => (
                "requests of a logged-in owner",
                "account",
                "`limits.requests_per_account_per_minute`",
                "429",
                PER_ROUTE,
            ),
            Self::Changes => (
                "changes of API keys and login methods",
                "account",
                "`limits.changes_per_account_per_minute`",
                "429, and nothing changes",
                PER_ROUTE,
            ),
            Self::Removals => (
                "keys that are disabled or revoked, login methods that are removed",
                "account",
                "`limits.changes_per_account_per_minute`, apart from other changes",
                "429, and nothing changes",
                PER_ROUTE,
            ),
            Self::Failures => (
                "failed authentications",
                "network, site, all",
                "`limits.failures_per_network_per_minute` per network, 4 times that per site, 100 times that in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::KeyFailures => (
                "failed mints that name one key",
                "network and key, site and key",
                "`limits.failures_per_key_per_minute` per network, 4 times that per site",
                "429 for that network or site; the owner elsewhere is not affected",
                PER_ROUTE,
            ),
            Self::Mints => (
                "mints",
                "key",
                "`limits.mints_per_key_per_minute`",
                "429",
                PER_ROUTE,
            ),
            Self::Refreshes => (
                "refreshes",
                "session",
                "`limits.refreshes_per_session_per_minute`; 10 times as many calls, with repeated answers",
                "429",
                PER_ROUTE,
            ),
            Self::Ceremonies => (
                "logins and registrations with a passkey or Apple that were begun",
                "network, site, all",
                "120 a minute per network, 480 per site, `limits.ceremonies_per_minute` in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::PasskeyFailures => (
                "refused answers of passkeys",
                "network, site, all",
                "30 in 5 minutes per network, 120 per site, 3,000 in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::SignUps => (
                "accounts created with a passkey",
                "network, site, all",
                "20 an hour per network, 80 per site, `limits.sign_ups_per_hour` in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::Codes => (
                "e-mail codes that are requested",
                "network, site, all",
                "`limits.codes_per_network_per_hour` per network, 4 times that per site, `limits.codes_per_hour` in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::CodesToAddress => (
                "e-mail codes to one address",
                "address, counted in the database",
                "see [API.md](API.md#log-in-by-e-mail)",
                "see there",
                "the audit trail",
            ),
            Self::WrongCodes => (
                "wrong e-mail codes",
                "network, site, all",
                "`limits.wrong_codes_per_network_per_5_minutes` per network, 4 times that per site, 100 times that in all",
                TOTAL,
                PER_ROUTE,
            ),
            Self::WrongCodesForAddress => (
                "wrong e-mail codes for one address",
                "address and network, counted in the database",
                "5 per code and network, 20 an hour per network, 100 a day with 8 digits",
                "401; later codes have 16 digits",
                "the audit trail",
            ),
            Self::Keys => (
                "API keys that are live, and that are pending",
                "account",
                "`api_keys.max_per_account` each",
                "409 `key_limit_reached`",
                "`tm_auth_requests_total{code=\"key_limit_reached\"}`",
            ),
            Self::Sessions => (
                "mints, each of which stores a session",
                "account",
                "`limits.mints_per_account_per_day`; sessions are deleted `retention.ended_sessions_days` after their end",
                "429",
                PER_ROUTE,
            ),
            Self::UserSessions => (
                "logins, each of which stores a session",
                "account",
                "`limits.logins_per_account_per_hour`, 50 sessions that were not ended",
                "429; the 51st session ends the one that was unused for longest",
                PER_ROUTE,
            ),
            Self::AuditEntries => (
                "entries of the audit trail, and announced changes",
                "as the requests that cause them",
                "those of the requests; kept for `retention.audit_days`",
                "as for the requests",
                "`tm_auth_swept_rows_total`",
            ),
            Self::KeyRegistrations => (
                "registrations of API keys",
                "account, counted in the database",
                "`api_keys.max_registrations_per_day` in 24 hours",
                "429",
                PER_ROUTE,
            ),
            Self::Passkeys => (
                "passkeys",
                "account",
                "20",
                "409 `passkey_limit_reached`",
                "`tm_auth_requests_total{code=\"passkey_limit_reached\"}`",
            ),
            Self::RequestBytes => (
                "bytes of a request",
                "request",
                "`limits.header_bytes`, `limits.body_bytes`",
                "431, 413",
                "`tm_auth_requests_total{status}`",
            ),
            Self::Mail => (
                "codes that wait to be mailed",
                "all",
                "10,000; the mailbox keeps the newest 200 mails",
                "503",
                "`tm_auth_mail_waiting{kind=\"code\"}`",
            ),
            Self::Notices => (
                "mails with notices of changes",
                "account",
                "5 at once and 5 in 10 minutes; 50 notices that wait",
                "further ones come in one mail, which counts those beyond 50",
                "`tm_auth_mail_waiting{kind=\"notice\"}`",
            ),
            Self::ReachedLimits => (
                "entries of the audit trail about reached limits",
                "site",
                "one a minute for each of 256 sites",
                "only the metric counts",
                PER_ROUTE,
            ),
            Self::KeyRefusals => (
                "reasons why keys were refused",
                "key, code and address",
                "4,096 between two writes, 5 addresses for each key and code",
                "further ones are not kept, later addresses replace earlier ones",
                "none",
            ),
            Self::KeyCopies => (
                "copies of keys in memory",
                "all",
                "100,000",
                "the least used are read from the database again",
                "none",
            ),
            Self::LimiterEntries => (
                "entries of each limit",
                "all",
                "100,000",
                "the least charged are forgotten",
                "none",
            ),
        };
        Row {
            resource,
            charged,
            limit,
            at_limit,
            metric,
        }
    }

    /// The table for the document, in Markdown.
    pub fn table() -> String {
        let head =
            "| what | charged to | limit | at the limit | shown by |\n| --- | --- | --- | --- | --- |\n";
        Self::ALL.iter().fold(head.to_owned(), |table, budget| {
            let row = budget.row();
            let cells = [row.resource, row.charged, row.limit, row.at_limit, row.metric];
            format!("{table}| {} |\n", cells.join(" | "))
        })
    }
}
