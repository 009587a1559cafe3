//! Merging a file with variables.

use proptest::prelude::*;

use super::*;

#[test]
fn i17_the_least_configuration_has_the_documented_defaults() {
    let config = Config::load(None, minimal()).unwrap();
    assert_eq!(config.issuer(), "https://api.truemarkets.co/v1/auth");
    assert_eq!(config.audience(), "https://api.truemarkets.co");
    assert_eq!(
        config.tokens,
        Tokens {
            algorithm: SigningAlgorithm::RS256,
            access_ttl_seconds: 3600,
            audience: None
        }
    );
    assert_eq!(
        config.sessions,
        Sessions {
            idle_days: 30,
            max_days: 365,
            reuse_grace_seconds: 90
        }
    );
    assert_eq!(config.challenge.skew_seconds, 30);
    assert_eq!(
        config.signing_keys,
        SigningKeys {
            rotate_days: 90,
            publish_hours: 24
        }
    );
    assert_eq!(
        config.api_keys,
        ApiKeys {
            max_per_account: 20,
            max_registrations_per_day: 100,
            default_expiry_days: 365
        }
    );
    assert_eq!(config.network.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(
        config.log,
        Log {
            format: LogFormat::Json,
            level: LogLevel::Info
        }
    );
    assert_eq!(
        config.retention,
        Retention {
            ended_sessions_days: 30,
            audit_days: 400,
            sweep_batch: 1000
        }
    );
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.limits.body_bytes, 16 * 1024);
}

#[test]
fn i17_a_file_is_read_and_the_environment_wins() {
    let folder = Folder::new();
    let kek = folder.file("kek", &format!("{KEK}\n"), 0o600);
    let file = folder.file(
        "tm-auth.toml",
        &format!(
            "environment = 'uat'\npublic_url = 'http://localhost:8080/v1/auth'\n\
             [database]\npath = 'a.db'\n[keys]\nkek_file = '{}'\n\
             [tokens]\nalgorithm = 'ES256'\naccess_ttl_seconds = 600\n\
             [network]\nlisten = ['127.0.0.1:1', '[::1]:1']\n[limits]\nkeep_alive_seconds = 5\n",
            kek.display()
        ),
        0o644,
    );
    let overrides = env(&[
        ("TOKENS__ACCESS_TTL_SECONDS", "900"),
        ("LOG__LEVEL", "debug"),
        ("LOG__FORMAT", ""),
    ]);
    let config = Config::load(Some(&file), overrides).unwrap();
    assert_eq!(config.environment, Environment::Uat);
    assert_eq!(config.tokens.algorithm, SigningAlgorithm::ES256);
    assert_eq!(config.tokens.access_ttl_seconds, 900);
    assert_eq!(config.network.listen.len(), 2);
    assert_eq!(config.limits.keep_alive, std::time::Duration::from_secs(5));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert!(config.keys.kek.is_same(&KEK.parse().unwrap()));
}

#[test]
fn i17_lists_come_from_the_environment_with_commas() {
    let config = with(&[
        ("NETWORK__LISTEN", "10.0.0.1:80, [fd00::1]:80"),
        ("NETWORK__TRUSTED_PROXIES", "10.1.2.3/8,2001:db8::1"),
        ("NETWORK__FORWARDED", "x-forwarded-for"),
    ])
    .unwrap();
    assert_eq!(config.network.listen.len(), 2);
    let expected: Vec<ipnet::IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::1/128".parse().unwrap()];
    assert_eq!(config.network.forwarding_proxies(), expected);
}

#[test]
fn i17_an_unknown_option_is_refused() {
    let line = with(&[("TOKENS__ALGORYTHM", "RS256")]).unwrap_err().to_string();
    assert!(
        line.contains("algorythm") && line.contains("algorithm") && line.contains("tokens"),
        "{line}"
    );
    let line = with(&[("TOKEN__ALGORITHM", "RS256")]).unwrap_err().to_string();
    assert!(line.contains("`token`") && line.contains("tokens"), "{line}");
    for section in [
        "DATABASE",
        "KEYS",
        "TOKENS",
        "SESSIONS",
        "CHALLENGE",
        "SIGNING_KEYS",
        "API_KEYS",
        "LIMITS",
        "NETWORK",
        "METRICS",
        "LOG",
        "MAIL",
        "RETENTION",
        "APPLE",
        "NETWORK__TLS",
    ] {
        let line = with(&[(&format!("{section}__NO_SUCH"), "1")])
            .unwrap_err()
            .to_string();
        assert!(line.contains("no_such"), "{section}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn i17_a_missing_value_is_named() {
    for (variable, key) in [
        ("ENVIRONMENT", "environment"),
        ("PUBLIC_URL", "public_url"),
        ("KEYS__KEK", "keys"),
        ("DATABASE__PATH", "database"),
    ] {
        let mut env = minimal();
        env.retain(|(name, _)| *name != format!("TM_AUTH__{variable}"));
        let error = Config::load(None, env).unwrap_err();
        assert_eq!(error.key(), Some(key), "{error}");
    }
    assert!(
        refused("keys.kek_file", &[("KEYS__KEK", ""), ("KEYS__PREVIOUS_KEK", KEK)]).contains("openssl rand")
    );
}

#[test]
fn r62_without_a_file_the_error_says_how_to_name_one() {
    let mut env = minimal();
    env.retain(|(name, _)| name != "TM_AUTH__ENVIRONMENT");
    let line = Config::load(None, env).unwrap_err().to_string();
    for part in [
        "`environment`",
        "--config FILE",
        "TM_AUTH_CONFIG",
        "TM_AUTH__ENVIRONMENT",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let folder = Folder::new();
    let file = folder.file("tm-auth.toml", "", 0o600);
    let line = Config::load(Some(&file), []).unwrap_err().to_string();
    assert!(line.contains("is missing; it has no default"), "{line}");
}

#[test]
fn r52_a_byte_order_mark_is_skipped_and_utf16_is_named() {
    let folder = Folder::new();
    let toml = "environment = \"uat\"\npublic_url = \"https://api.uat.truemarkets.co/v1/auth\"\n";
    let marked = folder.file("marked.toml", &format!("\u{feff}{toml}"), 0o600);
    let kek = folder.file("kek", &format!("\u{feff}{KEK}\r\n"), 0o600);
    let rest = [
        ("DATABASE__PATH", "/var/lib/tm-auth/tm-auth.db"),
        ("KEYS__KEK_FILE", kek.to_str().unwrap()),
    ];
    let config = Config::load(Some(&marked), env(&rest)).unwrap();
    assert_eq!(config.issuer(), "https://api.uat.truemarkets.co/v1/auth");
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    std::fs::write(&marked, utf16(toml)).unwrap();
    let line = Config::load(Some(&marked), env(&rest)).unwrap_err().to_string();
    assert!(line.contains("UTF-16") && line.contains("marked.toml"), "{line}");
    std::fs::write(&kek, utf16(KEK)).unwrap();
    let line = refused(
        "keys.kek_file",
        &[("KEYS__KEK", ""), ("KEYS__KEK_FILE", kek.to_str().unwrap())],
    );
    assert!(line.contains("UTF-16") && !line.contains(KEK), "{line}");
}

#[test]
fn r61_proxies_in_ipv6_form_become_ipv4_networks() {
    let config = with(&[
        (
            "NETWORK__TRUSTED_PROXIES",
            "::ffff:10.0.0.0/104, ::ffff:192.0.2.1",
        ),
        ("NETWORK__FORWARDED", "x-forwarded-for"),
    ])
    .unwrap();
    let expected: Vec<ipnet::IpNet> = ["10.0.0.0/8", "192.0.2.1/32"]
        .map(|network| network.parse().unwrap())
        .into();
    assert_eq!(config.network.trusted_proxies, expected);
}

#[test]
fn i17_a_wrong_type_names_key_and_variable() {
    let line = refused(
        "tokens.access_ttl_seconds",
        &[("TOKENS__ACCESS_TTL_SECONDS", "an hour")],
    );
    assert!(line.contains("TM_AUTH__TOKENS__ACCESS_TTL_SECONDS"), "{line}");
    refused("limits.request_seconds", &[("LIMITS__REQUEST_SECONDS", "-1")]);
    refused("network.listen", &[("NETWORK__LISTEN", "localhost:80")]);
    refused(
        "network.trusted_proxies",
        &[("NETWORK__TRUSTED_PROXIES", "proxy")],
    );
    refused("tokens.algorithm", &[("TOKENS__ALGORITHM", "HS256")]);
    refused("environment", &[("ENVIRONMENT", "staging")]);
}

#[test]
fn i17_broken_toml_is_refused_without_repeating_the_line() {
    let folder = Folder::new();
    let file = folder.file(
        "tm-auth.toml",
        &format!("environment = 'uat'\n[keys]\nkek = \"{KEK}\n"),
        0o600,
    );
    let line = Config::load(Some(&file), []).unwrap_err().to_string();
    assert!(line.contains("line 3") && line.contains("tm-auth.toml"), "{line}");
    assert!(!line.contains(KEK) && line.lines().count() == 1, "{line}");
    let line = Config::load(Some(&folder.0.path().join("absent.toml")), [])
        .unwrap_err()
        .to_string();
    assert!(line.contains("absent.toml"), "{line}");
}

#[test]
fn i17_a_configuration_built_in_code_is_checked_too() {
    let url: PublicUrl = "http://localhost:8080/v1/auth".parse().unwrap();
    let mut config = Config::new(Environment::Uat, url, "dev.db".into(), KEK.parse().unwrap());
    assert!(config.clone().check().is_ok());
    config.limits.first_byte = std::time::Duration::from_millis(50);
    assert!(config.clone().check().is_ok());
    config.environment = Environment::Production;
    assert_eq!(config.check().unwrap_err().key(), Some("public_url"));
}

proptest! {
    #[test]
    fn i17_no_variable_makes_the_parser_panic(key in "[A-Za-z0-9_.\\[\\]-]{0,24}", value in ".{0,24}") {
        let mut all = minimal();
        all.push((format!("TM_AUTH__{key}"), value));
        if let Err(error) = Config::load(None, all) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}
