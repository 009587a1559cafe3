//! Runs Schemathesis on the OpenAPI document of the running server. It generates valid and invalid
//! requests and checks each answer against the document.
//!
//! It runs once with a management token and once with a platform token, since each reaches
//! operations that refuse the other. The seed is fixed, so that a failure is repeatable.

use crate::dev::Dev;
use crate::external_program::{Program, workspace};

/// Limits that a run does not reach, since this test is about the document.
const RAISED: [(&str, &str); 8] = [
    ("TM_AUTH__LIMITS__REQUESTS_PER_NETWORK_PER_MINUTE", "600000"),
    ("TM_AUTH__LIMITS__REQUESTS_PER_ACCOUNT_PER_MINUTE", "600000"),
    ("TM_AUTH__LIMITS__CHANGES_PER_ACCOUNT_PER_MINUTE", "60000"),
    ("TM_AUTH__API_KEYS__MAX_REGISTRATIONS_PER_DAY", "10000"),
    ("TM_AUTH__LIMITS__FAILURES_PER_KEY_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__FAILURES_PER_NETWORK_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__MINTS_PER_KEY_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__REFRESHES_PER_SESSION_PER_MINUTE", "60000"),
];

/// Checks that do not apply. `positive_data_acceptance`: most operations need a signature, a token
/// or a key, which Schemathesis cannot generate, so a request that matches the document may be
/// refused. `use_after_free`: a revoked key stays visible, as revoked.
const EXCLUDED_CHECKS: &str = "positive_data_acceptance,use_after_free";

#[tokio::test(flavor = "multi_thread")]
async fn i15_schemathesis_finds_no_5xx_no_undocumented_status_and_no_schema_violation() {
    let dev = Dev::start(&RAISED);
    let schemathesis = Program::python("Schemathesis", &["-m", "schemathesis.cli", "run"]);
    let hooks = workspace().join("crates/cli/tests/it/python");
    let settings = [
        ("PYTHONPATH", hooks.to_str().expect("the path is UTF-8")),
        ("SCHEMATHESIS_HOOKS", "schemathesis_hooks"),
    ];
    let uid = dev.demo_account().await;
    for (caller, token) in [
        ("the account owner", dev.management_token(&uid)),
        ("an API key", dev.mint().await.access_token),
    ] {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let arguments = [
            &format!("{}/openapi.yaml", dev.issuer()),
            "--url",
            &dev.issuer(),
            "--header",
            &format!("Authorization: Bearer {token}"),
            "--checks",
            "all",
            "--exclude-checks",
            EXCLUDED_CHECKS,
            "--max-examples",
            "40",
            "--seed",
            "1",
            "--request-timeout",
            "10",
            "--report-dir",
            folder.path().to_str().expect("the path is UTF-8"),
        ];
        let output = schemathesis.run(&settings, &arguments, "");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "as {caller}:\n{stdout}");
    }
}
