//! `tm-auth sign`, and key files that no command can use.

use tm_auth_client::key_file;
use tm_auth_client::proto::{ApiKeyTokenRequest, KeyFile};

use super::{Bench, text};
use crate::client::failure::Exit;

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
