//! G26: an answer counts in the browser that began the flow, once, for ten minutes.

use reqwest::Method;

use super::forger::Forged;
use super::{assert_page, come_back, configure, leave, signed_in, team_key};
use crate::support::{Stored, TestServer, every_value};

/// Makes Apple answer with a valid token for this flow.
fn ready(apple: &Forged, nonce: &str) {
    apple.gives(&Forged::signed(&apple.claims(nonce)));
}

async fn no_account_was_created(apple: &Forged) {
    assert!(apple.server.store.accounts().await.unwrap().is_empty());
    assert!(apple.forms().is_empty(), "no code was exchanged");
}

#[tokio::test]
async fn g26_an_answer_needs_its_own_state() {
    let apple = Forged::start().await;
    let mut visitor = apple.server.visitor();
    let mut other = apple.server.visitor();
    let (mine, theirs) = (leave(&mut visitor).await, leave(&mut other).await);
    ready(&apple, mine.get("nonce"));
    for fields in [
        vec![("code", "c")],
        vec![("code", "c"), ("state", "")],
        vec![("code", "c"), ("state", "made-up")],
        vec![("code", "c"), ("state", theirs.get("state"))],
        vec![("code", "c"), ("state", mine.get("nonce"))],
    ] {
        let answer = come_back(&mut visitor, &fields).await;
        answer.assert_invalid("apple_sign_in_unknown", "state");
        assert!(visitor.sid().is_none());
    }
    no_account_was_created(&apple).await;
    // A forged answer does not end the flow.
    assert_eq!(
        come_back(&mut visitor, &[("code", "c"), ("state", mine.get("state"))])
            .await
            .status,
        303
    );
    assert!(signed_in(&apple.server, &visitor).await.is_some());
}

#[tokio::test]
async fn g26_an_answer_needs_the_cookie_of_its_flow() {
    let apple = Forged::start().await;
    let mut attacker = apple.server.visitor();
    let departure = leave(&mut attacker).await;
    ready(&apple, departure.get("nonce"));
    let answer = [("code", "c"), ("state", departure.get("state"))];
    // Login CSRF: another browser posts the attacker's valid answer. The victim has no flow, or
    // another one.
    let mut victim = apple.server.visitor();
    come_back(&mut victim, &answer)
        .await
        .assert_invalid("apple_sign_in_unknown", "state");
    leave(&mut victim).await;
    come_back(&mut victim, &answer)
        .await
        .assert_invalid("apple_sign_in_unknown", "state");
    let name = apple.server.cookie("apple");
    for wrong in ["", "AAAA", "not+base64", &"A".repeat(43)] {
        victim.cookies.insert(name.clone(), wrong.to_owned());
        come_back(&mut victim, &answer)
            .await
            .assert_invalid("apple_sign_in_unknown", "state");
    }
    assert!(victim.sid().is_none());
    no_account_was_created(&apple).await;
}

#[tokio::test]
async fn g26_an_answer_counts_once_and_for_ten_minutes() {
    let apple = Forged::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let cookies = visitor.cookies.clone();
    ready(&apple, departure.get("nonce"));
    let answer = [("code", "c"), ("state", departure.get("state"))];
    assert_eq!(come_back(&mut visitor, &answer).await.status, 303);
    let mut replay = apple.server.visitor();
    replay.cookies = cookies;
    come_back(&mut replay, &answer)
        .await
        .assert_invalid("apple_sign_in_unknown", "state");
    assert!(replay.sid().is_none());

    for (seconds, holds) in [(599, true), (600, false)] {
        let mut slow = apple.server.visitor();
        let departure = leave(&mut slow).await;
        apple.server.advance(seconds);
        ready(&apple, departure.get("nonce"));
        let came = come_back(&mut slow, &[("code", "c"), ("state", departure.get("state"))]).await;
        assert_eq!(came.status == 303, holds, "{seconds}: {came:?}");
    }
}

#[tokio::test]
async fn g26_an_answer_must_be_posted() {
    let apple = Forged::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    ready(&apple, departure.get("nonce"));
    let path = format!("/apple/callback?code=c&state={}", departure.get("state"));
    let answer = visitor.get(&path).await;
    assert_page(&answer, 405, "method_not_allowed");
    // The query's fields do not count either.
    let request = visitor.request(Method::POST, &path);
    let answer = visitor.send(request).await;
    assert!(answer.status >= 400, "{answer:?}");
    no_account_was_created(&apple).await;
}

#[tokio::test]
async fn g26_only_a_page_of_this_site_begins_a_sign_in() {
    let apple = Forged::start().await;
    let visitor = apple.server.visitor();
    for (origin, site) in [
        (Some("https://evil.test"), Some("cross-site")),
        (Some("null"), None),
        (None, None),
        (None, Some("same-site")),
    ] {
        let mut request = visitor
            .request(Method::POST, "/apple/start")
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let answer = visitor.clone().send(request).await;
        answer.assert_error(403, "cross_site_request");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn g26_the_cookie_of_the_flow_is_bound_to_this_host_and_crosses_sites() {
    let server = TestServer::start_with(|config| {
        config.public_url = "https://auth.test/v1/auth".parse().unwrap();
        configure(config, "https://apple.test", team_key().0);
    })
    .await;
    let mut visitor = server.visitor();
    let answer = visitor.submit("/apple/start", &[("next", "//evil.test")]).await;
    let cookie = answer.header("set-cookie").to_owned();
    let (name, attributes) = (
        cookie.split('=').next().unwrap(),
        cookie.split_once(';').unwrap().1,
    );
    assert_eq!(name, "__Host-apple");
    for attribute in [" Path=/", " HttpOnly", " SameSite=None", " Secure"] {
        assert!(attributes.split(';').any(|one| one == attribute), "{cookie}");
    }
    assert!(!attributes.contains("Domain"));
    assert!(
        answer
            .header("location")
            .contains("redirect_uri=https%3A//auth.test/apple/callback")
    );
}

#[tokio::test]
async fn g26_after_the_sign_in_the_browser_stays_on_this_site() {
    let apple = Forged::start().await;
    for (asked, goes) in [
        ("/api-keys/new", "/api-keys/new"),
        ("//evil.test", "/api-keys"),
        ("https://evil.test", "/api-keys"),
    ] {
        let mut visitor = apple.server.visitor();
        let departure = super::Departure::of(&visitor.submit("/apple/start", &[("next", asked)]).await);
        ready(&apple, departure.get("nonce"));
        let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
        assert_eq!((answer.status, answer.header("location")), (303, goes));
    }
}

#[tokio::test]
async fn i12_a_copy_of_the_database_cannot_finish_a_flow() {
    let apple = Forged::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let secrets = [
        visitor.cookies[&apple.server.cookie("apple")].clone(),
        departure.get("state").to_owned(),
        departure.get("nonce").to_owned(),
        departure.get("code_challenge").to_owned(),
    ];
    for value in every_value(&apple.server) {
        let text = match &value {
            Stored::Text(text) => text.clone().into_bytes(),
            Stored::Blob(bytes) => bytes.clone(),
            _ => continue,
        };
        for secret in &secrets {
            assert!(
                !text.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "{secret}"
            );
        }
    }
}
