//! The claims of every kind of access token that the service issues.

use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tm_auth_core::Account;
use tm_auth_core::user::{AuthMethod, Proof};
use tm_auth_proto::{AccountId, OrganizationId, SessionId};
use tm_auth_server::config::SigningAlgorithm;
use tm_auth_server::random;
use tm_auth_store::{AuditContext, NewAccount};
use tm_auth_verifier::{KeySet, Policy, check};

use crate::support::{TestServer, jwt};

const CLAIMS: [&str; 13] = [
    "aud",
    "auth_time",
    "client_id",
    "env",
    "exp",
    "iat",
    "iss",
    "jti",
    "scope",
    "sid",
    "sub",
    "tm",
    "uid",
];

/// An account with an e-mail address of the maximum length.
async fn account(server: &TestServer) -> Account {
    let local = "a".repeat(64);
    let domain = format!("{0}.{0}.{1}.example", "b".repeat(63), "c".repeat(53));
    let email = format!("{local}@{domain}");
    assert_eq!(email.len(), 254);
    let uuid = || uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    let new = NewAccount {
        uid: AccountId(uuid()),
        organization_id: OrganizationId(uuid()),
        email: Some(email.parse().unwrap()),
        created_at: server.now(),
    };
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .create_account(new, &audit_context)
        .await
        .unwrap()
        .unwrap()
}

async fn hold_for(algorithm: SigningAlgorithm) {
    let server = TestServer::start_with(|config| config.tokens.algorithm = algorithm).await;
    let account = account(&server).await;
    let key = server.key_of(&account).await;
    let jwks = server.get("/.well-known/jwks.json").await;
    let keys = KeySet::from_json(jwks.text.as_bytes()).unwrap();

    let minted = server.mint(&key).await;
    server.advance(100);
    let refreshed = server.refresh(&minted.refresh_token).await;
    // This key expires before a token's normal lifetime ends.
    let ending = server.key_of(&account).await;
    let end = server.now() + SignedDuration::from_secs(1000);
    let path = format!("/api-keys/{}", ending.id());
    let body = json!({ "expires_at": end, "scopes": ["read"] });
    let patched = server
        .manage(&account, reqwest::Method::PATCH, &path, Some(body))
        .await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let ending_minted = server.mint(&ending).await;
    server.advance(100);
    let ending_refreshed = server.refresh(&ending_minted.refresh_token).await;
    let said = |text: &serde_json::Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
    let platform = server.config.audience();
    let issued = [
        (minted.access_token, Some(minted.expires_in), 3600, platform),
        (
            refreshed.access_token(),
            Some(said(&refreshed.body["expires_in"])),
            3600,
            platform,
        ),
        (ending_minted.access_token, Some(end), 1000, platform),
        (
            ending_refreshed.access_token(),
            Some(said(&ending_refreshed.body["expires_in"])),
            900,
            platform,
        ),
        (
            server.management_token(&account).await,
            None,
            300,
            server.issuer(),
        ),
    ];

    let mut jtis = HashSet::new();
    for (token, expires_in, life, audience) in issued {
        assert!(token.len() <= 1536, "{} bytes", token.len());
        let header = jwt::header(&token);
        assert_eq!(
            (&header["alg"], &header["typ"]),
            (&json!(algorithm.as_str()), &json!("at+jwt"))
        );
        assert!(keys.contains(header["kid"].as_str().unwrap()));
        assert_eq!(header.as_object().unwrap().len(), 3);
        let policy = Policy::new(server.issuer(), audience)
            .sole_audience()
            .environment(server.config.environment);
        let claims = check(&token, &keys, &policy, server.now()).unwrap();
        assert_eq!(claims.exp - claims.iat, life);
        if let Some(expires_in) = expires_in {
            assert_eq!(claims.exp, expires_in.as_second());
        }
        assert!(jtis.insert(claims.jti));
        assert_eq!(
            (claims.uid, Some(claims.sub.as_str())),
            (account.uid, account.email.as_deref())
        );

        let claims = jwt::payload(&token);
        let mut members: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        // `amr` has the login method of a user. A key's token has none.
        assert_eq!(members.remove("amr"), audience == server.issuer());
        assert_eq!(members, CLAIMS.into());
        // No claim other than `sub` has a part of the address, and none has the label.
        let mut rest = claims;
        rest["sub"] = json!(null);
        let (rest, local) = (rest.to_string(), "a".repeat(64));
        assert!(
            !rest.contains(&local) && !rest.contains("@") && !rest.contains("bot"),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn a19_every_access_token_has_the_required_claims_rs256() {
    hold_for(SigningAlgorithm::RS256).await;
}

#[tokio::test]
async fn a19_every_access_token_has_the_required_claims_es256() {
    hold_for(SigningAlgorithm::ES256).await;
}

#[tokio::test]
async fn a19_every_access_token_has_the_required_claims_eddsa() {
    hold_for(SigningAlgorithm::EdDSA).await;
}

#[tokio::test]
async fn a19_token_ids_are_unique() {
    let server = TestServer::start().await;
    let (account, issuer) = (server.account().await, server.token_issuer());
    let (sid, now) = (SessionId(uuid::Uuid::nil()), server.now());
    let proof = Proof {
        method: AuthMethod::Passkey,
        at: now,
    };
    let jti = || {
        issuer
            .management_claims(&account, sid, proof, random::bytes(), now)
            .jti
    };
    let jtis: HashSet<String> = std::iter::repeat_with(jti).take(100_000).collect();
    assert_eq!(jtis.len(), 100_000);
}
