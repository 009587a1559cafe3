//! The search for an order that explains one session's answers (Wing and Gong's, with the configurations that
//! were seen kept, as in Lowe's).
//!
//! A configuration is the set of calls placed so far and the state they lead to. From it, each call can come next
//! that began before every call yet to be placed has ended, if the model answers it as it was answered. Three
//! observations keep the number of configurations small; none of them loses an order:
//!
//! 1. A call that can come next and changes nothing is placed at once. Lines only move on and ends are final, so
//!    wherever else such a call could stand, here it can as well.
//! 2. A call without an answer is placed only where it changes something: otherwise "never" does as well. Of
//!    several alike, the one that began first is as good as the others.
//! 3. A configuration is not looked at where one with the same answered calls and the same state was, that had
//!    used no other calls without an answer: that one could go on in every way in which this one can.

use std::collections::{BTreeSet, HashMap};

use super::model::{Model, State};
use super::{Answer, Operation};

/// How a search ended.
#[derive(Debug)]
pub enum Found {
    /// There is an order.
    Order {
        /// How many configurations were looked at.
        configurations: usize,
    },
    /// There is none. These are the facts about the longest beginning of one that was found.
    NoOrder(Box<Stuck>),
    /// The budget ran out.
    Undecided,
}

/// The longest beginning of an order, and why it does not go on.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// The calls placed, in their order; one without an answer is there where it had to take effect.
    pub placed: Vec<Operation>,
    /// The state they lead to.
    pub state: State,
    /// Those that real time allows next. No order explains all of their answers.
    pub next: Vec<Operation>,
    /// How many more answers come after those.
    pub later: usize,
}

/// Looks for an order of `operations`, all of one session. `budget` is the number of configurations to look at.
pub fn search(model: &Model, operations: &[Operation], budget: usize) -> Found {
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
    /// In the order in which they began, as the next.
    answered: Vec<&'a Operation>,
    unknown: Vec<&'a Operation>,
    /// Every placement, with the one before it.
    trail: Vec<(Option<usize>, &'a Operation)>,
    /// By answered calls placed and state: the sets of unanswered ones used.
    seen: HashMap<(usize, BTreeSet<usize>, State), Vec<BTreeSet<usize>>>,
}

#[derive(Clone)]
struct Configuration {
    /// All answered calls before this one are placed.
    first: usize,
    /// Of those after it, the placed ones.
    beyond: BTreeSet<usize>,
    /// The placed ones without an answer.
    used: BTreeSet<usize>,
    state: State,
    /// The last placement in the trail.
    last: Option<usize>,
}

impl Configuration {
    fn placed(&self) -> usize {
        self.first + self.beyond.len()
    }
}

impl<'a> Search<'a> {
    fn run(mut self, budget: usize) -> Found {
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
            self.place_what_changes_nothing(&mut configuration);
            if configuration.placed() > longest.placed() {
                longest = configuration.clone();
            }
            if configuration.first == self.answered.len() {
                return Found::Order { configurations };
            }
            if !self.is_new(&configuration) {
                continue;
            }
            configurations += 1;
            if configurations > budget {
                return Found::Undecided;
            }
            // The last pushed is looked at first: answered calls before unanswered ones, early before late.
            self.push_unanswered(&configuration, &mut open);
            self.push_answered(&configuration, &mut open);
        }
        Found::NoOrder(Box::new(self.stuck(&longest)))
    }

    /// The answered calls that real time allows next, and the event before which a call must have begun to be
    /// among them.
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

    fn place_what_changes_nothing(&mut self, configuration: &mut Configuration) {
        loop {
            let (allowed, _) = self.allowed(configuration);
            let idle = allowed
                .into_iter()
                .find(|index| self.explains(configuration, *index) == Some(configuration.state));
            match idle {
                Some(index) => self.place(configuration, index, configuration.state),
                None => return,
            }
        }
    }

    /// The state after an answered call, if the model answers it as it was answered.
    fn explains(&self, configuration: &Configuration, index: usize) -> Option<State> {
        let operation = self.answered[index];
        let step = self
            .model
            .step(&configuration.state, &operation.call, operation.now)?;
        step.reply.is(&operation.answer).then_some(step.next)
    }

    fn place(&mut self, configuration: &mut Configuration, index: usize, next: State) {
        configuration.beyond.insert(index);
        while configuration.beyond.remove(&configuration.first) {
            configuration.first += 1;
        }
        self.note(configuration, self.answered[index], next);
    }

    fn note(&mut self, configuration: &mut Configuration, operation: &'a Operation, next: State) {
        configuration.state = next;
        self.trail.push((configuration.last, operation));
        configuration.last = Some(self.trail.len() - 1);
    }

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
                self.note(&mut child, operation, step.next);
                open.push(child);
            }
        }
    }

    fn stuck(&self, longest: &Configuration) -> Stuck {
        let mut placed = Vec::new();
        let mut last = longest.last;
        while let Some(index) = last {
            let (before, operation) = self.trail[index];
            placed.push(operation.clone());
            last = before;
        }
        placed.reverse();
        let (allowed, _) = self.allowed(longest);
        Stuck {
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
