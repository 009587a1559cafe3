//! What a database says about itself.

use tm_auth_proto::Environment;

use super::given::{account, at, audit_context, key, session};
use crate::Store;

super::table!("contents":
    r77_the_newest_time_is_that_of_the_last_change_or_mint,
);

async fn r77_the_newest_time_is_that_of_the_last_change_or_mint(store: &Store) {
    let empty = store.contents().await.unwrap();
    assert_eq!((empty.environment, empty.newest), (None, None));
    assert!(empty.signing_keys.is_empty());

    store.bind_environment(Environment::Uat).await.unwrap();
    let key = key(store).await;
    let (opened, _) = session(store, &key).await;
    let read = store.contents().await.unwrap();
    assert_eq!(read.environment.as_deref(), Some("uat"));
    assert!(read.newest >= Some(opened.opened_at), "{:?}", read.newest);

    let uid = account(store).await.uid;
    store
        .set_account_disabled(uid, Some(at(90_000)), &audit_context(90_000))
        .await
        .unwrap();
    assert_eq!(store.contents().await.unwrap().newest, Some(at(90_000)));
}
