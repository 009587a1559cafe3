//! The timestamp of the challenge.

use jiff::SignedDuration;
use serde_json::json;

use super::PATH;
use crate::support::jwt::payload;
use crate::support::{START, TestServer};

#[tokio::test]
async fn d01_a_fresh_challenge_mints_for_its_own_key() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for skew in [0, 29, -29, 30, -30] {
        let at = server.now() + SignedDuration::from_secs(skew);
        let answer = server.post(PATH, &key.challenge(at)).await;
        assert_eq!(answer.status, 200, "{skew}: {answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body["token_type"], "Bearer");
        assert_eq!(answer.body["expires_in"], "2027-01-15T09:00:00Z");
        let minted = payload(answer.body["access_token"].as_str().unwrap());
        // The refreshed token has the same key, account and session.
        let refreshed = server
            .refresh(answer.body["refresh_token"].as_str().unwrap())
            .await;
        let refreshed = payload(refreshed.body["access_token"].as_str().unwrap());
        for claims in [&minted, &refreshed] {
            assert_eq!(claims["client_id"], key.id().to_string());
            assert_eq!(claims["uid"], key.account.uid.to_string());
            assert_eq!(claims["sid"], minted["sid"]);
        }
    }
}

#[tokio::test]
async fn d02_beyond_the_tolerance_the_error_has_the_server_time() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for timestamp in [START + 31, START - 31, 0, 1, 4_102_444_800] {
        let signature = key.sign(&format!("{}.{timestamp}", key.id()));
        let challenge = json!({ "key_id": key.id(), "timestamp": timestamp, "signature": signature });
        let answer = server.post(PATH, &challenge).await;
        answer.assert_error(401, "timestamp_out_of_range");
        assert_eq!(answer.body["server_time"], server.now().to_string());
        assert_eq!(answer.body["skew_ms"], (timestamp - START) * 1000);
        assert!(answer.header("date").ends_with(" GMT"), "{answer:?}");
    }
}

#[tokio::test]
async fn d03_a_timestamp_in_another_unit_is_refused_and_explained() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for (timestamp, named) in [
        (START * 1_000, true),
        (START * 1_000_000, true),
        (START * 1_000_000_000, true),
        (START / 1_000, false),
    ] {
        let signature = key.sign(&format!("{}.{timestamp}", key.id()));
        let challenge = json!({ "key_id": key.id(), "timestamp": timestamp, "signature": signature });
        let answer = server.post(PATH, &challenge).await;
        answer.assert_error(401, "timestamp_out_of_range");
        let message = answer.body["message"].as_str().unwrap();
        assert_eq!(message.contains("whole Unix seconds"), named, "{answer:?}");
        let violation = &answer.body["field_violations"][0]["field"];
        assert_eq!(violation == "timestamp", named, "{answer:?}");
    }
}

/// Sweeps with a retention of zero for sessions, and lets the clock jump between the sweeps. A
/// session must still be kept as long as its challenge might be replayed.
#[tokio::test]
async fn d17_no_jump_of_the_clock_makes_a_replay_acceptable() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let mut challenges = Vec::new();
    let mut mint = async |server: &TestServer| {
        let challenge = key.challenge(server.now());
        let answer = server.post(PATH, &challenge).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = json!({ "refresh_token": answer.body["refresh_token"] });
        assert_eq!(server.post("/token/revoke", &token).await.status, 200);
        challenges.push(challenge);
    };
    mint(&server).await;
    server.advance(-3600);
    mint(&server).await;
    server.advance(3600);
    mint(&server).await;

    let retention = tm_auth_store::Retention {
        session: SignedDuration::ZERO,
        session_idle: SignedDuration::ZERO,
        revocation: SignedDuration::from_hours(1000),
        change: SignedDuration::from_hours(1000),
        ..server.app.retention()
    };
    for jump in [0, -3600, 7200, -3600] {
        server.advance(jump);
        let later = server.now() + SignedDuration::from_hours(1);
        let swept = server.store.sweep(later, &retention).await.unwrap();
        assert_eq!(
            swept.deleted, 0,
            "sessions are kept for 26 hours after their challenge"
        );
        for challenge in &challenges {
            let answer = server.post(PATH, challenge).await;
            let expected = ["replayed", "timestamp_out_of_range"].contains(&answer.code());
            assert!(answer.status == 401 && expected, "{answer:?}");
        }
    }
    // The session's row prevents the replay. It is deleted 26 hours after the challenge was signed.
    let much_later = server.now() + SignedDuration::from_hours(28);
    assert_eq!(
        server.store.sweep(much_later, &retention).await.unwrap().deleted,
        3
    );
}
