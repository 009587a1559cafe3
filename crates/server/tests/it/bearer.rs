//! The service's own endpoints that take a bearer token: `GET /api-key` for any platform token of a
//! key, `GET /api-keys` for a management token.

use serde_json::{Value, json};
use tm_auth_server::signing_keys::key_ring::KeyRing;

use crate::support::{Answer, TestKey, TestServer, jwt};

const PLATFORM: &str = "/api-key";
const MANAGEMENT: &str = "/api-keys";
const AT: &str = "at+jwt";

/// A service, a key, and the claims of a valid token for each endpoint.
struct Bench {
    server: TestServer,
    ring: KeyRing,
    key: TestKey,
    refresh_token: String,
    platform: Value,
    management: Value,
}

impl Bench {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let key = server.key().await;
        let tokens = server.mint(&key).await;
        let management = server.management_token(&key.account).await;
        Self {
            ring: server.signing_keys().ring().await.unwrap(),
            platform: jwt::payload(&tokens.access_token),
            management: jwt::payload(&management),
            refresh_token: tokens.refresh_token,
            server,
            key,
        }
    }

    /// A token signed with the service's key, so that only the change of `edit` can be wrong.
    fn signed(&self, typ: &str, claims: &Value, edit: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims.clone();
        edit(&mut claims);
        self.ring.signing().sign_jws(typ, claims.to_string().as_bytes())
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.server.get_with(path, token).await
    }

    async fn assert_refused(&self, path: &str, token: &str) {
        let answer = self.get(path, token).await;
        answer.assert_error(401, "invalid_token");
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer error="invalid_token""#
        );
    }

    async fn assert_accepted(&self, path: &str, token: &str) {
        let answer = self.get(path, token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn both(&self) -> [(&'static str, &Value); 2] {
        [(PLATFORM, &self.platform), (MANAGEMENT, &self.management)]
    }
}

fn remove(claims: &mut Value, name: &str) {
    claims.as_object_mut().unwrap().remove(name).unwrap();
}

#[tokio::test]
async fn a09_no_other_kind_of_token_is_an_access_token() {
    let bench = Bench::new().await;
    let list = bench.server.get("/revocations").await.text;
    for (path, claims) in bench.both() {
        bench
            .assert_accepted(path, &bench.signed(AT, claims, |_| {}))
            .await;
        for typ in [
            "rt+jwt",
            "revocations+jwt",
            "JWT",
            "id_token",
            "at+JWT",
            "jwt",
            "",
        ] {
            bench
                .assert_refused(path, &bench.signed(typ, claims, |_| {}))
                .await;
        }
        bench.assert_refused(path, &bench.refresh_token).await;
        bench.assert_refused(path, &list).await;
        // The right type, but signed with the MAC key of refresh tokens.
        let under_mac = bench.ring.mac().sign_jws(AT, claims.to_string().as_bytes());
        bench.assert_refused(path, &under_mac).await;
    }
}

#[tokio::test]
async fn a10_an_access_token_is_not_accepted_as_a_refresh_token() {
    let bench = Bench::new().await;
    for (_, claims) in bench.both() {
        for typ in [AT, "rt+jwt"] {
            let token = bench.signed(typ, claims, |_| {});
            let answer = bench.server.refresh(&token).await;
            answer.assert_error(401, "invalid_refresh_token");
        }
    }
    // The session of the access token stays valid.
    bench.server.refresh(&bench.refresh_token).await.refresh_token();
}

#[tokio::test]
async fn a11_the_audience_must_match_exactly() {
    let bench = Bench::new().await;
    for (path, claims) in bench.both() {
        let ours = claims["aud"].as_str().unwrap();
        let aud = |aud: Value| bench.signed(AT, claims, |claims| claims["aud"] = aud);
        for other in [
            json!("https://api.example.com"),
            json!(format!("{ours}/")),
            json!(ours[..ours.len() - 1]),
            json!(ours.to_uppercase()),
            json!(format!("x{ours}")),
            json!(format!("{ours} https://api.example.com")),
            json!(["https://api.example.com", ours[..ours.len() - 1]]),
            json!([]),
            json!([[ours]]),
            json!({ ours: true }),
            json!(""),
            json!(null),
            json!(7),
        ] {
            bench.assert_refused(path, &aud(other)).await;
        }
        let none = bench.signed(AT, claims, |claims| remove(claims, "aud"));
        bench.assert_refused(path, &none).await;
        bench.assert_accepted(path, &aud(json!([ours]))).await;
    }
    // The platform accepts its audience among others. Managing credentials needs it alone.
    let platform = bench.platform["aud"].clone();
    let among = |ours: &Value| json!(["https://api.example.com", ours]);
    let token = bench.signed(AT, &bench.platform, |claims| claims["aud"] = among(&platform));
    bench.assert_accepted(PLATFORM, &token).await;
    let token = bench.signed(AT, &bench.management, |claims| {
        claims["aud"] = among(&claims["aud"].clone());
    });
    bench.assert_refused(MANAGEMENT, &token).await;
    // Neither audience is accepted in place of the other.
    let token = bench.signed(AT, &bench.management, |claims| {
        claims["client_id"] = json!(bench.key.id());
    });
    bench.assert_refused(PLATFORM, &token).await;
    let both = json!([bench.server.issuer(), platform]);
    for aud in [platform, both] {
        let token = bench.signed(AT, &bench.management, |claims| claims["aud"] = aud);
        let answer = bench.get(MANAGEMENT, &token).await;
        answer.assert_error(403, "management_token_required");
    }
}

#[tokio::test]
async fn a12_the_issuer_must_match_byte_for_byte() {
    let bench = Bench::new().await;
    for (path, claims) in bench.both() {
        let ours = bench.server.issuer();
        for other in [
            json!(format!("{ours}/")),
            json!(ours.to_uppercase()),
            json!(ours.replace("http://", "https://")),
            json!(ours.replace("localhost", "127.0.0.1")),
            json!(ours.replace("/v1/auth", "")),
            json!(format!("{ours}#")),
            json!([ours]),
            json!(""),
            json!(null),
        ] {
            let token = bench.signed(AT, claims, |claims| claims["iss"] = other);
            bench.assert_refused(path, &token).await;
        }
        let none = bench.signed(AT, claims, |claims| remove(claims, "iss"));
        bench.assert_refused(path, &none).await;
    }
}

#[tokio::test]
async fn r56_several_spaces_may_follow_the_scheme() {
    let bench = Bench::new().await;
    for (path, claims) in bench.both() {
        let token = bench.signed(AT, claims, |_| {});
        for (value, status) in [
            (format!("Bearer  {token}"), 200),
            (format!("bearer    {token} "), 200),
            (format!("Bearer\t{token}"), 401),
            (format!("Bearer {token} {token}"), 401),
            ("Bearer  ".to_owned(), 401),
        ] {
            let request = bench.server.http.get(bench.server.url(path));
            let request = request.header("authorization", &value);
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, status, "{value}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a20_all_refusals_of_a_token_look_the_same() {
    let bench = Bench::new().await;
    let revoked = bench.server.key_of(&bench.key.account).await;
    let revoked_token = bench.server.mint(&revoked).await.access_token;
    let path = format!("/api-keys/{}", revoked.id());
    bench
        .server
        .manage(&revoked.account, reqwest::Method::DELETE, &path, None)
        .await;
    let now = bench.server.now().as_second();
    let mut bodies = std::collections::BTreeSet::new();
    for (path, claims) in bench.both() {
        let good = bench.signed(AT, claims, |_| {});
        let (input, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        let refused = [
            "junk".to_owned(),
            "a.b.c".to_owned(),
            format!("{input}."),
            format!("{header}.{payload}.{payload}.{payload}.{signature}"),
            format!("{good}="),
            "a".repeat(9000),
            jwt::with_payload(&good, &json!({})),
            good.replacen("ey", "ez", 1),
            bench.signed("JWT", claims, |_| {}),
            bench.signed(AT, claims, |claims| claims["exp"] = json!(now - 11)),
            bench.signed(AT, claims, |claims| claims["exp"] = json!("soon")),
            bench.signed(AT, claims, |claims| claims["iat"] = json!(now + 61)),
            bench.signed(AT, claims, |claims| claims["nbf"] = json!(now + 61)),
            bench.signed(AT, claims, |claims| claims["iss"] = json!("https://example.com")),
            bench.signed(AT, claims, |claims| claims["aud"] = json!("https://example.com")),
            bench.signed(AT, claims, |claims| claims["env"] = json!("production")),
            bench.signed(AT, claims, |claims| remove(claims, "jti")),
            bench.refresh_token.clone(),
            revoked_token.clone(),
        ];
        for token in refused {
            let answer = bench.get(path, &token).await;
            answer.assert_error(401, "invalid_token");
            let request_id = answer.header("x-request-id").to_owned();
            bodies.insert(answer.text.replace(&request_id, ""));
            let mut headers = answer.comparable().1;
            headers.retain(|(name, _)| name != "content-length");
            bodies.insert(format!("{headers:?}"));
        }
    }
    // All refusals have the same body and the same headers.
    assert_eq!(bodies.len(), 2, "{bodies:#?}");
}
