//! The error message for a missing setting. The tests of `crates/cli` verify tokens with the
//! program.

use std::process::Command;

#[test]
fn a_missing_setting_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_verify-access-token"))
        .env_remove("TM_ISSUER")
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("set TM_ISSUER"), "{message}");
}
