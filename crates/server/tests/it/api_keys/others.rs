//! Another account's key is not found, like one that does not exist.

use reqwest::Method;
use serde_json::json;
use tm_auth_proto::{Environment, KeyId};
use tm_auth_server::random;

use super::{PATH, path_of};
use crate::support::{Answer, TestKey, TestServer};

#[tokio::test]
async fn c11_another_accounts_key_is_not_found_by_any_method() {
    let server = TestServer::start().await;
    let (theirs, mine) = (server.key().await, server.key().await);
    let trail = async || {
        server
            .store
            .audit_trail(Some(theirs.account.uid), 100)
            .await
            .unwrap()
            .len()
    };
    let before = trail().await;
    let unknown = KeyId::generate(Environment::Uat, random::bytes());
    let mut answers = Vec::new();
    let paths = [
        path_of(&theirs),
        format!("{PATH}/{unknown}"),
        format!("{PATH}/x"),
        format!("{PATH}/%ff"),
    ];
    for path in &paths {
        for (method, body) in [
            (Method::GET, None),
            (Method::PATCH, Some(json!({ "label": "mine" }))),
            (Method::DELETE, None),
        ] {
            let answer = server.manage(&mine.account, method, path, body).await;
            answer.assert_error(404, "key_not_found");
            answers.push(answer.comparable());
        }
        let head = server.manage(&mine.account, Method::HEAD, path, None).await;
        assert_eq!((head.status, head.text.as_str()), (404, ""));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(trail().await, before);
    server.mint(&theirs).await;
    let listed = server.manage(&mine.account, Method::GET, PATH, None).await;
    assert_eq!(listed.body["keys"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["keys"][0]["key_id"], mine.id().to_string());
}

#[tokio::test]
async fn c11_a_method_override_is_ignored() {
    let server = TestServer::start().await;
    let (theirs, mine) = (server.key().await, server.key().await);
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        for (key, method, status) in [
            (&theirs, Method::GET, 404),
            (&theirs, Method::POST, 405),
            (&mine, Method::GET, 200),
            (&mine, Method::POST, 405),
        ] {
            let token = server.management_token(&mine.account).await;
            let url = server.url(&format!("{}?_method=DELETE", path_of(key)));
            let request = server
                .http
                .request(method, url)
                .bearer_auth(token)
                .header(header, "DELETE");
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 405 {
                answer.assert_error(405, "method_not_allowed");
                let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
                allowed.sort_unstable();
                assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PATCH"]);
            }
        }
    }
    server.mint(&theirs).await;
    server.mint(&mine).await;
}

#[tokio::test]
async fn c11_authentication_comes_before_the_look_up_of_the_key() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for path in [path_of(&key), format!("{PATH}/x"), format!("{PATH}/%ff")] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let request = server.http.request(method, server.url(&path));
            let answer = Answer::of(request.send().await.unwrap()).await;
            answer.assert_error(401, "missing_token");
        }
    }
    let registration = TestKey::unregistered(&key.account).registration(server.issuer(), server.now());
    server
        .post(PATH, &registration)
        .await
        .assert_error(401, "missing_token");
    // The token counts only in one header, with the scheme `Bearer`.
    let token = server.management_token(&key.account).await;
    for (values, code) in [
        (vec![format!("Basic {token}")], "missing_token"),
        (vec![format!("Bearer  {token}")], "ok"),
        (vec![format!("Bearer {token} ")], "ok"),
        (vec![format!("bearer {token}")], "ok"),
        (
            vec![format!("Bearer {token}"), format!("Bearer {token}")],
            "invalid_token",
        ),
        (vec![format!("Bearer {token}, Bearer {token}")], "invalid_token"),
        (vec!["Bearer".to_owned()], "invalid_token"),
        (vec![token.clone()], "invalid_token"),
    ] {
        let mut request = server.http.get(server.url(PATH));
        for value in &values {
            request = request.header("authorization", value);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        if code == "ok" {
            assert_eq!(answer.status, 200, "{values:?}: {answer:?}");
        } else {
            answer.assert_error(401, code);
        }
    }
}
