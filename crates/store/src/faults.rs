//! Faults on demand in every transaction of [`crate::Store`]. For tests only, with the feature
//! `faults`.
//!
//! A call is identified by the name of its method, such as `open_session`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;
use tokio::sync::oneshot;

use crate::{Result, StoreError};

/// The fault that every call gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Calls work normally.
    #[default]
    None,
    /// Each call fails at once, and nothing is done.
    Fail,
    /// No call is ever answered, as if the server had vanished from the network.
    Hang,
}

/// Faults to inject, and the count of calls.
#[derive(Debug, Default)]
pub struct Faults {
    fault: Mutex<Fault>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    lost: Mutex<Option<&'static str>>,
    held: Mutex<Option<Held>>,
    clock_step: AtomicI64,
}

#[derive(Debug)]
struct Held {
    method: &'static str,
    done: oneshot::Sender<()>,
    may_go: oneshot::Receiver<()>,
}

impl Faults {
    /// Sets the fault of all later calls.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().expect("no code panics while holding it") = fault;
    }

    /// Makes the next call of this method fail after its commit.
    pub fn lose_next_answer(&self, method: &'static str) {
        *self.lost.lock().expect("no code panics while holding it") = Some(method);
    }

    /// Holds back the next answer of this method. The first channel reports that the database has
    /// done its work. The second one releases the answer.
    pub fn hold_next_answer(&self, method: &'static str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((done, is_done), (let_go, may_go)) = (oneshot::channel(), oneshot::channel());
        *self.held.lock().expect("no code panics while holding it") = Some(Held { method, done, may_go });
        (is_done, let_go)
    }

    /// Moves this machine's clock, as it is compared with a PostgreSQL server's, by whole seconds.
    pub fn step_clock(&self, seconds: i64) {
        self.clock_step.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn clock_step(&self) -> SignedDuration {
        SignedDuration::from_secs(self.clock_step.load(Ordering::SeqCst))
    }

    /// Number of calls of this method so far.
    pub fn calls(&self, method: &str) -> u64 {
        let calls = self.calls.lock().expect("no code panics while holding it");
        calls.get(method).copied().unwrap_or(0)
    }

    /// Counts a call and injects the faults before its work. `work` is the name of the type of the
    /// method's closure.
    pub(crate) async fn call(&self, work: &'static str) -> Result<Call<'_>> {
        let method = method(work);
        *self
            .calls
            .lock()
            .expect("no code panics while holding it")
            .entry(method)
            .or_default() += 1;
        let fault = *self.fault.lock().expect("no code panics while holding it");
        match fault {
            Fault::None => Ok(Call { faults: self, method }),
            Fault::Fail => Err(StoreError::unavailable("an injected fault")),
            Fault::Hang => std::future::pending().await,
        }
    }
}

/// A call whose work can begin.
pub(crate) struct Call<'f> {
    faults: &'f Faults,
    method: &'static str,
}

impl Call<'_> {
    /// Injects the faults after the work.
    pub(crate) async fn answer<T>(self, answer: Result<T>) -> Result<T> {
        let held = {
            let mut held = self.faults.held.lock().expect("no code panics while holding it");
            held.take_if(|held| held.method == self.method)
        };
        if let Some(held) = held {
            held.done.send(()).expect("the test waits for the signal");
            held.may_go.await.expect("the test releases the answer");
        }
        let lost = {
            let mut lost = self.faults.lost.lock().expect("no code panics while holding it");
            lost.take_if(|method| *method == self.method).is_some()
        };
        if lost {
            return Err(StoreError::unavailable("an injected fault: the answer is lost"));
        }
        answer
    }
}

/// Returns the method whose body contains a closure: `open_session` of
/// `…::open_session::{{closure}}::{{closure}}`.
fn method(closure: &'static str) -> &'static str {
    let path = closure.trim_end_matches("::{{closure}}");
    path.rsplit("::").next().unwrap_or(path)
}

// The tests use the fixtures of the conformance suite.
#[cfg(all(test, feature = "conformance"))]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;
    use tm_auth_testing::postgres::Postgres as Server;

    use super::*;
    use crate::conformance::given;
    use crate::postgres::PostgresOptions;
    use crate::sqlite::{Role, SqliteOptions, Synchronous};
    use crate::{OpenOutcome, Store, postgres, sqlite};

    async fn stores(folder: &TempDir) -> [Arc<Store>; 2] {
        let embedded = sqlite::open(&SqliteOptions {
            path: folder.path().join("tm-auth.db"),
            role: Role::Server,
            synchronous: Synchronous::Off,
        });
        let options = PostgresOptions {
            url: Server::shared().database(),
            max_connections: 4,
        };
        let server = postgres::open(&options).await;
        [Arc::new(embedded.unwrap()), Arc::new(server.unwrap())]
    }

    #[tokio::test]
    async fn calls_are_counted_by_method_and_once_each() {
        let folder = TempDir::new().unwrap();
        for store in stores(&folder).await {
            let key = given::key(&store).await;
            let (new, _) = given::session(&store, &key).await;
            let replay = given::new_session(&key, 1).0;
            // On PostgreSQL this case falls back from the batch to a transaction.
            let replay = tm_auth_core::session::NewSession {
                sid: new.sid,
                ..replay
            };
            assert_eq!(store.open_session(replay).await.unwrap(), OpenOutcome::Replayed);
            store.ping().await.unwrap();
            let calls = [
                "create_account",
                "register_key",
                "open_session",
                "ping",
                "account",
            ];
            assert_eq!(calls.map(|method| store.faults().calls(method)), [1, 1, 2, 1, 0]);
        }
    }

    #[tokio::test]
    async fn a_failed_call_does_nothing_and_a_lost_answer_is_committed() {
        let folder = TempDir::new().unwrap();
        for store in stores(&folder).await {
            let key = given::key(&store).await;
            let ((failed, _), (lost, _)) = (given::new_session(&key, 1), given::new_session(&key, 2));
            store.faults().set(Fault::Fail);
            store.open_session(failed.clone()).await.unwrap_err();
            store.api_key(key.key_id).await.unwrap_err();
            store.faults().set(Fault::None);
            assert_eq!(store.owner_of_session(failed.sid).await.unwrap(), None);

            store.faults().lose_next_answer("open_session");
            store.api_key(key.key_id).await.unwrap();
            store.open_session(lost.clone()).await.unwrap_err();
            let owner = store.owner_of_session(lost.sid).await.unwrap();
            assert_eq!(owner, Some(key.account.uid));
            assert_eq!(store.open_session(lost).await.unwrap(), OpenOutcome::Opened);
        }
    }

    #[tokio::test]
    async fn an_answer_is_held_back_after_the_work_is_done() {
        let folder = TempDir::new().unwrap();
        for store in stores(&folder).await {
            let account = given::account(&store).await;
            let (done, let_go) = store.faults().hold_next_answer("set_contact_email");
            let setting = {
                let store = Arc::clone(&store);
                let email = Some("ada@example.com".to_owned());
                tokio::spawn(async move { store.set_contact_email(account.uid, email).await })
            };
            done.await.unwrap();
            assert!(store.contact_email(account.uid).await.unwrap().is_some());
            assert!(!setting.is_finished());
            let_go.send(()).unwrap();
            assert!(setting.await.unwrap().unwrap());
        }
    }
}
