//! Files of the database that are removed or replaced under a running process.

use std::fs;
use std::path::Path;

use super::database;
use crate::conformance::given;
use crate::{Store, StoreError};

/// What happens to a file, with its name in messages.
type Accident = (&'static str, fn(&Path));

const ACCIDENTS: [Accident; 2] = [
    ("removed", |file| fs::remove_file(file).unwrap()),
    ("replaced", |file| {
        let copy = file.with_extension("copy");
        fs::copy(file, &copy).unwrap();
        fs::rename(copy, file).unwrap();
    }),
];
const FILES: [&str; 3] = ["tm-auth.db", "tm-auth.db-wal", "tm-auth.db-shm"];

fn is_unavailable<T>(outcome: crate::Result<T>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

async fn refuses_everything(store: &Store) -> bool {
    is_unavailable(store.ping().await)
        && is_unavailable(store.changes(0).await)
        && is_unavailable(store.went_back_at().await)
}

#[tokio::test]
async fn r06_no_write_is_acknowledged_that_went_into_a_file_without_a_name() {
    for name in FILES {
        for (kind, accident) in ACCIDENTS {
            let (store, folder) = database();
            given::account(&store).await;
            accident(&folder.path().join(name));
            assert!(is_unavailable(store.ping().await), "{name} {kind}");
            assert!(refuses_everything(&store).await, "{name} {kind}");
        }
    }
}

#[tokio::test]
async fn r06_a_process_that_only_polls_notices_it_too() {
    for name in FILES {
        for (kind, accident) in ACCIDENTS {
            let (store, folder) = database();
            let newest = store.changes(0).await.unwrap().latest;
            assert!(store.changes(newest).await.is_ok());
            accident(&folder.path().join(name));
            assert!(is_unavailable(store.changes(newest).await), "{name} {kind}");
            assert!(refuses_everything(&store).await, "{name} {kind}");
        }
    }
}

#[tokio::test]
async fn r06_the_end_of_the_process_leaves_the_files_of_the_other_database() {
    let (store, folder) = database();
    given::account(&store).await;
    let path = |name: &str| folder.path().join(name);
    for (name, content) in FILES
        .iter()
        .zip(["another", "log of another", "memory of another"])
    {
        fs::remove_file(path(name)).unwrap();
        fs::write(path(name), content).unwrap();
    }
    drop(store);
    let content = FILES.map(|name| fs::read_to_string(path(name)).unwrap());
    assert_eq!(content, ["another", "log of another", "memory of another"]);
}
