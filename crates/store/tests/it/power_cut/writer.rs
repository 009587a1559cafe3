//! The process that is killed: it opens and refreshes sessions and prints each one once it is acknowledged.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tm_auth_core::ApiKey;
use tm_auth_store::conformance::given;
use tm_auth_store::sqlite::{Role, SqliteOptions, SqliteStore, Synchronous};
use tm_auth_store::{OpenOutcome, Store};

/// What this process does if it is the writer: `prepare`, `full` or `off`.
pub(crate) const ROLE: &str = "TM_POWER_CUT_ROLE";
pub(crate) const DATABASE: &str = "TM_POWER_CUT_DATABASE";
pub(crate) const LOG: &str = "TM_POWER_CUT_LOG";

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
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).expect("the database opens"));
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
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(write_on(Arc::clone(&store), key.clone()));
        }
        tasks.join_all().await;
    });
}

async fn write_on(store: Arc<dyn Store>, key: ApiKey) {
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

/// One line, in one piece: the process may end at any moment.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("the test reads on");
}
