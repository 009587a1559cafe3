//! Searches for an order that explains the answers of one session: the algorithm of Wing and Gong,
//! with Lowe's memory of visited configurations.
//!
//! A configuration is the set of calls placed so far and the resulting state. A call can be placed
//! next if it began before any unplaced call ended, and if the model gives the recorded answer.
//! Three rules keep the number of configurations small. None of them loses an order:
//!
//! 1. A call that can be placed next and changes nothing is placed at once. Counters only increase
//!    and ends are final, so a call that could be placed later can also be placed here.
//! 2. A call without an answer is placed only if it changes something; otherwise it may as well
//!    never have taken effect. Of several equal calls, the one that began first is tried.
//! 3. A configuration is skipped if another one had the same answered calls and the same state, and
//!    used a subset of its unanswered calls. Whatever can follow this one can follow the other.

use std::collections::{BTreeSet, HashMap};

use super::model::{Model, State};
use super::{Answer, Operation};

/// The result of a search.
#[derive(Debug)]
pub enum SearchResult {
    /// An order explains the answers.
    Linearizable {
        /// The number of configurations visited.
        configurations: usize,
    },
    /// No order explains the answers.
    NotLinearizable(Box<Counterexample>),
    /// The budget ran out before the search ended.
    Undecided,
}

/// The longest partial order found, and the calls that do not continue it.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The placed calls in order, including the unanswered calls that take effect in this order.
    pub placed: Vec<Operation>,
    /// The state after the placed calls.
    pub state: State,
    /// The answered calls that may come next in real time. No order explains all of their answers.
    pub next: Vec<Operation>,
    /// The number of answered calls that are neither in `placed` nor in `next`.
    pub later: usize,
}

/// Searches for an order of `operations`, which must all be of one session. Visits at most `budget`
/// configurations.
pub fn search(model: &Model, operations: &[Operation], budget: usize) -> SearchResult {
    let mut operations: Vec<&Operation> = operations.iter().collect();
    operations.sort_by_key(|operation| operation.began);
    let (unknown, answered) = operations
        .into_iter()
        .partition(|operation| operation.answer == Answer::Unknown);
    Search {
        model,
        answered,
        unknown,
        trail: Vec::new(),
        seen: HashMap::new(),
    }
    .run(budget)
}

struct Search<'a> {
    model: &'a Model,
    /// Sorted by their beginning, like `unknown`.
    answered: Vec<&'a Operation>,
    unknown: Vec<&'a Operation>,
    /// Every placement of the search, with the index of the placement before it.
    trail: Vec<(Option<usize>, &'a Operation)>,
    /// The visited configurations: sets of placed unanswered calls, by `first`, `beyond` and
    /// state.
    seen: HashMap<(usize, BTreeSet<usize>, State), Vec<BTreeSet<usize>>>,
}

#[derive(Clone)]
struct Configuration {
    /// All answered calls before this index are placed.
    first: usize,
    /// The placed answered calls after that index.
    beyond: BTreeSet<usize>,
    /// The placed unanswered calls.
    used: BTreeSet<usize>,
    state: State,
    /// The index of the last placement in the trail.
    last: Option<usize>,
}

impl Configuration {
    /// The number of placed answered calls.
    fn placed(&self) -> usize {
        self.first + self.beyond.len()
    }
}

impl<'a> Search<'a> {
    fn run(mut self, budget: usize) -> SearchResult {
        let mut longest = Configuration {
            first: 0,
            beyond: BTreeSet::new(),
            used: BTreeSet::new(),
            state: self.model.start(),
            last: None,
        };
        let mut open = vec![longest.clone()];
        let mut configurations = 0;
        while let Some(mut configuration) = open.pop() {
            self.place_no_ops(&mut configuration);
            if configuration.placed() > longest.placed() {
                longest = configuration.clone();
            }
            if configuration.first == self.answered.len() {
                return SearchResult::Linearizable { configurations };
            }
            if !self.is_new(&configuration) {
                continue;
            }
            configurations += 1;
            if configurations > budget {
                return SearchResult::Undecided;
            }
            // The last one pushed is visited first: answered calls before unanswered ones, early
            // ones before late ones.
            self.push_unanswered(&configuration, &mut open);
            self.push_answered(&configuration, &mut open);
        }
        SearchResult::NotLinearizable(Box::new(self.counterexample(&longest)))
    }

    /// The answered calls that real time allows next, and the event before which a call must have
    /// begun to be allowed.
    fn allowed(&self, configuration: &Configuration) -> (Vec<usize>, u64) {
        let (mut allowed, mut bound) = (Vec::new(), u64::MAX);
        for (index, operation) in self.answered.iter().enumerate().skip(configuration.first) {
            if operation.began > bound {
                break;
            }
            if !configuration.beyond.contains(&index) {
                allowed.push(index);
                bound = bound.min(operation.ended.unwrap_or(u64::MAX));
            }
        }
        (allowed, bound)
    }

    /// Rule 1: places every call that may come next and changes nothing.
    fn place_no_ops(&mut self, configuration: &mut Configuration) {
        loop {
            let (allowed, _) = self.allowed(configuration);
            let no_op = allowed
                .into_iter()
                .find(|index| self.explains(configuration, *index) == Some(configuration.state));
            match no_op {
                Some(index) => self.place(configuration, index, configuration.state),
                None => return,
            }
        }
    }

    /// The state after an answered call, if the model gives the recorded answer.
    fn explains(&self, configuration: &Configuration, index: usize) -> Option<State> {
        let operation = self.answered[index];
        let step = self
            .model
            .step(&configuration.state, &operation.call, operation.now)?;
        step.reply.matches(&operation.answer).then_some(step.next)
    }

    /// Places an answered call.
    fn place(&mut self, configuration: &mut Configuration, index: usize, next: State) {
        configuration.beyond.insert(index);
        while configuration.beyond.remove(&configuration.first) {
            configuration.first += 1;
        }
        self.add_to_trail(configuration, self.answered[index], next);
    }

    /// Adds a placement to the trail and sets the new state.
    fn add_to_trail(&mut self, configuration: &mut Configuration, operation: &'a Operation, next: State) {
        configuration.state = next;
        self.trail.push((configuration.last, operation));
        configuration.last = Some(self.trail.len() - 1);
    }

    /// Rule 3: whether the configuration must be visited. Remembers it if so.
    fn is_new(&mut self, configuration: &Configuration) -> bool {
        let key = (
            configuration.first,
            configuration.beyond.clone(),
            configuration.state,
        );
        let used = self.seen.entry(key).or_default();
        if used.iter().any(|seen| seen.is_subset(&configuration.used)) {
            return false;
        }
        used.push(configuration.used.clone());
        true
    }

    /// Opens a configuration for each answered call that can be placed next.
    fn push_answered(&mut self, configuration: &Configuration, open: &mut Vec<Configuration>) {
        let (allowed, _) = self.allowed(configuration);
        for index in allowed.into_iter().rev() {
            if let Some(next) = self.explains(configuration, index) {
                let mut child = configuration.clone();
                self.place(&mut child, index, next);
                open.push(child);
            }
        }
    }

    /// Rule 2: opens a configuration for each unanswered call that can be placed next.
    fn push_unanswered(&mut self, configuration: &Configuration, open: &mut Vec<Configuration>) {
        let (_, bound) = self.allowed(configuration);
        let mut tried = Vec::new();
        for index in 0..self.unknown.len() {
            let operation = self.unknown[index];
            if operation.began > bound {
                break;
            }
            if configuration.used.contains(&index) || tried.contains(&(operation.call, operation.now)) {
                continue;
            }
            tried.push((operation.call, operation.now));
            let step = self
                .model
                .step(&configuration.state, &operation.call, operation.now);
            if let Some(step) = step.filter(|step| step.next != configuration.state) {
                let mut child = configuration.clone();
                child.used.insert(index);
                self.add_to_trail(&mut child, operation, step.next);
                open.push(child);
            }
        }
    }

    fn counterexample(&self, longest: &Configuration) -> Counterexample {
        let mut placed = Vec::new();
        let mut last = longest.last;
        while let Some(index) = last {
            let (before, operation) = self.trail[index];
            placed.push(operation.clone());
            last = before;
        }
        placed.reverse();
        let (allowed, _) = self.allowed(longest);
        Counterexample {
            placed,
            state: longest.state,
            later: self.answered.len() - longest.placed() - allowed.len(),
            next: allowed
                .into_iter()
                .map(|index| self.answered[index].clone())
                .collect(),
        }
    }
}
