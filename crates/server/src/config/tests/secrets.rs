//! Secrets in values and files.

use super::*;

#[test]
fn i17_a_secret_of_the_wrong_type_is_not_repeated() {
    let folder = Folder::new();
    let file = folder.file("tm-auth.toml", &format!("[keys]\nkek = [\"{KEK}\"]\n"), 0o600);
    let mut env = minimal();
    env.retain(|(key, _)| key != "TM_AUTH__KEYS__KEK");
    let error = Config::load(Some(&file), env).unwrap_err();
    assert_eq!(error.key(), Some("keys.kek"));
    assert!(!error.to_string().contains(KEK), "{error}");
}

#[test]
fn i17_a_default_secret_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let series: Vec<u8> = (0..32).collect();
    let downwards: Vec<u8> = (0..32u8).map(|i| 250 - 3 * i).collect();
    for example in [
        &[0u8; 32][..],
        &[0xff; 32],
        b"changeme-changeme-changeme-chang",
        b"an example secret, to be replace",
        &series,
        &downwards,
    ] {
        let line = refused("keys.kek", &[("KEYS__KEK", &STANDARD.encode(example))]);
        assert!(line.contains("openssl rand -base64 32"), "{line}");
    }
    let mut few = [7u8; 32];
    few[..15].copy_from_slice(&[200, 3, 90, 41, 250, 16, 133, 78, 222, 65, 9, 180, 111, 54, 7]);
    assert!(Kek::new(few).is_err(), "15 different bytes");
    few[20] = 240;
    assert!(Kek::new(few).is_ok(), "16 different bytes");
}

#[test]
fn i17_a_secret_is_32_bytes_of_base64() {
    assert!(refused("keys.kek", &[("KEYS__KEK", "c2hvcnQ=")]).contains("5 bytes"));
    assert!(refused("keys.kek", &[("KEYS__KEK", "not base64!")]).contains("not base64"));
    let config = with(&[("KEYS__PREVIOUS_KEK", OTHER_KEK)]).unwrap();
    assert!(config.keys.previous_kek.is_some());
    refused("keys.previous_kek", &[("KEYS__PREVIOUS_KEK", KEK)]);
}

#[test]
fn i17_a_secret_file_that_others_can_read_is_refused() {
    let folder = Folder::new();
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644, 0o601] {
        let kek = folder.file("kek", KEK, mode);
        let line = refused(
            "keys.kek_file",
            &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", kek.to_str().unwrap())],
        );
        assert!(line.contains(&format!("chmod 600 {}", kek.display())), "{line}");
    }
    for mode in [0o600, 0o400] {
        let kek = folder.file(&format!("kek{mode}"), KEK, mode);
        with(&[("KEYS__KEK", ""), ("KEYS__KEK_FILE", kek.to_str().unwrap())]).unwrap();
    }
}

#[test]
fn i17_a_secret_in_a_readable_configuration_file_is_refused() {
    let folder = Folder::new();
    let text = format!(
        "environment = 'uat'\npublic_url = 'http://localhost:1/v1/auth'\n[database]\npath = 'a.db'\n[keys]\nkek = '{KEK}'\n"
    );
    let open = folder.file("open.toml", &text, 0o644);
    let error = Config::load(Some(&open), []).unwrap_err();
    assert_eq!(error.key(), Some("keys.kek"));
    assert!(error.to_string().contains("chmod 600"), "{error}");
    assert!(Config::load(Some(&folder.file("closed.toml", &text, 0o600)), []).is_ok());
    // If a variable overrides the secret, the file may be readable.
    assert!(Config::load(Some(&open), env(&[("KEYS__KEK", OTHER_KEK)])).is_ok());
}

#[test]
fn i17_a_secret_comes_from_one_place() {
    let folder = Folder::new();
    let kek = folder.file("kek", KEK, 0o600);
    assert!(refused("keys.kek", &[("KEYS__KEK_FILE", kek.to_str().unwrap())]).contains("exactly one"));
    let absent = folder.0.path().join("absent");
    refused(
        "keys.kek_file",
        &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", absent.to_str().unwrap())],
    );
    let directory = folder.0.path().to_str().unwrap();
    assert!(
        refused(
            "keys.kek_file",
            &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", directory)]
        )
        .contains("not a file")
    );
    let long = folder.file("long", &"A".repeat(5000), 0o600);
    assert!(
        refused(
            "keys.kek_file",
            &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", long.to_str().unwrap())]
        )
        .contains("too long")
    );
}

#[test]
fn i17_no_secret_is_in_debug_output() {
    let config = with(&[("KEYS__PREVIOUS_KEK", OTHER_KEK)]).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("Kek(…)"));
    assert!(!shown.contains(&format!("{:?}", config.keys.kek.expose())));
}

#[test]
fn i17_a_tls_key_that_others_can_read_is_refused() {
    let folder = Folder::new();
    let cert = folder.file("cert.pem", "", 0o644);
    let tls = |key: &PathBuf| {
        with(&[
            ("NETWORK__LISTEN", "0.0.0.0:443"),
            ("NETWORK__TLS__CERT_FILE", cert.to_str().unwrap()),
            ("NETWORK__TLS__KEY_FILE", key.to_str().unwrap()),
        ])
    };
    let error = tls(&folder.file("open.pem", "", 0o640)).unwrap_err();
    assert_eq!(error.key(), Some("network.tls.key_file"));
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let closed = folder.file("closed.pem", "", 0o600);
    tls(&closed).unwrap();
    refused(
        "public_url",
        &[
            ("ENVIRONMENT", "uat"),
            ("PUBLIC_URL", "http://localhost/v1/auth"),
            ("NETWORK__TLS__CERT_FILE", cert.to_str().unwrap()),
            ("NETWORK__TLS__KEY_FILE", closed.to_str().unwrap()),
        ],
    );
}
