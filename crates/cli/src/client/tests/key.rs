//! `tm-auth key new`, `register`, `list`, `revoke`, `prove` and `adopt`.

use std::path::Path;

use tm_auth_client::proto::{ErrorCode, RegisterApiKey};
use tm_auth_client::{Runtime, Signer, key_file};

use super::{Fixture, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn key_new_writes_a_private_file_and_prints_the_public_key() {
    let fixture = Fixture::new().await;
    let path = fixture.path("key.json");
    let ran = fixture
        .run(&["key", "new", "--out", text(&path), "--label", "bot"], "")
        .await;
    assert_eq!(ran.result, Ok(()));
    let file = key_file::load(&path).unwrap();
    let signer = Signer::from_key_file(&file).unwrap();
    assert_eq!((file.label.as_str(), file.key_id), ("bot", None));
    let pem = signer.public_key_pem().unwrap();
    assert_eq!(
        ran.output,
        format!("{pem}fingerprint: {}\n", signer.fingerprint())
    );
    assert!(!format!("{ran:?}").contains(&file.private_key.d));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // A second run does not overwrite the file.
    let again = fixture.run(&["key", "new", "--out", text(&path)], "").await;
    assert_eq!(again.exit(), Some(Exit::Usage));
    assert!(again.notes.contains("not overwritten") && again.output.is_empty());
    assert_eq!(key_file::load(&path).unwrap().private_key.d, file.private_key.d);
}

#[tokio::test]
async fn key_register_proves_possession_and_saves_the_id() {
    let fixture = Fixture::new().await;
    let path = fixture.path("key.json");
    fixture
        .run(&["key", "new", "--out", text(&path), "--label", "bot"], "")
        .await;
    let created = key_file::load(&path).unwrap();
    let token = fixture.management_token().await;
    fixture.answer_with_key("bot");
    let url = fixture.issuer.url();
    let arguments = [
        "key",
        "register",
        "--key-file",
        text(&path),
        "--base-url",
        url,
        "--token",
        "-",
        "--scope",
        "read",
        "--scope",
        "trade",
        "--expires",
        "90d",
        "--allow-ip",
        "203.0.113.0/24",
    ];
    let ran = fixture.run(&arguments, &format!("{token}\n")).await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    // The key file contains the id and has its final name.
    let target = fixture.path("truemarkets-api-key-b1f0c2d4.json");
    let saved = key_file::load(&target).unwrap();
    assert!(!path.exists());
    assert_eq!(saved.key_id.unwrap().short(), "b1f0c2d4");
    assert_eq!(saved.private_key.d, created.private_key.d);
    assert!(
        ran.output
            .contains("key_id: b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e\n")
    );
    assert!(ran.output.contains("expires: 2026-02-22T00:00:00Z\n"));
    // The request has a proof of possession, but not the private key.
    let seen = fixture.issuer.seen().pop().unwrap();
    assert_eq!(seen.authorization.unwrap(), format!("Bearer {token}"));
    assert!(!seen.body.contains(&created.private_key.d));
    let sent: RegisterApiKey = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(sent.scopes.unwrap().to_string(), "read trade");
    assert_eq!(
        sent.expires_at.unwrap().unwrap().to_string(),
        "2026-02-22T16:00:00Z"
    );
    assert_eq!((sent.label.as_str(), sent.allowed_ips.len()), ("bot", 1));
    assert_eq!(sent.proof.timestamp, fixture.clock.now().as_second());
    // The command refuses a registered key file.
    let again = fixture
        .run(
            &[
                "key",
                "register",
                "--key-file",
                text(&target),
                "--base-url",
                url,
                "--token",
                &token,
            ],
            "",
        )
        .await;
    assert_eq!(again.exit(), Some(Exit::Usage));
    assert!(again.notes.contains("registered already"), "{}", again.notes);
}

#[tokio::test]
async fn key_register_moves_the_file_to_out_unless_it_is_refused() {
    let fixture = Fixture::new().await;
    let (path, out) = (fixture.path("key.json"), fixture.path("out.json"));
    fixture.run(&["key", "new", "--out", text(&path)], "").await;
    let token = fixture.management_token().await;
    let arguments = [
        "key",
        "register",
        "--key-file",
        text(&path),
        "--base-url",
        fixture.issuer.url(),
        "--token",
        &token,
        "--out",
        text(&out),
        "--expires",
        "never",
    ];
    fixture.issuer.refuse_next(ErrorCode::ReauthRequired);
    let refused = fixture.run(&arguments, "").await;
    assert_eq!(refused.exit(), Some(Exit::Refused));
    assert!(
        refused.notes.contains("(reauth_required, request request-2)"),
        "{}",
        refused.notes
    );
    assert!(refused.notes.contains("hint: managing keys"), "{}", refused.notes);
    assert_eq!(key_file::load(&path).unwrap().key_id, None);

    fixture.answer_with_key("tm-auth");
    assert_eq!(fixture.run(&arguments, "").await.result, Ok(()));
    assert!(!path.exists() && key_file::load(&out).unwrap().key_id.is_some());
    let body = fixture.issuer.seen().pop().unwrap().body;
    assert!(body.contains(r#""expires_at":null"#), "{body}");
    // The command sends no request if the token is not a JWS.
    let requests = fixture.issuer.requests();
    fixture.run(&["key", "new", "--out", text(&path)], "").await;
    let ran = fixture
        .run(
            &[
                "key",
                "register",
                "--key-file",
                text(&path),
                "--base-url",
                fixture.issuer.url(),
                "--token",
                "x",
            ],
            "",
        )
        .await;
    assert_eq!(
        (ran.exit(), fixture.issuer.requests()),
        (Some(Exit::Usage), requests)
    );
}

#[tokio::test]
async fn key_list_and_key_revoke_print_the_response() {
    let fixture = Fixture::new().await;
    fixture.answer_with_key("a\u{1b}[2Jb");
    let url = fixture.issuer.url();
    let body = r#"{"keys":[]}"#;
    let ran = fixture
        .run(&["key", "list", "--base-url", url, "--token", "T", "--json"], "")
        .await;
    // The queued response is a key, but the command expects a list.
    assert_eq!(ran.exit(), Some(Exit::Unavailable));
    fixture.issuer.answer_next(200, "application/json", body);
    let ran = fixture
        .run(&["key", "list", "--base-url", url, "--token", "T", "--json"], "")
        .await;
    assert_eq!(ran.output, "{\"keys\":[]}\n");
    let key = r#"{"keys":[{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","label":"a\u001b[2Jb","algorithm":"ES256",
        "fingerprint":"f","status":"revoked","scopes":["read"],"allowed_ips":[],"created_at":"2025-11-24T00:00:00Z",
        "expires_at":null,"revoked_at":null,"last_used_at":null,"last_used_ip":null}]}"#;
    fixture.issuer.answer_next(200, "application/json", key);
    let ran = fixture
        .run(&["key", "list", "--base-url", url, "--token", "T"], "")
        .await;
    assert_eq!(
        ran.output,
        "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e  revoked   a [2Jb  scopes: read  expires: never  last used: never\n"
    );
    fixture.issuer.answer_next(204, "application/json", "");
    let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
    let ran = fixture
        .run(&["key", "revoke", id, "--base-url", url, "--token", "T"], "")
        .await;
    assert_eq!(ran.output, format!("revoked: {id}\n"));
    assert_eq!(fixture.issuer.seen().pop().unwrap().method, "DELETE");
}

#[tokio::test]
async fn key_prove_signs_the_registration_text_and_key_adopt_saves_the_id() {
    use tm_auth_client::proto::api_key::RegistrationProof;
    let fixture = Fixture::new().await;
    let path = fixture.path("key.json");
    fixture.run(&["key", "new", "--out", text(&path)], "").await;
    let created = key_file::load(&path).unwrap();
    let (issuer, account) = (
        "https://auth.test/v1/auth",
        "00000000-0000-0000-0000-0000000a11ce",
    );
    let mut arguments = vec!["key", "prove", "--key-file", text(&path), "--issuer", issuer];
    arguments.extend(["--account", account, "--timestamp", "1764000000"]);
    let ran = fixture.run(&arguments, "").await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    let at = jiff::Timestamp::from_second(1_764_000_000).unwrap();
    let signer = Signer::from_key_file(&created).unwrap();
    let public = tm_auth_core::PublicKey::parse(&signer.public_jwk()).unwrap();
    let proof = RegistrationProof {
        timestamp: 1_764_000_000,
        signature: ran.output.trim().to_owned(),
    };
    let account = account.parse().unwrap();
    assert!(tm_auth_core::registration::verify_possession(public, &proof, issuer, account, at).is_ok());
    // Replace the timestamp with one that is out of range.
    arguments.truncate(8);
    arguments.extend(["--timestamp", "9223372036854775807"]);
    assert_eq!(fixture.run(&arguments, "").await.exit(), Some(Exit::Usage));

    let adopt = |path: &Path, id: &str| {
        let arguments: Vec<String> = ["key", "adopt", "--key-file", text(path), "--key-id", id]
            .map(ToOwned::to_owned)
            .to_vec();
        arguments
    };
    let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
    let arguments = adopt(&path, id);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(fixture.run(&arguments, "").await.result, Ok(()));
    let target = fixture.path("truemarkets-api-key-b1f0c2d4.json");
    let saved = key_file::load(&target).unwrap();
    assert_eq!(saved.key_id, Some(id.parse().unwrap()));
    assert_eq!(saved.private_key.d, created.private_key.d);
    assert!(!path.exists());
    // The command refuses the file of another key.
    let arguments = adopt(&target, "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5f");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(fixture.run(&arguments, "").await.exit(), Some(Exit::Usage));
    assert_eq!(key_file::load(&target).unwrap().key_id, Some(id.parse().unwrap()));
}
