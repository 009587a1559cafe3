//! `tm-auth verify`.

use tm_auth_client::proto::ErrorCode;

use super::{Fixture, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn verify_prints_every_check_and_succeeds_for_a_valid_token_only() {
    let fixture = Fixture::new().await;
    let url = fixture.issuer.url();
    let token = fixture.management_token().await;
    let ran = fixture.run(&["verify", "--base-url", url], &token).await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    assert!(
        ran.output.contains("✓ signature\n") && ran.output.contains("✓ expiry\n"),
        "{}",
        ran.output
    );
    assert!(
        ran.output.contains("✓ revocation\n") && !ran.output.contains('✗'),
        "{}",
        ran.output
    );
    assert!(ran.notes.contains("valid for 3600 s"), "{}", ran.notes);

    // The keys from a file, the token as an argument.
    let jwks = fixture.path("jwks.json");
    std::fs::write(
        &jwks,
        serde_json::to_vec(&fixture.issuer.api().jwks().await.unwrap()).unwrap(),
    )
    .unwrap();
    let requests = fixture.issuer.requests();
    let ran = fixture
        .run(&["verify", &token, "--base-url", url, "--jwks", text(&jwks)], "")
        .await;
    assert_eq!((ran.result, fixture.issuer.requests()), (Ok(()), requests));

    let other = [
        "verify",
        &token,
        "--base-url",
        url,
        "--jwks",
        text(&jwks),
        "--audience",
        "https://else.example",
    ];
    let ran = fixture.run(&other, "").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(
        ran.output.contains("✗ audience: ") && ran.output.contains("✓ issuer\n"),
        "{}",
        ran.output
    );

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let altered = format!("{signed}.{first}{}", &signature[1..]);
    let ran = fixture
        .run(
            &["verify", &altered, "--base-url", url, "--jwks", text(&jwks)],
            "",
        )
        .await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.output.contains("· expiry: not reached"), "{}", ran.output);

    fixture.clock.advance(std::time::Duration::from_hours(2));
    let ran = fixture
        .run(&["verify", &token, "--base-url", url, "--jwks", text(&jwks)], "")
        .await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(
        ran.output.contains("✗ expiry: the token has expired"),
        "{}",
        ran.output
    );
}

#[tokio::test]
async fn verify_fetches_keys_over_https_or_from_this_machine_only() {
    let fixture = Fixture::new().await;
    let token = fixture.management_token().await;
    let url = fixture.issuer.url();
    for (jwks, exit) in [
        ("http://example.com/jwks.json", Exit::Usage),
        ("/no/such/file", Exit::Usage),
        (&format!("{url}/nothing/here"), Exit::Refused),
    ] {
        let ran = fixture
            .run(&["verify", &token, "--base-url", url, "--jwks", jwks], "")
            .await;
        assert_eq!(ran.exit(), Some(exit), "{jwks}: {}", ran.notes);
    }
    fixture.issuer.refuse_next(ErrorCode::Unavailable);
    let ran = fixture.run(&["verify", &token, "--base-url", url], "").await;
    assert_eq!(ran.exit(), Some(Exit::Unavailable), "{}", ran.notes);
}

#[tokio::test]
async fn verify_checks_the_revocation_list_of_the_service() {
    let fixture = Fixture::new().await;
    let token = fixture.management_token().await;
    let arguments = ["verify", "--base-url", fixture.issuer.url()];
    let jwks = serde_json::to_string(&fixture.issuer.api().jwks().await.unwrap()).unwrap();
    // The response to the request for the list, and the exit code. The keys are fetched first.
    for (code, exit) in [
        (ErrorCode::NotFound, None),
        (ErrorCode::Unavailable, Some(Exit::Unavailable)),
    ] {
        fixture.issuer.answer_next(200, "application/json", &jwks);
        fixture.issuer.refuse_next(code);
        let ran = fixture.run(&arguments, &token).await;
        assert_eq!(ran.exit(), exit, "{}", ran.notes);
        assert_eq!(
            ran.output.contains("· revocation: not checked"),
            exit.is_none(),
            "{}",
            ran.output
        );
    }
    // An unsigned list is refused.
    fixture.issuer.answer_next(200, "application/json", &jwks);
    fixture.issuer.answer_next(200, "application/jwt", "x.y.z");
    assert_eq!(fixture.run(&arguments, &token).await.exit(), Some(Exit::Refused));

    fixture.issuer.end_sessions();
    let ran = fixture.run(&arguments, &token).await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.output.contains("✗ revocation: "), "{}", ran.output);
    assert!(ran.notes.contains("it was revoked"), "{}", ran.notes);
}
