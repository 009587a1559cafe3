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
        let kek = not_of_root(folder.file("kek", KEK, mode));
        let line = refused(
            "keys.kek_file",
            &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", kek.to_str().unwrap())],
        );
        assert!(line.contains(&format!("chmod 600 {}", kek.display())), "{line}");
        assert!(line.contains(&format!("mode {mode:04o}, owner ")), "{line}");
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
    let error = tls(&folder.file("open.pem", "", 0o644)).unwrap_err();
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

#[test]
fn r20_a_credential_of_systemd_is_accepted() {
    let (credentials, elsewhere) = (Folder::new(), Folder::new());
    let delivered = |path: &Path| {
        let mut all = minimal();
        all.retain(|(name, _)| name != "TM_AUTH__KEYS__KEK");
        all.extend(env(&[("KEYS__KEK_FILE", path.to_str().unwrap())]));
        let folder = credentials.0.path().to_str().unwrap().to_owned();
        all.push(("CREDENTIALS_DIRECTORY".to_owned(), folder));
        Config::load(None, all)
    };
    for mode in [0o400, 0o440, 0o444, 0o640, 0o644] {
        let kek = not_of_root(credentials.file(&format!("kek{mode:o}"), KEK, mode));
        delivered(&kek).unwrap();
        // Elsewhere, other users can reach the same file.
        let open = not_of_root(elsewhere.file(&format!("kek{mode:o}"), KEK, mode));
        assert_eq!(delivered(&open).is_err(), mode & 0o077 != 0, "{mode:o}");
        // A link counts as the file that it leads to.
        let link = credentials.0.path().join(format!("link{mode:o}"));
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert_eq!(delivered(&link).is_err(), mode & 0o077 != 0, "{mode:o}");
    }
    let writable = credentials.file("writable", KEK, 0o460);
    let line = delivered(&writable).unwrap_err().to_string();
    assert!(
        line.contains("other users can write it") && line.contains("chmod go-w"),
        "{line}"
    );
}

#[test]
fn r20_every_secret_file_is_judged_in_the_same_way() {
    let folder = Folder::new();
    let ca = folder.file("ca.pem", "", 0o644);
    let open = not_of_root(folder.file("secret", KEK, 0o644));
    let open = open.to_str().unwrap();
    let url = folder.file(
        "url",
        &format!("postgres://r:p@db.example.com/d?sslmode=verify-full&sslkey={open}"),
        0o600,
    );
    let no_path = ("DATABASE__PATH", "");
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("keys.kek_file", &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", open)]),
        ("keys.previous_kek_file", &[("KEYS__PREVIOUS_KEK_FILE", open)]),
        ("database.url_file", &[no_path, ("DATABASE__URL_FILE", open)]),
        (
            "database.url",
            &[no_path, ("DATABASE__URL_FILE", url.to_str().unwrap())],
        ),
        (
            "mail.password_file",
            &[
                ("MAIL__MODE", "smtp"),
                ("MAIL__HOST", "smtp.example.com"),
                ("MAIL__FROM", "no-reply@example.com"),
                ("MAIL__USERNAME", "tm-auth"),
                ("MAIL__PASSWORD_FILE", open),
            ],
        ),
        (
            "apple.private_key_file",
            &[
                ("APPLE__CLIENT_ID", "co.truemarkets.auth"),
                ("APPLE__TEAM_ID", "ABCDE12345"),
                ("APPLE__KEY_ID", "ABCDE12345"),
                ("APPLE__PRIVATE_KEY_FILE", open),
            ],
        ),
        (
            "network.tls.key_file",
            &[
                ("NETWORK__TLS__CERT_FILE", ca.to_str().unwrap()),
                ("NETWORK__TLS__KEY_FILE", open),
            ],
        ),
    ];
    for (key, settings) in cases {
        let line = refused(key, settings);
        assert!(line.contains(open) && line.contains("chmod 600"), "{line}");
        assert!(!line.contains(KEK), "{line}");
    }
}
