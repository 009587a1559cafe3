//! Links in mails have the configured origin, whatever host a request names.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::account;
use crate::support::TestServer;

const OWNER: &str = "owner@example.com";

/// Sends these bytes and reads the status.
async fn status(server: &TestServer, request: &str) -> u16 {
    let mut stream = TcpStream::connect(server.config.network.listen[0]).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).expect("a status line");
    status.parse().expect("a number")
}

#[tokio::test]
async fn f13_links_in_mails_have_the_configured_origin() {
    let server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    let key = server.key_of(&owner).await;
    let path = format!("/v1/auth/api-keys/{}", key.id());
    let host = server.origin.trim_start_matches("http://").to_owned();
    let request = |target: &str, headers: &str, token: &str, label: &str| {
        let body = json!({ "label": label }).to_string();
        format!(
            "PATCH {target} HTTP/1.1\r\n{headers}connection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let absolute = format!("http://evil.example{path}");
    let right = format!("host: {host}\r\n");
    for (target, headers) in [
        (&path, "host: evil.example\r\n".to_owned()),
        (&path, "host: evil.example:443\r\n".to_owned()),
        (&path, format!("{right}x-forwarded-host: evil.example\r\n")),
        (
            &path,
            format!("{right}x-forwarded-proto: http\r\nx-forwarded-port: 1\r\n"),
        ),
        (
            &path,
            format!("{right}x-original-host: evil.example\r\nx-host: evil.example\r\n"),
        ),
        (
            &path,
            format!("{right}forwarded: host=evil.example;proto=http\r\n"),
        ),
        (
            &path,
            format!("{right}origin: http://evil.example\r\nreferer: http://evil.example/\r\n"),
        ),
        (&absolute, right.clone()),
        (&absolute, "host: evil.example\r\n".to_owned()),
    ] {
        // Later than the account's other notices, so that the mail comes at once.
        server.advance(600);
        let token = server.management_token(&owner).await;
        let before = server.inbox(OWNER).len();
        let label = format!("bot {before}");
        let status = status(&server, &request(target, &headers, &token, &label)).await;
        let mails = server.inbox(OWNER);
        // A refusal is fine too, but a mail must not link to another host.
        assert_eq!(
            mails.len() - before,
            usize::from(status == 200),
            "{status} {target} {headers}"
        );
        for mail in &mails {
            let links = mail.text.matches("http").count() + mail.html.matches("http").count();
            let ours = mail.text.matches(&server.origin).count() + mail.html.matches(&server.origin).count();
            assert!(
                links > 0 && links == ours && !mail.text.contains("evil"),
                "{}",
                mail.text
            );
        }
    }
    assert!(server.inbox(OWNER).len() > 5, "most requests are accepted");

    let before = server.inbox(OWNER).len();
    for twice in [
        format!("{right}host: evil.example\r\n"),
        format!("host: evil.example\r\n{right}"),
        format!("{right}{right}"),
    ] {
        assert_eq!(
            status(&server, &request(&path, &twice, "", "bot")).await,
            400,
            "{twice}"
        );
    }
    assert_eq!(status(&server, &request(&path, "", "", "bot")).await, 400);
    assert_eq!(server.inbox(OWNER).len(), before);
}

#[tokio::test]
async fn f13_links_use_https_if_the_public_url_does() {
    let server = TestServer::start_with(|config| {
        config.public_url = "https://localhost/v1/auth".parse().unwrap();
    })
    .await;
    let owner = account(&server, OWNER).await;
    server.key_of(&owner).await;
    let mails = server.inbox(OWNER);
    let text = &mails[0].text;
    assert!(
        text.contains("https://localhost/api-keys") && !text.contains("http://"),
        "{text}"
    );
}
