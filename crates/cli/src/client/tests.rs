//! The commands against the stand-in of the client crate, with a console in memory.

mod login;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use tm_auth_client::proto::{ApiKeyTokenRequest, ErrorCode, KeyFile, RegisterApiKey, TokenResponse};
use tm_auth_client::testing::{Issuer, TestRuntime};
use tm_auth_client::{Runtime, Signer, key_file};

use super::failure::Exit;
use super::{ClientCommand, Console, Failure};

/// The commands as the binary has them.
#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: ClientCommand,
}

struct Bench {
    clock: Arc<TestRuntime>,
    issuer: Issuer,
    directory: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    result: Result<(), Failure>,
    output: String,
    notes: String,
}

impl Ran {
    fn exit(&self) -> Option<Exit> {
        self.result.as_ref().err().map(|failure| failure.exit)
    }
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::new(TestRuntime::default());
        Self {
            issuer: Issuer::start(clock.clone()).await.unwrap(),
            clock,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A key file that the stand-in knows.
    fn key_file(&self) -> PathBuf {
        let path = self.path("known.json");
        key_file::create(&path, &self.issuer.key_file()).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let arguments = ["tm-auth"].iter().chain(arguments);
        let program = Program::try_parse_from(arguments).unwrap();
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let mut console = Console {
            input: Box::new(input.as_bytes()),
            input_is_terminal: false,
            output: Box::new(&mut output),
            notes: Box::new(&mut notes),
            now: self.clock.now(),
        };
        let result = program.command.run_on(&mut console).await;
        if let Err(failure) = &result {
            failure.report(&mut console);
        }
        drop(console);
        Ran {
            result,
            output: String::from_utf8(output).unwrap(),
            notes: String::from_utf8(notes).unwrap(),
        }
    }

    /// A token with the claims that a registration looks at.
    async fn management_token(&self) -> String {
        let source = self.issuer.token_source(self.clock.clone());
        source.access_token().await.unwrap().as_str().to_owned()
    }

    /// The service's answer about a key.
    fn answer_with_key(&self, label: &str) {
        let body = format!(
            r#"{{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","label":{label:?},"algorithm":"ES256","fingerprint":"f",
            "status":"active","scopes":["read","trade"],"allowed_ips":[],"created_at":"2025-11-24T00:00:00Z",
            "expires_at":"2026-02-22T00:00:00Z","revoked_at":null,"last_used_at":null,"last_used_ip":null}}"#
        );
        self.issuer.answer_next(201, "application/json", &body);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_command_line_is_sound() {
    <Program as clap::CommandFactory>::command().debug_assert();
}

#[tokio::test]
async fn key_new_writes_a_private_file_and_prints_the_public_half() {
    let bench = Bench::new().await;
    let path = bench.path("key.json");
    let ran = bench
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
    // A second run does not overwrite.
    let again = bench.run(&["key", "new", "--out", text(&path)], "").await;
    assert_eq!(again.exit(), Some(Exit::Usage));
    assert!(again.notes.contains("not overwritten") && again.output.is_empty());
    assert_eq!(key_file::load(&path).unwrap().private_key.d, file.private_key.d);
}

#[tokio::test]
async fn key_register_proves_possession_and_keeps_the_id() {
    let bench = Bench::new().await;
    let path = bench.path("key.json");
    bench
        .run(&["key", "new", "--out", text(&path), "--label", "bot"], "")
        .await;
    let made = key_file::load(&path).unwrap();
    let token = bench.management_token().await;
    bench.answer_with_key("bot");
    let url = bench.issuer.url();
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
    let ran = bench.run(&arguments, &format!("{token}\n")).await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    // The file got its id and its lasting name.
    let lasting = bench.path("truemarkets-api-key-b1f0c2d4.json");
    let kept = key_file::load(&lasting).unwrap();
    assert!(!path.exists());
    assert_eq!(kept.key_id.unwrap().short(), "b1f0c2d4");
    assert_eq!(kept.private_key.d, made.private_key.d);
    assert!(
        ran.output
            .contains("key_id: b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e\n")
    );
    assert!(ran.output.contains("expires: 2026-02-22T00:00:00Z\n"));
    // What was sent: the public half, a proof bound to issuer and account, and never the private half.
    let seen = bench.issuer.seen().pop().unwrap();
    assert_eq!(seen.authorization.unwrap(), format!("Bearer {token}"));
    assert!(!seen.body.contains(&made.private_key.d));
    let sent: RegisterApiKey = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(sent.scopes.unwrap().to_string(), "read trade");
    assert_eq!(
        sent.expires_at.unwrap().unwrap().to_string(),
        "2026-02-22T16:00:00Z"
    );
    assert_eq!((sent.label.as_str(), sent.allowed_ips.len()), ("bot", 1));
    assert_eq!(sent.proof.timestamp, bench.clock.now().as_second());
    // Once is enough.
    let again = bench
        .run(
            &[
                "key",
                "register",
                "--key-file",
                text(&lasting),
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
async fn key_register_with_out_moves_the_file_and_a_refusal_moves_nothing() {
    let bench = Bench::new().await;
    let (path, out) = (bench.path("key.json"), bench.path("out.json"));
    bench.run(&["key", "new", "--out", text(&path)], "").await;
    let token = bench.management_token().await;
    let arguments = [
        "key",
        "register",
        "--key-file",
        text(&path),
        "--base-url",
        bench.issuer.url(),
        "--token",
        &token,
        "--out",
        text(&out),
        "--expires",
        "never",
    ];
    bench.issuer.refuse_next(ErrorCode::ReauthRequired);
    let refused = bench.run(&arguments, "").await;
    assert_eq!(refused.exit(), Some(Exit::Refused));
    assert!(
        refused.notes.contains("(reauth_required, request request-2)"),
        "{}",
        refused.notes
    );
    assert!(refused.notes.contains("hint: managing keys"), "{}", refused.notes);
    assert_eq!(key_file::load(&path).unwrap().key_id, None);

    bench.answer_with_key("tm-auth");
    assert_eq!(bench.run(&arguments, "").await.result, Ok(()));
    assert!(!path.exists() && key_file::load(&out).unwrap().key_id.is_some());
    let body = bench.issuer.seen().pop().unwrap().body;
    assert!(body.contains(r#""expires_at":null"#), "{body}");
    // A token that is none never leaves.
    let requests = bench.issuer.requests();
    bench.run(&["key", "new", "--out", text(&path)], "").await;
    let ran = bench
        .run(
            &[
                "key",
                "register",
                "--key-file",
                text(&path),
                "--base-url",
                bench.issuer.url(),
                "--token",
                "x",
            ],
            "",
        )
        .await;
    assert_eq!(
        (ran.exit(), bench.issuer.requests()),
        (Some(Exit::Usage), requests)
    );
}

#[tokio::test]
async fn key_list_and_revoke_print_what_the_service_says() {
    let bench = Bench::new().await;
    bench.answer_with_key("a\u{1b}[2Jb");
    let listed = bench.issuer.url();
    let body = r#"{"keys":[]}"#;
    let ran = bench
        .run(
            &["key", "list", "--base-url", listed, "--token", "T", "--json"],
            "",
        )
        .await;
    // The answer that is queued is one key and no list.
    assert_eq!(ran.exit(), Some(Exit::Unavailable));
    bench.issuer.answer_next(200, "application/json", body);
    let ran = bench
        .run(
            &["key", "list", "--base-url", listed, "--token", "T", "--json"],
            "",
        )
        .await;
    assert_eq!(ran.output, "{\"keys\":[]}\n");
    let key = r#"{"keys":[{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","label":"a\u001b[2Jb","algorithm":"ES256",
        "fingerprint":"f","status":"revoked","scopes":["read"],"allowed_ips":[],"created_at":"2025-11-24T00:00:00Z",
        "expires_at":null,"revoked_at":null,"last_used_at":null,"last_used_ip":null}]}"#;
    bench.issuer.answer_next(200, "application/json", key);
    let ran = bench
        .run(&["key", "list", "--base-url", listed, "--token", "T"], "")
        .await;
    assert_eq!(
        ran.output,
        "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e  revoked   a [2Jb  scopes: read  expires: never  last used: never\n"
    );
    bench.issuer.answer_next(204, "application/json", "");
    let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
    let ran = bench
        .run(&["key", "revoke", id, "--base-url", listed, "--token", "T"], "")
        .await;
    assert_eq!(ran.output, format!("revoked: {id}\n"));
    assert_eq!(bench.issuer.seen().pop().unwrap().method, "DELETE");
}

#[tokio::test]
async fn sign_prints_a_body_that_mints() {
    let bench = Bench::new().await;
    let path = bench.key_file();
    let ran = bench.run(&["sign", "--key-file", text(&path)], "").await;
    assert_eq!((ran.result, bench.issuer.requests()), (Ok(()), 0));
    let request: ApiKeyTokenRequest = serde_json::from_str(&ran.output).unwrap();
    bench.issuer.api().mint(&request).await.unwrap();
    // An unregistered key has nothing to sign with.
    let fresh = bench.path("fresh.json");
    bench.run(&["key", "new", "--out", text(&fresh)], "").await;
    let ran = bench.run(&["sign", "--key-file", text(&fresh)], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("no key_id"), "{}", ran.notes);
}

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

#[tokio::test]
async fn a_missing_or_broken_key_file_is_wrong_use() {
    let bench = Bench::new().await;
    let path = bench.path("none.json");
    assert_eq!(
        bench.run(&["sign", "--key-file", text(&path)], "").await.exit(),
        Some(Exit::Usage)
    );
    let mut file: KeyFile = bench.issuer.key_file();
    file.private_key.x.clone_from(&file.private_key.y);
    key_file::create(&path, &file).unwrap();
    let ran = bench.run(&["sign", "--key-file", text(&path)], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("do not belong together"), "{}", ran.notes);
}

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

#[tokio::test]
async fn standard_input_is_asked_for_where_a_person_types_and_is_bounded() {
    let read = |input: &str, terminal: bool| {
        let mut notes = Vec::new();
        let mut console = Console {
            input: Box::new(input.as_bytes()),
            input_is_terminal: terminal,
            output: Box::new(Vec::new()),
            notes: Box::new(&mut notes),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let text = console.read("the token");
        drop(console);
        (text, String::from_utf8(notes).unwrap())
    };
    assert_eq!(read(" abc\n", false), (Ok("abc".to_owned()), String::new()));
    let (text, notes) = read("abc", true);
    assert_eq!(text, Ok("abc".to_owned()));
    assert!(notes.contains("Paste the token"), "{notes}");
    assert_eq!(read(&"a".repeat(64 * 1024), false).0.unwrap().len(), 64 * 1024);
    for input in ["", " \n", &"a".repeat(64 * 1024 + 1)] {
        assert_eq!(read(input, false).0.unwrap_err().exit, Exit::Usage);
    }
}

#[tokio::test]
async fn key_prove_signs_the_text_of_the_page_and_key_adopt_keeps_the_id_it_gave() {
    use tm_auth_client::proto::api_key::RegistrationProof;
    let bench = Bench::new().await;
    let path = bench.path("key.json");
    bench.run(&["key", "new", "--out", text(&path)], "").await;
    let made = key_file::load(&path).unwrap();
    let (issuer, account) = (
        "https://auth.test/v1/auth",
        "00000000-0000-0000-0000-0000000a11ce",
    );
    let mut arguments = vec!["key", "prove", "--key-file", text(&path), "--issuer", issuer];
    arguments.extend(["--account", account, "--timestamp", "1764000000"]);
    let ran = bench.run(&arguments, "").await;
    assert_eq!(ran.result, Ok(()), "{ran:?}");
    let at = jiff::Timestamp::from_second(1_764_000_000).unwrap();
    let signer = Signer::from_key_file(&made).unwrap();
    let public = tm_auth_core::PublicKey::parse(&signer.public_jwk()).unwrap();
    let proof = RegistrationProof {
        timestamp: 1_764_000_000,
        signature: ran.output.trim().to_owned(),
    };
    let account = account.parse().unwrap();
    assert!(tm_auth_core::registration::verify_possession(public, &proof, issuer, account, at).is_ok());
    arguments.truncate(8);
    arguments.extend(["--timestamp", "9223372036854775807"]);
    assert_eq!(bench.run(&arguments, "").await.exit(), Some(Exit::Usage));

    let adopt = |path: &Path, id: &str| {
        let arguments: Vec<String> = ["key", "adopt", "--key-file", text(path), "--key-id", id]
            .map(ToOwned::to_owned)
            .to_vec();
        arguments
    };
    let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
    let arguments = adopt(&path, id);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(bench.run(&arguments, "").await.result, Ok(()));
    let lasting = bench.path("truemarkets-api-key-b1f0c2d4.json");
    let kept = key_file::load(&lasting).unwrap();
    assert_eq!(kept.key_id, Some(id.parse().unwrap()));
    assert_eq!(kept.private_key.d, made.private_key.d);
    assert!(!path.exists());
    // Never another key's file.
    let arguments = adopt(&lasting, "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5f");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(bench.run(&arguments, "").await.exit(), Some(Exit::Usage));
    assert_eq!(
        key_file::load(&lasting).unwrap().key_id,
        Some(id.parse().unwrap())
    );
}
