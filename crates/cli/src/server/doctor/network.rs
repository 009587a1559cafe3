//! Where the service listens, and how clients and proxies reach it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde::Deserialize;
use tm_auth_server::Config;
use tm_auth_server::config::{BASE_PATH, Forwarded};

use super::database::Database;
use super::report::{Verdict, fail, in_time, ok, warn};

/// Tries to listen on each address. A port that is in use is right if this service uses it.
pub(super) async fn listen(config: &Config, database: &Database) -> Verdict {
    let listed: Vec<_> = config.network.listen.iter().map(ToString::to_string).collect();
    let listed = listed.join(", ");
    let mut is_running = false;
    for &address in &config.network.listen {
        match TcpListener::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                return fail(format!(
                    "cannot listen on {address}: {error}; correct `network.listen`, or give the service's user the right to it"
                ));
            }
            Err(_) if is_this_service(address, config, database).await => is_running = true,
            Err(_) => {
                return fail(format!(
                    "another program listens on {address}: stop it, or change `network.listen`"
                ));
            }
        }
    }
    match config.metrics.listen {
        Some(address) if !is_running && TcpListener::bind(address).is_err() => fail(format!(
            "cannot listen on {address}: stop the program that does, or change `metrics.listen`"
        )),
        _ if is_running => ok(format!("this service is running on {listed}")),
        _ => ok(format!("{listed}: free")),
    }
}

/// The keys that a service publishes.
#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: String,
}

/// Whether a service at this address publishes keys of this database.
async fn is_this_service(address: SocketAddr, config: &Config, database: &Database) -> bool {
    let Some(contents) = database.contents() else {
        return false;
    };
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let scheme = config.network.tls.as_ref().map_or("http", |_| "https");
    let address = SocketAddr::new(ip, address.port());
    let fetch = async {
        // The ids of the keys tell which service it is, so its certificate does not matter.
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true);
        let url = format!("{scheme}://{address}{BASE_PATH}/.well-known/jwks.json");
        client.build()?.get(url).send().await?.json::<Jwks>().await
    };
    let published = in_time(async { fetch.await.map_err(|error| error.to_string()) });
    published.await.is_ok_and(|published| {
        let is_stored = |key: &Jwk| contents.signing_keys.iter().any(|stored| stored.kid == key.kid);
        published.keys.iter().any(is_stored)
    })
}

/// Warns if other machines can connect without TLS.
pub(super) fn exposure(config: &Config) -> Verdict {
    let network = &config.network;
    if network.tls.is_some() {
        return ok("this process terminates TLS");
    }
    let is_open = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    match network.listen.iter().find(is_open) {
        None => ok("plain http, from this machine only"),
        Some(open) if network.plain_http.is_some() => ok(format!(
            "plain http on {open}, where only a proxy with TLS connects, as `network.plain_http` says"
        )),
        Some(open) if open.ip().is_unspecified() || network.trusted_proxies.is_empty() => warn(format!(
            "plain http on {open}, which other machines can reach: set `network.tls`, listen on 127.0.0.1 or on the address to which the proxy connects, or set `network.plain_http` = \"behind_proxy\" if only a proxy with TLS can connect"
        )),
        Some(open) => ok(format!("plain http on {open}, behind a trusted proxy")),
    }
}

/// Warns if all clients would share the address of a proxy.
pub(super) fn proxies(config: &Config) -> Verdict {
    let network = &config.network;
    let shared = "all clients share its address, its limits and its place in the audit trail";
    match (network.trusted_proxies.len(), network.forwarded) {
        (0, _) if config.public_url.is_https() && network.tls.is_none() => warn(format!(
            "`public_url` is https and there is no `network.tls`, so a proxy terminates TLS, but none is trusted: {shared}; set `network.trusted_proxies` and `network.forwarded`"
        )),
        (0, _) => ok("none: the address that connects is the client's"),
        (_, Some(Forwarded::XForwardedFor)) => ok(format!(
            "X-Forwarded-For of {} trusted proxies or networks names the client",
            network.trusted_proxies.len()
        )),
        _ => warn(format!(
            "`network.trusted_proxies` is set, but `network.forwarded` is \"none\": {shared}; let the proxy set X-Forwarded-For, and write \"x-forwarded-for\""
        )),
    }
}

/// Warns if the host of `public_url` is unknown, or if its port cannot be that of this process.
pub(super) async fn public_url(config: &Config) -> Verdict {
    let url = &config.public_url;
    let written = url.origin().rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = written.unwrap_or(if url.is_https() { 443 } else { 80 });
    let network = &config.network;
    let terminates = network.tls.is_some() || !url.is_https();
    let is_direct = terminates && network.trusted_proxies.is_empty() && network.plain_http.is_none();
    let is_ours = |address: &SocketAddr| [0, port].contains(&address.port());
    if is_direct && !network.listen.iter().any(is_ours) {
        return warn(format!(
            "clients connect to port {port} of {}, but no address in `network.listen` has that port and no proxy is configured: correct one of them, unless something forwards the port",
            url.as_str()
        ));
    }
    let host = url.host().trim_matches(['[', ']']);
    let known = in_time(async {
        let found = tokio::net::lookup_host((host, port)).await;
        found.map(drop).map_err(|error| error.to_string())
    });
    match known.await {
        Ok(()) => ok(format!("{host} is known, and its port fits")),
        Err(problem) => warn(format!(
            "{host} is unknown on this machine ({problem}): create its DNS record, or correct `public_url`"
        )),
    }
}
