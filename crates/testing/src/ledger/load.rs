//! The load on a service: bots open, refresh and end sessions, and their owner revokes and creates
//! keys.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{HeldToken, Ledger, RetryingClient};
use crate::bot::{Bot, Owner};

/// The number of refreshes per session.
const REFRESHES: u64 = 3;
/// A bot ends every fifth of its sessions.
const END_EVERY: u64 = 5;
/// A bot refreshes every fourth of its sessions with two concurrent calls.
const RACE_EVERY: u64 = 4;

/// The load to put on a service.
pub struct Load {
    /// The base URLs of the nodes, or of the load balancer. Requests go to them in turn.
    pub base_urls: Vec<String>,
    /// The bots. Each has one task.
    pub bots: Vec<Arc<Bot>>,
    /// The owner of the bots' keys.
    pub owner: Owner,
    /// The number of bots whose keys are revoked during the run, from the start of `bots`.
    pub keys_to_revoke: usize,
    /// The number of keys created during the run. Each key adds a bot.
    pub keys_to_create: usize,
    /// The number of acknowledged writes over which revocations and new keys are spread evenly.
    pub writes: u64,
}

/// A running load.
pub struct RunningLoad {
    ledger: Arc<Ledger>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts the tasks of the bots and of the owner.
    pub fn start(self) -> RunningLoad {
        let ledger = Arc::new(Ledger::new(RetryingClient::new(&self.base_urls)));
        let mut tasks = JoinSet::new();
        let to_revoke = self.bots[..self.keys_to_revoke].to_vec();
        let mut entries = ledger.entries();
        entries.to_revoke.extend(to_revoke.iter().map(|bot| bot.key_id));
        entries
            .bots
            .extend(self.bots.iter().map(|bot| (bot.key_id, Arc::clone(bot))));
        drop(entries);
        for bot in self.bots {
            tasks.spawn(run_bot(Arc::clone(&ledger), bot));
        }
        let owner = Arc::new(self.owner);
        let (to_create, writes) = (self.keys_to_create, self.writes);
        tasks.spawn(revoke_keys(
            Arc::clone(&ledger),
            Arc::clone(&owner),
            to_revoke,
            writes,
        ));
        tasks.spawn(create_keys(Arc::clone(&ledger), owner, to_create, writes));
        RunningLoad { ledger, tasks }
    }
}

impl RunningLoad {
    /// The ledger of the run.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Stops the run and waits until each bot finishes its session. Panics if a task panicked.
    pub async fn stop(self) -> Arc<Ledger> {
        self.ledger.stopped.send_replace(true);
        self.tasks.join_all().await;
        self.ledger
    }
}

/// Opens sessions one after the other, refreshes each and ends some, until the run stops or a call
/// is refused.
async fn run_bot(ledger: Arc<Ledger>, bot: Arc<Bot>) {
    let client = &ledger.client;
    for turn in 1.. {
        if ledger.is_stopped() {
            return;
        }
        let mut held = match client.mint(&bot).await {
            Ok((held, challenge)) => {
                ledger.minted(bot.key_id, &held, challenge);
                held
            }
            Err(error) => return ledger.refused("mint", bot.key_id, &error),
        };
        for _ in 0..REFRESHES {
            let outcome = if turn % RACE_EVERY == 0 {
                refresh_twice(client, &held).await
            } else {
                client.refresh(&held).await
            };
            held = match outcome {
                Ok(next) => next,
                Err(error) => return ledger.refused("refresh", bot.key_id, &error),
            };
            ledger.refreshed(&held);
        }
        if turn % END_EVERY == 0 {
            match client.end_session(&held).await {
                Ok(()) => ledger.ended(held.session),
                Err(error) => return ledger.refused("end of session", bot.key_id, &error),
            }
        }
    }
}

/// Refreshes with two concurrent calls. Returns the first error, or else the second answer. It does
/// not compare the answers, since the history check fails if the two successors differ.
async fn refresh_twice(
    client: &RetryingClient,
    held: &HeldToken,
) -> Result<HeldToken, tm_auth_client::ApiError> {
    let (first, second) = tokio::join!(client.refresh(held), client.refresh(held));
    first.and(second)
}

/// Revokes these bots' keys, spread evenly over `writes` acknowledged writes.
async fn revoke_keys(ledger: Arc<Ledger>, owner: Arc<Owner>, to_revoke: Vec<Arc<Bot>>, writes: u64) {
    let share = writes / (to_revoke.len() as u64 + 1);
    for (index, bot) in (1..).zip(to_revoke) {
        if !wait_for_writes(&ledger, index * share).await {
            return;
        }
        ledger.entries().revoking.insert(bot.key_id);
        match ledger.client.revoke_key(&owner, &bot).await {
            Ok(()) => ledger.revoked(bot.key_id),
            Err(error) => ledger.refused("revocation", bot.key_id, &error),
        }
    }
}

/// Creates `count` keys, spread evenly over `writes` acknowledged writes. Each starts a bot.
async fn create_keys(ledger: Arc<Ledger>, owner: Arc<Owner>, count: usize, writes: u64) {
    let mut workers = JoinSet::new();
    let share = writes / (count as u64 + 1);
    for index in 1..=count as u64 {
        if !wait_for_writes(&ledger, index * share).await {
            break;
        }
        match ledger.client.register(&owner).await {
            Ok(bot) => {
                let bot = Arc::new(bot);
                ledger.registered(&bot);
                workers.spawn(run_bot(Arc::clone(&ledger), bot));
            }
            Err(error) => ledger.entries().lost.push(format!("creation of a key: {error}")),
        }
    }
    workers.join_all().await;
}

/// Waits until at least this many writes were acknowledged. Returns false if the run stops first.
async fn wait_for_writes(ledger: &Ledger, count: u64) -> bool {
    let mut stopped = ledger.stopped.subscribe();
    tokio::select! {
        () = ledger.wait_until_acknowledged(count) => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}
