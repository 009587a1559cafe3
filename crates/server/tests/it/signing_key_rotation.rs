//! Rotation under load, seen by a resource server with a third-party library. The server keeps each
//! JWKS for its full `max-age` and does not fetch it again for an unknown key.
//!
//! 1. Three nodes serve one database. Time advances in steps. At each step the verifiers fetch the
//!    JWKS from every node, due rotations happen, and all nodes mint and refresh. The nodes also
//!    mint and refresh while they learn of a rotation.
//! 2. Each new token must verify with every copy that is at most 300 s old. Each unexpired old
//!    token must verify with the newest copy.

use std::collections::{BTreeMap, BTreeSet};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::{TestKey, TestServer, at_once, eventually, jwt};

const JWKS: &str = "/.well-known/jwks.json";
const MAX_AGE: i64 = 300;
const TOKEN_LIFE: i64 = 3600;
const PUBLISH_BEFORE: i64 = 24 * 3600;
/// The clock skew that verifiers tolerate, in seconds.
const LEEWAY: i64 = 60;
/// Seconds between steps. Short ones let copies of various ages meet a rotation.
const STEPS: [i64; 5] = [100, 200, 290, 3410, 17_593];
const CYCLES: usize = 25;

struct Platform {
    nodes: Vec<TestServer>,
    key: TestKey,
    copies: Vec<(i64, JwkSet)>,
    tokens: Vec<String>,
    published: BTreeMap<String, i64>,
    first_use: BTreeMap<String, i64>,
    last_use: BTreeMap<String, i64>,
    gone: BTreeMap<String, i64>,
    verified: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_third_party_verifiers_accept_all_tokens_during_rotations_under_load() {
    let mut platform = Platform::start().await;
    let begin = platform.now();
    for wait in STEPS.repeat(CYCLES) {
        platform.nodes[0].advance(wait);
        platform.fetch().await;
        platform.maintain().await;
        platform.issue().await;
        platform.verify_old_tokens();
    }
    let signed: BTreeSet<_> = platform.first_use.keys().collect();
    println!(
        "{} verifications, 0 failures, over {} days and {} signing keys",
        platform.verified,
        (platform.now() - begin) / 86_400,
        signed.len()
    );
    assert!(signed.len() >= 4, "at least three rotations");
    for (kid, used) in &platform.first_use {
        // The first key may sign at once, since no verifier has cached an older set.
        assert!(
            *used == begin || used - platform.published[kid] >= PUBLISH_BEFORE,
            "{kid}"
        );
    }
    assert!(platform.gone.len() >= 2, "retired keys leave the JWKS");
    for (kid, gone) in &platform.gone {
        assert!(gone - platform.last_use[kid] >= TOKEN_LIFE + LEEWAY, "{kid}");
    }
}

impl Platform {
    async fn start() -> Self {
        let first = TestServer::start_with(|config| {
            config.signing_keys.rotate_days = 2;
            config.limits.mints_per_key_per_minute = 60_000;
        })
        .await;
        let key = first.key().await;
        let nodes = vec![first.another_node().await, first.another_node().await, first];
        let mut platform = Self {
            nodes,
            key,
            copies: Vec::new(),
            tokens: Vec::new(),
            published: BTreeMap::new(),
            first_use: BTreeMap::new(),
            last_use: BTreeMap::new(),
            gone: BTreeMap::new(),
            verified: 0,
        };
        platform.fetch().await;
        platform.issue().await;
        platform
    }

    fn now(&self) -> i64 {
        self.nodes[0].now().as_second()
    }

    /// A verifier of each node fetches a new copy.
    async fn fetch(&mut self) {
        let now = self.now();
        self.copies.retain(|(fetched, _)| now - fetched <= MAX_AGE);
        let mut newest = BTreeSet::new();
        for answer in at_once(self.nodes.iter().map(|node| node.get(JWKS))).await {
            let set: JwkSet = serde_json::from_str(&answer.text).unwrap();
            newest.extend(set.keys.iter().map(|jwk| jwk.common.key_id.clone().unwrap()));
            self.copies.push((now, set));
        }
        for kid in &newest {
            self.published.entry(kid.clone()).or_insert(now);
        }
        for kid in self.published.keys().filter(|kid| !newest.contains(*kid)) {
            self.gone.entry(kid.clone()).or_insert(now);
        }
    }

    /// Does due rotations like a node. The load continues until all nodes have learnt of them.
    async fn maintain(&mut self) {
        let node = &self.nodes[0];
        if !node.signing_keys().maintain(node.now()).await.unwrap() {
            return;
        }
        let ring = node.signing_keys().ring().await.unwrap();
        let (_, etag) = ring.jwks();
        while !self.all_serve(etag).await {
            self.issue().await;
        }
        self.fetch().await;
    }

    async fn all_serve(&self, etag: &str) -> bool {
        let answers = at_once(self.nodes.iter().map(|node| node.get(JWKS))).await;
        answers.iter().all(|answer| answer.header("etag") == etag)
    }

    /// All nodes mint and refresh concurrently. Every verifier must accept the issued tokens.
    async fn issue(&mut self) {
        let key = &self.key;
        let pairs = self.nodes.iter().map(async |node| {
            let minted = node.mint(key).await;
            let refreshed = node.refresh(&minted.refresh_token).await.access_token();
            [minted.access_token, refreshed]
        });
        for token in at_once(pairs).await.into_iter().flatten() {
            for (_, copy) in &self.copies {
                self.verify(copy, &token);
            }
            self.verified += self.copies.len();
            let (kid, now) = (
                jwt::header(&token)["kid"].as_str().unwrap().to_owned(),
                self.now(),
            );
            self.first_use.entry(kid.clone()).or_insert(now);
            self.last_use.insert(kid, now);
            self.tokens.push(token);
        }
    }

    fn verify_old_tokens(&mut self) {
        let now = self.now();
        self.tokens
            .retain(|token| jwt::payload(token)["exp"].as_i64().unwrap() > now);
        let (_, newest) = self.copies.last().unwrap();
        self.tokens.iter().for_each(|token| self.verify(newest, token));
        self.verified += self.tokens.len();
    }

    fn verify(&self, copy: &JwkSet, token: &str) {
        let header = decode_header(token).unwrap();
        let jwk = copy.find(&header.kid.unwrap()).expect("the verifier has the key");
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[self.nodes[0].issuer()]);
        validation.set_audience(&[self.nodes[0].config.audience()]);
        // The library uses the system clock, not the clock of this test.
        validation.validate_exp = false;
        decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
    }
}

#[tokio::test]
async fn b02_a_forced_rotation_is_refused_until_verifiers_have_the_next_key() {
    let server = TestServer::start().await;
    let keys = server.signing_keys();
    let error = keys.rotate(server.now()).await.unwrap_err();
    assert!(
        error.to_string().contains("published a short while ago"),
        "{error}"
    );
    server.advance(PUBLISH_BEFORE - 1);
    keys.rotate(server.now()).await.unwrap_err();
    server.advance(1);
    let before = server.get(JWKS).await;
    keys.rotate(server.now()).await.unwrap();
    let after = eventually(async || {
        let after = server.get(JWKS).await;
        (after.text != before.text).then_some(after)
    })
    .await;
    // The former next key is first in the set, followed by a new next key and the old key.
    let kid = |set: &Value, index: usize| set["keys"][index]["kid"].clone();
    assert_eq!(kid(&after.body, 0), kid(&before.body, 1));
    assert_eq!(after.body["keys"].as_array().unwrap().len(), 3);
    assert!(after.text.contains(kid(&before.body, 0).as_str().unwrap()));
    let key = server.key().await;
    let token = server.mint(&key).await.access_token;
    assert_eq!(jwt::header(&token)["kid"], kid(&before.body, 1));
}
