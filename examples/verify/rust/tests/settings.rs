//! What the program says where a setting is missing. The tests of `crates/cli` verify tokens with it.

use std::process::Command;

#[test]
fn a_missing_setting_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_verify-access-token"))
        .env_remove("TM_ISSUER")
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("set TM_ISSUER"), "{told}");
}
