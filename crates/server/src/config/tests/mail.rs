//! `[mail]`.

use super::*;

const UAT: [(&str, &str); 2] = [
    ("ENVIRONMENT", "uat"),
    ("PUBLIC_URL", "http://localhost:8080/v1/auth"),
];

fn uat(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = UAT.to_vec();
    all.retain(|(key, _)| !pairs.iter().any(|(other, _)| key == other));
    all.extend(pairs);
    all
}

fn is_mailbox(config: &Config) -> bool {
    matches!(config.delivery(), Delivery::Mailbox)
}

#[test]
fn i17_f19_the_mailbox_exists_only_where_nobody_else_can_read_it() {
    assert!(is_mailbox(&with(&UAT).unwrap()));
    assert!(is_mailbox(&with(&uat(&[("MAIL__MODE", "mailbox")])).unwrap()));
    let exposed: [&[(&str, &str)]; 5] = [
        &[
            ("ENVIRONMENT", "production"),
            ("PUBLIC_URL", "https://localhost:8080/v1/auth"),
        ],
        &[("PUBLIC_URL", "https://uat.example.com/v1/auth")],
        &[("NETWORK__LISTEN", "127.0.0.1:8080,0.0.0.0:8080")],
        &[("NETWORK__LISTEN", "[::ffff:192.0.2.1]:8080")],
        &[
            ("NETWORK__TRUSTED_PROXIES", "127.0.0.1"),
            ("NETWORK__FORWARDED", "x-forwarded-for"),
        ],
    ];
    for exposed in exposed {
        // Without `mail.mode` the service starts and sends no mail.
        let config = with(&uat(exposed)).unwrap();
        assert!(matches!(config.delivery(), Delivery::Nowhere), "{exposed:?}");
        let mut asked = uat(exposed);
        asked.push(("MAIL__MODE", "mailbox"));
        let line = refused("mail.mode", &asked);
        assert!(line.contains("smtp"), "{line}");
    }
}

#[test]
fn i17_f19_a_mail_server_is_written_in_full() {
    let folder = Folder::new();
    let password = folder.file("password", "s3cret-of-the-relay\n", 0o600);
    let server = |more: &[(&'static str, &str)]| {
        let mut all = minimal();
        all.extend(env(&[
            ("MAIL__MODE", "smtp"),
            ("MAIL__HOST", "smtp.example.com"),
            ("MAIL__FROM", "True Markets <no-reply@example.com>"),
        ]));
        all.extend(env(more));
        Config::load(None, all)
    };
    let smtp = |config: Config| match config.mail {
        Mail::Smtp(smtp) => *smtp,
        other => panic!("{other:?}"),
    };
    let plain = smtp(server(&[]).unwrap());
    assert_eq!((plain.port, plain.tls), (587, SmtpTls::StartTls));
    assert_eq!((plain.attempt.as_secs(), plain.retry.as_secs()), (30, 2));
    assert!(plain.credentials.is_none() && plain.authorities.is_empty());
    let path = password.to_str().unwrap();
    let full = server(&[
        ("MAIL__TLS", "implicit"),
        ("MAIL__USERNAME", "tm-auth"),
        ("MAIL__PASSWORD_FILE", path),
        ("MAIL__RETRY_SECONDS", "5"),
    ]);
    let full = full.unwrap();
    assert!(!format!("{full:?}").contains("s3cret"));
    let full = smtp(full);
    assert_eq!(
        (full.port, full.tls, full.retry.as_secs()),
        (465, SmtpTls::Implicit, 5)
    );
    assert!(full.credentials.is_some());

    let open = folder.file("open", "s3cret-of-the-relay\n", 0o644);
    let empty = folder.file("empty", "\n", 0o600);
    for (key, more) in [
        ("mail.tls", vec![("MAIL__TLS", "none")]),
        ("mail.tls", vec![("MAIL__TLS", "opportunistic")]),
        ("mail.host", vec![("MAIL__HOST", "smtp example com")]),
        ("mail.port", vec![("MAIL__PORT", "0")]),
        ("mail.from", vec![("MAIL__FROM", "no-address")]),
        ("mail.from", vec![("MAIL__FROM", "a@x.com\r\nBcc: b@x.com")]),
        ("mail.password_file", vec![("MAIL__USERNAME", "tm-auth")]),
        ("mail.username", vec![("MAIL__PASSWORD_FILE", path)]),
        (
            "mail.password_file",
            vec![
                ("MAIL__USERNAME", "a"),
                ("MAIL__PASSWORD_FILE", open.to_str().unwrap()),
            ],
        ),
        (
            "mail.password_file",
            vec![
                ("MAIL__USERNAME", "a"),
                ("MAIL__PASSWORD_FILE", empty.to_str().unwrap()),
            ],
        ),
        ("mail.ca_file", vec![("MAIL__CA_FILE", "/nonexistent")]),
        ("mail.ca_file", vec![("MAIL__CA_FILE", path)]),
        ("mail.attempt_seconds", vec![("MAIL__ATTEMPT_SECONDS", "0")]),
        ("mail.retry_seconds", vec![("MAIL__RETRY_SECONDS", "61")]),
    ] {
        let error = server(&more).expect_err(&format!("{more:?}"));
        assert_eq!(error.key(), Some(key), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn i17_settings_of_a_server_without_the_mode_are_refused() {
    for (key, pair) in [
        ("mail.host", ("MAIL__HOST", "smtp.example.com")),
        ("mail.port", ("MAIL__PORT", "25")),
        ("mail.tls", ("MAIL__TLS", "implicit")),
    ] {
        refused(key, &[pair]);
        refused(key, &uat(&[("MAIL__MODE", "mailbox"), pair]));
    }
    refused("mail.host", &[("MAIL__MODE", "smtp")]);
    refused(
        "mail.from",
        &[("MAIL__MODE", "smtp"), ("MAIL__HOST", "smtp.example.com")],
    );
    refused("mail.mode", &[("MAIL__MODE", "sendmail")]);
}
