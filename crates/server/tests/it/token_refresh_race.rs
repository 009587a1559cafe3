//! Concurrent and alternating calls of `POST /token/refresh`.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Stored, TestServer, at_once, jwt, rows};

const ROUNDS: i64 = 200;
const AT_ONCE: i64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_concurrent_refreshes_of_a_token_get_exactly_one_successor() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let mut token = server.mint(&key).await.refresh_token;
    let mut issued: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for round in 0..ROUNDS {
        server.advance(91);
        for answer in at_once((0..AT_ONCE).map(|_| server.refresh(&token))).await {
            let successor = answer.refresh_token();
            let counter = jwt::payload(&successor)["n"].as_i64().unwrap();
            issued.entry(counter).or_default().insert(successor);
        }
        // Every fourth round the clients lose all answers and retry later with the parent.
        if round % 4 != 3 {
            token = issued.last_entry().unwrap().get().first().unwrap().clone();
        }
    }
    // One token per generation, no generation is missing, and the session has not ended.
    assert!(issued.keys().copied().eq(1..=ROUNDS), "{:?}", issued.keys());
    assert!(issued.values().all(|values| values.len() == 1));
    let row = rows(&server, "SELECT current, ended_at FROM sessions");
    assert_eq!(row, [[ROUNDS.into(), Stored::Null]]);
}

#[tokio::test]
async fn e06_alternating_calls_of_a_thief_and_the_owner_are_detected_within_three_calls() {
    for distance in [91, 3600, 86_400] {
        for owner_first in [true, false] {
            let server = TestServer::start().await;
            let key = server.key().await;
            // Both have the newest token.
            let stolen = server.mint(&key).await.refresh_token;
            let mut held = [stolen.clone(), stolen];
            let mut calls = 0;
            loop {
                server.advance(distance);
                let who = usize::from((calls % 2 == 0) != owner_first);
                let answer = server.refresh(&held[who]).await;
                calls += 1;
                if answer.status != 200 {
                    answer.assert_error(401, "refresh_reused");
                    break;
                }
                held[who] = answer.refresh_token();
            }
            assert!(calls <= 3, "{calls} calls, {distance} s apart");
            for token in held {
                server.refresh(&token).await.assert_error(401, "refresh_reused");
            }
        }
    }
}
