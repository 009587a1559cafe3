//! Production and UAT side by side in the worst case: with the same key-encryption key and the same
//! key pair registered in both.

use serde_json::json;
use tm_auth_core::Account;
use tm_auth_proto::{Environment, TokenResponse};

use crate::support::{TestKey, TestServer, jwt};

struct Deployment {
    server: TestServer,
    key: TestKey,
    tokens: TokenResponse,
    management: String,
}

impl Deployment {
    async fn start(environment: Environment) -> Self {
        let server = TestServer::start_with(|config| {
            config.environment = environment;
            if environment == Environment::Production {
                // Behind a proxy that terminates TLS.
                config.public_url = "https://auth.example.com/v1/auth".parse().unwrap();
            }
        })
        .await;
        let key = server.key().await;
        Self {
            tokens: server.mint(&key).await,
            management: server.management_token(&key.account).await,
            key,
            server,
        }
    }

    /// Presents every credential of the other deployment to this one.
    async fn refuses(&self, theirs: &Self) {
        let here = &self.server;
        for token in [&theirs.tokens.access_token, &theirs.management] {
            for path in ["/api-key", "/api-keys"] {
                here.get_with(path, token)
                    .await
                    .assert_error(401, "invalid_token");
            }
        }
        let url = theirs.server.config.environment.public_base_url();
        let refused = [
            here.refresh(&theirs.tokens.refresh_token).await,
            here.post("/api-key/token", &theirs.key.challenge(here.now()))
                .await,
        ];
        for answer in refused {
            answer.assert_error(401, "wrong_environment");
            assert!(
                answer.body["message"].as_str().unwrap().contains(url),
                "{answer:?}"
            );
        }
        // Revocation answers 200 for every token. `goes_on` checks that the session stays valid.
        let body = json!({ "refresh_token": theirs.tokens.refresh_token });
        assert_eq!(here.post("/token/revoke", &body).await.status, 200);
        // A registration proof names the issuer that it is for.
        let account = here.account().await;
        let elsewhere = TestKey::unregistered(&account).registration(theirs.server.issuer(), here.now());
        let answer = register(here, &account, elsewhere).await;
        answer.assert_error(400, "invalid_proof");
    }

    async fn goes_on(&self) {
        let answer = self.server.get_with("/api-key", &self.tokens.access_token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.server
            .refresh(&self.tokens.refresh_token)
            .await
            .refresh_token();
    }
}

async fn register(server: &TestServer, account: &Account, body: serde_json::Value) -> crate::support::Answer {
    server
        .manage(account, reqwest::Method::POST, "/api-keys", Some(body))
        .await
}

#[tokio::test]
async fn a12_e12_each_environment_refuses_the_others_tokens_refresh_tokens_and_keys() {
    let production = Deployment::start(Environment::Production).await;
    let uat = Deployment::start(Environment::Uat).await;
    let claims = |deployment: &Deployment| jwt::payload(&deployment.tokens.access_token);
    assert_eq!(claims(&production)["env"], "production");
    assert_eq!(claims(&production)["iss"], "https://auth.example.com/v1/auth");
    assert_eq!(claims(&production)["aud"], "https://auth.example.com");
    assert_eq!(claims(&uat)["env"], "uat");
    production.refuses(&uat).await;
    uat.refuses(&production).await;
    production.goes_on().await;
    uat.goes_on().await;
}

#[tokio::test]
async fn a12_e12_a_key_pair_of_both_environments_cannot_be_used_across_them() {
    let production = Deployment::start(Environment::Production).await;
    let uat = Deployment::start(Environment::Uat).await;
    // The pair of the production key, registered by an account of UAT.
    let account = uat.server.account().await;
    let pair = production.key.owned_by(&account);
    let body = pair.registration(uat.server.issuer(), uat.server.now());
    let answer = register(&uat.server, &account, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let twin = pair.registered(answer.body["key_id"].as_str().unwrap().parse().unwrap());
    uat.server.mint(&twin).await;
    production
        .server
        .post("/api-key/token", &twin.challenge(production.server.now()))
        .await
        .assert_error(401, "wrong_environment");
}

#[tokio::test]
async fn a12_e12_a_database_belongs_to_one_environment() {
    let uat = TestServer::start().await;
    let error = uat
        .store
        .bind_environment(Environment::Production)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("belongs to the uat environment"),
        "{error}"
    );
}
