//! Entries of the revocation list.

use tm_auth_proto::{AccountId, SessionId};

use super::given::{at, audit_context, audited, fresh_key_id, fresh_uuid};
use crate::{AuditAction, Change, Revocation, Revoked, Store};

super::table!("revocations":
    entries_are_listed_since_a_time,
    a_later_entry_replaces_an_earlier_one_and_never_the_reverse,
);

async fn entries_are_listed_since_a_time(store: &Store) {
    let all = [
        Revoked::Session(SessionId(fresh_uuid())),
        Revoked::Key(fresh_key_id()),
        Revoked::Account(AccountId(fresh_uuid())),
        Revoked::Everything,
    ];
    for (seconds, revoked) in (0..).zip(all) {
        let before = store.changes(0).await.unwrap().latest;
        store
            .revoke(
                Revocation {
                    revoked,
                    at: at(seconds),
                },
                &audit_context(9),
            )
            .await
            .unwrap();
        assert_eq!(
            store.changes(before).await.unwrap().changes.unwrap(),
            [Change::Revocations]
        );
    }
    assert_eq!(audited(store, AuditAction::TokensRevoked).await, 4);
    for since in 0..5 {
        let listed = store.revocations(at(since)).await.unwrap();
        let expected: Vec<_> = (0..).zip(all).skip(usize::try_from(since).unwrap()).collect();
        let listed: Vec<_> = listed
            .iter()
            .map(|entry| (entry.at.as_second() - at(0).as_second(), entry.revoked))
            .collect();
        assert_eq!(listed, expected, "at or after second {since}");
    }
}

async fn a_later_entry_replaces_an_earlier_one_and_never_the_reverse(store: &Store) {
    let revoked = Revoked::Account(AccountId(fresh_uuid()));
    for seconds in [5, 9, 7] {
        store
            .revoke(
                Revocation {
                    revoked,
                    at: at(seconds),
                },
                &audit_context(9),
            )
            .await
            .unwrap();
    }
    let listed = store.revocations(at(0)).await.unwrap();
    assert_eq!(listed, [Revocation { revoked, at: at(9) }]);
}
