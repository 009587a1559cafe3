//! One transaction for whatever has gathered, and each piece its own outcome.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::{SqliteStore, database};
use crate::sqlite::schema::{set_setting, setting};
use crate::{Result, Store, StoreError};

/// Holds the writer, so that what is submitted meanwhile gathers into one batch. Gone: it goes on.
struct Held {
    release: Sender<()>,
    piece: JoinHandle<Result<()>>,
}

async fn hold(store: &Arc<SqliteStore>) -> Held {
    let (release, released): (_, Receiver<()>) = channel();
    let (begun_sender, begun) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    let piece = tokio::spawn(async move {
        let piece = move |_: &Connection| {
            begun_sender.send(()).unwrap();
            assert!(released.recv().is_err(), "released by the end of its sender");
            Ok(())
        };
        store.writer.submit(piece).await
    });
    begun.await.unwrap();
    Held { release, piece }
}

impl Held {
    async fn release(self) {
        drop(self.release);
        self.piece.await.unwrap().unwrap();
    }
}

/// Queues a piece; it is in the queue when this returns, since nothing else runs on this thread meanwhile.
async fn queue<T: Send + 'static>(
    store: &Arc<SqliteStore>,
    work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
) -> JoinHandle<Result<T>> {
    let store = Arc::clone(store);
    let waiter = tokio::spawn(async move { store.writer.submit(work).await });
    tokio::task::yield_now().await;
    waiter
}

async fn read(store: &Arc<SqliteStore>, name: &'static str) -> Option<String> {
    store.readers.read(move |db| setting(db, name)).await.unwrap()
}

#[tokio::test]
async fn a_piece_that_fails_takes_nothing_with_it() {
    let (store, folder) = database();
    let held = hold(&store).await;
    let first = queue(&store, |tx| set_setting(tx, "first", "1")).await;
    let failing = queue(&store, |tx| -> Result<()> {
        set_setting(tx, "failing", "1")?;
        Err(StoreError::Damaged("on purpose".to_owned()))
    })
    .await;
    let broken = queue(&store, |tx| {
        set_setting(tx, "broken", "1")?;
        Ok(tx.execute("INSERT INTO settings VALUES ('broken', '2')", [])?)
    })
    .await;
    let path = folder.path().join("tm-auth.db");
    let last = queue(&store, move |tx| {
        // The others of the batch are visible here and not yet elsewhere: it is one transaction.
        assert_eq!(setting(tx, "first")?.as_deref(), Some("1"));
        assert_eq!(setting(&Connection::open(path)?, "first")?, None);
        assert_eq!((setting(tx, "failing")?, setting(tx, "broken")?), (None, None));
        set_setting(tx, "last", "1")
    })
    .await;
    held.release().await;

    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let on_purpose = failing.await.unwrap().unwrap_err();
    assert!(
        matches!(&on_purpose, StoreError::Damaged(text) if text == "on purpose"),
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
async fn beyond_the_queue_callers_hear_at_once_and_the_others_are_served() {
    let (store, _folder) = database();
    let held = hold(&store).await;
    let mut waiting = Vec::new();
    for number in 0..4096 {
        waiting.push(queue(&store, move |_| Ok(number)).await);
    }
    let refused = store.ping().await.unwrap_err();
    assert!(
        refused.to_string().contains("too many writes are waiting"),
        "{refused}"
    );
    held.release().await;
    for (number, waiter) in (0..).zip(waiting) {
        assert_eq!(waiter.await.unwrap().unwrap(), number, "each its own outcome");
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_stops_nobody() {
    let (store, _folder) = database();
    let held = hold(&store).await;
    let gone = queue(&store, |tx| set_setting(tx, "gone", "1")).await;
    let stays = queue(&store, |tx| set_setting(tx, "stays", "1")).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    held.release().await;
    stays.await.unwrap().unwrap();
    // Whether its piece was done is not known to it; here it was.
    assert!(read(&store, "gone").await.is_some() && read(&store, "stays").await.is_some());
}
