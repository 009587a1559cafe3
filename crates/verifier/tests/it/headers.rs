//! Hostile headers and non-canonical forms of a token.

use serde_json::{Value, json};
use tm_auth_proto::compact::{MAX_LEN, Malformed};
use tm_auth_verifier::testing::TestKey;
use tm_auth_verifier::{Algorithm, InvalidToken};
use tokio::net::TcpListener;

use crate::http::Server;
use crate::support::{Fixture, encode, guarded, send, token};

#[tokio::test]
async fn a05_keys_and_addresses_in_the_header_are_never_followed() {
    // A verifier with network access, and a listener that must receive no connection.
    let mut fixture = Fixture::new().await;
    let server = Server::of_issuer(&fixture.issuer).await;
    fixture.verifier = server.verifier(&fixture.issuer).build().unwrap();
    fixture.app = guarded(&fixture.verifier);
    fixture.verifier.refresh().await.unwrap();
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", trap.local_addr().unwrap());

    let own = TestKey::generate("own", Algorithm::ES256);
    let members = [
        ("jwk", serde_json::to_value(own.jwk()).unwrap()),
        ("jku", Value::from(url.clone())),
        ("x5u", Value::from(url)),
        ("x5c", json!([encode(own.public_bytes())])),
    ];
    for (member, value) in members {
        for kid in ["own", fixture.issuer.signing_key().kid()] {
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, member: value }).to_string();
            let input = format!("{}.{}", encode(header), encode(fixture.payload()));
            let forged = format!("{input}.{}", encode(own.sign(input.as_bytes())));
            let expected = if kid == "own" {
                InvalidToken::UnknownKey
            } else {
                InvalidToken::BadSignature
            };
            fixture.refuses(&forged, expected).await;
        }
        // With a valid signature these members are ignored.
        let mut header = fixture.header();
        header[member] = value;
        fixture
            .accepts(&fixture.issuer.sign_raw(&header, &fixture.payload()))
            .await;
    }
    // A connection attempt would be in the listener's queue by now.
    let accepted = trap.into_std().unwrap().accept();
    assert_eq!(accepted.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a06_a_hostile_kid_is_only_looked_up_in_memory() {
    let fixture = Fixture::new().await;
    let before = fixture.issuer.jwks_fetches();
    let kids = [
        "../../dev/null",
        "' OR 1=1--",
        "\0",
        "",
        "test-1\0",
        "TEST-1",
        " test-1",
        "test-1 ",
    ];
    for kid in kids {
        let mut header = fixture.header();
        header["kid"] = kid.into();
        let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
        fixture.refuses(&forged, InvalidToken::UnknownKey).await;
    }
    for kid in [Value::Null, json!(null)] {
        let mut header = fixture.header();
        header["kid"] = kid;
        let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
        fixture.refuses(&forged, InvalidToken::UnknownKey).await;
    }
    let mut header = fixture.header();
    header.as_object_mut().unwrap().remove("kid");
    fixture
        .refuses(
            &fixture.issuer.sign_raw(&header, &fixture.payload()),
            InvalidToken::UnknownKey,
        )
        .await;
    for kid in [json!(1), json!(["test-1"]), json!({ "test-1": 1 })] {
        header["kid"] = kid;
        let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
        fixture.refuses(&forged, Malformed::Header.into()).await;
    }
    header["kid"] = "k".repeat(1024 * 1024).into();
    let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
    fixture.refuses(&forged, Malformed::TooLong.into()).await;
    let twice = r#"{"alg":"ES256","typ":"at+jwt","kid":"test-1","kid":"test-1"}"#;
    fixture
        .refuses(&token(twice, fixture.payload(), "sig"), Malformed::Header.into())
        .await;
    assert_eq!(
        fixture.issuer.jwks_fetches(),
        before,
        "no `kid` causes a fetch within the cool-down"
    );
}

#[tokio::test]
async fn a07_header_extensions_are_refused() {
    let fixture = Fixture::new().await;
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let mut header = fixture.header();
        header[member] = value;
        let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
        fixture.refuses(&forged, Malformed::Extension.into()).await;
    }
}

#[tokio::test]
async fn a08_encrypted_and_compressed_tokens_are_refused() {
    let fixture = Fixture::new().await;
    let jwe =
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_648_u32, "p2s": "AAAA" });
    let five = format!("{}.a.b.c.d", encode(jwe.to_string()));
    fixture.refuses(&five, Malformed::Parts.into()).await;
    // The same header on three parts: PBES2 with its iteration count `p2c` never runs.
    let mut header = fixture.header();
    header["alg"] = "PBES2-HS256+A128KW".into();
    header["p2c"] = 2_147_483_648_u32.into();
    let three = fixture.issuer.sign_raw(&header, &fixture.payload());
    fixture.refuses(&three, InvalidToken::AlgorithmNotPermitted).await;
    let mut header = fixture.header();
    header["zip"] = "DEF".into();
    let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
    fixture.refuses(&forged, Malformed::Extension.into()).await;
}

#[tokio::test]
async fn a09_other_kinds_of_tokens_are_refused() {
    let fixture = Fixture::new().await;
    let types = [
        json!("rt+jwt"),
        json!("revocations+jwt"),
        json!("JWT"),
        json!("AT+JWT"),
        json!("at+jwt "),
        json!("at"),
        json!("application/application/at+jwt"),
        json!("application/"),
        json!(""),
        Value::Null,
    ];
    for typ in types {
        let mut header = fixture.header();
        header["typ"] = typ;
        fixture
            .refuses(
                &fixture.issuer.sign_raw(&header, &fixture.payload()),
                InvalidToken::WrongType,
            )
            .await;
    }
    let mut header = fixture.header();
    header.as_object_mut().unwrap().remove("typ");
    fixture
        .refuses(
            &fixture.issuer.sign_raw(&header, &fixture.payload()),
            InvalidToken::WrongType,
        )
        .await;

    // A refresh token, an ID token as Apple issues it, and this issuer's own revocation list.
    let refresh = r#"{"alg":"HS256","kid":"mac-1","typ":"rt+jwt"}"#;
    fixture
        .refuses(
            &token(refresh, r#"{"sid":"x","n":1}"#, [0; 32]),
            InvalidToken::WrongType,
        )
        .await;
    let apple = r#"{"kid":"fh6Bs8C","alg":"RS256"}"#;
    let id_token = r#"{"iss":"https://appleid.apple.com","aud":"co.truemarkets.web","sub":"001"}"#;
    fixture
        .refuses(&token(apple, id_token, [0; 256]), InvalidToken::WrongType)
        .await;
    let list = fixture.issuer.sign_revocations(&fixture.issuer.revocation_list());
    fixture.refuses(&list, InvalidToken::WrongType).await;

    let mut header = fixture.header();
    header["typ"] = "application/at+jwt".into();
    fixture
        .accepts(&fixture.issuer.sign_raw(&header, &fixture.payload()))
        .await;
}

#[tokio::test]
async fn a16_a_repeated_member_is_refused() {
    let fixture = Fixture::new().await;
    let header = fixture.header().to_string();
    for twice in [
        header.replacen('{', r#"{"alg":"none","#, 1),
        header.replacen('{', r#"{"alg":"ES256","#, 1),
        header.replacen('{', r#"{"typ":"at+jwt","#, 1),
        header.replacen('{', r#"{"x":1,"x":2,"#, 1),
    ] {
        let forged = token(&twice, fixture.payload(), "sig");
        fixture.refuses(&forged, Malformed::Header.into()).await;
    }
    let payload = String::from_utf8(fixture.payload()).unwrap();
    for twice in [
        payload.replacen('{', r#"{"sub":"root","#, 1),
        payload.replacen('{', r#"{"exp":99999999999,"#, 1),
        payload.replacen('{', r#"{"\u0073ub":"root","#, 1),
        payload.replacen('{', r#"{"x":1,"x":1,"#, 1),
    ] {
        let forged = fixture.issuer.sign_raw(&fixture.header(), twice.as_bytes());
        fixture.refuses(&forged, InvalidToken::MalformedPayload).await;
    }
    let tm = r#""tm":{"organization_id":"00000000-0000-0000-0000-000000000000","#;
    let nested = payload.replacen(r#""tm":{"#, tm, 1);
    let forged = fixture.issuer.sign_raw(&fixture.header(), nested.as_bytes());
    fixture.refuses(&forged, InvalidToken::InvalidClaim("tm")).await;
}

#[tokio::test]
async fn a17_non_canonical_forms_of_a_valid_token_are_refused() {
    let fixture = Fixture::new().await;
    let good = fixture.good();
    fixture.accepts(&good).await;
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let base64 = InvalidToken::from(Malformed::Base64);
    // The last character of a 64-byte signature has four unused bits, which must be zero.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.as_bytes()[alphabet.find(last).unwrap() + 1] as char;
    let trailing = format!("{}{next}", &good[..good.len() - 1]);
    for changed in [
        format!("{good}="),
        format!("{good}=="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{good}\n"),
        format!("{good} "),
        format!("{header}.{payload}. {signature}"),
        format!("{header}.{}\r\n{}.{signature}", &payload[..8], &payload[8..]),
        format!("{header}.{payload}.+{}", &signature[1..]),
        format!("{header}.{payload}./{}", &signature[1..]),
        format!("{header}.{payload}.%41{}", &signature[1..]),
        trailing,
    ] {
        fixture.refuses(&changed, base64).await;
    }
    let json = json!({ "protected": header, "payload": payload, "signature": signature });
    let general =
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] });
    for serialization in [json.to_string(), general.to_string()] {
        fixture.refuses(&serialization, Malformed::Parts.into()).await;
    }
    fixture
        .refuses(&format!("{good}."), Malformed::Parts.into())
        .await;
    fixture
        .refuses(&format!(".{good}"), Malformed::Parts.into())
        .await;
}

#[tokio::test]
async fn a17_the_standard_base64_alphabet_is_refused() {
    // A token whose signature contains both characters in which the alphabets differ.
    let fixture = Fixture::new().await;
    let both = |token: &String| {
        let signature = token.rsplit_once('.').unwrap().1;
        signature.contains('-') && signature.contains('_')
    };
    let good = (0..1_000).map(|_| fixture.good()).find(both).unwrap();
    fixture.accepts(&good).await;
    fixture
        .refuses(
            &good.replace('-', "+").replace('_', "/"),
            Malformed::Base64.into(),
        )
        .await;
}

#[tokio::test]
async fn a18_long_and_deep_tokens_are_refused() {
    let fixture = Fixture::new().await;
    let header = fixture.header();
    for payload in [
        format!("{{\"a\":\"{}\"}}", "x".repeat(48 * 1024)),
        format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)),
    ] {
        let token = fixture.issuer.sign_raw(&header, payload.as_bytes());
        assert!(token.len() > MAX_LEN);
        fixture.refuses(&token, Malformed::TooLong.into()).await;
    }
    // JSON as deep as fits: in a claim that is read, and in one that is ignored.
    let deep = format!("{}{}", "[".repeat(2_400), "]".repeat(2_400));
    let payload =
        String::from_utf8(crate::support::with_claim(&fixture.claims(), "aud", Some(&deep))).unwrap();
    let forged = fixture.issuer.sign_raw(&header, payload.as_bytes());
    assert!(forged.len() < MAX_LEN);
    fixture.refuses(&forged, InvalidToken::InvalidClaim("aud")).await;
    let ignored = crate::support::with_claim(&fixture.claims(), "x", Some(&deep));
    fixture.accepts(&fixture.issuer.sign_raw(&header, &ignored)).await;
    // Deep JSON in the header, which is parsed before the signature is verified.
    let deep_header = format!("{{\"alg\":\"ES256\",\"x\":{deep}}}");
    fixture
        .refuses(&token(&deep_header, "{}", "sig"), InvalidToken::WrongType)
        .await;
}

#[tokio::test]
async fn a20_every_invalid_token_gets_the_same_response() {
    let fixture = Fixture::new().await;
    let mut late = fixture.claims();
    late.exp = late.iat - 3600;
    let mut elsewhere = fixture.claims();
    elsewhere.iss = "https://elsewhere.test".to_owned();
    let mut typ = fixture.header();
    typ["typ"] = "JWT".into();
    let mut kid = fixture.header();
    kid["kid"] = "unknown".into();
    let none = token(r#"{"alg":"none","typ":"at+jwt"}"#, fixture.payload(), "");
    let answers = [
        String::new(),
        "x".to_owned(),
        "x".repeat(20_000),
        none,
        fixture.issuer.sign(&late),
        fixture.issuer.sign(&elsewhere),
        fixture.issuer.sign_raw(&typ, &fixture.payload()),
        fixture.issuer.sign_raw(&kid, &fixture.payload()),
        fixture.issuer.sign_raw(&fixture.header(), b"{}"),
    ];
    for token in answers {
        crate::support::assert_uniform(send(&fixture.app, &token).await).await;
    }
}
