//! Mail that is not sent, and mail servers and Apple that cannot be used.

use std::fs::{Permissions, set_permissions, write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::certificates::Authority;
use super::{expect, fakes, migrated};
use crate::service::{Service, free_port};

#[test]
fn r74_a_service_without_mail_is_named() {
    let mut service = migrated();
    expect(&service, ("mail.delivery", "ok", &["/mailbox"]), &[]);
    service.set("ENVIRONMENT", "production");
    service.set("PUBLIC_URL", "https://localhost/v1/auth");
    expect(
        &service,
        ("mail.delivery", "warn", &["mail.mode"]),
        &["network.proxies"],
    );
}

fn use_server(service: &mut Service, host: &str, port: u16) {
    for (setting, value) in [
        ("MODE", "smtp"),
        ("HOST", host),
        ("PORT", &port.to_string()),
        ("FROM", "no-reply@example.com"),
        ("TLS", "implicit"),
    ] {
        service.set(&format!("MAIL__{setting}"), value);
    }
}

fn private_file(service: &Service, name: &str, content: &str) -> String {
    let path = service.path(name);
    write(&path, content).expect("the file can be written");
    set_permissions(&path, Permissions::from_mode(0o600)).expect("the mode can be set");
    path.display().to_string()
}

#[test]
fn r74_a_mail_server_that_cannot_be_used_is_named() {
    let mut service = migrated();
    expect(&service, ("mail.server", "ok", &["none"]), &[]);
    use_server(&mut service, "mail.invalid", 25);
    expect(
        &service,
        (
            "mail.server",
            "fail",
            &["mail.invalid:25 cannot be reached", "[mail]"],
        ),
        &[],
    );
    use_server(&mut service, "localhost", free_port());
    expect(&service, ("mail.server", "fail", &["cannot be reached"]), &[]);
    use_server(&mut service, "localhost", fakes::silent().port());
    expect(&service, ("mail.server", "fail", &["no answer within 5 s"]), &[]);

    let authority = Authority::new();
    let auth = format!("PLAIN {}", STANDARD.encode("\0user\0right"));
    let server = fakes::mail(&authority.issue("localhost", -1, 60), auth.leak());
    use_server(&mut service, "localhost", server.port());
    expect(&service, ("mail.server", "fail", &["TLS"]), &[]);
    let file = private_file(&service, "ca.pem", &authority.certificate);
    service.set("MAIL__CA_FILE", &file);
    expect(&service, ("mail.server", "ok", &["takes"]), &[]);
    service.set("MAIL__USERNAME", "user");
    for (password, level) in [("wrong", "fail"), ("right", "ok")] {
        let file = private_file(&service, "password", password);
        service.set("MAIL__PASSWORD_FILE", &file);
        expect(&service, ("mail.server", level, &["localhost"]), &[]);
    }
}

fn use_apple(service: &mut Service, address: SocketAddr) {
    let key = rcgen::KeyPair::generate()
        .expect("a key can be created")
        .serialize_pem();
    let file = private_file(service, "apple.p8", &key);
    for (setting, value) in [
        ("CLIENT_ID", "com.example.auth"),
        ("TEAM_ID", "ABCDE12345"),
        ("KEY_ID", "ABCDE12345"),
        ("PRIVATE_KEY_FILE", &file),
        ("ISSUER", &format!("http://localhost:{}", address.port())),
    ] {
        service.set(&format!("APPLE__{setting}"), value);
    }
}

#[test]
fn r75_an_apple_that_cannot_be_reached_is_named() {
    let mut service = migrated();
    expect(&service, ("apple", "ok", &["not configured"]), &[]);
    use_apple(&mut service, SocketAddr::from(([127, 0, 0, 1], free_port())));
    expect(
        &service,
        ("apple", "fail", &["cannot be reached", "allow connections"]),
        &[],
    );
    use_apple(&mut service, fakes::silent());
    expect(&service, ("apple", "fail", &["no answer within 5 s"]), &[]);
    use_apple(&mut service, fakes::http("404 Not Found", String::new()));
    expect(&service, ("apple", "fail", &["404", "apple.issuer"]), &[]);
    use_apple(&mut service, fakes::http("200 OK", String::new()));
    expect(&service, ("apple", "ok", &["answers"]), &[]);
}

#[test]
fn r76_a_clock_that_differs_from_the_date_of_an_answer_is_named() {
    let mut service = migrated();
    for (hours, level, part) in [
        (0, "ok", "Apple's"),
        (1, "fail", "behind"),
        (-1, "fail", "ahead of"),
    ] {
        use_apple(
            &mut service,
            fakes::http("200 OK", super::clock::http_date(hours)),
        );
        expect(&service, ("clock", level, &[part]), &[]);
    }
}
