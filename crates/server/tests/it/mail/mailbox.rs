//! `/mailbox`: shows the mails of a sandbox, which sends none.

use tm_auth_proto::Environment;

use super::account;
use crate::support::smtp_server::settings;
use crate::support::{HtmlPage, TestServer};

async fn asked_as(server: &TestServer, host: &str) -> HtmlPage {
    let request = server.http.get(format!("{}/mailbox", server.origin));
    let request = request.header("accept", "text/html").header("host", host);
    HtmlPage::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn f20_h05_the_mailbox_shows_what_was_sent_newest_first() {
    let server = TestServer::start().await;
    let page = server.page("/mailbox").await;
    assert_eq!(page.status, 200);
    page.assert_shows("No mail yet");
    for owner in ["first@example.com", "second@example.com"] {
        server.key_of(&account(&server, owner).await).await;
    }
    let page = server.page("/mailbox").await;
    page.assert_shows("An API key was created (True Markets UAT)")
        .assert_shows(&format!("href=\"{}/api-keys\"", server.origin))
        .assert_shows("\u{201c}<bdi>bot</bdi>\u{201d} was created")
        .assert_hides("No mail yet");
    let place = |address: &str| page.text.find(address).unwrap();
    assert!(place("second@example.com") < place("first@example.com"));
    assert_eq!(page.header("cache-control"), "no-store");
    page.assert_hides("style=").assert_hides("<script>");
}

#[tokio::test]
async fn f13_dns_rebinding_does_not_reveal_the_mailbox() {
    let server = TestServer::start().await;
    let port = server.config.network.listen[0].port();
    server.key_of(&account(&server, "owner@example.com").await).await;
    let shown = asked_as(&server, &format!("localhost:{port}")).await;
    shown.assert_shows("owner@example.com");
    for number in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let led = asked_as(&server, &number).await;
        let home = format!("{}/mailbox", server.origin);
        assert_eq!(led.status, 307);
        assert_eq!(led.header("location"), home);
    }
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        "192.0.2.1".to_owned(),
    ] {
        let page = asked_as(&server, &host).await;
        assert_eq!(page.status, 404, "{host}");
        page.assert_hides("owner@example.com");
    }
}

#[tokio::test]
async fn f19_the_mailbox_exists_only_in_a_local_sandbox() {
    type Change = fn(&mut tm_auth_server::Config);
    let changes: [Change; 4] = [
        |config| config.mail = settings(crate::support::port(), None),
        |config| config.network.listen = vec![([0, 0, 0, 0], config.network.listen[0].port()).into()],
        |config| config.public_url = "https://uat.example.com/v1/auth".parse().unwrap(),
        |config| {
            config.environment = Environment::Production;
            config.public_url = "https://localhost/v1/auth".parse().unwrap();
        },
    ];
    for change in changes {
        let server = TestServer::start_with(change).await;
        assert_eq!(server.page("/mailbox").await.status, 404);
        assert!(server.app.mailbox().is_none());
    }
}
