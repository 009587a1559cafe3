//! `tm-auth token` and `tm-auth refresh`, and how commands report errors of the service.

use tm_auth_client::proto::{ErrorCode, TokenResponse};

use super::{Fixture, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn token_and_refresh_print_the_access_token_or_the_whole_response() {
    let fixture = Fixture::new().await;
    let (path, url) = (fixture.key_file(), fixture.issuer.url());
    let ran = fixture
        .run(&["token", "--key-file", text(&path), "--base-url", url], "")
        .await;
    assert_eq!(ran.output.trim().split('.').count(), 3);
    let ran = fixture
        .run(
            &["token", "--key-file", text(&path), "--base-url", url, "--json"],
            "",
        )
        .await;
    let minted: TokenResponse = serde_json::from_str(&ran.output).unwrap();
    let file = fixture.path("tokens.json");
    std::fs::write(&file, &ran.output).unwrap();

    let body = fixture
        .run(&["refresh", "--request-body", "--base-url", url], &ran.output)
        .await;
    assert_eq!(
        body.output,
        format!("{{\"refresh_token\":\"{}\"}}\n", minted.refresh_token)
    );
    assert_eq!(fixture.issuer.refreshes(), 0);

    let ran = fixture
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
    let ran = fixture
        .run(&["refresh", "--base-url", url], &refreshed.refresh_token)
        .await;
    assert_eq!(ran.output.trim().split('.').count(), 3);

    fixture.issuer.end_sessions();
    let ran = fixture
        .run(&["refresh", "--base-url", url], &refreshed.refresh_token)
        .await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(
        ran.notes.contains("session_ended") && ran.notes.contains("hint: mint again"),
        "{}",
        ran.notes
    );
    let ran = fixture.run(&["refresh", "--base-url", url], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
}

#[tokio::test]
async fn the_hint_for_a_wrong_clock_contains_the_difference() {
    for (ahead, hint) in [
        (100, "your clock is 100 s behind"),
        (-100, "your clock is 100 s ahead"),
    ] {
        let fixture = Fixture::new().await;
        let path = fixture.key_file();
        fixture
            .issuer
            .set_clock_ahead(jiff::SignedDuration::from_secs(ahead));
        let ran = fixture
            .run(
                &[
                    "token",
                    "--key-file",
                    text(&path),
                    "--base-url",
                    fixture.issuer.url(),
                ],
                "",
            )
            .await;
        assert_eq!(ran.exit(), Some(Exit::Refused));
        assert!(ran.notes.contains(hint), "{}", ran.notes);
    }
}

#[tokio::test]
async fn unavailable_and_refused_have_different_exit_codes() {
    let fixture = Fixture::new().await;
    let path = fixture.key_file();
    let arguments = [
        "token",
        "--key-file",
        text(&path),
        "--base-url",
        fixture.issuer.url(),
    ];
    for code in ErrorCode::ALL {
        fixture.issuer.refuse_next(*code);
        let ran = fixture.run(&arguments, "").await;
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
    fixture.issuer.lose_responses(1);
    let ran = fixture.run(&arguments, "").await;
    assert_eq!(ran.exit(), Some(Exit::Unavailable));
    assert!(
        ran.notes.contains("cannot reach") && ran.notes.contains("TM_BASE_URL"),
        "{}",
        ran.notes
    );
    // The command refuses a plain http URL of another machine, so no credential is sent in clear
    // text.
    let ran = fixture
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
