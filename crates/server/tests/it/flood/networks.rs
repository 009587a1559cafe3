//! Floods from one IPv6 /64, one IPv4 address, one IPv6 /48, and from everywhere.

use std::cell::Cell;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_proto::{Environment, KeyId};
use tm_auth_server::random;

use super::super::passkeys::SIGN_UP;
use super::Levels;
use super::parties::{Limit, in_another_site, in_one_network, in_one_site, start_with, start_with_mail};
use crate::support::authenticator::Authenticator;
use crate::support::{Answer, TestKey, TestServer, at_once};

const LEVELS: Levels = &["network", "site", "all"];

/// A /48 has this many times the budget of a network.
const SITE_SHARE: usize = 4;

/// Beyond the total, a site has this part of its own budget.
const FAIR_PART: usize = 8;

/// A budget of networks.
struct NetworkFlood<'a> {
    server: &'a TestServer,
    of_network: Limit,
    /// The limit of all networks together.
    total: usize,
    /// The time in which a budget recovers.
    period: SignedDuration,
}

impl NetworkFlood<'_> {
    async fn run(&self, send: impl AsyncFn(String) -> Answer) -> Levels {
        self.flood_network(&send).await;
        self.recover();
        self.flood_site(&send).await;
        self.recover();
        self.flood_all(&send).await;
        LEVELS
    }

    fn recover(&self) {
        self.server.clock.advance(self.period);
    }

    async fn flood_network(&self, send: &impl AsyncFn(String) -> Answer) {
        let limit = self.of_network;
        limit.flood(in_one_network, send).await;
        limit.assert_served(&send(in_one_site(0)).await);
        limit.flood(|_| "192.0.2.1".to_owned(), send).await;
        // The same address, mapped into IPv6 and behind NAT64.
        limit.assert_refused(&send("::ffff:192.0.2.1".to_owned()).await);
        limit.assert_refused(&send("64:ff9b::192.0.2.1".to_owned()).await);
        limit.assert_served(&send("192.0.2.2".to_owned()).await);
        limit.assert_served(&send("64:ff9b::192.0.2.3".to_owned()).await);
    }

    async fn flood_site(&self, send: &impl AsyncFn(String) -> Answer) {
        let limit = Limit {
            requests: self.of_network.requests * SITE_SHARE,
            ..self.of_network
        };
        limit.flood(in_one_site, send).await;
        limit.assert_served(&send(in_another_site(0)).await);
        limit.assert_served(&send("192.0.2.1".to_owned()).await);
    }

    /// Sites that each use a quarter of their own budget use up the total.
    async fn flood_all(&self, send: &impl AsyncFn(String) -> Answer) {
        let limit = self.of_network;
        assert_eq!(self.total % limit.requests, 0);
        let sites = self.total / limit.requests;
        for site in 0..sites {
            let requests = (0..limit.requests).map(|_| send(in_another_site(site)));
            for answer in at_once(requests).await {
                limit.assert_served(&answer);
            }
        }
        // Another network of a site that has used more than an eighth.
        limit.assert_refused(&send("2001:db8:10:9::1".to_owned()).await);
        let eighth = Limit {
            requests: limit.requests * SITE_SHARE / FAIR_PART,
            ..limit
        };
        for site in [sites, sites + 1] {
            eighth.flood(|_| in_another_site(site), send).await;
        }
        eighth.flood(|_| "192.0.2.1".to_owned(), send).await;
    }
}

pub(super) async fn requests() -> Levels {
    // A sixth of them is admitted at once.
    let server = start_with(|config| config.limits.requests_per_network_per_minute = 24).await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(4, 200),
        total: 400,
        period: SignedDuration::from_mins(1),
    };
    let sent = Cell::new(0);
    let levels = flood
        .run(async |from: String| {
            let paths = ["/revocations", "/.well-known/jwks.json", "/openapi.yaml"];
            server
                .get_from(&from, paths[sent.replace(sent.get() + 1) % paths.len()])
                .await
        })
        .await;
    // What bots and load balancers need is served from a network that used up its budget.
    server
        .get_from("192.0.2.1", "/revocations")
        .await
        .assert_error(429, "rate_limited");
    assert_eq!(server.get_from("192.0.2.1", "/health/live").await.status, 200);
    levels
}

pub(super) async fn failures() -> Levels {
    let server = start_with(|config| config.limits.failures_per_network_per_minute = 4).await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let stranger = TestKey::unregistered(&key.account);
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(4, 401),
        total: 400,
        period: SignedDuration::from_mins(1),
    };
    let sent = Cell::new(0);
    let levels = flood
        .run(async |from: String| {
            if sent.replace(sent.get() + 1) % 2 == 0 {
                let guess = json!({
                    "key_id": KeyId::generate(Environment::Uat, random::bytes()),
                    "timestamp": server.now().as_second(),
                    "signature": stranger.sign("a guess"),
                });
                server.post_from(&from, "/api-key/token", &guess).await
            } else {
                let body = json!({ "refresh_token": "e30.e30.AAAA" });
                server.post_from(&from, "/token/refresh", &body).await
            }
        })
        .await;
    // Bots behind a network that used up its failures.
    let challenge = key.challenge(server.now());
    let minted = server.post_from("192.0.2.1", "/api-key/token", &challenge);
    assert_eq!(minted.await.status, 200);
    let body = json!({ "refresh_token": tokens.refresh_token });
    let refreshed = server.post_from("192.0.2.1", "/token/refresh", &body);
    assert_eq!(refreshed.await.status, 200);
    levels
}

pub(super) async fn ceremonies() -> Levels {
    let server = start_with(|config| config.limits.ceremonies_per_minute = 600).await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(120, 200),
        total: 600,
        period: SignedDuration::from_mins(1),
    };
    flood
        .run(async |from: String| {
            let mut visitor = server.visitor_at(&from);
            visitor
                .call(Method::POST, "/passkeys/sign-in/options", None)
                .await
        })
        .await
}

pub(super) async fn passkey_failures() -> Levels {
    let server = start_with(|_| {}).await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(30, 400),
        total: 3_000,
        period: SignedDuration::from_mins(5),
    };
    // The answer to a challenge that the service has not sent.
    let options = json!({ "publicKey": { "challenge": "AAAA", "rpId": "localhost" } });
    let answer: Value = Authenticator::new()
        .get(&options, &server.origin)
        .answer_with(b"guess");
    flood
        .run(async |from: String| {
            let mut visitor = server.visitor_at(&from);
            visitor
                .call(Method::POST, "/passkeys/sign-in", Some(&answer))
                .await
        })
        .await
}

pub(super) async fn sign_ups() -> Levels {
    let server = start_with(|config| config.limits.sign_ups_per_hour = 100).await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(20, 201),
        total: 100,
        period: SignedDuration::from_hours(1),
    };
    flood
        .run(async |from: String| {
            let mut visitor = server.visitor_at(&from);
            visitor
                .create(SIGN_UP, &mut Authenticator::new(), &server.origin)
                .await
        })
        .await
}

pub(super) async fn codes() -> Levels {
    let (server, _smtp) = start_with_mail(|config| {
        config.limits.codes_per_network_per_hour = 4;
        config.limits.codes_per_hour = 24;
    })
    .await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(4, 200),
        total: 24,
        period: SignedDuration::from_hours(1),
    };
    let sent = Cell::new(0);
    flood
        .run(async |from: String| {
            let body = json!({ "email": format!("user{}@example.com", sent.replace(sent.get() + 1)) });
            server.post_from(&from, "/email/otc", &body).await
        })
        .await
}

pub(super) async fn wrong_codes() -> Levels {
    let server = start_with(|config| config.limits.wrong_codes_per_network_per_5_minutes = 4).await;
    let flood = NetworkFlood {
        server: &server,
        of_network: Limit::rate(4, 401),
        total: 400,
        period: SignedDuration::from_mins(5),
    };
    let sent = Cell::new(0);
    flood
        .run(async |from: String| {
            let email = format!("user{}@example.com", sent.replace(sent.get() + 1));
            let body = json!({ "email": email, "code": "12345678" });
            server.post_from(&from, "/email/otc/verify", &body).await
        })
        .await
}
