//! Commands whose output cannot be written: `tm-auth doctor | head -1`, and a full disk.

use std::fs::File;
use std::process::Stdio;

use crate::service::Service;

/// Commands that print something on standard output.
const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["help", "doctor"],
    &["doctor"],
    &["migrate"],
    &["migrate", "--plan"],
    &["accounts", "create"],
    &["accounts", "list"],
    &["signing-keys", "list"],
    &["signing-keys", "rewrap"],
    &["post-restore"],
    &["backup", "copy.db"],
    &["export", "--while-serving", "exported"],
    &["key", "new"],
    &["dev", "--listen", "127.0.0.1:0", "--data", "sandbox"],
];

/// A deployment with something to list.
fn service() -> Service {
    let service = Service::new();
    service.admin(&["migrate"]);
    service.account();
    let running = service.start();
    running.terminate();
    running.wait();
    service
}

#[test]
fn r12_a_command_ends_quietly_if_the_reader_of_its_output_has_gone() {
    let service = service();
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().expect("a pipe can be created");
        drop(reader);
        let mut command = service.command(arguments);
        let output = command.stdout(writer).stderr(Stdio::piped()).output();
        let output = output.expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{arguments:?}: {stderr}");
        assert!(
            !stderr.contains("error") && !stderr.contains("panic"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn r12_a_command_fails_with_a_plain_message_if_its_output_cannot_be_written() {
    let service = service();
    for arguments in COMMANDS {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("the device exists");
        let mut command = service.command(arguments);
        let output = command.stdout(full).stderr(Stdio::piped()).output();
        let output = output.expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("error: cannot write the result: No space left on device"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn r12_a_command_whose_messages_nobody_reads_keeps_its_exit_code() {
    let service = service();
    for (arguments, code) in [
        (
            &["accounts", "disable", "3f9b5a2e-8a53-4c58-9d0c-0d8c4b6c4a11"] as &[&str],
            1,
        ),
        (&["verify", "--jwks", "/nonexistent", "token"], 2),
        (&["nonsense"], 2),
        (&["post-restore"], 0),
        (&["signing-keys", "revoke", "unknown"], 1),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe can be created");
        drop(reader);
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("the device exists");
        for stderr in [Stdio::from(writer), Stdio::from(full)] {
            let mut command = service.command(arguments);
            let status = command.stdout(Stdio::null()).stderr(stderr).status();
            assert_eq!(
                status.expect("the binary starts").code(),
                Some(code),
                "{arguments:?}"
            );
        }
    }
}
