//! Moves parts from a source to a sink on all cores within a bound of memory; the only layer that starts threads.

mod ahead;
mod assess;
mod batches;
mod blocks;
mod budgeted;
#[cfg(feature = "hdf5")]
mod coded;
mod compact;
mod cut;
mod fit;
mod grow;
#[cfg(feature = "hdf5")]
mod hdf5;
mod held;
mod inside;
mod lots;
mod many;
mod memory;
mod ordered;
mod packed;
mod passes;
mod reading;
mod restore;
mod shuffled;
mod spooled;
mod tallied;
mod transposed;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::array::{Buf, Span};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Grain, Pipeline, Sink, Source, Tally, Work};

pub use crate::store::Pattern;
pub use assess::{AssessOptions, CompareOptions, assess, compare, describe};
pub use batches::{Batch, BatchOptions, Batches, Mixing};
pub use blocks::Blocks;
#[cfg(feature = "hdf5")]
pub use coded::CodedOptions;
pub use compact::{CompactOptions, Target, compact};
pub use grow::{AppendOptions, Appended, ArrayWriter, WriterOptions, append};
pub use inside::add_to_npz;
pub use many::{
    Added, AddedArray, CompactGroup, Many, ManyOptions, Member, Places, RestoredMember, Skipped, add, compact_many,
    is_many, places, restore_many,
};
pub use memory::Compacted;
pub use reading::{DEFAULT_CACHE, MappedArray, ReadOptions};
pub(crate) use restore::restore_opened;
pub use restore::{Reader, RestoreOptions, Restored, restore, restore_all};
pub use tallied::Report;

pub(crate) use ordered::in_order_from;
pub(crate) use packed::{PackAsk, pack_file, pack_npy, restored_npy};
pub(crate) use passes::{each, look, tally, with_array};

pub use crate::report::StepReport;

/// The default bound on the memory of blocks in flight, in bytes.
pub const DEFAULT_MEMORY: u64 = 256 << 20;
/// Output bytes gathered before one write: 1 MiB writes run at full speed, 4 KiB ones at a quarter of it.
const WRITE_BYTES: u64 = 1 << 20;
/// A part this large is written as it is, without gathering.
const DIRECT_BYTES: u64 = 256 << 10;
/// The widest side of one block: small enough that all stages of a block stay in the second-level cache, large enough
/// that a read call and a dispatch on dtypes cost nothing beside it.
const BLOCK_BYTES: u64 = 384 << 10;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the original array done.
    pub done: u64,
    /// Bytes of the original array in all.
    pub total: u64,
}

/// What a pass over the data is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking at the data, to settle a step's parameters.
    Fitting,
    /// Packing and writing.
    Compacting,
    /// Unpacking and writing.
    Restoring,
    /// Comparing checksums.
    Checking,
    /// Comparing original and restored.
    Comparing,
}

/// How much of the machine a run may use, and whom it tells.
#[derive(Clone, Copy)]
pub struct Resources<'a> {
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// Bound on the memory of blocks in flight, in bytes.
    pub memory: u64,
    /// Called by any worker after each part.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Set from outside to stop the run with [`ErrorKind::Interrupted`].
    pub cancel: Option<&'a AtomicBool>,
}

impl Resources<'_> {
    /// What one worker may take for data it keeps from part to part.
    fn share(&self) -> u64 {
        self.memory / 4 / self.threads.get() as u64
    }
}

impl Default for Resources<'_> {
    fn default() -> Self {
        // Asking takes a dozen reads of the system's files, many times what opening a small array does.
        static CORES: std::sync::OnceLock<NonZeroUsize> = std::sync::OnceLock::new();
        let threads = *CORES.get_or_init(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        Self { threads, memory: DEFAULT_MEMORY, progress: None, cancel: None }
    }
}

impl std::fmt::Debug for Resources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resources")
            .field("threads", &self.threads)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// One array on its way through: where parts come from and how they may be cut.
struct Flow<'a> {
    source: &'a dyn Source,
    /// Steps in the chain behind `source`.
    steps: usize,
    /// Elements of the smallest independent part of `source`.
    unit: u64,
    /// Bytes in flight for one such part.
    unit_bytes: u64,
    /// Where parts of a unit may be cut.
    cut: Option<Grain>,
    /// A part of this many elements suits what `source` reads from (a chunk).
    prefer: Option<u64>,
    phase: Phase,
    /// Bytes of the original array, for the progress.
    original_bytes: u64,
}

impl<'a> Flow<'a> {
    /// The packed array `packing`, made from `from` by `pipeline`.
    fn packing(pipeline: &Pipeline, packing: &'a dyn Source, from: &dyn Source, phase: Phase) -> Self {
        let unit = pipeline.unit();
        Self {
            source: packing,
            steps: pipeline.stages().len(),
            unit: unit.output,
            unit_bytes: pipeline.unit_bytes(),
            cut: pipeline.cut(),
            prefer: prefer(from, unit.input, unit.output),
            phase,
            original_bytes: pipeline.input().bytes(),
        }
    }
}

/// Takes parts of an array: writes them, or only looks.
trait Visit: Sync {
    fn visit(&self, at: Span, part: &Buf, work: &mut Work) -> Result<()>;
}

struct WriteTo<'a>(&'a dyn Sink);

impl Visit for WriteTo<'_> {
    fn visit(&self, at: Span, part: &Buf, work: &mut Work) -> Result<()> {
        // Once a value is refused nothing will be kept; the run goes on only to count.
        if work.tally.is_refused() { Ok(()) } else { self.0.write(at.start, part, work) }
    }
}

/// Takes parts and does nothing: a dry run.
struct Nowhere;

impl Visit for Nowhere {
    fn visit(&self, _at: Span, _part: &Buf, _work: &mut Work) -> Result<()> {
        Ok(())
    }
}

/// Pulls all of `flow` through to `to` and returns what was refused and lost on the way.
fn run(flow: &Flow<'_>, to: &dyn Visit, grain: Option<Grain>, resources: &Resources<'_>) -> Result<Tally> {
    let plan = cut::Plan::new(flow, grain, resources);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let count = flow.source.spec().count().max(1);

    let worker = || -> Tally {
        let mut work = Work::new(flow.steps);
        while !stop.load(Ordering::Relaxed) {
            let task = next.fetch_add(1, Ordering::Relaxed);
            let Some(span) = plan.task(task) else { break };
            let interrupted = resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
            let result = if interrupted {
                Err(Error::new(ErrorKind::Interrupted, "interrupted; nothing was written"))
            } else {
                one_task(flow, &plan, span, to, &mut work)
            };
            if let Err(error) = result {
                stop.store(true, Ordering::Relaxed);
                let mut first = failed.lock().unwrap_or_else(PoisonError::into_inner);
                // The error of the earliest part is told, whatever thread met one first.
                if first.as_ref().is_none_or(|(at, _)| task < *at) {
                    *first = Some((task, error));
                }
                break;
            }
            let done = done.fetch_add(span.len, Ordering::Relaxed) + span.len;
            if let Some(tell) = resources.progress {
                let bytes = (flow.original_bytes as u128 * u128::from(done) / u128::from(count)) as u64;
                tell(Progress { phase: flow.phase, done: bytes, total: flow.original_bytes });
            }
        }
        work.tally
    };
    let mut tally = Tally::new(flow.steps);
    if plan.workers <= 1 {
        tally = worker();
    } else {
        std::thread::scope(|scope| -> Result<()> {
            let handles: Vec<_> = (1..plan.workers).map(|_| scope.spawn(worker)).collect();
            tally.merge(worker());
            for handle in handles {
                match handle.join() {
                    Ok(theirs) => tally.merge(theirs),
                    Err(_) => return crate::error::refuse!(Io, "a worker thread failed; please report this as a bug"),
                }
            }
            Ok(())
        })?;
    }
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(tally),
    }
}

/// One task: blocks small enough for the cache, gathered into parts large enough to write.
fn one_task(flow: &Flow<'_>, plan: &cut::Plan, task: Span, to: &dyn Visit, work: &mut Work) -> Result<()> {
    let dtype = flow.source.spec().dtype();
    let size = dtype.size() as u64;
    let [mut block, mut gathered] = std::mem::take(&mut work.gather);
    let mut result = Ok(());
    if task.len <= plan.block || (plan.block * size >= DIRECT_BYTES && plan.free) {
        let mut at = task.start;
        while at < task.end() && result.is_ok() {
            let span = Span::new(at, plan.block.min(task.end() - at));
            result = flow.source.read(&[span], &mut block, work).and_then(|()| to.visit(span, &block, work));
            at = span.end();
        }
    } else {
        result = gathered.reset(dtype, task.len);
        let mut at = task.start;
        while at < task.end() && result.is_ok() {
            let span = Span::new(at, plan.block.min(task.end() - at));
            result = flow.source.read(&[span], &mut block, work);
            let from = ((at - task.start) * size) as usize;
            if result.is_ok() {
                gathered.bytes_mut()[from..from + block.bytes().len()].copy_from_slice(block.bytes());
            }
            at = span.end();
        }
        result = result.and_then(|()| to.visit(task, &gathered, work));
    }
    work.gather = [block, gathered];
    result
}

/// A task size that suits `source`'s chunks, in elements of the other side of a chain.
fn prefer(source: &dyn Source, unit_from: u64, unit_to: u64) -> Option<u64> {
    let grain = source.grain()?;
    let step = if grain.step.is_multiple_of(unit_from) { grain.step } else { grain.period };
    step.is_multiple_of(unit_from).then(|| step / unit_from * unit_to)
}
