//! `tm-auth token` and `tm-auth refresh`, and how a command reports an error of the service.

use tm_auth_client::proto::{ErrorCode, TokenResponse};

use super::{Bench, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn token_and_refresh_print_the_access_token_or_everything() {
    let bench = Bench::new().await;
    let (path, url) = (bench.key_file(), bench.issuer.url());
    let ran = bench
        .run(&["token", "--key-file", text(&path), "--base-url", url], "")
        .await;
    assert_eq!(ran.output.trim().split('.').count(), 3);
    let ran = bench
        .run(
            &["token", "--key-file", text(&path), "--base-url", url, "--json"],
            "",
        )
        .await;
    let minted: TokenResponse = serde_json::from_str(&ran.output).unwrap();
    let file = bench.path("tokens.json");
    std::fs::write(&file, &ran.output).unwrap();

    let body = bench
        .run(&["refresh", "--request-body", "--base-url", url], &ran.output)
        .await;
    assert_eq!(
        body.output,
        format!("{{\"refresh_token\":\"{}\"}}\n", minted.refresh_token)
    );
    assert_eq!(bench.issuer.refreshes(), 0);

    let ran = bench
        .run(
            &[
                "refresh",
                "--base-url",
                url,
                "--refresh-token-file",
                text(&file),
                "--json",
            ],
            "",
        )
        .await;
    let refreshed: TokenResponse = serde_json::from_str(&ran.output).unwrap();
    let ran = bench
        .run(&["refresh", "--base-url", url], &refreshed.refresh_token)
        .await;
    assert_eq!(ran.output.trim().split('.').count(), 3);

    bench.issuer.end_sessions();
    let ran = bench
        .run(&["refresh", "--base-url", url], &refreshed.refresh_token)
        .await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(
        ran.notes.contains("session_ended") && ran.notes.contains("hint: mint again"),
        "{}",
        ran.notes
    );
    let ran = bench.run(&["refresh", "--base-url", url], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
}

#[tokio::test]
async fn a_wrong_clock_is_named_with_its_difference() {
    for (ahead, told) in [
        (100, "your clock is 100 s behind"),
        (-100, "your clock is 100 s ahead"),
    ] {
        let bench = Bench::new().await;
        let path = bench.key_file();
        bench
            .issuer
            .set_clock_ahead(jiff::SignedDuration::from_secs(ahead));
        let ran = bench
            .run(
                &[
                    "token",
                    "--key-file",
                    text(&path),
                    "--base-url",
                    bench.issuer.url(),
                ],
                "",
            )
            .await;
        assert_eq!(ran.exit(), Some(Exit::Refused));
        assert!(ran.notes.contains(told), "{}", ran.notes);
    }
}

#[tokio::test]
async fn a_service_that_cannot_serve_is_told_from_one_that_refuses() {
    let bench = Bench::new().await;
    let path = bench.key_file();
    let arguments = [
        "token",
        "--key-file",
        text(&path),
        "--base-url",
        bench.issuer.url(),
    ];
    for code in ErrorCode::ALL {
        bench.issuer.refuse_next(*code);
        let ran = bench.run(&arguments, "").await;
        let expected = match code.status() {
            408 | 429 | 500.. => Exit::Unavailable,
            _ => Exit::Refused,
        };
        assert_eq!(ran.exit(), Some(expected), "{code}");
        let first = ran.notes.lines().next().unwrap();
        assert!(
            first.starts_with("error: ") && first.contains(code.as_str()),
            "{first}"
        );
    }
    bench.issuer.lose_responses(1);
    let ran = bench.run(&arguments, "").await;
    assert_eq!(ran.exit(), Some(Exit::Unavailable));
    assert!(
        ran.notes.contains("cannot reach") && ran.notes.contains("TM_BASE_URL"),
        "{}",
        ran.notes
    );
    // Credentials are not sent in clear text, whatever the base URL says.
    let ran = bench
        .run(
            &[
                "token",
                "--key-file",
                text(&path),
                "--base-url",
                "http://example.com",
            ],
            "",
        )
        .await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
}
