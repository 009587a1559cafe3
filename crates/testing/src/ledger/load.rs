//! The bots and their owner at work.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Caller, Held, Ledger};
use crate::bot::{Bot, Owner};

const REFRESHES: u64 = 3;
/// Every so many sessions of a bot one is ended by it.
const ENDED: u64 = 5;
/// Every so many sessions of a bot one is refreshed by two threads at once.
const DOUBLED: u64 = 4;

/// What is to be done to a service.
pub struct Load {
    /// The base URLs of the nodes, or of the proxy before them. Each request goes to the next.
    pub base_urls: Vec<String>,
    /// One worker each. The first of them lose their key on the way, see `revoked`.
    pub bots: Vec<Arc<Bot>>,
    /// The owner of their keys.
    pub owner: Owner,
    /// So many of the bots' keys are revoked.
    pub revoked: usize,
    /// So many new keys are made; each sets one more worker to work.
    pub made: usize,
    /// Revocations and new keys are spread evenly over so many acknowledged writes.
    pub writes: u64,
}

/// A load at work.
pub struct Running {
    ledger: Arc<Ledger>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Sets all to work.
    pub fn start(self) -> Running {
        let ledger = Arc::new(Ledger::new(Caller::new(&self.base_urls)));
        let mut tasks = JoinSet::new();
        let doomed = self.bots[..self.revoked].to_vec();
        let mut entries = ledger.entries();
        entries.doomed.extend(doomed.iter().map(|bot| bot.key_id));
        entries
            .bots
            .extend(self.bots.iter().map(|bot| (bot.key_id, Arc::clone(bot))));
        drop(entries);
        for bot in self.bots {
            tasks.spawn(work(Arc::clone(&ledger), bot));
        }
        let owner = Arc::new(self.owner);
        let (made, writes) = (self.made, self.writes);
        tasks.spawn(revoke(Arc::clone(&ledger), Arc::clone(&owner), doomed, writes));
        tasks.spawn(make(Arc::clone(&ledger), owner, made, writes));
        Running { ledger, tasks }
    }
}

impl Running {
    /// What is acknowledged meanwhile.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Lets everybody finish what they are at. Panics where one of them did.
    pub async fn stop(self) -> Arc<Ledger> {
        self.ledger.stopped.send_replace(true);
        self.tasks.join_all().await;
        self.ledger
    }
}

/// A bot's life: a session, three refreshes, perhaps its end, the next session.
async fn work(ledger: Arc<Ledger>, bot: Arc<Bot>) {
    let caller = &ledger.caller;
    for turn in 1.. {
        if ledger.is_stopped() {
            return;
        }
        let mut held = match caller.mint(&bot).await {
            Ok((held, challenge)) => {
                ledger.minted(bot.key_id, &held, challenge);
                held
            }
            Err(error) => return ledger.refused("mint", bot.key_id, &error),
        };
        for _ in 0..REFRESHES {
            let outcome = if turn % DOUBLED == 0 {
                refresh_twice(caller, &held).await
            } else {
                caller.refresh(&held).await
            };
            held = match outcome {
                Ok(next) => next,
                Err(error) => return ledger.refused("refresh", bot.key_id, &error),
            };
            ledger.refreshed(&held);
        }
        if turn % ENDED == 0 {
            match caller.end_session(&held).await {
                Ok(()) => ledger.ended(held.session),
                Err(error) => return ledger.refused("end of session", bot.key_id, &error),
            }
        }
    }
}

/// Two threads of one program. That both got the same successor is for the judge of the history to say.
async fn refresh_twice(caller: &Caller, held: &Held) -> Result<Held, tm_auth_client::ApiError> {
    let (one, other) = tokio::join!(caller.refresh(held), caller.refresh(held));
    one.and(other)
}

async fn revoke(ledger: Arc<Ledger>, owner: Arc<Owner>, doomed: Vec<Arc<Bot>>, writes: u64) {
    let share = writes / (doomed.len() as u64 + 1);
    for (index, bot) in (1..).zip(doomed) {
        if !reached(&ledger, index * share).await {
            return;
        }
        ledger.entries().revoking.insert(bot.key_id);
        match ledger.caller.revoke_key(&owner, &bot).await {
            Ok(()) => ledger.revoked(bot.key_id),
            Err(error) => ledger.refused("revocation", bot.key_id, &error),
        }
    }
}

async fn make(ledger: Arc<Ledger>, owner: Arc<Owner>, made: usize, writes: u64) {
    let mut workers = JoinSet::new();
    let share = writes / (made as u64 + 1);
    for index in 1..=made as u64 {
        if !reached(&ledger, index * share).await {
            break;
        }
        match ledger.caller.register(&owner).await {
            Ok(bot) => {
                let bot = Arc::new(bot);
                ledger.registered(&bot);
                workers.spawn(work(Arc::clone(&ledger), bot));
            }
            Err(error) => ledger.entries().lost.push(format!("a new key: {error}")),
        }
    }
    workers.join_all().await;
}

/// Waits until so many writes were acknowledged; false where the run is over before.
async fn reached(ledger: &Ledger, least: u64) -> bool {
    let mut stopped = ledger.stopped.subscribe();
    tokio::select! {
        () = ledger.acknowledged(least) => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}
