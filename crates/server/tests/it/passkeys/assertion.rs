//! Assertions: which are refused, and that every refusal gives the same response.

use serde_json::{Value, json};
use tm_auth_core::user::AuthMethod;

use super::{ADD, SIGN_IN, SIGN_UP, STEP_UP};
use crate::support::authenticator::{
    Authenticator, BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED, Used, base64, bend,
};
use crate::support::{Answer, TestServer, at_once};
use tm_auth_store::AuditAction;

/// Logs in with this authenticator. `change` edits the assertion before it is signed.
async fn sign_in(server: &TestServer, with: &mut Authenticator, change: impl FnOnce(&mut Used)) -> Answer {
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_IN).await;
    let mut used = with.get(&options, &server.origin);
    change(&mut used);
    let answer = visitor.finish(SIGN_IN, &used.answer(with)).await;
    assert_eq!(visitor.sid().is_some(), answer.status == 200);
    answer
}

#[tokio::test]
async fn g03_g04_g05_g06_an_assertion_for_another_type_origin_or_rp_is_refused() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let origin = server.origin.clone();
    let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
    for (from, to) in [
        ("webauthn.get", "webauthn.create".to_owned()),
        (origin.as_str(), format!("https://localhost:{port}")),
        (origin.as_str(), format!("http://localhost:{}", port + 1)),
        (origin.as_str(), format!("http://evil.localhost:{port}")),
        (origin.as_str(), format!("http://localhost.evil.example:{port}")),
        (origin.as_str(), format!("http://user@localhost:{port}")),
        (origin.as_str(), "null".to_owned()),
        (origin.as_str(), "android:apk-key-hash:AAAA".to_owned()),
        (r#""crossOrigin":false"#, r#""crossOrigin":true"#.to_owned()),
        (r#""crossOrigin":false"#, format!(r#""topOrigin":"{origin}""#)),
    ] {
        let answer = sign_in(&server, &mut authenticator, |used| {
            bend(&mut used.client_data, from, &to);
        })
        .await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    let answer = sign_in(&server, &mut authenticator, |used| {
        "evil.example".clone_into(&mut used.rp_id);
    });
    answer.await.assert_invalid("passkey_refused", "credential");
    assert_eq!(sign_in(&server, &mut authenticator, |_| ()).await.status, 200);
}

#[tokio::test]
async fn g07_g08_user_presence_verification_and_the_same_backup_eligibility_are_required() {
    let server = TestServer::start().await;
    let (mut synced, mut bound) = (Authenticator::new(), Authenticator::device_bound());
    server.signed_up(&mut synced).await;
    server.signed_up(&mut bound).await;
    for (off, on) in [
        (USER_PRESENT, 0),
        (USER_VERIFIED, 0),
        (USER_PRESENT | USER_VERIFIED, 0),
        (BACKUP_ELIGIBLE, 0),
        (BACKUP_ELIGIBLE | BACKED_UP, 0),
    ] {
        let answer = sign_in(&server, &mut synced, |used| used.flags = used.flags & !off | on).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    for on in [BACKUP_ELIGIBLE, BACKED_UP, BACKUP_ELIGIBLE | BACKED_UP] {
        let answer = sign_in(&server, &mut bound, |used| used.flags |= on).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    // The backup state may change, and is stored.
    assert!(server.passkey(&synced).await.unwrap().backed_up);
    let answer = sign_in(&server, &mut synced, |used| used.flags &= !BACKED_UP).await;
    assert_eq!(answer.status, 200);
    assert!(!server.passkey(&synced).await.unwrap().backed_up);
}

#[tokio::test]
async fn g11_the_credential_and_the_user_handle_must_name_the_same_account() {
    let server = TestServer::start().await;
    let (mut mine, mut victims) = (Authenticator::new(), Authenticator::new());
    let (me, _) = server.signed_up(&mut mine).await;
    let (victim, _) = server.signed_up(&mut victims).await;
    let own = mine.user_handle.clone().unwrap();
    for handle in [
        victims.user_handle.clone(),
        None,
        Some(vec![7; 64]),
        Some(own[..63].to_vec()),
        Some([&own[..], &[0]].concat()),
        Some(Vec::new()),
        Some(victim.uid.0.as_bytes().to_vec()),
    ] {
        let answer = sign_in(&server, &mut mine, |used| used.user_handle.clone_from(&handle)).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    // The victim's credential id, signed by the attacker's key.
    let answer = sign_in(&server, &mut mine, |used| {
        used.credential_id.clone_from(&victims.credential_id);
        used.user_handle.clone_from(&victims.user_handle);
    });
    answer.await.assert_invalid("passkey_refused", "credential");
    assert_eq!(sign_in(&server, &mut mine, |_| ()).await.status, 200);

    let deleted = server
        .store
        .delete_account(me.uid, &tm_auth_store::AuditContext::operator(server.now()))
        .await;
    assert!(deleted.unwrap());
    let answer = sign_in(&server, &mut mine, |_| ()).await;
    answer.assert_invalid("passkey_refused", "credential");
    // Another account's credential with the deleted account's handle.
    let answer = sign_in(&server, &mut victims, |used| {
        used.user_handle.clone_from(&mine.user_handle);
    });
    answer.await.assert_invalid("passkey_refused", "credential");
}

#[tokio::test]
async fn g12_a_step_up_accepts_only_allowed_credentials() {
    let server = TestServer::start().await;
    let (mut asked, mut later, mut others) =
        (Authenticator::new(), Authenticator::new(), Authenticator::new());
    let (account, mut visitor) = server.signed_up(&mut asked).await;
    server.signed_up(&mut others).await;
    let options = visitor.begin(STEP_UP).await;
    let allowed = json!([{
        "type": "public-key",
        "id": base64(&asked.credential_id),
        "transports": ["hybrid", "internal"],
    }]);
    assert_eq!(options["publicKey"]["allowCredentials"], allowed);
    // Another account's credential; a credential of this account that was added after the options.
    let answer = others.get(&options, &server.origin).answer(&others);
    visitor
        .finish(STEP_UP, &answer)
        .await
        .assert_invalid("passkey_refused", "credential");
    let options = visitor.begin(STEP_UP).await;
    assert_eq!(visitor.create(ADD, &mut later, &server.origin).await.status, 201);
    let answer = later.get(&options, &server.origin).answer(&later);
    visitor
        .finish(STEP_UP, &answer)
        .await
        .assert_invalid("passkey_refused", "credential");
    // An allowed credential. The handle may be absent, because the account is known.
    let options = visitor.begin(STEP_UP).await;
    let mut used = asked.get(&options, &server.origin);
    used.user_handle = None;
    let before = visitor.sid();
    assert_eq!(visitor.finish(STEP_UP, &used.answer(&asked)).await.status, 200);
    assert_ne!(visitor.sid(), before, "a new session");
    assert_eq!(server.account_of(&visitor).await.uid, account.uid);
    let (old, _) = server.store.user_session(before.unwrap()).await.unwrap().unwrap();
    assert!(old.ended.is_some(), "the new session replaces the old one");
}

#[tokio::test]
async fn g14_a_counter_that_does_not_grow_is_refused_for_device_bound_and_reported_for_synced_passkeys() {
    let server = TestServer::start().await;
    let mut bound = Authenticator::device_bound();
    let (account, _) = server.signed_up(&mut bound).await;
    assert_eq!(sign_in(&server, &mut bound, |_| ()).await.status, 200);
    for counter in [2, 1, 0] {
        let answer = sign_in(&server, &mut bound, |used| used.counter = counter).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    assert_eq!(server.audit_count(&account, AuditAction::SignInRefused).await, 3);
    let kept = server.passkey(&bound).await.unwrap();
    assert_eq!((kept.counter, kept.suspect_at), (2, Some(server.now())));

    let mut synced = Authenticator::new();
    server.signed_up(&mut synced).await;
    for (counter, suspect, highest) in [(9, false, 9), (9, true, 9), (3, true, 9), (10, false, 10)] {
        let answer = sign_in(&server, &mut synced, |used| used.counter = counter).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["passkey_suspect"], suspect);
        let kept = server.passkey(&synced).await.unwrap();
        assert_eq!(kept.counter, highest);
    }
    assert!(server.passkey(&synced).await.unwrap().suspect_at.is_some());
}

#[tokio::test]
async fn g14_concurrent_assertions_never_set_the_counter_back() {
    let server = TestServer::start().await;
    let mut synced = Authenticator::new();
    server.signed_up(&mut synced).await;
    let mut ready = Vec::new();
    for counter in 1..=12 {
        let mut visitor = server.visitor();
        let options = visitor.begin(SIGN_IN).await;
        let mut used = synced.get(&options, &server.origin);
        used.counter = counter;
        ready.push((visitor, used.answer(&synced)));
    }
    let answers = at_once(
        ready
            .iter_mut()
            .map(|(visitor, answer)| visitor.finish(SIGN_IN, answer)),
    )
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(server.passkey(&synced).await.unwrap().counter, 12);
}

#[tokio::test]
async fn g15_an_unknown_credential_and_a_bad_signature_take_the_same_path_to_the_same_response() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let (mut known, mut unknown) = (Authenticator::new(), Authenticator::new());
    let (account, _) = server.signed_up(&mut known).await;
    unknown.user_handle.clone_from(&known.user_handle);
    let handle = known.user_handle.clone();
    let asked = [
        "take_ceremony",
        "passkey",
        "account_by_user_handle",
        "use_passkey",
        "audit",
        "open_user_session",
    ];
    let mut ways = Vec::new();
    for (signer, credential_id, handle) in [
        (&unknown, &known.credential_id, handle.clone()),
        (&unknown, &unknown.credential_id, handle.clone()),
        (&unknown, &unknown.credential_id, Some(vec![9; 64])),
        (&known, &known.credential_id, Some(vec![9; 64])),
    ] {
        let mut visitor = server.visitor();
        let options = visitor.begin(SIGN_IN).await;
        let mut used = Authenticator::new().get(&options, &server.origin);
        used.credential_id.clone_from(credential_id);
        used.user_handle = handle;
        let before = asked.map(|method| faults.calls(method));
        let answer = visitor.finish(SIGN_IN, &used.answer(signer)).await;
        answer.assert_invalid("passkey_refused", "credential");
        let calls: Vec<u64> = asked
            .iter()
            .zip(before)
            .map(|(method, before)| faults.calls(method) - before)
            .collect();
        ways.push((answer.comparable(), calls));
    }
    assert!(ways.iter().all(|way| *way == ways[0]), "{ways:?}");
    assert_eq!(ways[0].1, [1, 1, 1, 0, 1, 0]);
    assert_eq!(server.audit_count(&account, AuditAction::SignInRefused).await, 0);
}

#[tokio::test]
async fn g15_only_the_holder_of_the_passkey_learns_that_the_account_is_disabled() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (account, _) = server.signed_up(&mut authenticator).await;
    let audit_context = tm_auth_store::AuditContext::operator(server.now());
    let disabled = server
        .store
        .set_account_disabled(account.uid, Some(server.now()), &audit_context);
    assert!(disabled.await.unwrap());
    sign_in(&server, &mut authenticator, |_| ())
        .await
        .assert_error(401, "account_disabled");
    let mut forger = Authenticator::new();
    forger.credential_id.clone_from(&authenticator.credential_id);
    forger.user_handle.clone_from(&authenticator.user_handle);
    sign_in(&server, &mut forger, |_| ())
        .await
        .assert_error(400, "passkey_refused");
    assert_eq!(server.passkey(&authenticator).await.unwrap().last_used_at, None);
}

#[tokio::test]
async fn g16_sign_in_options_are_the_same_for_all() {
    let server = TestServer::start().await;
    server.with_address(&mut Authenticator::new()).await;
    let asked = |options: &Value| {
        let mut asked = options["publicKey"].clone();
        asked["challenge"] = Value::Null;
        asked
    };
    let first = server.visitor().begin(SIGN_IN).await;
    let expected = json!({
        "challenge": null,
        "timeout": 300_000,
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
    });
    assert_eq!(asked(&first), expected);
    // A request cannot name an account: its body is not read.
    let mut visitor = server.visitor();
    let named = json!({ "email": "owner@example.com" });
    let answer = visitor
        .call(reqwest::Method::POST, &format!("{SIGN_IN}/options"), Some(&named))
        .await;
    assert_eq!(asked(&answer.body), expected);
    assert_ne!(
        answer.body["publicKey"]["challenge"],
        first["publicKey"]["challenge"]
    );
}

#[tokio::test]
async fn g13_a_step_up_needs_the_session_that_began_it() {
    let server = TestServer::start().await;
    let (mut mine, mut others) = (Authenticator::new(), Authenticator::new());
    let (_, mut visitor) = server.signed_up(&mut mine).await;
    let (other, _) = server.signed_up(&mut others).await;
    server
        .visitor()
        .try_begin(STEP_UP)
        .await
        .assert_error(401, "missing_session");
    // One account begins the step-up. Another account then logs in in the same browser and answers.
    let options = visitor.begin(STEP_UP).await;
    let elsewhere = server.signed_in(&other, AuthMethod::EmailCode).await;
    visitor.cookies.extend(elsewhere.cookies);
    let answer = mine.get(&options, &server.origin).answer(&mine);
    visitor
        .finish(STEP_UP, &answer)
        .await
        .assert_error(403, "reauth_required");
    let mut signed_out = server.visitor();
    signed_out
        .finish(STEP_UP, &answer)
        .await
        .assert_error(401, "missing_session");
    // The answer to a registration does not log in.
    let options = signed_out.begin(SIGN_UP).await;
    let answer = mine.create(&options, &server.origin).answer();
    let answer = signed_out.finish(SIGN_IN, &answer).await;
    assert_eq!(answer.status, 400);
}
