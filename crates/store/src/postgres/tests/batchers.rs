//! Items that gather in a batcher are written in one statement, and each gets its own outcome.
//!
//! A transaction of the test locks the table, so that the batcher's first batch waits and the items
//! behind it gather into the next one. Triggers record the size of a batch: the number of rows
//! that a statement changed or inserted.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::NewSession;
use tm_auth_proto::SessionId;
use tokio::task::JoinHandle;

use super::{Server, open, psql, until};
use crate::OpenOutcome::{self, Opened, Replayed};
use crate::conformance::given::{key, new_session, rotation};
use crate::{RefusedRotation, Result, Rotated, RotationKind, Store, StoreError};

type Answer = Result<Result<Rotated, RefusedRotation>>;

/// Items per batch.
const MANY: usize = 20;

/// A lock on the table of sessions, which blocks reads and writes until it is released.
struct Held(PgConnection);

impl Held {
    /// Locks the table and lets the batcher's first batch, `first`, wait for it.
    async fn by<T: Send + 'static>(
        url: &str,
        first: impl Future<Output = T> + Send + 'static,
    ) -> (Self, JoinHandle<T>) {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            .execute(&mut connection)
            .await
            .unwrap();
        let first = tokio::spawn(first);
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE d.datname = current_database() AND NOT l.granted";
        until(url, waiting, "1").await;
        (Self(connection), first)
    }

    async fn release(mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await.unwrap();
    }
}

/// Queues an item. It is in the batcher when this returns, since nothing else runs on this thread
/// meanwhile.
async fn queue<T: Send + 'static>(item: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let waiter = tokio::spawn(item);
    tokio::task::yield_now().await;
    waiter
}

fn opening(store: &Arc<Store>, new: &NewSession) -> impl Future<Output = Result<OpenOutcome>> + Send + use<> {
    let (store, new) = (Arc::clone(store), new.clone());
    async move { store.open_session(new).await }
}

/// Presents the first refresh token at this second.
fn rotating(
    store: &Arc<Store>,
    (new, secret): &(NewSession, SessionSecret),
    seconds: i64,
) -> impl Future<Output = Answer> + Send + use<> {
    let (store, rotation) = (Arc::clone(store), rotation(new.sid, secret, 0, seconds));
    async move { store.rotate_session(rotation).await }
}

struct Given {
    url: String,
    store: Arc<Store>,
    /// Sessions to be opened.
    new: Vec<(NewSession, SessionSecret)>,
}

async fn given() -> Given {
    let url = Server::shared().database();
    let store = open(&url).await.unwrap();
    let key = key(&store).await;
    let new = (0..MANY).map(|_| new_session(&key, 0)).collect();
    Given { url, store, new }
}

impl Given {
    async fn opened() -> Self {
        let given = given().await;
        for (new, _) in &given.new {
            assert_eq!(opening(&given.store, new).await.unwrap(), Opened);
        }
        given
    }

    /// Creates a trigger that records the rows of each statement, and refuses those of this
    /// session.
    fn note_statements(&self, verb: &str, refused: Option<SessionId>) {
        let refused = refused.map_or_else(|| "NULL".to_owned(), |sid| format!("'\\x{}'", sid.0.simple()));
        let sql = format!(
            "CREATE TABLE statements (rows BIGINT);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF EXISTS (SELECT 1 FROM touched WHERE sid = CAST({refused} AS bytea)) THEN
                     RAISE EXCEPTION 'not this one';
                 END IF;
                 INSERT INTO statements SELECT count(*) FROM touched;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER {verb} ON sessions REFERENCING NEW TABLE AS touched
                 FOR EACH STATEMENT EXECUTE FUNCTION note();"
        );
        psql(&self.url, &sql);
    }

    /// The number of rows of each statement that changed any.
    fn statements(&self) -> String {
        let sql =
            "SELECT coalesce(string_agg(rows::text, ' ' ORDER BY rows), '') FROM statements WHERE rows > 0";
        psql(&self.url, sql)
    }
}

#[tokio::test]
async fn d09_one_id_twice_in_a_batch_opens_once() {
    let given = given().await;
    given.note_statements("INSERT", None);
    let store = &given.store;
    let [(first, _), (twice, _), (retried, _), (other, _), ..] = &given.new[..] else {
        unreachable!("there are MANY sessions")
    };
    let replay = NewSession {
        open_nonce: [7; 16],
        ..twice.clone()
    };
    let (held, first) = Held::by(&given.url, opening(store, first)).await;
    let mut waiting = Vec::new();
    for new in [twice, &replay, retried, retried, other] {
        waiting.push(queue(opening(store, new)).await);
    }
    held.release().await;

    assert_eq!(first.await.unwrap().unwrap(), Opened);
    let mut outcomes = Vec::new();
    for waiting in waiting {
        outcomes.push(waiting.await.unwrap().unwrap());
    }
    assert_eq!(outcomes, [Opened, Replayed, Opened, Opened, Opened]);
    assert_eq!(
        given.statements(),
        "1 3",
        "the first item, then one batch of the others"
    );
}

#[tokio::test]
async fn e06_one_token_many_times_in_a_batch_has_one_successor() {
    let given = Given::opened().await;
    given.note_statements("UPDATE", None);
    let store = &given.store;
    let (held, first) = Held::by(&given.url, rotating(store, &given.new[0], 10)).await;
    let mut waiting = Vec::new();
    for at in 0..MANY {
        let seconds = 10 + i64::try_from(at).unwrap();
        waiting.push(queue(rotating(store, &given.new[1], seconds)).await);
    }
    held.release().await;

    first.await.unwrap().unwrap().unwrap();
    let mut rotated = Vec::new();
    for waiting in waiting {
        rotated.push(waiting.await.unwrap().unwrap().unwrap());
    }
    let successor = &rotated[0].session;
    assert_eq!((successor.family.current, successor.family.parent), (1, Some(0)));
    assert!(rotated.iter().all(|rotated| rotated.session == *successor));
    let moved = rotated
        .iter()
        .filter(|rotated| rotated.kind == RotationKind::Rotated);
    assert_eq!(moved.count(), 1);
    assert_eq!(
        given.statements(),
        "1 1",
        "the first item, then the other session once"
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_alone() {
    let given = Given::opened().await;
    given.note_statements("UPDATE", None);
    let damaged = &given.new[3].0;
    psql(
        &given.url,
        &format!(
            "ALTER TABLE sessions DISABLE TRIGGER note;
             UPDATE sessions SET rotated_at = 9223372036854775807 WHERE sid = '\\x{}';
             ALTER TABLE sessions ENABLE TRIGGER note",
            damaged.sid.0.simple()
        ),
    );
    let answers = rotate_all(&given).await;
    for ((new, _), answer) in given.new[1..].iter().zip(answers) {
        if new.sid == damaged.sid {
            assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
        } else {
            assert_eq!(answer.unwrap().unwrap().kind, RotationKind::Rotated);
        }
    }
    assert_eq!(given.statements(), format!("1 {}", MANY - 2));
}

#[tokio::test]
async fn a_batch_that_fails_is_written_item_by_item() {
    let given = Given::opened().await;
    let refused = given.new[3].0.sid;
    given.note_statements("UPDATE", Some(refused));
    let answers = rotate_all(&given).await;
    for ((new, _), answer) in given.new[1..].iter().zip(answers) {
        if new.sid == refused {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        } else {
            assert_eq!(answer.unwrap().unwrap().kind, RotationKind::Rotated);
        }
    }
    assert_eq!(given.statements(), ["1"; MANY - 1].join(" "));
}

/// Rotates all sessions in two batches: the first session, then the others.
async fn rotate_all(given: &Given) -> Vec<Answer> {
    let (held, first) = Held::by(&given.url, rotating(&given.store, &given.new[0], 10)).await;
    let mut waiting = Vec::new();
    for new in &given.new[1..] {
        waiting.push(queue(rotating(&given.store, new, 10)).await);
    }
    held.release().await;
    first.await.unwrap().unwrap().unwrap();
    let mut answers = Vec::new();
    for waiting in waiting {
        answers.push(waiting.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_stop_the_others() {
    let given = given().await;
    let store = &given.store;
    let (held, first) = Held::by(&given.url, opening(store, &given.new[0].0)).await;
    let mut waiting = Vec::new();
    for (new, _) in &given.new[1..] {
        waiting.push(queue(opening(store, new)).await);
    }
    // Cancel two waiting callers, and the one whose statement the server already has.
    let gone = waiting.remove(0);
    for gone in [gone, first] {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    held.release().await;
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap(), Opened);
    }
    let sessions = psql(&given.url, "SELECT count(*) FROM sessions");
    // An item whose caller gave up while it was queued is not written. The item that the server
    // already had is.
    assert_eq!(sessions, (MANY - 1).to_string());
}
