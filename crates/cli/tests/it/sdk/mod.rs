//! Runs the platform's unchanged Python SDK against a stand-in for the platform.
//!
//! `python/sdk.py` contains the scenarios. These modules start the servers, one for each database.

mod postgres;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tm_auth_server::clock::{Clock as _, ManualClock};
use tm_auth_verifier::{Clock, Verifier};

use crate::external_program::{Program, workspace};

/// A verifier that has fetched the keys and the revocation list of this origin.
async fn verifier(auth_origin: &str, clock: impl Clock) -> Verifier {
    let verifier = Verifier::builder(format!("{auth_origin}/v1/auth"), auth_origin)
        .environment(tm_auth_proto::Environment::Uat)
        .clock(clock)
        .build()
        .expect("the verifier can be built");
    verifier.refresh().await.expect("the issuer answers");
    verifier
}

/// Runs a scenario of `python/sdk.py`: its name and arguments are `arguments`.
fn run(key_file: &Path, origin: &str, arguments: &[&str]) {
    let script = workspace().join("crates/cli/tests/it/python/sdk.py");
    let sdk = Program::python("the SDK", &[script.to_str().expect("the path is UTF-8")]);
    let settings = [
        ("TM_BASE_URL", origin),
        ("TM_KEY_FILE", key_file.to_str().expect("the path is UTF-8")),
        ("TM_TELEMETRY", "0"),
    ];
    let output = sdk.run(&settings, arguments, "");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", arguments[0]);
}

/// The manual clock of the service, for the verifier.
struct TestClock(Arc<ManualClock>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
