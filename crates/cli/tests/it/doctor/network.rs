//! Addresses, proxies and the public URL.

use std::net::TcpListener;

use super::{expect, fakes, migrated};
use crate::service::{Service, free_port};

#[test]
fn r72_a_port_that_another_program_uses_is_named() {
    let mut service = migrated();
    expect(&service, ("network.listen", "ok", &["free"]), &[]);
    let taken = TcpListener::bind(service.address()).expect("the port is free");
    let address = service.address().to_string();
    let other = ("network.listen", "fail", [address.as_str(), "another program"]);
    expect(&service, (other.0, other.1, &other.2), &[]);
    drop(taken);
    // Another service with keys of its own.
    let stranger = Service::new();
    let running = stranger.start();
    service.start().kill();
    service.set("NETWORK__LISTEN", &stranger.address().to_string());
    expect(
        &service,
        (other.0, other.1, &["another program"]),
        &["network.public_url"],
    );
    drop(running);
    let address = fakes::silent().to_string();
    service.set("NETWORK__LISTEN", &address);
    expect(
        &service,
        (other.0, other.1, &["another program"]),
        &["network.public_url"],
    );
    service.set("NETWORK__LISTEN", "192.0.2.1:8080");
    let foreign = (
        "network.listen",
        "fail",
        ["192.0.2.1:8080", "cannot listen"].as_slice(),
    );
    let others = ["network.public_url", "network.exposure", "mail.delivery"];
    expect(&service, foreign, &others);
}

#[test]
fn r72_a_port_of_the_metrics_that_is_in_use_is_named() {
    let mut service = migrated();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    service.set("METRICS__LISTEN", &address);
    expect(
        &service,
        ("network.listen", "fail", &[&address, "metrics.listen"]),
        &[],
    );
    drop(taken);
    service.set("METRICS__LISTEN", &format!("127.0.0.1:{}", free_port()));
    expect(&service, ("network.listen", "ok", &[]), &[]);
    let running = service.start();
    expect(&service, ("network.listen", "ok", &["running"]), &[]);
    drop(running);
}

#[test]
fn r72_plain_http_that_other_machines_reach_is_named() {
    let mut service = migrated();
    expect(&service, ("network.exposure", "ok", &["this machine only"]), &[]);
    let port = service.address().port();
    service.set("NETWORK__LISTEN", &format!("0.0.0.0:{port}"));
    let open = ("network.exposure", "warn", ["0.0.0.0", "network.tls"].as_slice());
    expect(&service, open, &["mail.delivery"]);
    service.set("NETWORK__PLAIN_HTTP", "behind_proxy");
    expect(
        &service,
        ("network.exposure", "ok", &["only a proxy"]),
        &["mail.delivery"],
    );
}

#[test]
fn r72_proxies_behind_which_all_clients_look_alike_are_named() {
    let mut service = migrated();
    expect(&service, ("network.proxies", "ok", &[]), &[]);
    service.set("PUBLIC_URL", "https://localhost/v1/auth");
    let alike = "all clients share";
    expect(
        &service,
        ("network.proxies", "warn", &[alike, "network.trusted_proxies"]),
        &[],
    );
    service.set("NETWORK__TRUSTED_PROXIES", "10.0.0.0/24");
    service.set("NETWORK__FORWARDED", "none");
    expect(
        &service,
        ("network.proxies", "warn", &[alike, "x-forwarded-for"]),
        &["mail.delivery"],
    );
    service.set("NETWORK__FORWARDED", "x-forwarded-for");
    expect(
        &service,
        ("network.proxies", "ok", &["X-Forwarded-For"]),
        &["mail.delivery"],
    );
}

#[test]
fn r72_a_public_url_that_leads_elsewhere_is_named() {
    let mut service = migrated();
    expect(&service, ("network.public_url", "ok", &["localhost"]), &[]);
    service.set("PUBLIC_URL", "http://localhost:1/v1/auth");
    expect(
        &service,
        ("network.public_url", "warn", &["port 1 of", "network.listen"]),
        &[],
    );
    service.set("PUBLIC_URL", "http://localhost/v1/auth");
    expect(&service, ("network.public_url", "warn", &["port 80 of"]), &[]);
    service.set("PUBLIC_URL", "https://auth.invalid/v1/auth");
    let unknown = (
        "network.public_url",
        "warn",
        ["auth.invalid is unknown", "DNS"].as_slice(),
    );
    expect(&service, unknown, &["network.proxies", "mail.delivery"]);
}
