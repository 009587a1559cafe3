//! A change that changes nothing is neither audited nor announced nor mailed.

use tm_auth_core::email_code::Purpose;
use tm_auth_core::recovery::Recovery;
use tm_auth_core::user::SessionKind;
use tm_auth_core::{Account, ApiKey};

use super::given::{
    MANY, RETENTION, at, audit_context, new_account, new_key, presented, register, rotate, rotation, session,
};
use super::user_sessions::open_session;
use crate::email_code::ProvedEmail;
use crate::outbox::MailKind;
use crate::passkey::{AddedBy, CredentialId, NewPasskey};
use crate::{AppleSubject, KeyChange, Revocation, Revoked, Store};

super::table!("repeated":
    q01_a_change_that_changes_nothing_writes_nothing,
);

/// What a change leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    audited: usize,
    announced: i64,
    notices: u32,
    revocations: Vec<Revocation>,
    key: Option<ApiKey>,
    account: Option<Account>,
}

async fn written(store: &Store, key: &ApiKey) -> Written {
    let waiting = store.waiting_mail().await.unwrap();
    let notices = waiting.iter().find(|waiting| waiting.kind == MailKind::Notice);
    Written {
        audited: store.audit_trail(None, 10_000).await.unwrap().len(),
        announced: store.changes(0).await.unwrap().latest,
        notices: notices.unwrap().count,
        revocations: store.revocations(at(0)).await.unwrap(),
        key: store.api_key(key.key_id).await.unwrap(),
        account: store.account(key.account.uid).await.unwrap(),
    }
}

fn passkey(id: u8) -> (CredentialId, NewPasskey) {
    let credential_id = vec![id; 32];
    let new = NewPasskey {
        credential_id: credential_id.clone(),
        name: "phone".to_owned(),
        credential: "{}".to_owned(),
        counter: 0,
        backup_eligible: true,
        backed_up: false,
        created_at: at(1),
    };
    (credential_id, new)
}

async fn q01_a_change_that_changes_nothing_writes_nothing(store: &Store) {
    store.keep_mail(true);
    let created = store.create_account(new_account(Some("a@example.com"), 0), &audit_context(0));
    let account = created.await.unwrap().unwrap();
    let key = &register(store, new_key(&account)).await;
    let (uid, key_id) = (account.uid, key.key_id);
    let (session, secret) = session(store, key).await;
    let program = open_session(store, &account, SessionKind::Native, 1).await;
    let (credential_id, _) = passkey(1);
    let subject = AppleSubject {
        iss: "https://apple.test".to_owned(),
        sub: "ada".to_owned(),
        email: Some("relay@example.com".parse().unwrap()),
        private_relay: true,
    };
    // Each change is made at its second and again two seconds later.
    macro_rules! twice {
        ($seconds:literal, |$now:ident| $change:expr) => {
            let before = written(store, key).await;
            let $now = $seconds;
            $change.await.map(drop).unwrap();
            let after = written(store, key).await;
            assert_ne!(before, after, "{}", stringify!($change));
            let $now = $seconds + 2;
            $change.await.map(drop).unwrap();
            assert_eq!(written(store, key).await, after, "{}", stringify!($change));
        };
    }
    let change =
        |change: KeyChange| move |now| store.update_key(uid, key_id, change.clone(), &audit_context(now));
    let label = change(KeyChange {
        label: Some("grid".to_owned()),
        ..KeyChange::default()
    });
    let expiry = change(KeyChange {
        expires_at: Some(Some(at(1_000_000))),
        ..KeyChange::default()
    });
    let networks = change(KeyChange {
        allowed_ips: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        scopes: Some("read".parse::<tm_auth_proto::Scope>().into_iter().collect()),
        ..KeyChange::default()
    });
    let disabled = |disabled| {
        change(KeyChange {
            disabled: Some(disabled),
            ..KeyChange::default()
        })
    };
    let (disable, enable) = (disabled(true), disabled(false));
    twice!(10, |now| label(now));
    twice!(13, |now| expiry(now));
    twice!(16, |now| networks(now));
    twice!(20, |now| disable(now));
    twice!(30, |now| enable(now));
    twice!(40, |now| store
        .end_session(presented(session.sid, &secret, 0), &audit_context(now)));
    twice!(50, |now| store.revoke_key(uid, key_id, &audit_context(now)));
    twice!(60, |now| store.add_passkey(
        uid,
        passkey(1).1,
        AddedBy::Proof,
        MANY,
        &audit_context(now)
    ));
    twice!(70, |now| store.rename_passkey(
        uid,
        credential_id.clone(),
        "key".to_owned(),
        &audit_context(now)
    ));
    twice!(80, |now| store
        .start_recovery(Recovery::start(uid, at(now)), &audit_context(now)));
    twice!(90, |now| store.cancel_recovery(uid, &audit_context(now)));
    twice!(100, |now| store.link_apple(
        uid,
        subject.clone(),
        &audit_context(now)
    ));
    twice!(110, |now| store.unlink_apple(uid, &audit_context(now)));
    twice!(120, |now| store.remove_passkey(
        uid,
        credential_id.clone(),
        &audit_context(now)
    ));
    let proved = || ProvedEmail {
        email: "b@example.com".parse().unwrap(),
        purpose: Purpose::SetEmail(uid),
    };
    twice!(130, |now| store.set_email(proved(), &audit_context(now)));
    twice!(140, |now| store.end_user_session(
        uid,
        program.sid,
        &audit_context(now)
    ));
    open_session(store, &account, SessionKind::Browser, 145).await;
    twice!(150, |now| store.end_user_sessions(uid, None, &audit_context(now)));
    twice!(160, |now| store.set_account_disabled(
        uid,
        Some(at(now)),
        &audit_context(now)
    ));
    twice!(170, |now| store.set_account_disabled(
        uid,
        None,
        &audit_context(now)
    ));
    let revocation = Revocation {
        revoked: Revoked::Session(program.sid),
        at: at(180),
    };
    twice!(180, |now| store.revoke(revocation, &audit_context(now)));
    twice!(190, |now| store.mark_recovered(
        at(190),
        false,
        &audit_context(now)
    ));
    twice!(200, |now| store.delete_account(uid, &audit_context(now)));
    // Nor does a sweep that finds nothing.
    let after = written(store, key).await;
    store.sweep(at(210), &RETENTION).await.unwrap();
    assert_eq!(written(store, key).await, after);
    reuse(store).await;
}

/// The reuse of a refresh token, presented again.
async fn reuse(store: &Store) {
    let created = store.create_account(new_account(Some("c@example.com"), 200), &audit_context(200));
    let key = &register(store, new_key(&created.await.unwrap().unwrap())).await;
    let (new, secret) = super::given::new_session(key, 300);
    assert_eq!(super::given::open(store, &new).await, crate::OpenOutcome::Opened);
    for counter in 0..3 {
        rotate(store, rotation(new.sid, &secret, counter, 400 + counter * 100))
            .await
            .unwrap();
    }
    let before = written(store, key).await;
    rotate(store, rotation(new.sid, &secret, 0, 900))
        .await
        .unwrap_err();
    let after = written(store, key).await;
    assert_eq!(after.notices, before.notices + 1);
    for seconds in 901..921 {
        rotate(store, rotation(new.sid, &secret, 0, seconds * 100))
            .await
            .unwrap_err();
    }
    assert_eq!(written(store, key).await, after);
}
