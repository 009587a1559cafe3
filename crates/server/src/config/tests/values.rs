//! Ranges, and values that contradict each other.

use super::*;

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
        ("sessions", "reuse_grace_seconds", 0, 300),
        ("challenge", "skew_seconds", 5, 60),
        ("signing_keys", "rotate_days", 2, 365),
        ("signing_keys", "publish_hours", 1, 720),
        ("api_keys", "max_per_account", 1, 100),
        ("api_keys", "max_registrations_per_day", 1, 10_000),
        ("api_keys", "default_expiry_days", 1, 3650),
        ("limits", "requests_per_network_per_minute", 1, 600_000),
        ("limits", "requests_per_account_per_minute", 1, 600_000),
        ("limits", "codes_per_hour", 1, 1_000_000),
        ("limits", "ceremonies_per_minute", 1, 1_000_000),
        ("limits", "sign_ups_per_hour", 1, 1_000_000),
        ("limits", "failures_per_key_per_minute", 1, 60_000),
        ("limits", "failures_per_network_per_minute", 1, 600_000),
        ("limits", "mints_per_key_per_minute", 1, 60_000),
        ("limits", "logins_per_account_per_hour", 1, 60_000),
        ("limits", "mints_per_account_per_day", 1, 10_000_000),
        ("limits", "refreshes_per_session_per_minute", 1, 60_000),
        ("limits", "body_bytes", 4096, 1_048_576),
        ("limits", "header_bytes", 8192, 65_536),
        ("limits", "max_connections", 1, 1_000_000),
        ("limits", "max_connections_per_network", 1, 1_000_000),
        ("limits", "first_byte_seconds", 1, 60),
        ("limits", "tls_handshake_seconds", 1, 60),
        ("limits", "header_read_seconds", 1, 60),
        ("limits", "body_read_seconds", 1, 29),
        ("limits", "request_seconds", 11, 300),
        ("limits", "database_seconds", 1, 29),
        ("limits", "keep_alive_seconds", 1, 3600),
        ("limits", "write_stall_seconds", 1, 300),
        ("limits", "drain_seconds", 0, 300),
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
fn r23_a_trusted_proxy_does_not_make_a_public_plain_listener_safe() {
    let behind = |listen: &str, more: &[(&'static str, &'static str)]| {
        let mut all = minimal();
        all.extend(env(&[
            ("NETWORK__LISTEN", listen),
            ("NETWORK__TRUSTED_PROXIES", "10.0.0.0/8"),
            ("NETWORK__FORWARDED", "x-forwarded-for"),
        ]));
        all.extend(env(more));
        Config::load(None, all)
    };
    for public in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "100.128.0.1:80",
        "10.0.0.1:80,[2001:db8::1]:80",
    ] {
        let error = behind(public, &[]).unwrap_err();
        assert_eq!(error.key(), Some("network.listen"), "{public}");
        assert!(error.to_string().contains("\"behind_proxy\""), "{error}");
        behind(public, &[("NETWORK__PLAIN_HTTP", "behind_proxy")]).unwrap();
    }
    for private in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "172.16.0.1:80",
        "192.168.1.1:80,[::ffff:10.0.0.1]:80",
        "100.64.0.1:80",
        "169.254.1.1:80",
        "[fd00::1]:80",
        "[fe80::1]:80",
    ] {
        behind(private, &[]).unwrap();
    }
    refused("network.plain_http", &[("NETWORK__PLAIN_HTTP", "yes")]);
    refused(
        "network.plain_http",
        &[
            ("NETWORK__PLAIN_HTTP", "behind_proxy"),
            ("NETWORK__TLS__CERT_FILE", "cert.pem"),
            (
                "NETWORK__TLS__KEY_FILE",
                Folder::new().file("key.pem", "", 0o600).to_str().unwrap(),
            ),
        ],
    );
}

#[test]
fn r21_an_idle_connection_outlives_that_of_a_load_balancer() {
    let usual = with(&[]).unwrap().limits.keep_alive;
    assert!(
        usual >= std::time::Duration::from_secs(75),
        "AWS ALB and HAProxy keep it for 60 s"
    );
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
