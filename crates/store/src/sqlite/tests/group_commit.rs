//! Waiting jobs are written in one transaction, and each gets its own outcome.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::{database, engine};
use crate::sql::setting::{get, set};
use crate::sql::{Tx, args};
use crate::{Result, Store, StoreError};

/// Blocks the writer until it is dropped, so that jobs gather into one batch.
struct Held {
    release: Sender<()>,
    job: JoinHandle<Result<()>>,
}

async fn hold(store: &Arc<Store>) -> Held {
    let (release, released): (_, Receiver<()>) = channel();
    let (begun_sender, begun) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    let job = tokio::spawn(async move {
        let job = async move |_: &mut Tx<'_>| {
            begun_sender.send(()).unwrap();
            assert!(
                released.recv().is_err(),
                "dropping the sender releases the writer"
            );
            Ok(())
        };
        engine(&store).write(job).await
    });
    begun.await.unwrap();
    Held { release, job }
}

impl Held {
    async fn release(self) {
        drop(self.release);
        self.job.await.unwrap().unwrap();
    }
}

/// Queues a job. It is in the queue when this returns, since nothing else runs on this thread
/// meanwhile.
async fn queue<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> JoinHandle<Result<T>> {
    let store = Arc::clone(store);
    let waiter = tokio::spawn(async move { engine(&store).write(work).await });
    tokio::task::yield_now().await;
    waiter
}

async fn read(store: &Arc<Store>, name: &'static str) -> Option<String> {
    engine(store)
        .read(async move |tx| get(tx, name).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_that_fails_does_not_undo_the_others() {
    let (store, folder) = database();
    let held = hold(&store).await;
    let first = queue(&store, async |tx| set(tx, "first", "1").await).await;
    let failing = queue(&store, async |tx| -> Result<()> {
        set(tx, "failing", "1").await?;
        Err(StoreError::damaged("on purpose"))
    })
    .await;
    let broken = queue(&store, async |tx| {
        set(tx, "broken", "1").await?;
        tx.execute("INSERT INTO settings VALUES ('broken', '2')", args![])
            .await
    })
    .await;
    let path = folder.path().join("tm-auth.db");
    let last = queue(&store, async move |tx| {
        // The other jobs of the batch are visible here but not to readers, so it is one
        // transaction.
        assert_eq!(get(tx, "first").await?.as_deref(), Some("1"));
        let mut elsewhere = Connection::open(path)?;
        assert_eq!(get(&mut Tx::sqlite(&mut elsewhere), "first").await?, None);
        assert_eq!(
            (get(tx, "failing").await?, get(tx, "broken").await?),
            (None, None)
        );
        set(tx, "last", "1").await
    })
    .await;
    held.release().await;

    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let on_purpose = failing.await.unwrap().unwrap_err();
    assert!(
        matches!(&on_purpose, StoreError::Damaged(cause) if cause.to_string() == "on purpose"),
        "{on_purpose}"
    );
    assert!(matches!(broken.await.unwrap(), Err(StoreError::Unavailable(_))));
    for (name, kept) in [
        ("first", true),
        ("failing", false),
        ("broken", false),
        ("last", true),
    ] {
        assert_eq!(read(&store, name).await.is_some(), kept, "{name}");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_callers_at_once_and_serves_the_others() {
    let (store, _folder) = database();
    let held = hold(&store).await;
    let mut waiting = Vec::new();
    for number in 0..4096 {
        waiting.push(queue(&store, async move |_| Ok(number)).await);
    }
    let refused = store.ping().await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(cause) if cause.to_string() == "too many writes are waiting"),
        "{refused:?}"
    );
    held.release().await;
    for (number, waiter) in (0..).zip(waiting) {
        assert_eq!(
            waiter.await.unwrap().unwrap(),
            number,
            "each caller gets its own outcome"
        );
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_stop_the_others() {
    let (store, _folder) = database();
    let held = hold(&store).await;
    let gone = queue(&store, async |tx| set(tx, "gone", "1").await).await;
    let stays = queue(&store, async |tx| set(tx, "stays", "1").await).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    held.release().await;
    stays.await.unwrap().unwrap();
    // The caller that gave up does not know the outcome. Here its job was committed.
    assert!(read(&store, "gone").await.is_some() && read(&store, "stays").await.is_some());
}
