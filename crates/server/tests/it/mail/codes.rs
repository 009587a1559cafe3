//! The login mail with code and link: its text, its links, and its delivery while the mail server
//! fails.

use reqwest::Method;
use serde_json::json;

use crate::captured_log::CapturedLog;
use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{TestServer, eventually, execute, fill_with_codes};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn f20_f15_the_login_mail_says_what_it_is_for_and_hides_the_address() {
    let server = TestServer::start().await;
    server.visitor().submit("/sign-in", &[("email", ADA)]).await;
    let found = server.code_mail(ADA);
    let (mail, code, token) = (&found.mail, &found.code, found.token.as_ref().unwrap());
    assert_eq!(mail.subject, "Log in to True Markets UAT");
    let (four, rest) = code.split_once('-').unwrap();
    assert!(
        [four, rest]
            .iter()
            .all(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit()))
    );
    let digits = code.replace('-', "");
    for part in [
        format!("    {code}\n"),
        format!("\n{}/sign-in/link#token={token}&code={digits}\n", server.origin),
        "Use the code or the link in the browser where you asked for it.".to_owned(),
        "It works once, until 15 January 2027, 08:10 UTC.".to_owned(),
        "Do not share the code or the link".to_owned(),
        "Requested: 15 January 2027, 08:00 UTC".to_owned(),
        "Device: Firefox on Linux".to_owned(),
        "From: this machine".to_owned(),
        format!("\nTrue Markets UAT\n{}", server.origin),
    ] {
        assert!(
            mail.text.contains(&part),
            "{part:?} is missing in:\n{}",
            mail.text
        );
    }
    // The HTML says the same. Its link is escaped for an attribute.
    for part in [
        code.clone(),
        format!("#token={token}&#38;code={digits}"),
        "Do not share".to_owned(),
    ] {
        assert!(
            mail.html.contains(&part),
            "{part:?} is missing in:\n{}",
            mail.html
        );
    }
    for text in [&mail.text, &mail.html] {
        assert!(
            !text.contains(ADA) && !text.contains("127.0.0.1") && !text.contains("Mozilla"),
            "{text}"
        );
        // The token is only in the fragment, which a browser does not send to a server.
        assert_eq!(
            text.matches(token.as_str()).count(),
            text.matches("#token=").count()
        );
        for remote in ["src=", "url(", "<img", "<link", "<script"] {
            assert!(!text.contains(remote), "{remote}");
        }
    }
}

#[tokio::test]
async fn f20_the_mail_does_not_repeat_the_user_agent() {
    let server = TestServer::start().await;
    let request = server
        .http
        .post(server.url("/email/otc"))
        .header(
            "user-agent",
            "<script>alert(1)</script> visit http://evil.example/",
        )
        .json(&json!({ "email": ADA }));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let mail = server.code_mail(ADA).mail;
    for text in [&mail.text, &mail.html] {
        assert!(!text.contains("script") && !text.contains("evil"), "{text}");
    }
}

#[tokio::test]
async fn f13_a_sign_in_link_leads_to_the_configured_origin() {
    let server = TestServer::start_with(|config| config.limits.codes_per_network_per_hour = 60_000).await;
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "http://evil.example/"),
    ];
    for (number, (name, value)) in lies.into_iter().enumerate() {
        let address = format!("user{number}@example.com");
        let form = server.visitor().request(Method::POST, "/sign-in");
        let form = form
            .header("origin", &server.origin)
            .header("sec-fetch-site", "same-origin")
            .header(name, value)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("email={}", address.replace('@', "%40")));
        assert_eq!(form.send().await.unwrap().status(), 303, "{name}");
        let mail = server.code_mail(&address).mail;
        for text in [&mail.text, &mail.html] {
            assert!(
                text.contains(&format!("{}/sign-in/link#", server.origin)),
                "{name}: {text}"
            );
            assert_eq!(
                text.matches("http").count(),
                text.matches(&server.origin).count(),
                "{name}: {text}"
            );
            assert!(!text.contains("evil"), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn f19_a_code_mail_is_retried_only_until_the_code_expires() {
    let mut smtp = SmtpServer::start(Behaviour {
        crashes: true,
        ..Behaviour::default()
    })
    .await;
    let settings = smtp.settings();
    let log = CapturedLog::start();
    let server = TestServer::start_with(|config| config.mail = settings).await;
    let ask = async |email: &str| server.post("/email/otc", &json!({ "email": email })).await;
    let late = ask("late@example.com").await;
    assert_eq!(late.status, 200);
    eventually(async || (smtp.connections() >= 2).then_some(())).await;
    server.advance(600);
    let dropped = eventually(async || {
        let text = log.text();
        text.lines()
            .find(|line| line.contains(r#""reason":"expired""#))
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
    })
    .await;
    // The line has the id of the request that asked for the code.
    assert_eq!(dropped["span"]["request_id"], late.header("x-request-id"));
    assert_eq!(ask("soon@example.com").await.status, 200);
    server.advance(599);
    smtp.behave(Behaviour::default());
    let mail = smtp.mail().await;
    assert!(mail.to[0].contains("soon@"), "{mail:?}");
    server.stop().await;
    assert!(!smtp.has_mail());
    let log = log.text();
    assert!(!log.contains("late@") && !log.contains("soon@"));
}

#[tokio::test]
async fn f19_too_many_waiting_codes_are_a_503_that_does_not_count_the_request() {
    let mut smtp = SmtpServer::start(Behaviour {
        silent_at: Some("EHLO"),
        ..Behaviour::default()
    })
    .await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| {
        config.mail = settings;
        config.limits.codes_per_network_per_hour = 60_000;
    })
    .await;
    let ask = async |number: usize| {
        let body = json!({ "email": format!("user{number}@example.com") });
        server.post("/email/otc", &body).await
    };
    fill_with_codes(&server, 10_000);
    let answer = ask(1000).await;
    answer.assert_error(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    // Once there is room, the address gets a code without a minute's wait.
    execute(&server, "DELETE FROM outbox").unwrap();
    smtp.behave(Behaviour::default());
    assert_eq!(ask(1000).await.status, 200);
    assert!(smtp.mail().await.to[0].contains("user1000@"));
}
