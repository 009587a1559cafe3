//! Valid signatures over claims that do not fit this resource server.

use tm_auth_proto::{Audience, Environment};
use tm_auth_verifier::testing::{ISSUER, TestIssuer};
use tm_auth_verifier::{InvalidToken, VerifyError};

use crate::support::{AUDIENCE, Fixture, with_claim};

#[tokio::test]
async fn a11_the_audience_must_match_exactly() {
    let fixture = Fixture::new().await;
    let wrong = [
        r#""https://api.tes""#,
        r#""https://api.test/""#,
        r#""https://api.test.evil""#,
        r#""HTTPS://API.TEST""#,
        r#""https://auth.test/v1/auth""#,
        r#""*""#,
        r#""""#,
        "[]",
        r#"["https://a","https://api.test/"]"#,
        r#"["https://a https://api.test"]"#,
    ];
    for aud in wrong {
        let payload = with_claim(&fixture.claims(), "aud", Some(aud));
        let forged = fixture.issuer.sign_raw(&fixture.header(), &payload);
        fixture.refuses(&forged, InvalidToken::WrongAudience).await;
    }
    for aud in [
        "1",
        "null",
        "true",
        "{}",
        r#"["https://api.test",1]"#,
        r#"[["https://api.test"]]"#,
    ] {
        let payload = with_claim(&fixture.claims(), "aud", Some(aud));
        let forged = fixture.issuer.sign_raw(&fixture.header(), &payload);
        fixture.refuses(&forged, InvalidToken::InvalidClaim("aud")).await;
    }
    let mut claims = fixture.claims();
    claims.aud = Audience::Many(vec!["https://a".to_owned(), AUDIENCE.to_owned()]);
    fixture.accepts(&fixture.issuer.sign(&claims)).await;
}

#[tokio::test]
async fn a11_each_added_audience_is_accepted() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer
        .verifier("https://a")
        .add_audience("https://b")
        .build()
        .unwrap();
    for good in ["https://a", "https://b"] {
        verifier.verify(&issuer.sign(&issuer.claims(good))).await.unwrap();
    }
    let error = verifier
        .verify(&issuer.sign(&issuer.claims("https://c")))
        .await
        .unwrap_err();
    assert_eq!(error, VerifyError::InvalidToken(InvalidToken::WrongAudience));
}

#[tokio::test]
async fn a12_the_issuer_must_match_exactly() {
    let fixture = Fixture::new().await;
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        ISSUER.replace("auth.test", "Auth.test"),
        ISSUER.replace("https", "http"),
        ISSUER.replace("/v1/auth", ""),
        format!(" {ISSUER}"),
        "https://auth.test:443/v1/auth".to_owned(),
    ] {
        let mut claims = fixture.claims();
        claims.iss = iss;
        fixture
            .refuses(&fixture.issuer.sign(&claims), InvalidToken::WrongIssuer)
            .await;
    }
}

#[tokio::test]
async fn a12_the_other_environment_is_refused() {
    let fixture = Fixture::new().await;
    let mut claims = fixture.claims();
    claims.env = Environment::Production;
    fixture
        .refuses(&fixture.issuer.sign(&claims), InvalidToken::WrongEnvironment)
        .await;
    for env in [r#""UAT""#, r#""staging""#, "null", "1"] {
        let payload = with_claim(&fixture.claims(), "env", Some(env));
        let forged = fixture.issuer.sign_raw(&fixture.header(), &payload);
        fixture.refuses(&forged, InvalidToken::InvalidClaim("env")).await;
    }
}

#[tokio::test]
async fn a13_each_required_claim_must_be_present_with_its_type() {
    let fixture = Fixture::new().await;
    let names = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "client_id",
        "scope",
        "uid",
        "tm",
        "sid",
        "auth_time",
        "env",
    ];
    for name in names {
        let sign = |raw| {
            let payload = with_claim(&fixture.claims(), name, raw);
            fixture.issuer.sign_raw(&fixture.header(), &payload)
        };
        fixture
            .refuses(&sign(None), InvalidToken::MissingClaim(name))
            .await;
        for wrong in ["null", "true", "1.5", "[1]", "{\"a\":1}"] {
            let expected = match (name, wrong) {
                ("tm", "{\"a\":1}") => InvalidToken::MissingClaim("organization_id"),
                _ => InvalidToken::InvalidClaim(name),
            };
            fixture.refuses(&sign(Some(wrong)), expected).await;
        }
    }
    for name in ["iss", "sub", "jti", "client_id"] {
        let payload = with_claim(&fixture.claims(), name, Some("\"\""));
        let forged = fixture.issuer.sign_raw(&fixture.header(), &payload);
        fixture.refuses(&forged, InvalidToken::InvalidClaim(name)).await;
    }
    // An empty `scope` is valid and permits nothing.
    let payload = with_claim(&fixture.claims(), "scope", Some("\"\""));
    fixture
        .accepts(&fixture.issuer.sign_raw(&fixture.header(), &payload))
        .await;
}

#[tokio::test]
async fn a13_a_payload_that_is_not_a_json_object_is_refused() {
    let fixture = Fixture::new().await;
    for payload in ["", "null", "[]", "\"x\"", "{", "{}{}", "\u{feff}{}"] {
        let forged = fixture.issuer.sign_raw(&fixture.header(), payload.as_bytes());
        fixture.refuses(&forged, InvalidToken::MalformedPayload).await;
    }
    let forged = fixture.issuer.sign_raw(&fixture.header(), b"{\"iss\":\"\xff\"}");
    fixture.refuses(&forged, InvalidToken::MalformedPayload).await;
}
