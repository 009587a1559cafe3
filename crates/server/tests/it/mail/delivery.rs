//! Delivery to mail servers that work or fail. Each test registers a key, which sends a mail to the
//! owner.

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use tm_auth_server::config::{Mail, Smtp, SmtpTls};

use super::account;
use crate::captured_log::CapturedLog;
use crate::support::smtp_server::{Behaviour, SmtpServer, StartTls, settings};
use crate::support::{TestKey, TestServer, eventually};

const OWNER: &str = "owner@example.com";

async fn start(mail: Mail) -> TestServer {
    TestServer::start_with(|config| config.mail = mail).await
}

fn changed(mail: Mail, change: impl FnOnce(&mut Smtp)) -> Mail {
    let Mail::Smtp(mut smtp) = mail else {
        unreachable!()
    };
    change(&mut smtp);
    Mail::Smtp(smtp)
}

/// Registers a key, which sends a mail to the owner. It succeeds even if the delivery fails.
async fn told(server: &TestServer, owner: &str) -> TestKey {
    server.key_of(&account(server, owner).await).await
}

async fn until(mut is_so: impl FnMut() -> bool) {
    eventually(async || is_so().then_some(())).await;
}

fn replies(replies: &[(&'static str, &'static str)]) -> Behaviour {
    Behaviour {
        replies: replies.iter().copied().collect(),
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn f19_mail_and_password_are_sent_within_tls_on_a_reused_connection() {
    let mut smtp = SmtpServer::start(Behaviour {
        password: Some(("tm-auth", "s3cret-of-the-relay")),
        ..Behaviour::default()
    })
    .await;
    let credentials = Credentials::new("tm-auth".to_owned(), "s3cret-of-the-relay".to_owned());
    let log = CapturedLog::start();
    let server = start(changed(smtp.settings(), |smtp| {
        smtp.credentials = Some(credentials);
    }))
    .await;
    told(&server, OWNER).await;
    let mail = smtp.mail().await;
    assert_eq!(mail.from, "MAIL FROM:<no-reply@truemarkets.test>");
    assert_eq!(mail.to, [format!("RCPT TO:<{OWNER}>")]);
    assert!(
        mail.data
            .contains("From: \"True Markets\" <no-reply@truemarkets.test>\n"),
        "{}",
        mail.data
    );
    assert!(mail.data.contains(&format!("\nTo: {OWNER}\n")), "{}", mail.data);
    told(&server, "other@example.com").await;
    smtp.mail().await;
    assert_eq!((smtp.connections(), smtp.count("AUTH")), (1, 1));

    let commands = smtp.commands();
    let clear: Vec<_> = commands.iter().filter(|(layer, _)| *layer == "clear").collect();
    assert_eq!(clear.len(), 2, "{clear:?}");
    assert!(
        clear[0].1.starts_with("EHLO localhost") && clear[1].1 == "STARTTLS",
        "{clear:?}"
    );
    server.stop().await;
    let log = log.text();
    for secret in ["s3cret", "czNjcmV0", OWNER, "no-reply"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn f19_implicit_tls_can_be_configured() {
    let mut smtp = SmtpServer::start(Behaviour {
        implicit: true,
        ..Behaviour::default()
    })
    .await;
    let server = start(changed(smtp.settings(), |smtp| smtp.tls = SmtpTls::Implicit)).await;
    told(&server, OWNER).await;
    smtp.mail().await;
    assert!(smtp.commands().iter().all(|(layer, _)| *layer == "TLS"));
}

#[tokio::test]
async fn f19_without_valid_tls_no_mail_is_sent() {
    let cases = [
        Behaviour {
            starttls: StartTls::Hidden,
            ..Behaviour::default()
        },
        Behaviour {
            starttls: StartTls::Refused,
            ..Behaviour::default()
        },
        Behaviour {
            named: Some("mail.example.com"),
            ..Behaviour::default()
        },
        // Replies that an attacker injects before TLS must not count after it.
        Behaviour {
            injects: "250-mail.test\r\n250 SIZE 1\r\n250 ok\r\n250 ok\r\n",
            ..Behaviour::default()
        },
        Behaviour {
            implicit: true,
            named: Some("mail.example.com"),
            ..Behaviour::default()
        },
    ];
    for case in cases {
        let implicit = case.implicit;
        let mut smtp = SmtpServer::start(case).await;
        let log = CapturedLog::start();
        let server = start(changed(smtp.settings(), |smtp| {
            if implicit {
                smtp.tls = SmtpTls::Implicit;
            }
        }))
        .await;
        // The request does not wait for the mail.
        told(&server, OWNER).await;
        until(|| smtp.connections() >= 2).await;
        assert_eq!(
            smtp.count("MAIL") + smtp.count("AUTH"),
            0,
            "{:?}",
            smtp.commands()
        );
        assert!(!smtp.has_mail());
        assert!(
            log.text().contains("the mail server cannot be used"),
            "{}",
            log.text()
        );
        // Once the mail server works, the waiting mail is delivered.
        smtp.behave(Behaviour {
            implicit,
            ..Behaviour::default()
        });
        smtp.mail().await;
        until(|| log.text().contains("takes mail again")).await;
        assert!(!log.text().contains(OWNER));
        server.stop().await;
        assert!(!smtp.has_mail());
    }
}

#[tokio::test]
async fn f19_a_certificate_of_an_unknown_authority_is_refused() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    let stranger = SmtpServer::start(Behaviour::default()).await;
    // The system's authorities, and one that did not sign the certificate.
    for authorities in [vec![], vec![stranger.authority()]] {
        let before = smtp.connections();
        let server = start(changed(smtp.settings(), |smtp| smtp.authorities = authorities)).await;
        told(&server, OWNER).await;
        until(|| smtp.connections() >= before + 2).await;
        assert_eq!(smtp.count("MAIL"), 0);
        server.stop().await;
    }
    assert!(!smtp.has_mail());
}

#[tokio::test]
async fn f19_a_mail_that_is_refused_temporarily_is_retried() {
    let mut smtp = SmtpServer::start(replies(&[
        ("CONNECT", "421 too busy"),
        ("CONNECT", "554 no"),
        ("MAIL", "450 later"),
        ("RCPT", "451 greylisted"),
        ("DATA", "421 going down"),
        ("BODY", "452 disk full"),
    ]))
    .await;
    let log = CapturedLog::start();
    let server = start(smtp.settings()).await;
    told(&server, OWNER).await;
    for count in 1..=4 {
        until(|| log.text().matches("will be retried").count() == count).await;
        server.advance(1);
    }
    smtp.mail().await;
    assert_eq!(smtp.connections(), 7);
    server.stop().await;
    assert!(!smtp.has_mail(), "the mail came twice");
}

#[tokio::test]
async fn f19_a_mail_that_is_refused_permanently_is_dropped() {
    for verb in ["MAIL", "RCPT", "DATA", "BODY"] {
        let mut smtp =
            SmtpServer::start(replies(&[(verb, "550 5.1.1 <owner@example.com> is unknown")])).await;
        let log = CapturedLog::start();
        let server = start(smtp.settings()).await;
        told(&server, OWNER).await;
        until(|| log.text().contains(r#""reason":"refused","smtp_code":550"#)).await;
        told(&server, "other@example.com").await;
        let mail = smtp.mail().await;
        assert!(mail.to[0].contains("other@"), "{mail:?}");
        server.stop().await;
        assert!(!smtp.has_mail(), "{verb}");
        // The log has neither an address nor the text of the reply.
        let log = log.text();
        assert!(
            !log.contains(OWNER) && !log.contains("is unknown") && !log.contains("other@"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn f19_a_mail_server_that_does_not_answer_delays_no_other_mail() {
    let mut smtp = SmtpServer::start(Behaviour {
        silent_at: Some("DATA"),
        ..Behaviour::default()
    })
    .await;
    let log = CapturedLog::start();
    let server = start(changed(smtp.settings(), |smtp| {
        smtp.attempt = Duration::from_millis(500);
    }))
    .await;
    told(&server, OWNER).await;
    until(|| smtp.count("DATA") >= 1).await;
    // Other mails do not wait for it.
    smtp.behave(Behaviour::default());
    told(&server, "other@example.com").await;
    let first = smtp.mail().await;
    assert!(first.to[0].contains("other@"), "{first:?}");
    until(|| log.text().contains("will be retried")).await;
    server.advance(1);
    let second = smtp.mail().await;
    assert!(second.to[0].contains(OWNER), "{second:?}");
    server.stop().await;
    assert!(!smtp.has_mail(), "the mail came twice");
}

#[tokio::test]
async fn f19_mail_waits_while_the_server_is_down() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    let log = CapturedLog::start();
    let server = start(smtp.settings()).await;
    told(&server, OWNER).await;
    smtp.mail().await;
    smtp.down().await;
    // The kept connection is closed too.
    told(&server, "second@example.com").await;
    until(|| log.text().contains("it cannot be reached")).await;
    smtp.up().await;
    let mail = smtp.mail().await;
    assert!(mail.to[0].contains("second@"), "{mail:?}");
    server.stop().await;
    // The log reports the outage once, after several attempts.
    assert_eq!(log.text().matches("cannot be used").count(), 1);
}

#[tokio::test]
async fn f19_an_expired_mail_is_dropped() {
    let mut smtp = SmtpServer::start(Behaviour {
        crashes: true,
        ..Behaviour::default()
    })
    .await;
    let log = CapturedLog::start();
    let server = start(smtp.settings()).await;
    told(&server, OWNER).await;
    until(|| smtp.connections() >= 2).await;
    server.advance(24 * 3600);
    until(|| log.text().contains(r#""reason":"expired""#)).await;
    smtp.behave(Behaviour::default());
    told(&server, "other@example.com").await;
    let mail = smtp.mail().await;
    assert!(mail.to[0].contains("other@"), "{mail:?}");
    server.stop().await;
    assert!(!smtp.has_mail());
}

#[tokio::test]
async fn f17_an_address_that_carries_a_header_gets_no_mail() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    let log = CapturedLog::start();
    let server = start(smtp.settings()).await;
    // The service accepts no such address, so the test writes it to the store: as a contact address,
    // because a proved one has a type that keeps its form.
    for address in [
        "a@example.com\r\nBcc: victim@example.com",
        "a@example.com,victim@example.com",
        "<a@example.com>",
    ] {
        let owner = server.account().await;
        let contact = Some(address.to_owned());
        server.store.set_contact_email(owner.uid, contact).await.unwrap();
        server.key_of(&owner).await;
    }
    until(|| log.text().matches(r#""reason":"address""#).count() == 3).await;
    told(&server, OWNER).await;
    let mail = smtp.mail().await;
    assert!(mail.to[0].contains(OWNER), "{mail:?}");
    server.stop().await;
    assert!(!smtp.has_mail());
}

#[tokio::test]
async fn f19_requests_succeed_without_a_mail_server() {
    let server = start(settings(crate::support::port(), None)).await;
    let key = told(&server, OWNER).await;
    server.mint(&key).await;
}
