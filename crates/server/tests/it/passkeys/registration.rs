//! Registration: the options, what is stored, and what is refused.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{ADD, SIGN_UP};
use crate::support::authenticator::{
    Authenticator, BACKED_UP, BACKUP_ELIGIBLE, HAS_EXTENSIONS, Made, USER_PRESENT, USER_VERIFIED, base64,
    bend, cbor, unbase64,
};
use crate::support::{TestServer, at_once};

/// Signs up, after `change` was applied to the new credential.
async fn sign_up(server: &TestServer, change: impl FnOnce(&mut Made)) -> crate::support::Answer {
    let mut authenticator = Authenticator::new();
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_UP).await;
    let mut made = authenticator.create(&options, &server.origin);
    change(&mut made);
    let answer = visitor.finish(SIGN_UP, &made.answer()).await;
    assert_eq!(visitor.sid().is_some(), answer.status == 201);
    answer
}

#[tokio::test]
async fn g01_a_sign_up_creates_the_account_with_its_passkey() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_UP).await;
    assert_eq!(
        server.store.accounts().await.unwrap(),
        [],
        "the options create no account"
    );
    let answer = authenticator.create(&options, &server.origin).answer();
    assert_eq!(visitor.finish(SIGN_UP, &answer).await.status, 201);

    let account = server.account_of(&visitor).await;
    let kept = server.passkey(&authenticator).await.unwrap();
    assert_eq!((kept.uid, kept.created_at), (account.uid, server.now()));
    assert_eq!(
        (kept.counter, kept.backup_eligible, kept.backed_up),
        (0, true, true)
    );
    assert_eq!((kept.last_used_at, kept.suspect_at), (None, None));
    assert_eq!(kept.name, "Firefox on Linux");
    let record: Value = serde_json::from_str(&kept.credential).unwrap();
    assert_eq!(
        record["transports"],
        json!(["hybrid", "internal"]),
        "the known ones"
    );
    assert_eq!(record["user_verified"], true);
    let key = authenticator.create(&options, &server.origin).key;
    assert_eq!(record["public_key"]["crv"], "P-256");
    assert_eq!(record["public_key"]["x"], base64(&key[10..42]));
    assert_eq!(record["public_key"]["y"], base64(&key[45..]));
    let user = server
        .store
        .passkey_user(account.uid, [0; 64])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(user.display_name.as_deref(), Some("Ada"));
    assert_eq!(Some(user.handle.to_vec()), authenticator.user_handle);
}

#[tokio::test]
async fn g09_g17_the_options_have_a_random_user_handle_and_two_algorithms() {
    let server = TestServer::start().await;
    let mut handles = HashSet::new();
    let mut challenges = HashSet::new();
    for _ in 0..8 {
        let options = server.visitor().begin(SIGN_UP).await;
        let asked = &options["publicKey"];
        assert_eq!(asked["rp"], json!({ "id": "localhost", "name": "True Markets" }));
        assert_eq!(
            asked["pubKeyCredParams"],
            json!([{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }])
        );
        let selection = &asked["authenticatorSelection"];
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["requireResidentKey"], true);
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(
            (&asked["attestation"], &asked["timeout"]),
            (&json!("none"), &json!(300_000))
        );
        let handle = unbase64(&asked["user"]["id"]);
        assert_eq!(handle.len(), 64);
        assert!(handles.insert(handle));
        assert!(challenges.insert(unbase64(&asked["challenge"])));
    }
    assert!(challenges.iter().all(|challenge| challenge.len() == 32));
}

#[tokio::test]
async fn g09_g17_the_options_have_these_members_and_no_others() {
    let server = TestServer::start().await;
    let mut first = Authenticator::new();
    let (account, mut visitor) = server.with_address(&mut first).await;
    let address = account.email.unwrap();
    let excluded = json!([{ "type": "public-key", "id": base64(&first.credential_id) }]);
    for (mut options, name, excluded) in [
        (server.visitor().begin(SIGN_UP).await, "Ada", json!([])),
        (visitor.begin(ADD).await, &address, excluded),
    ] {
        let asked = &mut options["publicKey"];
        for random in [asked["challenge"].take(), asked["user"]["id"].take()] {
            assert!(unbase64(&random).len() >= 32);
        }
        let expected = json!({
            "publicKey": {
                "attestation": "none",
                "authenticatorSelection": {
                    "requireResidentKey": true,
                    "residentKey": "required",
                    "userVerification": "required",
                },
                "challenge": null,
                "excludeCredentials": excluded,
                "extensions": {
                    "credProps": true,
                    "credentialProtectionPolicy": "userVerificationRequired",
                    "enforceCredentialProtectionPolicy": false,
                    "uvm": true,
                },
                "pubKeyCredParams": [
                    { "alg": -7, "type": "public-key" },
                    { "alg": -257, "type": "public-key" },
                ],
                "rp": { "id": "localhost", "name": "True Markets" },
                "timeout": 300_000,
                "user": { "displayName": name, "id": null, "name": name },
            },
        });
        assert_eq!(options, expected);
    }
}

#[tokio::test]
async fn g17_all_passkeys_of_an_account_have_the_same_user_handle() {
    let server = TestServer::start().await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let (account, mut visitor) = server.with_address(&mut first).await;
    let options = visitor.begin(ADD).await;
    let user = &options["publicKey"]["user"];
    let answer = second.create(&options, &server.origin).answer();
    assert_eq!(visitor.finish(ADD, &answer).await.status, 201);
    assert_eq!(first.user_handle, second.user_handle);
    assert_eq!(
        user["name"],
        json!(account.email),
        "the name that the authenticator shows"
    );
    let excluded = &options["publicKey"]["excludeCredentials"];
    assert_eq!(excluded[0]["id"], base64(&first.credential_id));
    assert_eq!(excluded.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn g03_g04_g05_g06_a_registration_for_another_type_origin_or_rp_is_refused() {
    let server = TestServer::start().await;
    let origin = server.origin.clone();
    let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
    for (from, to) in [
        ("webauthn.create", "webauthn.get".to_owned()),
        (origin.as_str(), format!("https://localhost:{port}")),
        (origin.as_str(), format!("http://localhost:{}", port + 1)),
        (origin.as_str(), "http://localhost".to_owned()),
        (origin.as_str(), format!("http://evil.localhost:{port}")),
        (origin.as_str(), format!("http://evil-localhost:{port}")),
        (origin.as_str(), format!("http://localhost.evil.example:{port}")),
        (origin.as_str(), format!("http://user@localhost:{port}")),
        (origin.as_str(), format!("{origin}/")),
        (origin.as_str(), "null".to_owned()),
        (origin.as_str(), "android:apk-key-hash:AAAA".to_owned()),
        (r#""crossOrigin":false"#, r#""crossOrigin":true"#.to_owned()),
        (r#""crossOrigin":false"#, format!(r#""topOrigin":"{origin}""#)),
        (
            r#""crossOrigin":false"#,
            r#""topOrigin":"https://evil.example""#.to_owned(),
        ),
    ] {
        let answer = sign_up(&server, |made| bend(&mut made.client_data, from, &to)).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    for rp_id in ["evil.example", "localhost.", "LOCALHOST", "auth.localhost", ""] {
        let answer = sign_up(&server, |made| rp_id.clone_into(&mut made.rp_id)).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    assert_eq!(server.store.accounts().await.unwrap(), []);
}

#[tokio::test]
async fn g07_g08_user_presence_verification_and_consistent_backup_flags_are_required() {
    let server = TestServer::start().await;
    let both = USER_PRESENT | USER_VERIFIED;
    for (off, on) in [
        (USER_PRESENT, 0),
        (USER_VERIFIED, 0),
        (both, 0),
        (BACKUP_ELIGIBLE, BACKED_UP),
    ] {
        let answer = sign_up(&server, |made| made.flags = made.flags & !off | on).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    assert_eq!(server.store.accounts().await.unwrap(), []);
    for flags in [0, BACKUP_ELIGIBLE, BACKUP_ELIGIBLE | BACKED_UP] {
        let answer = sign_up(&server, |made| {
            made.flags = made.flags & !(BACKUP_ELIGIBLE | BACKED_UP) | flags;
        });
        assert_eq!(answer.await.status, 201);
    }
}

/// An RSA key in COSE.
fn rsa(algorithm: &[u8], modulus: usize) -> Vec<u8> {
    // Odd, and with the highest bit set.
    let n = vec![0xc7; modulus];
    [
        &[0xa4, 0x01, 0x03, 0x03],
        algorithm,
        &[0x20],
        &cbor(2, &n),
        &[0x21, 0x43, 1, 0, 1],
    ]
    .concat()
}

#[tokio::test]
async fn g09_only_keys_of_the_offered_algorithms_are_accepted() {
    const RS256: &[u8] = &[0x39, 0x01, 0x00];
    const PS256: &[u8] = &[0x38, 0x24];
    const RS1: &[u8] = &[0x39, 0xff, 0xfe];
    let server = TestServer::start().await;
    let point = Authenticator::new().create(&server.visitor().begin(SIGN_UP).await, &server.origin);
    let bent = |at: usize, value: u8| {
        let mut key = point.key.clone();
        key[at] = value;
        key
    };
    for (what, key) in [
        (
            "ES384's number",
            [&point.key[..4], &[0x38, 0x22], &point.key[5..]].concat(),
        ),
        ("EdDSA's number", bent(4, 0x27)),
        ("another key type", bent(2, 0x01)),
        ("curve P-384", bent(6, 0x02)),
        ("curve Ed25519", bent(6, 0x06)),
        ("a point off the curve", bent(12, point.key[12] ^ 1)),
        (
            "RS256's number on a point",
            [&point.key[..4], RS256, &point.key[5..]].concat(),
        ),
        ("ES256's number on RSA", rsa(&[0x26], 256)),
        ("PS256", rsa(PS256, 256)),
        ("RS1", rsa(RS1, 256)),
        ("RSA-1024", rsa(RS256, 128)),
        (
            "Ed25519",
            [
                &[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21][..],
                &cbor(2, &[7; 32]),
            ]
            .concat(),
        ),
        ("no algorithm", vec![0xa1, 0x01, 0x02]),
    ] {
        let answer = sign_up(&server, |made| made.key = key).await;
        assert_eq!((answer.status, answer.code()), (400, "passkey_refused"), "{what}");
    }
    assert_eq!(server.store.accounts().await.unwrap(), []);
    assert_eq!(
        sign_up(&server, |made| made.key = rsa(RS256, 256)).await.status,
        201
    );
}

#[tokio::test]
async fn g10_a_credential_is_registered_once_and_its_id_is_bounded() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (owner, mut owners) = server.with_address(&mut authenticator).await;
    let before = server.store.passkeys_of(owner.uid).await.unwrap();
    let handle = authenticator.user_handle.clone();

    // The same account: the options exclude it, and the answer is refused.
    let answer = owners.create(ADD, &mut authenticator, &server.origin).await;
    answer.assert_error(400, "passkey_refused");
    // Another account, at sign-up and with a session.
    let mut stranger = server.visitor();
    let answer = stranger.create(SIGN_UP, &mut authenticator, &server.origin).await;
    answer.assert_error(409, "passkey_already_registered");
    assert_eq!(stranger.sid(), None);
    let (other, mut others) = server.with_address(&mut Authenticator::new()).await;
    let answer = others.create(ADD, &mut authenticator, &server.origin).await;
    answer.assert_error(409, "passkey_already_registered");
    assert_eq!(server.store.passkeys_of(other.uid).await.unwrap().len(), 1);
    assert_eq!(server.store.passkeys_of(owner.uid).await.unwrap(), before);
    assert_eq!(server.store.accounts().await.unwrap().len(), 2);
    assert_ne!(
        authenticator.user_handle, handle,
        "the stranger got another handle"
    );

    for (length, status) in [(0, 400), (1, 201), (1023, 201), (1024, 400), (4096, 400)] {
        let answer = sign_up(&server, |made| made.credential_id = vec![7; length]).await;
        assert_eq!(answer.status, status, "{length}: {answer:?}");
    }
}

#[tokio::test]
async fn g10_of_concurrent_sign_ups_with_one_credential_one_succeeds() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let mut ready = Vec::new();
    for _ in 0..8 {
        let mut visitor = server.visitor();
        let options = visitor.begin(SIGN_UP).await;
        ready.push((visitor, authenticator.create(&options, &server.origin).answer()));
    }
    let answers = at_once(
        ready
            .iter_mut()
            .map(|(visitor, answer)| visitor.finish(SIGN_UP, answer)),
    )
    .await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn g18_attestation_is_not_required_and_certificates_are_refused() {
    let server = TestServer::start().await;
    // Self attestation is verified.
    let mut authenticator = Authenticator::new();
    let mut visitor = server.visitor();
    for (signs, status) in [(false, 400), (true, 201)] {
        let options = visitor.begin(SIGN_UP).await;
        let mut made = authenticator.create(&options, &server.origin);
        "packed".clone_into(&mut made.format);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &made.client_data);
        let signed = if signs {
            [&made.auth_data(), hash.as_ref()].concat()
        } else {
            b"else".to_vec()
        };
        let signature = authenticator.sign(&signed);
        made.statement = [
            &[0xa2][..],
            &cbor(3, b"alg"),
            &[0x26],
            &cbor(3, b"sig"),
            &cbor(2, &signature),
        ]
        .concat();
        let answer = visitor.finish(SIGN_UP, &made.answer()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // Attestation with certificates is refused.
    let answer = sign_up(&server, |made| {
        "packed".clone_into(&mut made.format);
        made.statement = [
            &[0xa3][..],
            &cbor(3, b"alg"),
            &[0x26],
            &cbor(3, b"sig"),
            &cbor(2, b"signature"),
            &cbor(3, b"x5c"),
            &[0x81],
            &cbor(2, b"certificate"),
        ]
        .concat();
    });
    answer.await.assert_invalid("passkey_refused", "credential");
    for format in [
        "tpm",
        "android-key",
        "android-safetynet",
        "fido-u2f",
        "apple",
        "compound",
        "",
    ] {
        let answer = sign_up(&server, |made| format.clone_into(&mut made.format)).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    // An unsolicited extension is accepted.
    let answer = sign_up(&server, |made| {
        made.flags |= HAS_EXTENSIONS;
        made.rest = [&[0xa1][..], &cbor(3, b"tomorrow"), &[0x81, 0x01]].concat();
    });
    assert_eq!(answer.await.status, 201);
}
