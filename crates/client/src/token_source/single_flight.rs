//! Single flight: at most one renewal runs at a time, and all callers that join it share its
//! outcome.

use tokio::sync::watch;

use super::{AccessToken, TokenError};

pub(super) type Outcome = Result<AccessToken, TokenError>;

/// The renewal that is running, if one is.
#[derive(Default)]
pub(super) struct SingleFlight {
    running: Option<Waiter>,
}

/// The result of [`SingleFlight::join`].
pub(super) enum Joined {
    /// A renewal is already running.
    Running(Waiter),
    /// The caller must run a renewal and publish its outcome.
    Started(Publisher, Waiter),
}

impl SingleFlight {
    /// Returns the running renewal, or makes the caller start one.
    pub(super) fn join(&mut self) -> Joined {
        if let Some(waiter) = self.running() {
            return Joined::Running(waiter);
        }
        let (sender, receiver) = watch::channel(None);
        let waiter = Waiter(receiver);
        self.running = Some(waiter.clone());
        Joined::Started(Publisher(sender), waiter)
    }

    /// Returns the running renewal.
    pub(super) fn running(&self) -> Option<Waiter> {
        // If the sender was dropped without an outcome, the runtime of the renewal was shut down.
        let is_running = |waiter: &&Waiter| waiter.0.has_changed().is_ok();
        self.running.as_ref().filter(is_running).cloned()
    }

    /// Whether the last renewal finished. False for one whose runtime was shut down, so that the
    /// next caller starts another.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Ends the running renewal. Call it before [`Publisher::publish`], because a caller that is
    /// woken may join again at once and must then start the next renewal.
    pub(super) fn finish(&mut self) {
        self.running = None;
    }
}

/// Waits for the outcome of a renewal.
#[derive(Clone)]
pub(super) struct Waiter(watch::Receiver<Option<Outcome>>);

impl Waiter {
    /// Returns the outcome, or `None` if the runtime of the renewal was shut down.
    pub(super) async fn outcome(mut self) -> Option<Outcome> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// Publishes the outcome of a renewal to all its waiters.
pub(super) struct Publisher(watch::Sender<Option<Outcome>>);

impl Publisher {
    pub(super) fn publish(self, outcome: Outcome) {
        self.0.send_replace(Some(outcome));
    }
}
