//! `[apple]`.

use super::*;

/// A new P-256 key in PEM, generated on each call.
fn p8() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    pair.serialize_pem()
}

fn section(key: &str) -> Vec<(&'static str, String)> {
    vec![
        ("APPLE__CLIENT_ID", "co.truemarkets.auth".to_owned()),
        ("APPLE__TEAM_ID", "TEAM123456".to_owned()),
        ("APPLE__KEY_ID", "KEY1234567".to_owned()),
        ("APPLE__PRIVATE_KEY", key.to_owned()),
    ]
}

fn with_apple(change: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
    let mut all = section(&p8());
    all.retain(|(key, _)| change.iter().all(|(other, _)| key != other));
    let mut all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (*key, value.as_str())).collect();
    all.extend(change);
    with(&all)
}

fn refused_apple(key: &str, change: &[(&'static str, &str)]) -> String {
    let error = with_apple(change).expect_err(&format!("{change:?} must be refused"));
    let line = error.to_string();
    assert_eq!(error.key(), Some(key), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

#[test]
fn i17_sign_in_with_apple_is_offered_only_where_it_is_configured() {
    assert!(with(&[]).unwrap().apple.is_none());
    let apple = with_apple(&[]).unwrap().apple.unwrap();
    assert_eq!(apple.issuer, "https://appleid.apple.com");
    assert_eq!(apple.app_id, None);
    for missing in ["CLIENT_ID", "TEAM_ID", "KEY_ID"] {
        let key = format!("apple.{}", missing.to_lowercase());
        let mut all = section(&p8());
        all.retain(|(name, _)| !name.ends_with(missing));
        let all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(with(&all).unwrap_err().key(), Some(key.as_str()));
    }
    refused_apple("apple.private_key_file", &[("APPLE__PRIVATE_KEY", "")]);
}

#[test]
fn i17_the_p8_file_is_read_like_other_secrets() {
    let folder = Folder::new();
    let key = p8();
    let closed = folder.file("AuthKey.p8", &key, 0o600);
    let file = |path: &PathBuf| {
        with_apple(&[
            ("APPLE__PRIVATE_KEY", ""),
            ("APPLE__PRIVATE_KEY_FILE", path.to_str().unwrap()),
        ])
    };
    let shown = format!("{:?}", file(&closed).unwrap().apple);
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(line), "{shown}");
    }
    let error = file(&folder.file("open.p8", &key, 0o644)).unwrap_err();
    assert_eq!(error.key(), Some("apple.private_key_file"));
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let malformed = folder.file(
        "other.p8",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        0o600,
    );
    assert!(file(&malformed).unwrap_err().to_string().contains(".p8"));
    // If the configuration file holds the key, other users must not be able to read that file.
    let text = format!(
        "environment = 'uat'\npublic_url = 'http://localhost:1/v1/auth'\n[database]\npath = 'a.db'\n[keys]\n[apple]\n\
         client_id = 'a'\nteam_id = 'TEAM123456'\nkey_id = 'KEY1234567'\nprivate_key = '''{key}'''\n"
    );
    let open = folder.file("open.toml", &text, 0o644);
    let error = Config::load(Some(&open), env(&[("KEYS__KEK", KEK)])).unwrap_err();
    assert_eq!(error.key(), Some("apple.private_key"));
    let closed = folder.file("closed.toml", &text, 0o600);
    assert!(Config::load(Some(&closed), env(&[("KEYS__KEK", KEK)])).is_ok());
}

#[test]
fn i17_apples_ids_have_their_form() {
    for wrong in ["", "team123456", "TEAM12345", "TEAM1234567", "TEAM12345!"] {
        if !wrong.is_empty() {
            refused_apple("apple.team_id", &[("APPLE__TEAM_ID", wrong)]);
            refused_apple("apple.key_id", &[("APPLE__KEY_ID", wrong)]);
        }
    }
    refused_apple("apple.client_id", &[("APPLE__CLIENT_ID", "a b")]);
    refused_apple("apple.app_id", &[("APPLE__APP_ID", "a/b")]);
    let apple = with_apple(&[("APPLE__APP_ID", "co.truemarkets.app")])
        .unwrap()
        .apple
        .unwrap();
    assert_eq!(apple.app_id.as_deref(), Some("co.truemarkets.app"));
}

#[test]
fn i17_apples_issuer_is_https_but_for_loopback_in_uat() {
    let uat = [
        ("ENVIRONMENT", "uat"),
        ("PUBLIC_URL", "http://localhost:1/v1/auth"),
    ];
    for issuer in [
        "http://localhost:3000",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
    ] {
        let change = [uat[0], uat[1], ("APPLE__ISSUER", issuer)];
        assert_eq!(with_apple(&change).unwrap().apple.unwrap().issuer, issuer);
        refused_apple("apple.issuer", &[("APPLE__ISSUER", issuer)]);
    }
    assert!(with_apple(&[("APPLE__ISSUER", "https://apple.test:8443")]).is_ok());
    for wrong in [
        "http://apple.test",
        "ftp://localhost",
        "https://appleid.apple.com/",
        "https://appleid.apple.com/a",
        "https://user@appleid.apple.com",
        "https://AppleID.apple.com",
        "appleid.apple.com",
    ] {
        refused_apple("apple.issuer", &[uat[0], uat[1], ("APPLE__ISSUER", wrong)]);
    }
}
