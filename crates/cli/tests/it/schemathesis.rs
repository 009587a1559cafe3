//! Schemathesis over the OpenAPI document that the running server serves: requests made from the document,
//! sound and unsound, and every answer held against it.
//!
//! Once as the owner of keys and once as a program with a platform token: each reaches operations that
//! refuse the other. The seed is fixed, so a failure comes again.

use crate::foreign::{Program, workspace};
use crate::harness::Dev;

/// More than a run can send: what is tested here is the document, not the limits.
const RAISED: [(&str, &str); 4] = [
    ("TM_AUTH__LIMITS__UNPROVEN_PER_KEY_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__UNPROVEN_PER_ADDRESS_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__PROVEN_PER_KEY_PER_MINUTE", "60000"),
    ("TM_AUTH__LIMITS__REFRESH_PER_SESSION_PER_MINUTE", "60000"),
];

/// Not meant here: most operations need a signature, a token or a key of one's own, which no generator makes,
/// so a request may be as the document says and still be refused; and a revoked key stays in sight, as what
/// it is.
const NOT_MEANT: &str = "positive_data_acceptance,use_after_free";

#[tokio::test(flavor = "multi_thread")]
async fn i15_schemathesis_finds_no_5xx_no_undocumented_status_and_no_schema_violation() {
    let dev = Dev::start(&RAISED);
    let schemathesis = Program::python("Schemathesis", &["-m", "schemathesis.cli", "run"]);
    let hooks = workspace().join("crates/cli/tests/it/python");
    let settings = [
        ("PYTHONPATH", hooks.to_str().expect("UTF-8")),
        ("SCHEMATHESIS_HOOKS", "schemathesis_hooks"),
    ];
    let uid = dev.demo_account().await;
    for (who, token) in [
        ("the owner of keys", dev.management_token(&uid)),
        ("a program with a key", dev.mint().await.access_token),
    ] {
        let folder = tempfile::tempdir().expect("a folder for its reports");
        let arguments = [
            &format!("{}/openapi.yaml", dev.issuer()),
            "--url",
            &dev.issuer(),
            "--header",
            &format!("Authorization: Bearer {token}"),
            "--checks",
            "all",
            "--exclude-checks",
            NOT_MEANT,
            "--max-examples",
            "40",
            "--seed",
            "1",
            "--request-timeout",
            "10",
            "--report-dir",
            folder.path().to_str().expect("UTF-8"),
        ];
        let output = schemathesis.run(&settings, &arguments, "");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "as {who}:\n{told}");
    }
}
