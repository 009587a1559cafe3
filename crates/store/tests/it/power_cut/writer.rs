//! The process between which and the kernel the shim stands: it opens and refreshes sessions and prints each
//! one once it is acknowledged, until it is killed; or it goes through the failures of its disk.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tm_auth_core::ApiKey;
use tm_auth_store::conformance::given;
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{OpenOutcome, Store, StoreError};

/// What this process does if it is the writer: `prepare`, `full`, `off` or `faults`.
pub(crate) const ROLE: &str = "TM_POWER_CUT_ROLE";
pub(crate) const DATABASE: &str = "TM_POWER_CUT_DATABASE";
pub(crate) const LOG: &str = "TM_POWER_CUT_LOG";
pub(crate) const FAULT: &str = "TM_POWER_CUT_FAULT";

/// Enough to fill batches.
const TASKS: usize = 8;

/// Whether this process is the writer.
pub(crate) fn is_writer() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Does what the role says. As a writer it goes on until it is killed.
pub(crate) fn write() {
    let role = std::env::var(ROLE).expect("whoever starts the writer says its role");
    let options = SqliteOptions {
        path: PathBuf::from(std::env::var_os(DATABASE).expect("and the file")),
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
        let account = store.accounts().await.expect("it answers").remove(0);
        let key = store
            .api_keys_of(account.uid)
            .await
            .expect("it answers")
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
        let opened = store.open_session(new).await.expect("it is durable");
        assert_eq!(opened, OpenOutcome::Opened);
        acknowledge(&format!("{sid} 0"));
        for counter in 0..2 {
            let rotation = given::rotation(sid, &secret, counter, 1);
            let rotated = store
                .rotate_session(rotation)
                .await
                .expect("it is durable")
                .expect("it is current");
            acknowledge(&format!("{sid} {}", rotated.session.line.current));
        }
    }
}

/// While the disk fails everybody hears it and reads go on; when it works again, so does the store, and who
/// tries again finds the one session.
async fn go_through_faults(store: &Arc<Store>, key: &ApiKey) {
    let fault = PathBuf::from(std::env::var_os(FAULT).expect("and the file that makes it fail"));
    for kind in ["write", "sync", "write", "sync"] {
        let sessions: Vec<_> = (0..50).map(|_| given::new_session(key, 0).0).collect();
        std::fs::write(&fault, kind).expect("it is on another disk");
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
            store.api_key(key.key_id).await.expect("reads go on").as_ref(),
            Some(key)
        );
        std::fs::remove_file(&fault).expect("it is there");
        store.ping().await.expect("it works again");
        for new in sessions {
            let sid = new.sid;
            assert_eq!(
                store.open_session(new).await.expect("it is durable"),
                OpenOutcome::Opened
            );
            acknowledge(&format!("{sid} 0"));
        }
    }
}

/// One line, in one piece: the process may end at any moment.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("the test reads on");
}
