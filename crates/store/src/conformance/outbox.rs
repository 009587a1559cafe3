//! Mail that waits: written by the change that causes it, leased by one node at a time.

use jiff::SignedDuration;
use tm_auth_core::Account;
use tm_auth_core::api_key::setting::{KeySettings, SettingChange};
use tm_auth_core::email_code::Purpose;
use tm_auth_proto::AccountId;

use super::email_codes::{ADA, ask_with_mail};
use super::given::{account, at, audit_context, new_account, new_key, register};
use crate::email_code::ProvedEmail;
use crate::outbox::{
    LeasedMail, MAX_NOTICES, MailContent, MailKind, MailLease, Notice, Postponed, WaitingNotice,
};
use crate::{EmailChange, KeyChange, Store};

super::table!("outbox":
    q11_mail_is_written_with_its_change_for_the_address_of_that_time,
    q11_without_a_sender_nothing_is_written,
    q11_mail_waits_until_it_was_sent_or_expired,
    q12_held_notices_are_leased_together_and_further_ones_counted,
    q13_a_mail_is_leased_by_one_node_at_a_time,
    q13_only_the_node_that_leased_a_mail_decides_about_it,
);

const NODE: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];

/// A lease of 120 seconds.
pub(super) fn lease(node: [u8; 16], seconds: i64) -> MailLease {
    MailLease {
        node,
        most: 100,
        codes_first: true,
        now: at(seconds),
        until: at(seconds + 120),
    }
}

async fn leased(store: &Store, node: [u8; 16], seconds: i64) -> Vec<LeasedMail> {
    store.lease_mail(lease(node, seconds)).await.unwrap()
}

async fn owner(store: &Store, email: &str) -> Account {
    let created = store
        .create_account(new_account(Some(email), 0), &audit_context(0))
        .await;
    created.unwrap().unwrap()
}

/// The recipients and notices of leased mail, oldest first.
fn notices(leased: &[LeasedMail]) -> Vec<(&str, &Notice)> {
    leased
        .iter()
        .map(|mail| (mail.recipient.as_str(), &notice(mail).notice))
        .collect()
}

fn notice(mail: &LeasedMail) -> &WaitingNotice {
    match &mail.content {
        MailContent::Notice(notice) => notice,
        other => panic!("{other:?}"),
    }
}

/// Changes the label of a key, which the owner is told.
async fn change(store: &Store, uid: AccountId, key_id: tm_auth_proto::KeyId, seconds: i64) {
    let change = KeyChange {
        label: Some(format!("bot {seconds}")),
        ..KeyChange::default()
    };
    let changed = store
        .update_key(uid, key_id, change, &audit_context(seconds))
        .await;
    assert!(changed.unwrap().unwrap().is_changed);
}

/// What [`change`] wrote at this second.
fn changed(from: &str, seconds: i64) -> Notice {
    let label = format!("bot {seconds}");
    Notice::KeyChanged {
        label: label.clone(),
        changes: vec![SettingChange::Label {
            from: from.to_owned(),
            to: label,
        }],
    }
}

async fn q11_mail_is_written_with_its_change_for_the_address_of_that_time(store: &Store) {
    store.keep_mail(true);
    let owner = owner(store, "old@example.com").await;
    let key = register(store, new_key(&owner)).await;
    let proved = ProvedEmail {
        email: "new@example.com".parse().unwrap(),
        purpose: Purpose::SetEmail(owner.uid),
    };
    let set = store.set_email(proved, &audit_context(1)).await.unwrap();
    assert_eq!(set, EmailChange::Changed(Some("old@example.com".to_owned())));
    store
        .revoke_key(owner.uid, key.key_id, &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    assert!(store.delete_account(owner.uid, &audit_context(3)).await.unwrap());
    // Accounts without a verified address: the contact address, or none.
    let silent = account(store).await;
    register(store, new_key(&silent)).await;
    let contact = Some("contact@example.com".to_owned());
    store.set_contact_email(silent.uid, contact).await.unwrap();
    store
        .set_account_disabled(silent.uid, Some(at(4)), &audit_context(4))
        .await
        .unwrap();
    assert!(store.delete_account(silent.uid, &audit_context(4)).await.unwrap());

    let label = || "bot".to_owned();
    let mails = leased(store, NODE, 5).await;
    assert_eq!(
        notices(&mails),
        [
            (
                "old@example.com",
                &Notice::KeyCreated {
                    label: label(),
                    settings: Some(KeySettings::of(&key))
                }
            ),
            (
                "old@example.com",
                &Notice::EmailChanged {
                    new: "new@example.com".to_owned()
                }
            ),
            ("new@example.com", &Notice::KeyRevoked { label: label() }),
            ("new@example.com", &Notice::AccountDeleted),
            ("contact@example.com", &Notice::AccountDeleted),
        ]
    );
    let accounts: Vec<_> = mails.iter().map(|mail| notice(mail).uid.is_some()).collect();
    assert_eq!(accounts, [true, false, true, false, false]);
    assert!(
        mails
            .iter()
            .all(|mail| mail.request_id.as_deref() == Some("request 1"))
    );
}

async fn q11_without_a_sender_nothing_is_written(store: &Store) {
    let owner = owner(store, ADA).await;
    register(store, new_key(&owner)).await;
    assert!(ask_with_mail(store, 0).await);
    assert!(store.delete_account(owner.uid, &audit_context(1)).await.unwrap());
    assert_eq!(leased(store, NODE, 2).await, []);
}

async fn q11_mail_waits_until_it_was_sent_or_expired(store: &Store) {
    store.keep_mail(true);
    let owner = owner(store, "owner@example.com").await;
    register(store, new_key(&owner)).await;
    assert!(ask_with_mail(store, 0).await);
    let waiting = store.waiting_mail().await.unwrap();
    let counts: Vec<_> = waiting
        .iter()
        .map(|waiting| (waiting.kind, waiting.count, waiting.oldest))
        .collect();
    assert_eq!(
        counts,
        [
            (MailKind::Code, 1, Some(at(0))),
            (MailKind::Notice, 1, Some(at(0))),
            (MailKind::Reminder, 0, None)
        ]
    );
    let mails = leased(store, NODE, 1).await;
    assert_eq!(mails[0].content, MailContent::Code(b"short".to_vec()));
    assert_eq!(mails[0].recipient, ADA);
    assert_eq!(mails.len(), 2);
    // A failed attempt moves the next one.
    let ids: Vec<_> = mails.iter().map(|mail| mail.id).collect();
    store
        .postpone_mail(NODE, ids.clone(), Postponed::Failed, at(10))
        .await
        .unwrap();
    assert_eq!(leased(store, NODE, 9).await, []);
    let again = leased(store, NODE, 10).await;
    assert_eq!(again.iter().map(|mail| mail.attempts).collect::<Vec<_>>(), [1, 1]);
    store
        .postpone_mail(NODE, ids, Postponed::Untried, at(10))
        .await
        .unwrap();
    // The code lives for ten minutes, the notice for a day.
    assert_eq!(store.drop_expired_mail(at(599)).await.unwrap(), []);
    assert_eq!(leased(store, NODE, 600).await.len(), 1);
    let expired = store.drop_expired_mail(at(600)).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].request_id.as_deref(), Some("request 1"));
    assert_eq!(leased(store, NODE, 24 * 3600 - 1).await.len(), 1);
    assert_eq!(store.drop_expired_mail(at(24 * 3600)).await.unwrap().len(), 1);
    assert_eq!(store.waiting_mail().await.unwrap()[1].count, 0);
}

async fn q12_held_notices_are_leased_together_and_further_ones_counted(store: &Store) {
    store.keep_mail(true);
    let owner = owner(store, "owner@example.com").await;
    let key_id = register(store, new_key(&owner)).await.key_id;
    for seconds in 1..i64::from(MAX_NOTICES) {
        change(store, owner.uid, key_id, seconds).await;
    }
    let mails = leased(store, NODE, 100).await;
    assert_eq!(mails.len(), 50);
    let ids = mails[1..].iter().map(|mail| mail.id).collect();
    store
        .postpone_mail(NODE, ids, Postponed::Held, at(200))
        .await
        .unwrap();
    // The newest row counts further changes.
    for seconds in 101..111 {
        change(store, owner.uid, key_id, seconds).await;
    }
    assert_eq!(leased(store, NODE, 150).await, []);
    let together = async |node, seconds, address: &str| {
        let address = address.to_owned();
        store
            .lease_held_notices(lease(node, seconds), owner.uid, address)
            .await
            .unwrap()
    };
    assert_eq!(together(NODE, 150, "other@example.com").await, []);
    let held = together(NODE, 150, "owner@example.com").await;
    let expected: Vec<_> = (1..50)
        .map(|seconds| match seconds {
            1 => changed("bot", 1),
            _ => changed(&format!("bot {}", seconds - 1), seconds),
        })
        .collect();
    assert_eq!(
        held.iter().map(|mail| &notice(mail).notice).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    assert!(held.iter().all(|mail| notice(mail).held));
    let more: Vec<_> = held.iter().map(|mail| notice(mail).more).collect();
    assert_eq!((more[48], more.iter().sum::<u32>()), (10, 10));
    // Another node gets them when the lease is over.
    assert_eq!(together(OTHER, 200, "owner@example.com").await, []);
    // All of them are being sent, so a further change gets a row.
    change(store, owner.uid, key_id, 201).await;
    assert_eq!(
        notices(&leased(store, NODE, 201).await),
        [("owner@example.com", &changed("bot 110", 201))]
    );
    assert_eq!(together(OTHER, 270, "owner@example.com").await.len(), 49);
}

async fn q13_a_mail_is_leased_by_one_node_at_a_time(store: &Store) {
    store.keep_mail(true);
    let owner = owner(store, "owner@example.com").await;
    let key_id = register(store, new_key(&owner)).await.key_id;
    for seconds in 1..40 {
        change(store, owner.uid, key_id, seconds).await;
    }
    let few = |node| MailLease {
        most: 7,
        ..lease(node, 100)
    };
    let waiting = store.waiting_mail().await.unwrap()[1].count;
    let mut ids = Vec::new();
    for round in 0..10 {
        let node = if round % 2 == 0 { NODE } else { OTHER };
        let leased = store.lease_mail(few(node)).await.unwrap();
        ids.extend(leased.iter().map(|mail| mail.id));
    }
    assert_eq!(ids.len(), usize::try_from(waiting).unwrap());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), usize::try_from(waiting).unwrap());
    // When the lease is over, each is due again.
    assert_eq!(leased(store, NODE, 219).await, []);
    assert_eq!(leased(store, NODE, 220).await.len(), ids.len());
}

async fn q13_only_the_node_that_leased_a_mail_decides_about_it(store: &Store) {
    store.keep_mail(true);
    let owner = owner(store, "owner@example.com").await;
    register(store, new_key(&owner)).await;
    let id = leased(store, NODE, 1).await[0].id;
    store.remove_mail(OTHER, vec![id]).await.unwrap();
    store
        .postpone_mail(OTHER, vec![id], Postponed::Failed, at(1))
        .await
        .unwrap();
    assert_eq!(leased(store, OTHER, 2).await, []);
    // The first node was too slow.
    let mail = &leased(store, OTHER, 121).await[0];
    assert_eq!((mail.id, mail.attempts), (id, 0));
    store.remove_mail(NODE, vec![id]).await.unwrap();
    store
        .postpone_mail(NODE, vec![id], Postponed::Failed, at(1))
        .await
        .unwrap();
    store.remove_mail(OTHER, vec![id]).await.unwrap();
    let long_after = at(1) + SignedDuration::from_hours(2);
    let lease = MailLease {
        now: long_after,
        ..lease(NODE, 1)
    };
    assert_eq!(store.lease_mail(lease).await.unwrap(), []);
}
