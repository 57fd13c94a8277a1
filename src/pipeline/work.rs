//! What one worker keeps from block to block: grow-only buffers, and what it has counted.

use std::any::Any;

use crate::array::{Buf, Span};
use crate::metric::Loss;
use crate::transform::Refused;

/// What one step has refused and lost.
#[derive(Debug, Clone, Default)]
pub struct StepTally {
    /// Values the step could not carry.
    pub refused: Refused,
    /// The step's own loss, between its input and what its inverse gives back.
    pub loss: Loss,
    /// The part of `loss` on elements that stand for one element of the original, where all others stand for two.
    pub once: Loss,
}

/// What a run has refused and lost, by step and in all. Merging is independent of order.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// One entry a step.
    pub steps: Vec<StepTally>,
    /// Original against restored, where several lossy steps make it more than one step's loss.
    pub total: Loss,
    /// As [`StepTally::once`], for `total`.
    pub total_once: Loss,
}

impl Tally {
    /// An empty tally for `steps` steps.
    pub fn new(steps: usize) -> Self {
        Self { steps: vec![StepTally::default(); steps], ..Self::default() }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: Tally) {
        for (mine, theirs) in self.steps.iter_mut().zip(other.steps) {
            mine.refused.merge(theirs.refused);
            mine.loss.merge(&theirs.loss);
            mine.once.merge(&theirs.once);
        }
        self.total.merge(&other.total);
        self.total_once.merge(&other.total_once);
    }

    /// Whether any step refused a value.
    pub fn is_refused(&self) -> bool {
        self.steps.iter().any(|s| !s.refused.is_empty())
    }
}

/// One stage's buffers.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// The stage's input, and where it stands.
    pub(crate) input: Buf,
    pub(crate) need: Vec<Span>,
    /// What the stage's inverse gives back, for measuring.
    pub(crate) back: Buf,
}

/// What one worker keeps from block to block. One worker, one `Work`, one chain of sources.
#[derive(Default)]
pub struct Work {
    pub(crate) levels: Vec<Level>,
    pub(crate) slice_need: Vec<Span>,
    pub(crate) spare: [Buf; 2],
    pub(crate) gather: [Buf; 2],
    /// Whether what it reads may well be read again soon, so that a store's cache should keep it.
    pub(crate) keep: bool,
    /// What this worker has counted.
    pub tally: Tally,
    slots: Vec<(usize, Box<dyn Any + Send>)>,
}

impl Work {
    /// Empty buffers for a chain of `steps` steps.
    pub fn new(steps: usize) -> Self {
        let levels = (0..steps).map(|_| Level::default()).collect();
        Self { levels, tally: Tally::new(steps), ..Self::default() }
    }

    /// A store's own state in this worker (scratch bytes, decoded chunks), kept under `key`, made by `Default` at first use.
    pub fn slot<T: Default + Send + 'static>(&mut self, key: usize) -> Option<&mut T> {
        let place = match self.slots.iter().position(|(k, v)| *k == key && v.is::<T>()) {
            Some(place) => place,
            None => {
                self.slots.push((key, Box::<T>::default()));
                self.slots.len() - 1
            }
        };
        self.slots.get_mut(place).and_then(|(_, v)| v.downcast_mut())
    }
}
