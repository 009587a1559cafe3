//! `tm-auth verify`.

use tm_auth_client::proto::ErrorCode;

use super::{Bench, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn verify_prints_every_check_and_succeeds_for_a_valid_token_only() {
    let bench = Bench::new().await;
    let url = bench.issuer.url();
    let token = bench.management_token().await;
    let ran = bench.run(&["verify", "--base-url", url], &token).await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    assert!(
        ran.output.contains("✓ signature\n") && ran.output.contains("✓ expiry\n"),
        "{}",
        ran.output
    );
    assert!(
        ran.output.contains(
            "✓ revocation
"
        ) && !ran.output.contains('✗'),
        "{}",
        ran.output
    );
    assert!(ran.notes.contains("valid for 3600 s"), "{}", ran.notes);

    // The keys from a file, the token as an argument.
    let jwks = bench.path("jwks.json");
    std::fs::write(
        &jwks,
        serde_json::to_vec(&bench.issuer.api().jwks().await.unwrap()).unwrap(),
    )
    .unwrap();
    let requests = bench.issuer.requests();
    let ran = bench
        .run(&["verify", &token, "--base-url", url, "--jwks", text(&jwks)], "")
        .await;
    assert_eq!((ran.result, bench.issuer.requests()), (Ok(()), requests));

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
    let ran = bench.run(&other, "").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(
        ran.output.contains("✗ audience: ") && ran.output.contains("✓ issuer\n"),
        "{}",
        ran.output
    );

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let altered = format!("{signed}.{first}{}", &signature[1..]);
    let ran = bench
        .run(
            &["verify", &altered, "--base-url", url, "--jwks", text(&jwks)],
            "",
        )
        .await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.output.contains("· expiry: not reached"), "{}", ran.output);

    bench.clock.advance(std::time::Duration::from_hours(2));
    let ran = bench
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
async fn verify_takes_keys_from_where_they_cannot_be_forged_only() {
    let bench = Bench::new().await;
    let token = bench.management_token().await;
    let url = bench.issuer.url();
    for (jwks, exit) in [
        ("http://example.com/jwks.json", Exit::Usage),
        ("/no/such/file", Exit::Usage),
        (&format!("{url}/nothing/here"), Exit::Refused),
    ] {
        let ran = bench
            .run(&["verify", &token, "--base-url", url, "--jwks", jwks], "")
            .await;
        assert_eq!(ran.exit(), Some(exit), "{jwks}: {}", ran.notes);
    }
    bench.issuer.refuse_next(ErrorCode::Unavailable);
    let ran = bench.run(&["verify", &token, "--base-url", url], "").await;
    assert_eq!(ran.exit(), Some(Exit::Unavailable), "{}", ran.notes);
}

#[tokio::test]
async fn verify_looks_at_the_revocation_list_of_the_service() {
    let bench = Bench::new().await;
    let token = bench.management_token().await;
    let arguments = ["verify", "--base-url", bench.issuer.url()];
    let jwks = serde_json::to_string(&bench.issuer.api().jwks().await.unwrap()).unwrap();
    // What the service says about the list, and what becomes of it; the keys come first each time.
    for (code, exit) in [
        (ErrorCode::NotFound, None),
        (ErrorCode::Unavailable, Some(Exit::Unavailable)),
    ] {
        bench.issuer.answer_next(200, "application/json", &jwks);
        bench.issuer.refuse_next(code);
        let ran = bench.run(&arguments, &token).await;
        assert_eq!(ran.exit(), exit, "{}", ran.notes);
        assert_eq!(
            ran.output.contains("· revocation: not checked"),
            exit.is_none(),
            "{}",
            ran.output
        );
    }
    // A list that nobody signed decides nothing.
    bench.issuer.answer_next(200, "application/json", &jwks);
    bench.issuer.answer_next(200, "application/jwt", "x.y.z");
    assert_eq!(bench.run(&arguments, &token).await.exit(), Some(Exit::Refused));

    bench.issuer.end_sessions();
    let ran = bench.run(&arguments, &token).await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.output.contains("✗ revocation: "), "{}", ran.output);
    assert!(ran.notes.contains("it was revoked"), "{}", ran.notes);
}
