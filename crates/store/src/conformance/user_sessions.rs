//! Cases of user sessions.

use jiff::SignedDuration;
use tm_auth_core::rotation::TokenFamily;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::EndReason;
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession, session_id};
use tm_auth_core::{Account, Refusal};

use super::given::{ADDRESS, LIFETIMES, RETENTION, account, at, audit_context, audited};
use crate::{AuditAction, Revoked, Rotation, RotationKind, Store};

super::table!("user_sessions":
    e16_a_session_is_opened_found_listed_and_ended,
    h02_a_session_that_replaces_another_ends_it,
    e10_a_disabled_account_opens_and_uses_no_session,
    e16_all_sessions_but_one_are_ended,
    e04_q08_a_users_refresh_tokens_rotate_and_a_reused_one_ends_the_session_once,
    e19_a_users_slow_thread_gets_the_newest_token,
    h01_the_secret_of_a_cookie_is_not_valid_in_a_refresh_token,
    e16_the_holder_of_a_refresh_token_ends_the_session,
    an_older_use_of_a_session_never_overwrites_a_newer_one,
    ended_sessions_of_users_are_swept,
    q18_an_account_has_fifty_sessions_and_a_login_ends_the_one_unused_for_longest,
);

/// The network that logins are recorded with.
const NETWORK: &str = "192.0.2.1/32";

fn secret() -> SessionSecret {
    SessionSecret::new([5; 16])
}

pub(super) fn new_session(account: &Account, kind: SessionKind, seconds: i64) -> UserSession {
    let random = *super::given::fresh_uuid()
        .as_bytes()
        .last_chunk()
        .expect("16 bytes");
    UserSession {
        sid: session_id(at(seconds), &random),
        uid: account.uid,
        kind,
        secret_hash: secret().hash(),
        proof: Proof {
            method: AuthMethod::EmailCode,
            at: at(seconds),
        },
        family: TokenFamily::start(at(seconds)),
        mac_kid: (kind != SessionKind::Browser).then(|| "uat-mac-1".to_owned()),
        opened_at: at(seconds),
        last_used_at: at(seconds),
        expires_at: at(seconds) + kind.lifetimes().absolute,
        address: ADDRESS,
        device: "Firefox on Linux".to_owned(),
        ended: None,
    }
}

/// Opens a session whose user logs in at this time.
pub(super) async fn open_session(
    store: &Store,
    account: &Account,
    kind: SessionKind,
    seconds: i64,
) -> UserSession {
    let session = new_session(account, kind, seconds);
    let context = audit_context(seconds);
    let opened = store.open_user_session(session.clone(), NETWORK.to_owned(), None, &context);
    assert!(opened.await.unwrap());
    session
}

/// The request of a client that presents the refresh token with this counter.
fn rotation(session: &UserSession, counter: i64, seconds: i64) -> Rotation {
    Rotation {
        presented: VerifiedRefreshToken {
            sid: session.sid,
            counter,
            secret: secret(),
        },
        address: ADDRESS,
        mac_kid: "uat-mac-2".to_owned(),
        lifetimes: LIFETIMES,
        now: at(seconds),
        audit_context: audit_context(seconds),
    }
}

async fn is_listed(store: &Store, session: &UserSession) -> bool {
    let list = store.revocations(at(0)).await.unwrap();
    list.iter()
        .any(|entry| entry.revoked == Revoked::Session(session.sid))
}

async fn e16_a_session_is_opened_found_listed_and_ended(store: &Store) {
    let account = account(store).await;
    let browser = open_session(store, &account, SessionKind::Browser, 0).await;
    let native = open_session(store, &account, SessionKind::Native, 1).await;
    let (found, owner) = store.user_session(browser.sid).await.unwrap().unwrap();
    assert_eq!((&found, &owner), (&browser, &account));
    let listed = store.user_sessions_of(account.uid).await.unwrap();
    assert_eq!(listed, [native.clone(), browser.clone()]);

    let other = super::given::account(store).await;
    assert!(
        !store
            .end_user_session(other.uid, native.sid, &audit_context(2))
            .await
            .unwrap()
    );
    assert!(
        store
            .end_user_session(account.uid, native.sid, &audit_context(2))
            .await
            .unwrap()
    );
    assert!(
        !store
            .end_user_session(account.uid, native.sid, &audit_context(3))
            .await
            .unwrap()
    );
    let (ended, _) = store.user_session(native.sid).await.unwrap().unwrap();
    assert_eq!(ended.ended, Some((at(2), EndReason::Revoked)));
    assert!(is_listed(store, &native).await);
    assert_eq!(store.user_sessions_of(account.uid).await.unwrap(), [browser]);
    let trail = store.audit_trail(Some(account.uid), 2).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::SessionEnded);
    assert_eq!(
        (trail[1].action.clone(), trail[1].sid),
        (AuditAction::SignIn, Some(native.sid))
    );
}

async fn h02_a_session_that_replaces_another_ends_it(store: &Store) {
    let (mine, theirs) = (account(store).await, account(store).await);
    let first = open_session(store, &mine, SessionKind::Browser, 0).await;
    let second = new_session(&theirs, SessionKind::Browser, 1);
    let context = audit_context(1);
    let replaced = store.open_user_session(second, NETWORK.to_owned(), Some(first.sid), &context);
    assert!(replaced.await.unwrap());
    assert_eq!(store.user_sessions_of(mine.uid).await.unwrap(), []);
    assert_eq!(store.user_sessions_of(theirs.uid).await.unwrap().len(), 1);
}

async fn e10_a_disabled_account_opens_and_uses_no_session(store: &Store) {
    let account = account(store).await;
    let native = open_session(store, &account, SessionKind::Native, 0).await;
    let context = audit_context(1);
    let disabled = store.set_account_disabled(account.uid, Some(at(1)), &context);
    assert!(disabled.await.unwrap());
    let next = new_session(&account, SessionKind::Browser, 2);
    let opened = store.open_user_session(next, NETWORK.to_owned(), Some(native.sid), &context);
    assert!(!opened.await.unwrap());
    let refused = store.rotate_user_session(rotation(&native, 0, 2)).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::AccountDisabled);
}

async fn e16_all_sessions_but_one_are_ended(store: &Store) {
    let (account, other) = (account(store).await, account(store).await);
    let kept = open_session(store, &account, SessionKind::Browser, 0).await;
    let gone = open_session(store, &account, SessionKind::Native, 1).await;
    let theirs = open_session(store, &other, SessionKind::Browser, 1).await;
    let context = audit_context(2);
    let ended = store.end_user_sessions(account.uid, Some(kept.sid), &context);
    assert_eq!(ended.await.unwrap(), 1);
    assert_eq!(store.user_sessions_of(account.uid).await.unwrap(), [kept]);
    assert!(is_listed(store, &gone).await);
    let refused = store.rotate_user_session(rotation(&gone, 0, 3)).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::SessionEnded);
    assert_eq!(
        store
            .end_user_sessions(account.uid, None, &audit_context(4))
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.user_sessions_of(account.uid).await.unwrap(), []);
    assert_eq!(store.user_sessions_of(other.uid).await.unwrap(), [theirs]);
}

async fn e19_a_users_slow_thread_gets_the_newest_token(store: &Store) {
    let account = account(store).await;
    let session = open_session(store, &account, SessionKind::Native, 0).await;
    let rotate = async |counter, seconds| {
        store
            .rotate_user_session(rotation(&session, counter, seconds))
            .await
            .unwrap()
    };
    for counter in 0..3 {
        rotate(counter, 100 + counter).await.unwrap();
    }
    let (row, _) = store.user_session(session.sid).await.unwrap().unwrap();
    for (counter, seconds, repeated) in [(0, 190, true), (1, 190, true), (2, 192, true), (0, 191, false)] {
        let presented = rotation(&session, counter, seconds);
        let would = store.would_repeat(presented.presented, presented.now, LIFETIMES.reuse_grace);
        assert_eq!(would.await.unwrap(), repeated, "{counter}");
        if repeated {
            let again = rotate(counter, seconds).await.unwrap();
            assert_eq!((again.kind, &again.session), (RotationKind::Repeated, &row));
        }
    }
    assert_eq!(
        rotate(0, 191).await.unwrap_err().refusal,
        Refusal::RefreshSuperseded
    );
}

async fn e04_q08_a_users_refresh_tokens_rotate_and_a_reused_one_ends_the_session_once(store: &Store) {
    let account = account(store).await;
    let session = open_session(store, &account, SessionKind::Native, 0).await;
    let rotate = async |counter, seconds| {
        store
            .rotate_user_session(rotation(&session, counter, seconds))
            .await
            .unwrap()
    };
    let first = rotate(0, 10).await.unwrap();
    assert_eq!(
        (first.kind, first.session.family.current),
        (RotationKind::Rotated, 1)
    );
    assert_eq!(first.session.mac_kid.as_deref(), Some("uat-mac-2"));
    assert_eq!(first.account, account);
    let (row, _) = store.user_session(session.sid).await.unwrap().unwrap();
    assert_eq!(row, first.session);
    assert_eq!(rotate(0, 20).await.unwrap().kind, RotationKind::Repeated);
    assert_eq!(rotate(0, 200).await.unwrap().kind, RotationKind::Reissued);
    assert_eq!(
        rotate(1, 210).await.unwrap_err().refusal,
        Refusal::RefreshSuperseded
    );
    let ended = rotate(1, 400).await.unwrap_err();
    assert_eq!(
        (ended.refusal, ended.ended_session),
        (Refusal::RefreshReused, true)
    );
    assert!(is_listed(store, &session).await);
    // Q08: the end is reported and audited once, however often and late a token comes again.
    for (counter, seconds) in [(2, 401), (1, 402), (1, 30 * 3600)] {
        let again = rotate(counter, seconds).await.unwrap_err();
        assert_eq!(
            (again.refusal, again.ended_session),
            (Refusal::RefreshReused, false)
        );
    }
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 1);
    let wrong = Rotation {
        presented: VerifiedRefreshToken {
            secret: SessionSecret::new([6; 16]),
            ..rotation(&session, 2, 402).presented
        },
        ..rotation(&session, 2, 402)
    };
    let refused = store.rotate_user_session(wrong).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::InvalidRefreshToken);
    let unknown = new_session(&account, SessionKind::Native, 0);
    let refused = store.rotate_user_session(rotation(&unknown, 0, 1)).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::SessionExpired);
    let late = open_session(store, &account, SessionKind::Native, 0).await;
    let idle = SessionKind::Native.lifetimes().idle.as_secs();
    let refused = store.rotate_user_session(rotation(&late, 0, idle)).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::SessionExpired);
}

async fn h01_the_secret_of_a_cookie_is_not_valid_in_a_refresh_token(store: &Store) {
    let account = account(store).await;
    let browser = open_session(store, &account, SessionKind::Browser, 0).await;
    let refused = store.rotate_user_session(rotation(&browser, 0, 1)).await.unwrap();
    assert_eq!(refused.unwrap_err().refusal, Refusal::InvalidRefreshToken);
    assert_eq!(store.user_sessions_of(account.uid).await.unwrap(), [browser]);
}

async fn e16_the_holder_of_a_refresh_token_ends_the_session(store: &Store) {
    let account = account(store).await;
    let session = open_session(store, &account, SessionKind::Native, 0).await;
    let presented = rotation(&session, 0, 1).presented;
    let wrong = VerifiedRefreshToken {
        secret: SessionSecret::new([6; 16]),
        ..presented.clone()
    };
    assert!(!store.end_session(wrong, &audit_context(1)).await.unwrap());
    assert!(
        store
            .end_session(presented.clone(), &audit_context(2))
            .await
            .unwrap()
    );
    assert!(!store.end_session(presented, &audit_context(3)).await.unwrap());
    assert!(is_listed(store, &session).await);
}

async fn an_older_use_of_a_session_never_overwrites_a_newer_one(store: &Store) {
    let account = account(store).await;
    let session = open_session(store, &account, SessionKind::Browser, 0).await;
    let there = "198.51.100.7".parse().unwrap();
    for seconds in [100, 50] {
        store
            .touch_user_session(session.sid, at(seconds), there)
            .await
            .unwrap();
    }
    let (row, _) = store.user_session(session.sid).await.unwrap().unwrap();
    assert_eq!((row.last_used_at, row.address), (at(100), there));
}

async fn ended_sessions_of_users_are_swept(store: &Store) {
    let account = account(store).await;
    let gone = open_session(store, &account, SessionKind::Browser, 0).await;
    let retention = RETENTION;
    let end = gone.expires_at + retention.session;
    let kept = open_session(store, &account, SessionKind::Native, 0).await;
    store
        .sweep(end - SignedDuration::from_secs(1), &retention)
        .await
        .unwrap();
    assert!(store.user_session(gone.sid).await.unwrap().is_some());
    store
        .sweep(end + SignedDuration::from_secs(1), &retention)
        .await
        .unwrap();
    assert!(store.user_session(gone.sid).await.unwrap().is_none());
    assert!(store.user_session(kept.sid).await.unwrap().is_some());
}

async fn q18_an_account_has_fifty_sessions_and_a_login_ends_the_one_unused_for_longest(store: &Store) {
    let (ada, bob) = (account(store).await, account(store).await);
    let other = open_session(store, &bob, SessionKind::Browser, 0).await;
    let mut opened = Vec::new();
    for seconds in 0..60 {
        opened.push(open_session(store, &ada, SessionKind::Native, seconds).await.sid);
        if seconds == 49 {
            let touched = store.touch_user_session(opened[0], at(100), ADDRESS).await;
            touched.expect("the database answers");
        }
    }
    let left = store
        .user_sessions_of(ada.uid)
        .await
        .expect("the database answers");
    let mut left: Vec<_> = left.iter().map(|session| session.sid).collect();
    left.sort_unstable();
    // The first was used meanwhile; the ten after it were unused for longest.
    let mut expected = [&opened[..1], &opened[11..]].concat();
    expected.sort_unstable();
    assert_eq!(left, expected);
    let revoked = store.revocations(at(0)).await.expect("the database answers");
    assert_eq!(revoked.len(), 10);
    let of_bob = store
        .user_sessions_of(bob.uid)
        .await
        .expect("the database answers");
    assert_eq!(
        of_bob.iter().map(|session| session.sid).collect::<Vec<_>>(),
        [other.sid]
    );
}
