//! The configuration as an operator meets it: files and variables in, one line out.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Random, and used nowhere but here.
const KEK: &str = "mZ3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8=";
const OTHER_KEK: &str = "_-3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn minimal() -> Vec<(String, String)> {
    env(&[
        ("ENVIRONMENT", "production"),
        ("PUBLIC_URL", "https://api.truemarkets.co/v1/auth"),
        ("DATABASE__PATH", "/var/lib/tm-auth/tm-auth.db"),
        ("KEYS__KEK", KEK),
    ])
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| (format!("TM_AUTH__{key}"), (*value).to_owned()))
        .collect()
}

fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all = minimal();
    all.retain(|(key, _)| !pairs.iter().any(|(other, _)| *key == format!("TM_AUTH__{other}")));
    all.extend(env(pairs));
    Config::load(None, all)
}

/// The one line that refuses these settings; it must name `key`.
fn refused(key: &str, pairs: &[(&str, &str)]) -> String {
    let error = with(pairs).expect_err(&format!("{pairs:?} must be refused"));
    let line = error.to_string();
    assert_eq!(error.key(), Some(key), "{line}");
    assert!(line.contains(&format!("`{key}`")), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

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
            same_successor_seconds: 90
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
        ("NETWORK__LISTEN", "0.0.0.0:80, [::]:80"),
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
        "RETENTION",
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
    // Where a variable replaces it, what is in the file opens nothing.
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
fn i17_a_plain_public_url_is_refused() {
    assert!(
        refused(
            "public_url",
            &[("PUBLIC_URL", "http://api.truemarkets.co/v1/auth")]
        )
        .contains("https://")
    );
    refused("public_url", &[("PUBLIC_URL", "http://localhost:8080/v1/auth")]);
    let uat = |url| [("ENVIRONMENT", "uat"), ("PUBLIC_URL", url)];
    refused("public_url", &uat("http://uat.example.com/v1/auth"));
    refused("public_url", &uat("http://localhost.example.com/v1/auth"));
    for url in [
        "http://localhost:8080/v1/auth",
        "http://127.0.0.1/v1/auth",
        "http://[::1]:80801/v1/auth",
        "http://a.localhost/v1/auth",
    ] {
        assert_eq!(with(&uat(url)).is_ok(), !url.contains("80801"), "{url}");
    }
}

#[test]
fn i17_the_public_url_has_one_spelling() {
    for url in [
        "",
        "/v1/auth",
        "api.truemarkets.co/v1/auth",
        "https:///v1/auth",
        "ftp://api.truemarkets.co/v1/auth",
        "https://api.truemarkets.co",
        "https://api.truemarkets.co/",
        "https://api.truemarkets.co/v1/auth/",
        "https://api.truemarkets.co/v1/auth?x",
        "https://api.truemarkets.co/v1/auth#x",
        "https://api.truemarkets.co/V1/auth",
        "https://u:p@api.truemarkets.co/v1/auth",
        "https://API.truemarkets.co/v1/auth",
        "HTTPS://api.truemarkets.co/v1/auth",
        "https://api.truemarkets.co:443/v1/auth",
        "https://api.truemarkets.co:/v1/auth",
        "https://api..co/v1/auth",
        "https://-a.co/v1/auth",
        "https://a-.co/v1/auth",
        "https://a_b.co/v1/auth",
        "https://[::0001]/v1/auth",
        "https://api.truemarkets.co:08443/v1/auth",
        "https://api.truemarkets.co /v1/auth",
    ] {
        assert!(url.parse::<PublicUrl>().is_err(), "{url}");
    }
    let url: PublicUrl = "https://auth.example.com:8443/v1/auth".parse().unwrap();
    assert_eq!(
        (url.origin(), url.host()),
        ("https://auth.example.com:8443", "auth.example.com")
    );
    assert!(url.is_https() && !url.is_loopback());
    refused(
        "public_url",
        &[("PUBLIC_URL", "https://api.uat.truemarkets.co/v1/auth")],
    );
    refused("public_url", &[("ENVIRONMENT", "uat")]);
}

#[test]
fn i17_numbers_have_bounds() {
    for (section, name, least, most) in [
        ("tokens", "access_ttl_seconds", 600, 3600),
        ("sessions", "max_days", 30, 365),
        ("sessions", "idle_days", 1, 365),
        ("sessions", "same_successor_seconds", 0, 300),
        ("challenge", "skew_seconds", 5, 60),
        ("signing_keys", "rotate_days", 2, 365),
        ("signing_keys", "publish_hours", 1, 720),
        ("api_keys", "max_per_account", 1, 100),
        ("api_keys", "default_expiry_days", 1, 3650),
        ("limits", "unproven_per_key_per_minute", 1, 60_000),
        ("limits", "unproven_per_address_per_minute", 1, 600_000),
        ("limits", "proven_per_key_per_minute", 1, 60_000),
        ("limits", "refresh_per_session_per_minute", 1, 60_000),
        ("limits", "body_bytes", 4096, 1_048_576),
        ("limits", "header_bytes", 8192, 65_536),
        ("limits", "max_connections", 1, 1_000_000),
        ("limits", "first_byte_seconds", 1, 60),
        ("limits", "tls_handshake_seconds", 1, 60),
        ("limits", "header_read_seconds", 1, 60),
        ("limits", "body_read_seconds", 1, 29),
        ("limits", "request_seconds", 11, 300),
        ("limits", "database_seconds", 1, 29),
        ("limits", "keep_alive_seconds", 1, 3600),
        ("limits", "write_stall_seconds", 1, 300),
        ("limits", "shutdown_seconds", 1, 300),
        ("retention", "ended_sessions_days", 1, 3650),
        ("retention", "audit_days", 1, 3650),
        ("retention", "sweep_batch", 1, 10_000),
    ] {
        let variable = format!("{section}__{name}").to_uppercase();
        let set = |value: i64| with(&[(&variable, &value.to_string())]);
        for good in [least, most] {
            assert!(set(good).is_ok(), "{variable}={good}: {}", set(good).unwrap_err());
        }
        for bad in [least - 1, most + 1] {
            let line = set(bad).expect_err(&format!("{variable}={bad}")).to_string();
            assert!(line.contains(&format!("{section}.")), "{line}");
        }
    }
}

#[test]
fn i17_the_audience_is_never_the_issuer() {
    for audience in [
        "https://api.truemarkets.co/v1/auth",
        "https://api.truemarkets.co/v1/auth/",
        "two words",
        "ä",
    ] {
        refused("tokens.audience", &[("TOKENS__AUDIENCE", audience)]);
    }
    let config = with(&[("TOKENS__AUDIENCE", "https://gateway.truemarkets.co")]).unwrap();
    assert_eq!(config.audience(), "https://gateway.truemarkets.co");
}

#[test]
fn i17_an_open_plain_listener_is_refused_in_production() {
    for open in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "127.0.0.1:80,10.0.0.1:80",
        "[::ffff:10.0.0.1]:80",
    ] {
        let line = refused("network.listen", &[("NETWORK__LISTEN", open)]);
        assert!(
            line.contains("network.tls") && line.contains("network.trusted_proxies"),
            "{line}"
        );
    }
    for closed in ["127.0.0.1:80,[::1]:80", "[::ffff:127.0.0.1]:80"] {
        with(&[("NETWORK__LISTEN", closed)]).unwrap();
    }
    let uat = [
        ("ENVIRONMENT", "uat"),
        ("PUBLIC_URL", "https://uat.example.com/v1/auth"),
        ("NETWORK__LISTEN", "0.0.0.0:80"),
    ];
    with(&uat).unwrap();
}

#[test]
fn i17_proxies_and_their_header_go_together() {
    refused("network.forwarded", &[("NETWORK__TRUSTED_PROXIES", "10.0.0.0/8")]);
    refused(
        "network.trusted_proxies",
        &[("NETWORK__FORWARDED", "x-forwarded-for")],
    );
    for wide in ["0.0.0.0/0", "128.0.0.0/7", "::/0", "2000::/15"] {
        refused(
            "network.trusted_proxies",
            &[
                ("NETWORK__TRUSTED_PROXIES", wide),
                ("NETWORK__FORWARDED", "x-forwarded-for"),
            ],
        );
    }
    let silent = with(&[
        ("NETWORK__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("NETWORK__FORWARDED", "none"),
    ])
    .unwrap();
    assert!(silent.network.forwarding_proxies().is_empty());
    refused(
        "network.listen",
        &[("NETWORK__LISTEN", "127.0.0.1:80,127.0.0.1:80")],
    );
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

#[test]
fn i17_metrics_stay_on_this_machine() {
    with(&[("METRICS__LISTEN", "127.0.0.1:9000")]).unwrap();
    assert!(
        refused("metrics.listen", &[("METRICS__LISTEN", "0.0.0.0:9000")]).contains("metrics.allow_remote")
    );
    with(&[
        ("METRICS__LISTEN", "0.0.0.0:9000"),
        ("METRICS__ALLOW_REMOTE", "true"),
    ])
    .unwrap();
}

#[test]
fn i17_debug_logging_is_refused_in_production() {
    for level in ["debug", "trace"] {
        refused("log.level", &[("LOG__LEVEL", level)]);
        with(&[
            ("LOG__LEVEL", level),
            ("ENVIRONMENT", "uat"),
            ("PUBLIC_URL", "https://localhost/v1/auth"),
        ])
        .unwrap();
    }
    for level in ["info", "warn", "error"] {
        with(&[("LOG__LEVEL", level), ("LOG__FORMAT", "text")]).unwrap();
    }
}

#[test]
fn i17_the_database_is_a_file() {
    for path in ["/", "..", ":memory:", "file:a.db?mode=memory"] {
        refused("database.path", &[("DATABASE__PATH", path)]);
    }
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
