//! The times `exp`, `iat` and `nbf`, and the leeway.

use tm_auth_proto::Environment;
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{BuildError, Clock, InvalidToken, VerifyError};

use crate::support::{AUDIENCE, Fixture, with_claim};

#[tokio::test]
async fn a13_a_token_expires_at_exp_plus_the_leeway() {
    let fixture = Fixture::new().await;
    let token = fixture.good();
    fixture.issuer.clock().advance(3600);
    fixture.accepts(&token).await;
    fixture.issuer.clock().advance(9);
    fixture.accepts(&token).await;
    fixture.issuer.clock().advance(1);
    fixture.refuses(&token, InvalidToken::Expired).await;
    fixture.issuer.clock().advance(1);
    fixture.refuses(&token, InvalidToken::Expired).await;
}

#[tokio::test]
async fn a13_times_are_whole_seconds() {
    let fixture = Fixture::new().await;
    let later = fixture.claims().exp;
    let wrong = [
        format!("\"{later}\""),
        format!("{later}.0"),
        format!("{later}e0"),
        "-1".to_owned(),
        "-0.0".to_owned(),
        "1e400".to_owned(),
        "9223372036854775808".to_owned(),
        "18446744073709551616".to_owned(),
        "null".to_owned(),
        "false".to_owned(),
        "[]".to_owned(),
        "NaN".to_owned(),
        "Infinity".to_owned(),
        format!("0{later}"),
    ];
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for raw in &wrong {
            let payload = with_claim(&fixture.claims(), name, Some(raw));
            let forged = fixture.issuer.sign_raw(&fixture.header(), &payload);
            // A value that is not JSON makes the whole payload malformed.
            let expected = match raw.as_bytes() {
                [b'N' | b'I', ..] | [b'0', b'1', ..] => InvalidToken::MalformedPayload,
                _ => InvalidToken::InvalidClaim(name),
            };
            fixture.refuses(&forged, expected).await;
        }
    }
    // The largest time does not overflow.
    let payload = with_claim(&fixture.claims(), "exp", Some("9223372036854775807"));
    fixture
        .accepts(&fixture.issuer.sign_raw(&fixture.header(), &payload))
        .await;
    let payload = with_claim(&fixture.claims(), "exp", Some("0"));
    fixture
        .refuses(
            &fixture.issuer.sign_raw(&fixture.header(), &payload),
            InvalidToken::Expired,
        )
        .await;
}

#[tokio::test]
async fn a14_a_token_from_beyond_the_leeway_in_the_future_is_refused() {
    let fixture = Fixture::new().await;
    let now = fixture.issuer.clock().now().as_second();
    for (ahead, accepted) in [
        (-5, true),
        (0, true),
        (10, true),
        (11, false),
        (59, false),
        (61, false),
    ] {
        let at = (now + ahead).to_string();
        for (name, refusal) in [
            ("iat", InvalidToken::IssuedInFuture),
            ("nbf", InvalidToken::NotYetValid),
        ] {
            let payload = with_claim(&fixture.claims(), name, Some(&at));
            let token = fixture.issuer.sign_raw(&fixture.header(), &payload);
            if accepted {
                fixture.accepts(&token).await;
            } else {
                fixture.refuses(&token, refusal).await;
            }
        }
    }
}

#[tokio::test]
async fn a13_a14_the_leeway_can_be_set_from_0_to_60_seconds() {
    let issuer = TestIssuer::new(Environment::Uat);
    for leeway in [0, 60] {
        let verifier = issuer.verifier(AUDIENCE).leeway(leeway).build().unwrap();
        let seconds = i64::from(leeway);
        let mut claims = issuer.claims(AUDIENCE);
        claims.iat += seconds;
        verifier.verify(&issuer.sign(&claims)).await.unwrap();
        claims.iat += 1;
        let error = verifier.verify(&issuer.sign(&claims)).await.unwrap_err();
        assert_eq!(error, VerifyError::InvalidToken(InvalidToken::IssuedInFuture));

        let mut claims = issuer.claims(AUDIENCE);
        claims.exp = claims.iat - seconds + 1;
        verifier.verify(&issuer.sign(&claims)).await.unwrap();
        claims.exp -= 1;
        let error = verifier.verify(&issuer.sign(&claims)).await.unwrap_err();
        assert_eq!(error, VerifyError::InvalidToken(InvalidToken::Expired));
    }
    let error = issuer.verifier(AUDIENCE).leeway(61).build().unwrap_err();
    assert!(matches!(error, BuildError::Leeway(_)));
    assert_eq!(error.to_string(), "a leeway is at most 60 seconds, not 61");
}
