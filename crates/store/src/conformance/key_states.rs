//! Pending keys and disabled keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_core::registration::{self, ConfirmedKey};
use tm_auth_core::{Account, ApiKey, Lifecycle, PublicKey, Refusal};
use tm_auth_proto::api_key::{ApiKeyStatus, RegistrationProof};
use tm_auth_proto::challenge;

use super::given::{
    MANY, RETENTION, account, at, audit_context, audited, fresh_key_id, key, live, new_key, new_session,
    open, register, rotate, rotation, session,
};
use crate::{AuditAction, Change, KeyChange, NewApiKey, OpenOutcome, Revocation, Revoked, Store};

super::table!("key_states":
    a_pending_key_becomes_active_only_by_its_activation,
    a_pending_key_expires_after_a_day_and_frees_its_public_key,
    c09_the_limit_counts_at_activation_and_bounds_pending_keys_as_well,
    another_accounts_key_is_not_activated,
    a_disabled_key_opens_and_rotates_nothing_until_it_is_enabled,
);

const ISSUER: &str = "https://auth.test/v1/auth";

/// A pending key, registered at second 0, and the confirmation that activates it.
async fn pending(store: &Store, account: &Account) -> (NewApiKey, ApiKey, ConfirmedKey) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("signing works");
    let public = PublicKey::from_sec1(pair.public_key().as_ref()).expect("a point");
    let sign = |text: String| RegistrationProof {
        timestamp: at(0).as_second(),
        signature: URL_SAFE_NO_PAD.encode(
            pair.sign(&SystemRandom::new(), text.as_bytes())
                .expect("signing works"),
        ),
    };
    let timestamp = at(0).as_second();
    let text = challenge::registration(ISSUER, account.uid, &public.fingerprint(), timestamp);
    let new = NewApiKey {
        public_key: registration::verify_possession(public, &sign(text), ISSUER, account.uid, at(0))
            .expect("the proof is valid"),
        active: false,
        ..new_key(account)
    };
    let key = register(store, new.clone()).await;
    let text = challenge::activation(ISSUER, key.key_id, timestamp);
    let confirmed = registration::confirm(&key, &sign(text), ISSUER, at(0)).expect("the signature is valid");
    (new, key, confirmed)
}

async fn a_pending_key_becomes_active_only_by_its_activation(store: &Store) {
    let account = account(store).await;
    let (_, key, confirmed) = pending(store, &account).await;
    let activate = async |seconds| {
        store
            .activate_key(account.uid, confirmed, MANY, &audit_context(seconds))
            .await
            .unwrap()
    };
    let active = activate(10).await.unwrap();
    let expected = ApiKey {
        lifecycle: Lifecycle::Active { activated_at: at(10) },
        version: key.version + 1,
        ..key.clone()
    };
    assert_eq!(active, expected);
    assert_eq!(
        activate(20).await,
        Ok(expected.clone()),
        "activating again changes nothing"
    );
    assert_eq!(audited(store, AuditAction::KeyActivated).await, 1);
    // The activation is announced to the other nodes.
    let changes = store.changes(0).await.unwrap().changes.unwrap();
    assert!(changes.contains(&Change::Key(key.key_id)));
    let (new, _) = new_session(&expected, 11);
    assert_eq!(open(store, &new).await, OpenOutcome::Opened);
    store
        .revoke_key(account.uid, key.key_id, &audit_context(30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(activate(40).await, Err(Refusal::KeyNotLive));
}

async fn a_pending_key_expires_after_a_day_and_frees_its_public_key(store: &Store) {
    const DAY: i64 = 24 * 3600;
    let account = account(store).await;
    let (new, key, confirmed) = pending(store, &account).await;
    let late = store
        .activate_key(account.uid, confirmed, MANY, &audit_context(DAY))
        .await;
    assert_eq!(late.unwrap(), Err(Refusal::KeyNotFound));
    assert_eq!(
        store.api_key(key.key_id).await.unwrap(),
        Some(key.clone()),
        "a refused activation changes nothing"
    );
    store.sweep(at(DAY + 1), &RETENTION).await.unwrap();
    assert_eq!(store.api_key(key.key_id).await.unwrap(), None);
    let again = NewApiKey {
        key_id: fresh_key_id(),
        active: true,
        ..new
    };
    assert_eq!(
        register(store, again).await.status(at(DAY + 2)),
        ApiKeyStatus::Active
    );
}

async fn c09_the_limit_counts_at_activation_and_bounds_pending_keys_as_well(store: &Store) {
    let account = account(store).await;
    let (new, _, confirmed) = pending(store, &account).await;
    register(store, new_key(&account)).await;
    let full = store
        .activate_key(account.uid, confirmed, 1, &audit_context(1))
        .await
        .unwrap();
    assert_eq!(full, Err(Refusal::KeyLimitReached { limit: 1 }));
    let another = NewApiKey {
        key_id: fresh_key_id(),
        public_key: super::given::public_key(&account),
        ..new
    };
    let full = store
        .register_key(another, live(1), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(full, Err(Refusal::KeyLimitReached { limit: 1 }));
    let room = store
        .activate_key(account.uid, confirmed, 2, &audit_context(1))
        .await;
    assert!(room.unwrap().is_ok());
}

async fn another_accounts_key_is_not_activated(store: &Store) {
    let (owner, stranger) = (account(store).await, account(store).await);
    let (_, key, confirmed) = pending(store, &owner).await;
    let outcome = store
        .activate_key(stranger.uid, confirmed, MANY, &audit_context(1))
        .await;
    assert_eq!(outcome.unwrap(), Err(Refusal::KeyNotFound));
    assert_eq!(store.api_key(key.key_id).await.unwrap(), Some(key));
}

async fn a_disabled_key_opens_and_rotates_nothing_until_it_is_enabled(store: &Store) {
    let key = key(store).await;
    let (opened, secret) = session(store, &key).await;
    let set = async |disabled: bool, seconds| {
        let change = KeyChange {
            disabled: Some(disabled),
            ..KeyChange::default()
        };
        store
            .update_key(key.account.uid, key.key_id, change, &audit_context(seconds))
            .await
            .unwrap()
            .unwrap()
            .row
    };
    let disabled = set(true, 10).await;
    assert_eq!(
        (disabled.lifecycle.disabled_at(), disabled.status(at(10))),
        (Some(at(10)), ApiKeyStatus::Disabled)
    );
    // Neither a decision with an old copy nor one with the current row opens a session.
    for copy in [&key, &disabled] {
        let (new, _) = new_session(copy, 11);
        assert_eq!(open(store, &new).await, OpenOutcome::Changed);
    }
    assert_eq!(
        rotate(store, rotation(opened.sid, &secret, 0, 12))
            .await
            .map(drop),
        Err(Refusal::KeyDisabled)
    );
    let listed = Revocation {
        revoked: Revoked::Key(key.key_id),
        at: at(10),
    };
    assert_eq!(store.revocations(at(0)).await.unwrap(), [listed]);
    assert_eq!(
        set(true, 20).await.lifecycle.disabled_at(),
        Some(at(10)),
        "disabling again keeps the first time"
    );

    let enabled = set(false, 30).await;
    assert_eq!(
        (enabled.lifecycle.disabled_at(), enabled.status(at(30))),
        (None, ApiKeyStatus::Active)
    );
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
    let (new, _) = new_session(&enabled, 31);
    assert_eq!(open(store, &new).await, OpenOutcome::Opened);
    assert!(
        rotate(store, rotation(opened.sid, &secret, 0, 32)).await.is_ok(),
        "its sessions continue"
    );
    for (action, count) in [
        (AuditAction::KeyDisabled, 1),
        (AuditAction::KeyEnabled, 1),
        (AuditAction::KeyChanged, 0),
    ] {
        assert_eq!(audited(store, action.clone()).await, count, "{action}");
    }
}
