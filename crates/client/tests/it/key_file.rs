//! Reading and writing key files.

use std::fs;

use jiff::Timestamp;
use tm_auth_client::proto::KeyFile;
use tm_auth_client::{KeyFileError, Signer, key_file};

use crate::api::Log;

const AT: Timestamp = Timestamp::constant(1_764_000_000, 0);

fn a_key() -> KeyFile {
    Signer::generate().unwrap().key_file("bot", AT).unwrap()
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_written_file_can_be_read_and_no_temporary_file_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let key = a_key();
    key_file::create(&path, &key).unwrap();
    let read = key_file::load(&path).unwrap();
    assert_eq!(read.private_key.d, key.private_key.d);
    assert_eq!((read.label, read.created_at), (key.label, key.created_at));
    assert_eq!(names(directory.path()), ["key.json"]);
    #[cfg(unix)]
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn create_never_overwrites_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    fs::write(&path, "precious").unwrap();
    let error = key_file::create(&path, &a_key()).unwrap_err();
    assert!(matches!(error, KeyFileError::Write { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(names(directory.path()), ["key.json"]);
}

#[test]
fn replace_makes_the_file_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    fs::write(&path, "old").unwrap();
    let mut key = a_key();
    key.key_id = Some("b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e".parse().unwrap());
    key_file::replace(&path, &key).unwrap();
    assert_eq!(key_file::load(&path).unwrap().key_id, key.key_id);
    assert_eq!(names(directory.path()), ["key.json"]);
    #[cfg(unix)]
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_temporary_file_left_by_a_crash_does_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    fs::write(
        directory
            .path()
            .join(format!(".key.json.{}-0.tmp", std::process::id())),
        "half",
    )
    .unwrap();
    key_file::create(&path, &a_key()).unwrap();
    key_file::load(&path).unwrap();
}

#[test]
fn a_missing_directory_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/key.json");
    let error = key_file::create(&path, &a_key()).unwrap_err().to_string();
    assert!(error.contains("no/key.json"), "{error}");
    let error = key_file::load(&path).unwrap_err().to_string();
    assert!(
        error.contains("cannot read") && error.contains("no/key.json"),
        "{error}"
    );
}

#[test]
fn r52_a_byte_order_mark_is_skipped_and_utf16_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let key = serde_json::to_string(&a_key()).unwrap();
    fs::write(&path, format!("\u{feff}{key}")).unwrap();
    key_file::load(&path).unwrap();
    let utf16: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, utf16).unwrap();
    let error = key_file::load(&path).unwrap_err().to_string();
    assert!(error.contains("UTF-16"), "{error}");
}

#[test]
fn the_error_for_another_file_shows_none_of_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let cases = [
        ("-----BEGIN PRIVATE KEY-----\nSECRET\n", "PEM"),
        ("SECRET", "not JSON"),
        (r#"{"private_key":"SECRET"}"#, "wrong type"),
        (r#"{"key_id":"SECRET","private_key":{}}"#, "wrong type"),
        ("{}", "missing"),
    ];
    for (content, reason) in cases {
        fs::write(&path, content).unwrap();
        let error = key_file::load(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(reason) && !shown.contains("SECRET"), "{shown}");
    }
    fs::write(&path, vec![b' '; 64 * 1024 + 1]).unwrap();
    assert!(key_file::load(&path).unwrap_err().to_string().contains("64 KB"));
}

#[cfg(unix)]
#[test]
fn a_file_that_other_users_can_read_is_loaded_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    key_file::create(&path, &a_key()).unwrap();
    for (mode, warned) in [(0o600, false), (0o400, false), (0o644, true), (0o640, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let log = Log::default();
        let _guard = log.capture();
        key_file::load(&path).unwrap();
        assert_eq!(
            log.text().contains("chmod 600"),
            warned,
            "{mode:o}: {}",
            log.text()
        );
    }
}
