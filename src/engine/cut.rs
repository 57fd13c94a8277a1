//! How an array is cut into tasks and blocks, so that everything in flight fits the memory bound.

use super::{BLOCK_BYTES, DIRECT_BYTES, Flow, Resources, WRITE_BYTES};
use crate::array::Span;
use crate::pipeline::Grain;

/// Parts of a unit need their mirror images too, and the lists that say where they stand: this much more than their share.
const PART_OVERHEAD: u64 = 2;
/// Workers that share the memory when units are larger than it: fewer workers have longer pieces, which read faster.
const HUGE_WORKERS: u64 = 2;
/// At least so many tasks a worker, so that none waits long for the last one.
const TASKS_PER_WORKER: u64 = 6;

/// Cuts that suit the sink and the last step.
fn both(sink: Option<Grain>, step: Option<Grain>) -> Option<Grain> {
    match (sink, step) {
        (Some(a), Some(b)) if a.period == b.period => {
            let (mut x, mut y) = (a.step, b.step);
            while y > 0 {
                (x, y) = (y, x % y);
            }
            Some(Grain { period: a.period, step: a.step / x.max(1) * b.step })
        }
        // The sink cuts between whole rows, and so may the step.
        (sink, step) => sink.or(step),
    }
}

/// The cut of one array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) workers: usize,
    /// Elements pulled through the stages at a time.
    pub(super) block: u64,
    /// Whether blocks may be handed on one by one, because the sink takes parts cut anywhere.
    pub(super) free: bool,
    count: u64,
    /// Tasks repeat after this many elements …
    period: u64,
    /// … and inside a period have this many.
    task: u64,
}

impl Plan {
    pub(super) fn new(flow: &Flow<'_>, grain: Option<Grain>, resources: &Resources<'_>) -> Self {
        let spec = flow.source.spec();
        let (count, size) = (spec.count(), spec.dtype().size() as u64);
        let grain = both(grain, flow.cut.filter(|_| flow.unit > 1));
        let (unit, unit_bytes) = (flow.unit.clamp(1, count.max(1)), flow.unit_bytes.max(1));
        let threads = resources.threads.get() as u64;
        // Half for the blocks, the rest for gathered output and what the stores keep (decoded chunks).
        let memory = (resources.memory / 2).max(1);
        if unit_bytes > memory {
            return Self::huge(flow, grain, threads, memory);
        }
        // What the source keeps (a decoded chunk) may leave room for fewer workers, but one there must be.
        let overhead = flow.source.overhead();
        let workers = threads.min(memory / unit_bytes.saturating_add(overhead)).max(1);
        let share = (memory / workers).saturating_sub(overhead).max(unit_bytes);
        let mut units = (BLOCK_BYTES.max(unit_bytes) / unit_bytes).min(share / unit_bytes).max(1);
        // Blocks that can be written as they are need not be copied together first: worth twice the size.
        let direct = DIRECT_BYTES.div_ceil(unit * size);
        if direct > units && direct * unit_bytes <= (2 * BLOCK_BYTES).min(share) {
            units = direct;
        }
        let block = units * unit;
        let fair = count.div_ceil(workers * TASKS_PER_WORKER).max(block);
        let mut task = (WRITE_BYTES / size).min(fair).max(block);
        if let Some(prefer) = flow.prefer.filter(|p| p % unit == 0 && p * size <= share) {
            task = task.max(prefer).div_ceil(prefer) * prefer;
        }
        task = task.div_ceil(block) * block;
        let mut period = count.max(1);
        if let Some(Grain { period: p, step }) = grain {
            // Cuts may only fall where the sink's do, and should fall between units.
            if p <= task || p * size <= share.max(WRITE_BYTES) && !step.is_multiple_of(unit) {
                task = (task / p).max(1) * p;
            } else {
                period = p;
                task = (task / step).max(1) * step;
            }
        }
        let workers = workers.min(count.div_ceil(task)).max(1) as usize;
        Self { workers, block, free: grain.is_none(), count, period, task }
    }

    /// Units do not fit: parts of a unit, as large as memory allows, because the pieces they need grow with them.
    fn huge(flow: &Flow<'_>, grain: Option<Grain>, threads: u64, memory: u64) -> Self {
        let spec = flow.source.spec();
        let overhead = flow.source.overhead();
        let workers = threads.min(HUGE_WORKERS).min(memory / overhead.max(1)).max(1);
        let share = (memory / workers).saturating_sub(overhead).max(memory / 8).max(1);
        let per_element = u128::from(flow.unit_bytes) * u128::from(PART_OVERHEAD) / u128::from(flow.unit.max(1)) + 1;
        let elements = (u128::from(share) / per_element).max(1) as u64;
        // A part smaller than one good write is only for tests that ask for next to no memory.
        let least = DIRECT_BYTES.min(memory) / spec.dtype().size() as u64;
        let (mut period, mut task) = (spec.count().max(1), elements.max(least));
        if let Some(Grain { period: p, step }) = grain {
            if p <= task {
                task = task / p * p;
            } else {
                period = p;
                task = (task / step).max(1) * step;
            }
        }
        Self { workers: workers as usize, block: task, free: grain.is_none(), count: spec.count(), period, task }
    }

    /// The span of task `i`, `None` after the last.
    pub(super) fn task(&self, i: usize) -> Option<Span> {
        let per_period = self.period.div_ceil(self.task.min(self.period)).max(1);
        let (p, i) = (i as u64 / per_period, i as u64 % per_period);
        let base = p.checked_mul(self.period)?;
        let start = base + i * self.task;
        // The last period may be cut short by the end of the array.
        let end = (start + self.task).min(base + self.period).min(self.count);
        (start < self.count).then(|| Span::new(start, end - start))
    }
}
