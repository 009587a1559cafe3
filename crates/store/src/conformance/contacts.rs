//! Contact addresses, and the accounts of sessions.

use tm_auth_core::user::SessionKind;
use tm_auth_proto::{AccountId, SessionId};

use super::given::{account, fresh_uuid, key, session};
use super::user_sessions;
use crate::Store;

super::table!("contacts":
    f21_a_contact_address_is_stored_and_selects_no_account,
    e02_the_owner_of_a_session_is_found,
);

async fn f21_a_contact_address_is_stored_and_selects_no_account(store: &Store) {
    let (account, other) = (account(store).await, account(store).await);
    assert_eq!(store.contact_email(account.uid).await.unwrap(), None);
    for address in [Some("a@example.com"), Some("b@example.com"), None] {
        let address = address.map(ToOwned::to_owned);
        // Two accounts may have the same address.
        for uid in [account.uid, other.uid] {
            assert!(store.set_contact_email(uid, address.clone()).await.unwrap());
            assert_eq!(store.contact_email(uid).await.unwrap(), address);
            assert_eq!(store.account(uid).await.unwrap().unwrap().email, None);
        }
    }
    let nobody = AccountId(fresh_uuid());
    let address = Some("a@example.com".to_owned());
    assert!(!store.set_contact_email(nobody, address).await.unwrap());
    assert_eq!(store.contact_email(nobody).await.unwrap(), None);
}

async fn e02_the_owner_of_a_session_is_found(store: &Store) {
    let key = key(store).await;
    let (of_key, _) = session(store, &key).await;
    let user = account(store).await;
    let of_user = user_sessions::open_session(store, &user, SessionKind::Native, 0).await;
    for (sid, owner) in [
        (of_key.sid, Some(key.account.uid)),
        (of_user.sid, Some(user.uid)),
        (SessionId(fresh_uuid()), None),
    ] {
        assert_eq!(store.owner_of_session(sid).await.unwrap(), owner);
    }
}
