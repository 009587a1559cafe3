//! The process that runs on the shim. It opens and refreshes sessions and prints each one that the
//! store acknowledged, until the test kills it. In the role `faults` it goes through the failures
//! of its disk instead.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tm_auth_core::ApiKey;
use tm_auth_store::conformance::given;
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{OpenOutcome, Store, StoreError};

/// The role of the writer: `prepare`, `full`, `off` or `faults`. Not set in other processes.
pub(crate) const ROLE: &str = "TM_POWER_CUT_ROLE";
pub(crate) const DATABASE: &str = "TM_POWER_CUT_DATABASE";
pub(crate) const LOG: &str = "TM_POWER_CUT_LOG";
pub(crate) const FAULT: &str = "TM_POWER_CUT_FAULT";

/// Enough concurrent writers to fill the store's batches.
const TASKS: usize = 8;

/// Whether this process is the writer.
pub(crate) fn is_writer() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs the role. `full` and `off` run until the process is killed.
pub(crate) fn write() {
    let role = std::env::var(ROLE).expect("the test that starts the writer sets its role");
    let options = SqliteOptions {
        path: PathBuf::from(std::env::var_os(DATABASE).expect("the test sets the file")),
        role: Role::Server,
        synchronous: if role == "off" {
            Synchronous::Off
        } else {
            Synchronous::Full
        },
    };
    let store: Arc<Store> = Arc::new(sqlite::open(&options).expect("the database opens"));
    let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
    runtime.block_on(async {
        if role == "prepare" {
            given::key(&store).await;
            return;
        }
        let account = store.accounts().await.expect("the database answers").remove(0);
        let key = store
            .live_api_keys(account.uid, account.created_at)
            .await
            .expect("the database answers")
            .remove(0)
            .0;
        if role == "faults" {
            return go_through_faults(&store, &key).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(write_on(Arc::clone(&store), key.clone()));
        }
        tasks.join_all().await;
    });
}

async fn write_on(store: Arc<Store>, key: ApiKey) {
    loop {
        let (new, secret) = given::new_session(&key, 0);
        let sid = new.sid;
        let opened = store.open_session(new).await.expect("the session is durable");
        assert_eq!(opened, OpenOutcome::Opened);
        acknowledge(&format!("{sid} 0"));
        for counter in 0..2 {
            let rotation = given::rotation(sid, &secret, counter, 1);
            let rotated = store
                .rotate_session(rotation)
                .await
                .expect("the session is durable")
                .expect("the token is current");
            acknowledge(&format!("{sid} {}", rotated.session.family.current));
        }
    }
}

/// While the disk fails, each caller gets an error and reads work. When the disk works again, so
/// does the store, and a retry opens its session.
async fn go_through_faults(store: &Arc<Store>, key: &ApiKey) {
    let fault =
        PathBuf::from(std::env::var_os(FAULT).expect("the test sets the file that makes the disk fail"));
    for kind in ["write", "sync", "write", "sync"] {
        let sessions: Vec<_> = (0..50).map(|_| given::new_session(key, 0).0).collect();
        std::fs::write(&fault, kind).expect("the file is on another disk");
        let mut callers = tokio::task::JoinSet::new();
        for new in sessions.clone() {
            let store = Arc::clone(store);
            callers.spawn(async move { store.open_session(new).await });
        }
        for outcome in callers.join_all().await {
            assert!(
                matches!(outcome, Err(StoreError::Unavailable(_))),
                "{kind}: {outcome:?}"
            );
        }
        assert!(store.ping().await.is_err());
        assert_eq!(
            store
                .api_key(key.key_id)
                .await
                .expect("reads work while the disk fails")
                .as_ref(),
            Some(key)
        );
        std::fs::remove_file(&fault).expect("the file exists");
        store.ping().await.expect("the store works again");
        for new in sessions {
            let sid = new.sid;
            assert_eq!(
                store.open_session(new).await.expect("the session is durable"),
                OpenOutcome::Opened
            );
            acknowledge(&format!("{sid} 0"));
        }
    }
}

/// Prints one line under the lock, because tasks acknowledge at the same time.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("the test reads the output");
}
