//! Login: the new session, and the single use of challenges.

use reqwest::Method;
use serde_json::json;
use tm_auth_core::user::AuthMethod;

use super::{ADD, SIGN_IN, SIGN_UP, STEP_UP};
use crate::support::authenticator::{Authenticator, base64, bend, unbase64};
use crate::support::{TestServer, at_once};

#[tokio::test]
async fn g01_a_passkey_logs_its_owner_in_in_any_browser() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::device_bound();
    let (account, _) = server.signed_up(&mut authenticator).await;
    server.advance(60);
    let mut visitor = server.visitor();
    let answer = visitor
        .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        json!({ "recovery_cancelled": false, "passkey_suspect": false })
    );
    assert_eq!(server.account_of(&visitor).await, account);
    let (session, _) = server
        .store
        .user_session(visitor.sid().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.proof.method, AuthMethod::Passkey);
    assert_eq!(session.proof.at, server.now());
    let kept = server.passkey(&authenticator).await.unwrap();
    assert_eq!((kept.counter, kept.last_used_at), (2, Some(server.now())));
}

#[tokio::test]
async fn g02_a_challenge_is_used_up_even_if_the_answer_is_refused() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();

    let options = visitor.begin(SIGN_IN).await;
    let answer = authenticator.get(&options, &server.origin).answer(&authenticator);
    assert_eq!(visitor.finish(SIGN_IN, &answer).await.status, 200);
    visitor
        .finish(SIGN_IN, &answer)
        .await
        .assert_invalid("ceremony_over", "credential");

    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_IN).await;
    let used = authenticator.get(&options, &server.origin);
    visitor
        .finish(SIGN_IN, &used.answer_with(b"no signature"))
        .await
        .assert_invalid("passkey_refused", "credential");
    let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
    answer.assert_invalid("ceremony_over", "credential");

    let options = visitor.begin(SIGN_IN).await;
    let answer = authenticator.get(&options, &server.origin).answer(&authenticator);
    let copies: Vec<_> = (0..16).map(|_| visitor.clone()).collect();
    let answers = at_once(copies.into_iter().map(|mut copy| {
        let answer = &answer;
        async move { copy.finish(SIGN_IN, answer).await.status }
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1);
}

#[tokio::test]
async fn g02_a_challenge_is_bound_to_its_browser_and_purpose_and_expires() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (_, mut signed_in) = server.signed_up(&mut authenticator).await;

    // Challenges that were never issued, that differ in one bit, or that are too short.
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_IN).await;
    let challenge = unbase64(&options["publicKey"]["challenge"]);
    assert!(challenge.len() >= 16);
    let mut other = challenge.clone();
    other[31] ^= 1;
    for wrong in [vec![0; 32], other, challenge[..31].to_vec(), Vec::new()] {
        let mut used = authenticator.get(&options, &server.origin);
        bend(&mut used.client_data, &base64(&challenge), &base64(&wrong));
        let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    // From another browser, and from one without the cookie.
    let answer = authenticator.get(&options, &server.origin).answer(&authenticator);
    let mut elsewhere = server.visitor();
    elsewhere
        .finish(SIGN_IN, &answer)
        .await
        .assert_error(400, "ceremony_over");
    elsewhere.begin(SIGN_IN).await;
    elsewhere
        .finish(SIGN_IN, &answer)
        .await
        .assert_error(400, "ceremony_over");
    // None of these has taken the ceremony.
    assert_eq!(visitor.finish(SIGN_IN, &answer).await.status, 200);

    // A challenge for one purpose is refused for another.
    for (begun, brought) in [
        (SIGN_UP, SIGN_IN),
        (ADD, SIGN_IN),
        (STEP_UP, SIGN_IN),
        (SIGN_IN, STEP_UP),
    ] {
        let options = signed_in.begin(begun).await;
        let mut as_sign_in = server.visitor().begin(SIGN_IN).await;
        as_sign_in["publicKey"]["challenge"] = options["publicKey"]["challenge"].clone();
        let answer = authenticator
            .get(&as_sign_in, &server.origin)
            .answer(&authenticator);
        signed_in
            .finish(brought, &answer)
            .await
            .assert_error(400, "ceremony_over");
    }
    for (begun, brought) in [(SIGN_IN, SIGN_UP), (ADD, SIGN_UP), (SIGN_UP, ADD)] {
        let options = signed_in.begin(begun).await;
        let mut as_sign_up = server.visitor().begin(SIGN_UP).await;
        as_sign_up["publicKey"]["challenge"] = options["publicKey"]["challenge"].clone();
        let answer = Authenticator::new().create(&as_sign_up, &server.origin).answer();
        signed_in
            .finish(brought, &answer)
            .await
            .assert_error(400, "ceremony_over");
    }

    // A ceremony expires after five minutes.
    let mut visitor = server.visitor();
    for (seconds, status) in [(299, 200), (300, 400), (301, 400)] {
        let options = visitor.begin(SIGN_IN).await;
        let answer = authenticator.get(&options, &server.origin).answer(&authenticator);
        server.advance(seconds);
        assert_eq!(visitor.finish(SIGN_IN, &answer).await.status, status, "{seconds}");
    }
    for seconds in [300, 301] {
        let options = visitor.begin(SIGN_UP).await;
        let answer = Authenticator::new().create(&options, &server.origin).answer();
        server.advance(seconds);
        visitor
            .finish(SIGN_UP, &answer)
            .await
            .assert_error(400, "ceremony_over");
    }
}

#[tokio::test]
async fn g02_two_tabs_of_one_browser_run_ceremonies_at_the_same_time() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();
    let first = visitor.begin(SIGN_IN).await;
    let cookie = visitor.cookies.clone();
    let second = visitor.begin(SIGN_IN).await;
    assert_eq!(visitor.cookies, cookie);
    for options in [first, second] {
        let answer = authenticator.get(&options, &server.origin).answer(&authenticator);
        assert_eq!(visitor.finish(SIGN_IN, &answer).await.status, 200);
    }
}

#[tokio::test]
async fn g02_an_http_only_cookie_binds_the_ceremony_to_the_browser() {
    let server = TestServer::start().await;
    let answer = server.visitor().try_begin(SIGN_IN).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("passkey="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    // Pages of other sites are refused.
    let request = server
        .http
        .post(format!("{}{SIGN_IN}/options", server.origin))
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site");
    let answer = server.visitor().send(request).await;
    answer.assert_error(403, "cross_site_request");
}

#[tokio::test]
async fn g15_guessing_is_limited_for_five_minutes() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();
    for _ in 0..30 {
        let options = visitor.begin(SIGN_IN).await;
        let answer = authenticator.get(&options, &server.origin).answer_with(b"guess");
        visitor
            .finish(SIGN_IN, &answer)
            .await
            .assert_error(400, "passkey_refused");
    }
    let answer = visitor
        .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
        .await;
    answer.assert_error(429, "rate_limited");
    server.advance(300);
    let answer = visitor
        .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn g02_requests_for_options_and_sign_ups_are_limited() {
    let server = TestServer::start().await;
    for _ in 0..20 {
        server.signed_up(&mut Authenticator::new()).await;
    }
    let mut visitor = server.visitor();
    let answer = visitor
        .create(SIGN_UP, &mut Authenticator::new(), &server.origin)
        .await;
    answer.assert_error(429, "rate_limited");
    assert_eq!(server.store.accounts().await.unwrap().len(), 20);
    for _ in 0..120 {
        visitor.try_begin(SIGN_IN).await;
    }
    visitor.try_begin(SIGN_IN).await.assert_error(429, "rate_limited");
}

#[tokio::test]
async fn g06_the_rp_id_may_be_a_parent_domain_but_not_an_ip_address() {
    let server = TestServer::start_with(|config| {
        config.public_url = "https://auth.example.com/v1/auth".parse().unwrap();
        config.passkeys.rp_id = Some("example.com".to_owned());
    })
    .await;
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_UP).await;
    assert_eq!(options["publicKey"]["rp"]["id"], "example.com");
    assert!(visitor.cookies.contains_key("__Host-passkey"));
    let made = Authenticator::new().create(&options, "https://auth.example.com");
    assert_eq!(visitor.finish(SIGN_UP, &made.answer()).await.status, 201);

    let server = TestServer::start_with(|config| {
        let port = config.network.listen[0].port();
        config.public_url = format!("http://127.0.0.1:{port}/v1/auth").parse().unwrap();
    })
    .await;
    for path in [SIGN_UP, SIGN_IN] {
        server
            .visitor()
            .try_begin(path)
            .await
            .assert_error(404, "not_found");
    }
    let mut visitor = server.visitor();
    let answer = visitor.call(Method::GET, SIGN_IN, None).await;
    assert_eq!(answer.status, 405);
}
