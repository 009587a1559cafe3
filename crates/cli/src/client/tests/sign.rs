//! `tm-auth sign`, and unusable key files.

use tm_auth_client::key_file;
use tm_auth_client::proto::{ApiKeyTokenRequest, KeyFile};

use super::{Fixture, text};
use crate::client::failure::Exit;

#[tokio::test]
async fn sign_prints_the_body_of_a_mint() {
    let fixture = Fixture::new().await;
    let path = fixture.key_file();
    let ran = fixture.run(&["sign", "--key-file", text(&path)], "").await;
    assert_eq!((ran.result, fixture.issuer.requests()), (Ok(()), 0));
    let request: ApiKeyTokenRequest = serde_json::from_str(&ran.output).unwrap();
    fixture.issuer.api().mint(&request).await.unwrap();
    // An unregistered key cannot sign a challenge, since the challenge contains the key id.
    let fresh = fixture.path("fresh.json");
    fixture.run(&["key", "new", "--out", text(&fresh)], "").await;
    let ran = fixture.run(&["sign", "--key-file", text(&fresh)], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("no key_id"), "{}", ran.notes);
}

#[tokio::test]
async fn a_missing_or_invalid_key_file_is_wrong_usage() {
    let fixture = Fixture::new().await;
    let path = fixture.path("none.json");
    assert_eq!(
        fixture.run(&["sign", "--key-file", text(&path)], "").await.exit(),
        Some(Exit::Usage)
    );
    let mut file: KeyFile = fixture.issuer.key_file();
    file.private_key.x.clone_from(&file.private_key.y);
    key_file::create(&path, &file).unwrap();
    let ran = fixture.run(&["sign", "--key-file", text(&path)], "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("do not belong together"), "{}", ran.notes);
}
