//! `HttpFetch` against a real server that misbehaves.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tm_auth_proto::Environment;
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{FetchError, HttpFetch, MAX_JWKS_LEN, NotAKeySet, VerifierBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{AUDIENCE, assert_refresh_fails, encode, guarded, send};

/// The server's response to a request for the JWKS.
enum JwksResponse {
    /// Status line, extra headers, body.
    Complete(&'static str, String, String),
    /// Status 200 and 10 MB of body, in chunks of 64 KB.
    Endless,
    /// Status 200 and a body that arrives one byte every 5 ms.
    Slow,
    /// No response.
    Silent,
}

/// An HTTP server on loopback. It serves the issuer's revocation list, and the JWKS that the test
/// sets.
pub(crate) struct Server {
    port: u16,
    response: Arc<Mutex<JwksResponse>>,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn of_issuer(issuer: &TestIssuer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            response: Arc::new(Mutex::new(ok(serde_json::to_string(&issuer.jwks()).unwrap()))),
            requests: Arc::default(),
            sent: Arc::default(),
        };
        let (response, requests, sent) = (
            Arc::clone(&server.response),
            Arc::clone(&server.requests),
            Arc::clone(&server.sent),
        );
        let issuer = issuer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (response, requests, sent) =
                    (Arc::clone(&response), Arc::clone(&requests), Arc::clone(&sent));
                let issuer = issuer.clone();
                tokio::spawn(async move {
                    serve(stream, &issuer, &response, &requests, &sent).await.ok();
                });
            }
        });
        server
    }

    /// A verifier that fetches its documents from this server over HTTP.
    pub(crate) fn verifier(&self, issuer: &TestIssuer) -> VerifierBuilder {
        issuer
            .verifier(AUDIENCE)
            .fetch(HttpFetch::new().unwrap())
            .jwks_url(format!("http://127.0.0.1:{}/jwks", self.port))
            .revocations_url(format!("http://127.0.0.1:{}/revocations", self.port))
    }

    fn respond_with(&self, response: JwksResponse) {
        *self.response.lock().unwrap() = response;
    }

    fn jwks_requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.starts_with("GET /jwks "))
            .cloned()
            .collect()
    }
}

fn ok(body: String) -> JwksResponse {
    JwksResponse::Complete("200 OK", String::new(), body)
}

async fn serve(
    mut stream: TcpStream,
    issuer: &TestIssuer,
    response: &Mutex<JwksResponse>,
    requests: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8(request)
        .unwrap()
        .to_ascii_lowercase()
        .replacen("get", "GET", 1);
    let about_keys = request.starts_with("GET /jwks ");
    requests.lock().unwrap().push(request);
    if !about_keys {
        let list = issuer.sign_revocations(&issuer.revocation_list());
        return stream.write_all(complete("200 OK", "", &list).as_bytes()).await;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n";
    let body = match &*response.lock().unwrap() {
        JwksResponse::Complete(status, headers, body) => Ok(complete(status, headers, body)),
        JwksResponse::Endless => Err(Some(64 * 1024)),
        JwksResponse::Slow => Err(Some(1)),
        JwksResponse::Silent => Err(None),
    };
    match body {
        Ok(text) => stream.write_all(text.as_bytes()).await,
        Err(None) => stream.read_u8().await.map(|_| ()),
        Err(Some(step)) => {
            stream.write_all(head.as_bytes()).await?;
            for left in (0..10 * 1024 * 1024 / step).rev() {
                stream.write_all(&vec![b' '; step]).await?;
                sent.fetch_add(step, Ordering::Relaxed);
                if step == 1 {
                    // This delay is the fault that the verifier must cut short with its deadline.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if left == 0 {
                    break;
                }
            }
            Ok(())
        }
    }
}

fn complete(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn b07_a_bad_response_leaves_the_last_good_keys_in_use() {
    let issuer = TestIssuer::new(Environment::Uat);
    let server = Server::of_issuer(&issuer).await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let verifier = server
        .verifier(&issuer)
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    verifier.refresh().await.unwrap();
    let app = guarded(&verifier);
    let token = issuer.sign(&issuer.claims(AUDIENCE));

    let elsewhere = format!(
        "Location: http://{}/latest/meta-data\r\n",
        trap.local_addr().unwrap()
    );
    let redirect = |status| JwksResponse::Complete(status, elsewhere.clone(), String::new());
    let weak = format!(
        r#"{{"keys":[{{"kty":"RSA","use":"sig","alg":"RS256","kid":"test-1","e":"AQAB","n":"{}"}}]}}"#,
        encode([0xc5; 128])
    );
    let padded = format!(
        "{}{}",
        serde_json::to_string(&issuer.jwks()).unwrap(),
        " ".repeat(MAX_JWKS_LEN)
    );
    let empty = r#"{"keys":[]}"#.to_owned();
    let cases = [
        ("redirect", redirect("302 Found"), FetchError::Status(302)),
        (
            "redirect 307",
            redirect("307 Temporary Redirect"),
            FetchError::Status(307),
        ),
        (
            "500",
            JwksResponse::Complete("500 Internal Server Error", String::new(), "x".into()),
            FetchError::Status(500),
        ),
        (
            "404",
            JwksResponse::Complete("404 Not Found", String::new(), empty.clone()),
            FetchError::Status(404),
        ),
        (
            "201",
            JwksResponse::Complete("201 Created", String::new(), empty.clone()),
            FetchError::Status(201),
        ),
        ("10 MB", JwksResponse::Endless, FetchError::TooLarge),
        ("over 64 KB", ok(padded), FetchError::TooLarge),
        ("slow", JwksResponse::Slow, FetchError::Timeout),
        ("silent", JwksResponse::Silent, FetchError::Timeout),
        (
            "not JSON",
            ok("<html>".into()),
            FetchError::NotAKeySet(NotAKeySet),
        ),
        ("a list", ok("[[]]".into()), FetchError::NotAKeySet(NotAKeySet)),
        ("no body", ok(String::new()), FetchError::NotAKeySet(NotAKeySet)),
        ("RSA-1024", ok(weak), FetchError::NoUsableKey),
        ("no keys", ok(empty), FetchError::NoUsableKey),
    ];
    for (name, response, expected) in cases {
        server.respond_with(response);
        assert_refresh_fails(&verifier, &expected, name).await;
        assert_eq!(send(&app, &token).await.status(), 200, "{name}");
    }
    assert!(
        server.sent.load(Ordering::Relaxed) < 10 * 1024 * 1024,
        "the whole body was read"
    );
    let accepted = trap.into_std().unwrap().accept();
    assert_eq!(
        accepted.unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "a redirect was followed"
    );
}

#[tokio::test]
async fn b07_an_unreachable_server_is_reported_with_its_cause() {
    let issuer = TestIssuer::new(Environment::Uat);
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let verifier = issuer
        .verifier(AUDIENCE)
        .fetch(HttpFetch::new().unwrap())
        .jwks_url(format!("http://{gone}/jwks"))
        .build()
        .unwrap();
    let error = verifier.refresh().await.unwrap_err();
    assert!(matches!(error, FetchError::Transport { .. }), "{error}");
    assert!(error.source().is_some());
    let text = error.to_string().to_lowercase();
    assert!(text.contains("connection refused"), "{text}");
}

#[tokio::test]
async fn b07_a_body_of_exactly_the_longest_length_is_read() {
    let issuer = TestIssuer::new(Environment::Uat);
    let server = Server::of_issuer(&issuer).await;
    let jwks = serde_json::to_string(&issuer.jwks()).unwrap();
    assert_eq!(MAX_JWKS_LEN, 65_536);
    let padding = " ".repeat(MAX_JWKS_LEN - jwks.len());
    server.respond_with(ok(jwks + &padding));
    server.verifier(&issuer).build().unwrap().refresh().await.unwrap();
}

#[tokio::test]
async fn the_etag_of_the_cached_keys_is_sent_and_a_304_confirms_them() {
    let issuer = TestIssuer::new(Environment::Uat);
    let server = Server::of_issuer(&issuer).await;
    let jwks = serde_json::to_string(&issuer.jwks()).unwrap();
    server.respond_with(JwksResponse::Complete(
        "200 OK",
        "ETag: \"v1\"\r\nCache-Control: max-age=60\r\n".into(),
        jwks,
    ));
    let verifier = server.verifier(&issuer).build().unwrap();
    verifier.refresh().await.unwrap();
    server.respond_with(JwksResponse::Complete(
        "304 Not Modified",
        String::new(),
        String::new(),
    ));
    verifier.refresh().await.unwrap();
    verifier
        .verify(&issuer.sign(&issuer.claims(AUDIENCE)))
        .await
        .unwrap();
    // A bad response in between does not change which copy is cached.
    server.respond_with(JwksResponse::Complete(
        "200 OK",
        "ETag: \"v2\"\r\n".into(),
        "{}".into(),
    ));
    verifier.refresh().await.unwrap_err();
    server.respond_with(JwksResponse::Complete(
        "304 Not Modified",
        String::new(),
        String::new(),
    ));
    verifier.refresh().await.unwrap();

    let requests = server.jwks_requests();
    assert!(!requests[0].contains("if-none-match"), "{}", requests[0]);
    assert!(
        requests[0].contains("accept: application/json"),
        "{}",
        requests[0]
    );
    for request in &requests[requests.len() - 3..] {
        assert!(request.contains("if-none-match: \"v1\"\r\n"), "{request}");
    }
}
