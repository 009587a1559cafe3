//! The budgets of each route, and of each queue in memory.

use http::Method;

use super::Budget;

/// Routes that programs and load balancers use all the time. They are not charged to
/// [`Budget::Requests`]: many bots can share one address, and must not lock each other out.
pub const UNMETERED: [&str; 5] = [
    "/v1/auth/api-key/token",
    "/v1/auth/token/refresh",
    "/v1/auth/health",
    "/v1/auth/health/live",
    "/v1/auth/health/ready",
];

/// Whether a request is not charged to [`Budget::Requests`]. Other methods on these routes are.
pub fn is_unmetered(method: &Method, route: &str) -> bool {
    let is_of_program = *method == Method::POST && !is_health_route(route) && UNMETERED.contains(&route);
    is_of_program || is_health_check(method, route)
}

/// Whether a request asks for the health of the service.
pub fn is_health_check(method: &Method, route: &str) -> bool {
    *method == Method::GET && is_health_route(route) && UNMETERED.contains(&route)
}

fn is_health_route(route: &str) -> bool {
    route.starts_with("/v1/auth/health")
}

/// The budgets of a route beside those that every route has: [`Budget::Connections`],
/// [`Budget::NewConnections`], [`Budget::RequestBytes`], [`Budget::Requests`] and [`Budget::PromptAnswers`].
pub const ROUTES: &[(&str, &[Budget])] = &[
    ("/", &[]),
    ("/.well-known/jwks.json", &[]),
    ("/activity", &[Budget::AccountRequests]),
    ("/api-keys", &[Budget::AccountRequests]),
    (
        "/api-keys/new",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Notices,
            Budget::Keys,
        ],
    ),
    (
        "/api-keys/new/proof",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Notices,
            Budget::Keys,
            Budget::KeyRegistrations,
        ],
    ),
    ("/api-keys/{key_id}", &[Budget::AccountRequests]),
    (
        "/api-keys/{key_id}/disable",
        &[Budget::AccountRequests, Budget::Removals, Budget::Notices],
    ),
    (
        "/api-keys/{key_id}/edit",
        &[Budget::AccountRequests, Budget::Changes, Budget::Notices],
    ),
    (
        "/api-keys/{key_id}/enable",
        &[Budget::AccountRequests, Budget::Changes, Budget::Notices],
    ),
    (
        "/api-keys/{key_id}/revoke",
        &[Budget::AccountRequests, Budget::Removals, Budget::Notices],
    ),
    (
        "/apple/callback",
        &[
            Budget::Failures,
            Budget::Changes,
            Budget::Notices,
            Budget::UserSessions,
        ],
    ),
    ("/apple/link", &[Budget::AccountRequests, Budget::Ceremonies]),
    ("/apple/notifications", &[Budget::Failures]),
    ("/apple/start", &[Budget::Ceremonies]),
    (
        "/apple/unlink",
        &[Budget::AccountRequests, Budget::Removals, Budget::Notices],
    ),
    ("/mailbox", &[]),
    ("/metrics", &[]),
    (
        "/passkeys/add",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Notices,
            Budget::PasskeyFailures,
            Budget::Passkeys,
        ],
    ),
    (
        "/passkeys/add/options",
        &[Budget::AccountRequests, Budget::Ceremonies],
    ),
    (
        "/passkeys/remove",
        &[Budget::AccountRequests, Budget::Removals, Budget::Notices],
    ),
    ("/passkeys/rename", &[Budget::AccountRequests, Budget::Changes]),
    (
        "/passkeys/sign-in",
        &[Budget::PasskeyFailures, Budget::UserSessions],
    ),
    ("/passkeys/sign-in/options", &[Budget::Ceremonies]),
    (
        "/passkeys/sign-up",
        &[Budget::PasskeyFailures, Budget::SignUps, Budget::UserSessions],
    ),
    ("/passkeys/sign-up/options", &[Budget::Ceremonies]),
    (
        "/passkeys/step-up",
        &[
            Budget::AccountRequests,
            Budget::PasskeyFailures,
            Budget::UserSessions,
        ],
    ),
    (
        "/passkeys/step-up/options",
        &[Budget::AccountRequests, Budget::Ceremonies],
    ),
    (
        "/recovery/cancel",
        &[Budget::AccountRequests, Budget::Removals, Budget::Notices],
    ),
    (
        "/recovery/start",
        &[Budget::AccountRequests, Budget::Changes, Budget::Notices],
    ),
    ("/security", &[Budget::AccountRequests]),
    ("/security/delete", &[Budget::AccountRequests, Budget::Removals]),
    (
        "/security/email",
        &[
            Budget::AccountRequests,
            Budget::Codes,
            Budget::CodesToAddress,
            Budget::Mail,
        ],
    ),
    (
        "/security/email/code",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::WrongCodes,
            Budget::WrongCodesForAddress,
        ],
    ),
    (
        "/security/email/link",
        &[Budget::AccountRequests, Budget::Changes],
    ),
    ("/security/sessions/end", &[Budget::AccountRequests]),
    (
        "/security/sessions/end-all",
        &[Budget::AccountRequests, Budget::Notices],
    ),
    (
        "/security/sessions/end-others",
        &[Budget::AccountRequests, Budget::Notices],
    ),
    ("/sign-in", &[Budget::Codes, Budget::CodesToAddress, Budget::Mail]),
    (
        "/sign-in/code",
        &[
            Budget::WrongCodes,
            Budget::WrongCodesForAddress,
            Budget::UserSessions,
        ],
    ),
    ("/sign-in/link", &[Budget::UserSessions]),
    ("/sign-out", &[]),
    ("/static/{version}/{name}", &[]),
    ("/v1/auth/.well-known/jwks.json", &[]),
    ("/v1/auth/api-key", &[]),
    (
        "/v1/auth/api-key/token",
        &[
            Budget::Failures,
            Budget::KeyFailures,
            Budget::Mints,
            Budget::Sessions,
        ],
    ),
    (
        "/v1/auth/api-keys",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Notices,
            Budget::Keys,
            Budget::KeyRegistrations,
        ],
    ),
    (
        "/v1/auth/api-keys/{key_id}",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Removals,
            Budget::Notices,
        ],
    ),
    (
        "/v1/auth/api-keys/{key_id}/activate",
        &[
            Budget::AccountRequests,
            Budget::Changes,
            Budget::Notices,
            Budget::Keys,
        ],
    ),
    (
        "/v1/auth/email/otc",
        &[Budget::Codes, Budget::CodesToAddress, Budget::Mail],
    ),
    (
        "/v1/auth/email/otc/verify",
        &[
            Budget::WrongCodes,
            Budget::WrongCodesForAddress,
            Budget::UserSessions,
        ],
    ),
    ("/v1/auth/health", &[]),
    ("/v1/auth/health/live", &[]),
    ("/v1/auth/health/ready", &[]),
    ("/v1/auth/openapi.yaml", &[]),
    ("/v1/auth/revocations", &[]),
    ("/v1/auth/sessions", &[Budget::AccountRequests]),
    ("/v1/auth/sessions/{sid}", &[Budget::AccountRequests]),
    ("/v1/auth/token/refresh", &[Budget::Failures, Budget::Refreshes]),
    ("/v1/auth/token/revoke", &[Budget::Failures]),
];

/// What gathers in memory: the file that defines its bound, and the budget.
pub const QUEUES: &[(&str, Budget)] = &[
    ("app/api_key_cache.rs", Budget::KeyCopies),
    ("app/api_key_refusals.rs", Budget::KeyRefusals),
    ("mail/mailbox.rs", Budget::Mail),
    ("mail/mod.rs", Budget::LimiterEntries),
    ("rate_limits/audit.rs", Budget::ReachedLimits),
    ("rate_limits/mod.rs", Budget::LimiterEntries),
];

/// The tables of the database that grow, and the budget that bounds each.
pub const TABLES: &[(&str, Budget)] = &[
    ("accounts", Budget::SignUps),
    ("api_keys", Budget::KeyRegistrations),
    ("apple_identities", Budget::SignUps),
    ("audit", Budget::AuditEntries),
    ("ceremonies", Budget::Ceremonies),
    ("changes", Budget::AuditEntries),
    ("email_code_events", Budget::CodesToAddress),
    ("email_codes", Budget::CodesToAddress),
    ("key_refusals", Budget::KeyRefusals),
    ("outbox", Budget::Notices),
    ("passkeys", Budget::Passkeys),
    ("recoveries", Budget::SignUps),
    ("released_addresses", Budget::AuditEntries),
    ("revocations", Budget::AuditEntries),
    ("sessions", Budget::Sessions),
    ("sign_in_networks", Budget::UserSessions),
    ("user_sessions", Budget::UserSessions),
];
