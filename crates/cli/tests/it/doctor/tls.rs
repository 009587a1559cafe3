//! Certificates that clients refuse.

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use super::certificates::{Authority, Issued};
use super::{expect, migrated};
use crate::service::Service;

fn install(service: &Service, certificate: &str, key: &str) {
    write(service.path("cert.pem"), certificate).expect("the file can be written");
    write(service.path("key.pem"), key).expect("the file can be written");
    set_permissions(service.path("key.pem"), Permissions::from_mode(0o600)).expect("the mode can be set");
}

/// A deployment that terminates TLS for `localhost`.
fn with_tls() -> Service {
    let mut service = migrated();
    let url = format!("https://localhost:{}/v1/auth", service.address().port());
    service.set("PUBLIC_URL", &url);
    for (setting, file) in [("CERT", "cert.pem"), ("KEY", "key.pem")] {
        let path = service.path(file).display().to_string();
        service.set(&format!("NETWORK__TLS__{setting}_FILE"), &path);
    }
    service
}

#[test]
fn r73_a_certificate_that_clients_refuse_is_named() {
    let service = with_tls();
    let authority = Authority::new();
    let good = authority.issue("localhost", -1, 60);
    let other = authority.issue("localhost", -1, 60);
    let foreign = authority.issue("auth.example.com", -1, 60);
    let whole = |issued: &Issued| (issued.chain.clone(), issued.key.clone());
    let cases: [((String, String), &str, &[&str]); 9] = [
        (whole(&good), "ok", &["for localhost"]),
        (
            whole(&authority.issue("localhost", -30, -1)),
            "fail",
            &["expire", "renew"],
        ),
        (
            whole(&authority.issue("localhost", 2, 60)),
            "fail",
            &["not valid before"],
        ),
        (
            whole(&authority.issue("localhost", -30, 7)),
            "warn",
            &["expire", "14 days"],
        ),
        (
            whole(&foreign),
            "fail",
            &["not for localhost", "auth.example.com"],
        ),
        (
            (good.chain.clone(), other.key),
            "fail",
            &["not the key", "name the key"],
        ),
        (
            (good.leaf().to_owned(), good.key.clone()),
            "warn",
            &["intermediate"],
        ),
        ((good.key.clone(), good.key.clone()), "fail", &["no certificate"]),
        (
            (good.chain.clone(), "text".to_owned()),
            "fail",
            &["key.pem", "key_file"],
        ),
    ];
    for ((certificate, key), level, parts) in &cases {
        install(&service, certificate, key);
        expect(&service, ("tls.certificate", level, parts), &[]);
    }
    install(&service, &good.chain, &good.key);
    std::fs::remove_file(service.path("cert.pem")).expect("the file exists");
    expect(
        &service,
        ("tls.certificate", "fail", &["cert.pem", "cert_file"]),
        &[],
    );
}

#[test]
fn r72_a_running_service_with_tls_is_known() {
    let service = with_tls();
    let issued = Authority::new().issue("localhost", -1, 60);
    install(&service, &issued.chain, &issued.key);
    let running = service.start();
    expect(&service, ("network.listen", "ok", &["running"]), &[]);
    drop(running);
}
