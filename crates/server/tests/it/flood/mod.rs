//! A flood against every budget, at every level that its row in the table names: what the flooding
//! party gets at the limit, and that others are still served.
//!
//! `scripts/bench flood` measures how long a mint takes meanwhile.

mod accounts;
mod answers;
mod connections;
mod credentials;
mod email;
mod memory;
mod networks;
mod parties;
mod queues;

use tm_auth_server::rate_limits::budgets::Budget;

/// The levels at which a budget was flooded, in the words of its row.
type Levels = &'static [&'static str];

/// Makes a test of each flood. A budget without a flood does not compile.
macro_rules! floods {
    ($($budget:ident: $test:ident => $flood:path;)+) => {
        const _: fn(Budget) = |budget| match budget {
            $(Budget::$budget => (),)+
        };

        $(
            #[tokio::test]
            async fn $test() {
                assert_every_level(Budget::$budget, $flood().await);
            }
        )+
    };
}

floods! {
    Connections: q19_connections => connections::connections;
    NewConnections: q19_new_connections => connections::new_connections;
    Requests: q19_requests => networks::requests;
    Failures: q19_failures => networks::failures;
    Ceremonies: q19_ceremonies => networks::ceremonies;
    PasskeyFailures: q19_passkey_failures => networks::passkey_failures;
    SignUps: q19_sign_ups => networks::sign_ups;
    Codes: q19_codes => networks::codes;
    WrongCodes: q19_wrong_codes => networks::wrong_codes;
    PromptAnswers: q19_prompt_answers => answers::prompt_answers;
    AccountRequests: q19_requests_of_an_account => accounts::requests;
    Changes: q19_changes => accounts::changes;
    Removals: q19_removals => accounts::removals;
    Keys: q19_keys => accounts::keys;
    KeyRegistrations: q19_key_registrations => accounts::key_registrations;
    Passkeys: q19_passkeys => accounts::passkeys;
    Sessions: q19_sessions => accounts::sessions;
    UserSessions: q19_user_sessions => accounts::user_sessions;
    KeyFailures: q19_key_failures => credentials::key_failures;
    Mints: q19_mints => credentials::mints;
    Refreshes: q19_refreshes => credentials::refreshes;
    KeyRefusals: q19_key_refusals => credentials::key_refusals;
    CodesToAddress: q19_codes_to_an_address => email::codes_to_an_address;
    WrongCodesForAddress: q19_wrong_codes_for_an_address => email::wrong_codes_for_an_address;
    Mail: q19_mail => queues::mail;
    Notices: q19_notices => queues::notices;
    AuditEntries: q19_audit_entries => queues::audit_entries;
    ReachedLimits: q19_reached_limits => queues::reached_limits;
    RequestBytes: q19_request_bytes => memory::request_bytes;
    KeyCopies: q19_key_copies => memory::key_copies;
    LimiterEntries: q19_limiter_entries => memory::limiter_entries;
}

/// Fails if the row names a level at which the budget was not flooded.
#[track_caller]
fn assert_every_level(budget: Budget, flooded: Levels) {
    let charged = budget.row().charged.split(", ");
    let levels: Vec<&str> = charged
        .filter(|part| *part != "counted in the database")
        .collect();
    assert_eq!(levels, flooded, "{budget:?}");
}
