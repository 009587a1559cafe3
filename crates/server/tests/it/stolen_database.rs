//! A thief has the database and presents its values in every form.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tm_auth_core::signing::{KeyEncryptionKey, MacKey, Purpose};
use tm_auth_core::user::SessionKind;
use tm_auth_proto::claims::REFRESH_TOKEN_TYP;
use tm_auth_server::App;
use tm_auth_server::config::Kek;
use tm_auth_server::signing_keys::rotation::SigningKeys;

use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{Database, Stored, TestServer, every_value, jwt, rows};

/// A service after some use, and every secret that it issued.
async fn used() -> (TestServer, Vec<String>) {
    let server = TestServer::start_with(|config| {
        config.limits.failures_per_network_per_minute = 600_000;
        config.limits.failures_per_key_per_minute = 60_000;
    })
    .await;
    let key = server.key().await;
    let first = server.mint(&key).await;
    let second = server.refresh(&first.refresh_token).await;
    let other = server.mint(&server.key().await).await;
    let revoke = json!({ "refresh_token": other.refresh_token });
    assert_eq!(server.post("/token/revoke", &revoke).await.status, 200);
    let mut secrets = used_by_a_person(&server).await;
    secrets.extend([
        first.access_token,
        first.refresh_token,
        second.access_token(),
        second.refresh_token(),
        other.access_token,
        other.refresh_token,
        server.management_token(&key.account).await,
    ]);
    (server, secrets)
}

const ADA: &str = "ada@example.com";

/// A user logs in by mail in a browser, has a session in a program, and requests another mail.
/// Returns cookies, tokens, used and unused codes, and link tokens.
async fn used_by_a_person(server: &TestServer) -> Vec<String> {
    let mut browser = server.visitor();
    browser.submit("/sign-in", &[("email", ADA)]).await;
    let mail = server.code_mail(ADA);
    let mut secrets = vec![mail.code.replace('-', ""), mail.token.unwrap()];
    browser.submit("/sign-in/code", &[("code", &mail.code)]).await;
    let account = server.store.account_by_email(ADA).await.unwrap().unwrap();
    let (_, program) = server.signed_in_program(&account, SessionKind::Native).await;
    let refreshed = server.refresh(&program).await;
    secrets.extend([program, refreshed.refresh_token(), refreshed.access_token()]);
    server.advance(61);
    browser.submit("/sign-in", &[("email", ADA)]).await;
    let mail = server.code_mail(ADA);
    secrets.extend([mail.code.replace('-', ""), mail.token.unwrap()]);
    secrets.push(browser.csrf());
    for cookie in browser.cookies.values() {
        secrets.push(cookie.split('.').next().unwrap().to_owned());
    }
    secrets
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// The stolen data: the SQLite files with the write-ahead log, or the values in PostgreSQL.
fn loot(server: &TestServer) -> Vec<Vec<u8>> {
    match crate::DATABASE {
        Database::Sqlite => files(server),
        Database::Postgres => every_value(server)
            .into_iter()
            .filter_map(|value| match value {
                Stored::Text(text) => Some(text.into_bytes()),
                Stored::Blob(bytes) => Some(bytes),
                _ => None,
            })
            .collect(),
    }
}

fn files(server: &TestServer) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(server.folder().path()).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is accessible to other users", path.display());
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    let files: Vec<_> = entries.map(read).collect();
    assert!(
        files
            .iter()
            .any(|(path, bytes)| path.ends_with("tm-auth.db-wal") && !bytes.is_empty())
    );
    files.into_iter().map(|(_, bytes)| bytes).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn e13_no_stored_value_authenticates() {
    let (server, _) = used().await;
    let mut presented = BTreeSet::new();
    for value in every_value(&server) {
        let bytes = match value {
            Stored::Text(text) => text.into_bytes(),
            Stored::Blob(bytes) => bytes,
            _ => continue,
        };
        if let Ok(text) = String::from_utf8(bytes.clone()) {
            presented.insert(text);
        }
        presented.insert(URL_SAFE_NO_PAD.encode(&bytes));
        presented.insert(STANDARD.encode(&bytes));
        presented.insert(hex(&bytes));
        if let Ok(uuid) = uuid::Uuid::from_slice(&bytes) {
            presented.insert(uuid.to_string());
        }
    }
    assert!(presented.len() > 100, "only {} values", presented.len());
    for text in &presented {
        server
            .refresh(text)
            .await
            .assert_error(401, "invalid_refresh_token");
        // Skips values that are not valid in a header.
        if reqwest::header::HeaderValue::from_str(&format!("Bearer {text}")).is_ok() {
            for path in ["/api-key", "/api-keys"] {
                server
                    .get_with(path, text)
                    .await
                    .assert_error(401, "invalid_token");
            }
        }
        present_to_pages(&server, text).await;
        let mint = json!({ "key_id": text, "timestamp": server.now().as_second(), "signature": text });
        let answer = server.post("/api-key/token", &mint).await;
        assert!([400, 401].contains(&answer.status), "{answer:?}");
    }
    println!("{} forms of stored values were refused", presented.len());
}

/// Presents `text` as the session cookie, and as both the link's token and the `flow` cookie.
async fn present_to_pages(server: &TestServer, text: &str) {
    let is_cookie = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    if !text.bytes().all(is_cookie) {
        return;
    }
    let mut thief = server.visitor();
    thief.cookies.insert("sid".to_owned(), text.to_owned());
    let request = thief.request(reqwest::Method::GET, "/v1/auth/sessions");
    thief.send(request).await.assert_error(401, "missing_session");
    let mut thief = server.visitor();
    let flow = format!("{text}.{}", URL_SAFE_NO_PAD.encode("/security"));
    thief.cookies.insert("flow".to_owned(), flow);
    let answer = thief.submit("/sign-in/link", &[("token", text)]).await;
    assert!([400, 401].contains(&answer.status), "{answer:?}");
    assert!(!thief.cookies.contains_key("sid"));
}

#[tokio::test]
async fn e13_a_guessed_code_cannot_be_checked_against_stolen_rows() {
    use aws_lc_rs::digest::{SHA256, digest};
    use aws_lc_rs::hmac;
    let (server, secrets) = used().await;
    let live = rows(
        &server,
        "SELECT flow_id, code_mac FROM email_codes WHERE used_at IS NULL",
    );
    let [Stored::Blob(flow_id), Stored::Blob(stored)] = &live[0][..] else {
        panic!("{live:?}")
    };
    // The thief tries to confirm a right guess. A plain hash would allow 10⁸ guesses in a second.
    let code = secrets
        .iter()
        .rfind(|secret| secret.len() == 8 && secret.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap();
    let texts = [
        code.as_bytes().to_vec(),
        [flow_id, code.as_bytes()].concat(),
        [code.as_bytes(), flow_id].concat(),
    ];
    let keys = every_value(&server).into_iter().filter_map(|value| match value {
        Stored::Text(text) => Some(text.into_bytes()),
        Stored::Blob(bytes) => Some(bytes),
        _ => None,
    });
    let keys: BTreeSet<Vec<u8>> = keys.collect();
    for text in &texts {
        assert_ne!(digest(&SHA256, text).as_ref(), stored);
        for key in &keys {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            assert_ne!(hmac::sign(&key, text).as_ref(), stored);
        }
    }
    assert!(keys.len() > 50 && stored.len() == 32);
}

#[tokio::test]
async fn e13_no_refresh_token_can_be_built_from_stored_values() {
    let (server, secrets) = used().await;
    // The thief knows the format of a token and all claims except the secret.
    let refresh_token = secrets[secrets.len() - 4].clone();
    let mut claims = jwt::payload(&refresh_token);
    let kid = jwt::header(&refresh_token)["kid"].as_str().unwrap().to_owned();
    let blobs: BTreeSet<Vec<u8>> = every_value(&server)
        .into_iter()
        .filter_map(|value| match value {
            Stored::Blob(bytes) if bytes.len() >= 16 => Some(bytes),
            _ => None,
        })
        .collect();
    let keys: Vec<&[u8]> = blobs
        .iter()
        .filter_map(|blob| blob.get(blob.len().checked_sub(32)?..))
        .collect();
    assert!(keys.len() > 5);
    for secret in blobs.iter().map(|blob| &blob[..16]) {
        claims["sec"] = URL_SAFE_NO_PAD.encode(secret).into();
        for key in &keys {
            let key = MacKey::new(kid.clone(), key).unwrap();
            let token = key.sign_jws(REFRESH_TOKEN_TYP, claims.to_string().as_bytes());
            server
                .refresh(&token)
                .await
                .assert_error(401, "invalid_refresh_token");
        }
        // Even the unsealed MAC key does not help.
        let ring = server.signing_keys().ring().await.unwrap();
        let token = ring
            .mac()
            .sign_jws(REFRESH_TOKEN_TYP, claims.to_string().as_bytes());
        server
            .refresh(&token)
            .await
            .assert_error(401, "invalid_refresh_token");
    }
    server.refresh(&refresh_token).await.refresh_token();
}

#[tokio::test]
async fn e13_b05_no_secret_is_stored_in_the_clear() {
    let (server, secrets) = used().await;
    let mut needles: Vec<(String, Vec<u8>)> = Vec::new();
    for token in &secrets {
        needles.push(("a secret".to_owned(), token.clone().into_bytes()));
        let Some((_, signature)) = token.rsplit_once('.') else {
            // A cookie or a link's token. The first half of a session cookie is the session's id.
            if let Ok(bytes) = URL_SAFE_NO_PAD.decode(token)
                && bytes.len() == 32
            {
                needles.push(("its bytes".to_owned(), bytes[16..].to_vec()));
            }
            continue;
        };
        needles.push(("a signature".to_owned(), signature.into()));
        if let Some(secret) = jwt::payload(token)["sec"].as_str() {
            needles.push(("a secret's text".to_owned(), secret.into()));
            needles.push(("a secret".to_owned(), URL_SAFE_NO_PAD.decode(secret).unwrap()));
        }
    }
    let kek = KeyEncryptionKey::new(server.config.keys.kek.expose());
    needles.push((
        "the key-encryption key".to_owned(),
        server.config.keys.kek.expose().to_vec(),
    ));
    for key in server.signing_keys().list().await.unwrap() {
        let secret = kek
            .unseal(&key.sealed, &key.kid, key.purpose, server.config.environment)
            .unwrap();
        // Every 32-byte part: one of them is the private scalar or MAC key.
        let parts = secret.windows(32).map(|part| (key.kid.clone(), part.to_vec()));
        needles.extend(parts);
    }
    for bytes in loot(&server) {
        for (what, needle) in &needles {
            assert!(!contains(&bytes, needle), "{what}");
        }
    }
}

#[tokio::test]
async fn e13_a_code_that_waits_to_be_mailed_is_not_stored_in_the_clear() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| config.mail = settings).await;
    server.visitor().submit("/sign-in", &[("email", ADA)]).await;
    let waiting = rows(&server, "SELECT payload FROM outbox");
    let [Stored::Blob(payload)] = &waiting[0][..] else {
        panic!("{waiting:?}")
    };
    assert!(payload.len() > 100);
    let stolen = loot(&server);
    // The mail says afterwards what the thief looked for.
    smtp.up().await;
    let mail = smtp.mail().await.data.replace("=\n", "").replace("=3D", "=");
    let (_, link) = mail.split_once("#token=").unwrap();
    let (token, code) = link.split_once("&code=").unwrap();
    let code = &code[..8];
    assert!(mail.contains(&format!("{}-{}", &code[..4], &code[4..])), "{mail}");
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    for needle in [token.as_bytes(), code.as_bytes(), &bytes] {
        assert!(!stolen.iter().any(|stolen| contains(stolen, needle)));
    }
}

#[tokio::test]
async fn b05_without_the_key_encryption_key_no_key_is_unsealed_and_the_service_does_not_start() {
    let (server, _) = used().await;
    let mut config = server.config.clone();
    config.keys.kek = Kek::new(std::array::from_fn(|index| {
        u8::try_from(index * 11 % 253).unwrap()
    }))
    .unwrap();
    let other = KeyEncryptionKey::new(config.keys.kek.expose());
    let stored = server.signing_keys().list().await.unwrap();
    assert!(stored.iter().any(|key| key.purpose == Purpose::RefreshToken));
    for key in &stored {
        let read = other.unseal(&key.sealed, &key.kid, key.purpose, config.environment);
        assert!(read.is_err());
    }
    let keys = SigningKeys::new(server.store.clone(), &config);
    assert!(keys.ring().await.is_err());
    let started = App::start(config, server.store.clone(), server.clock.clone()).await;
    let error = started.err().unwrap().to_string();
    assert!(
        error.contains("is the key-encryption key the right one?"),
        "{error}"
    );
    // The failed start created no keys.
    assert_eq!(server.signing_keys().list().await.unwrap(), stored);
}
