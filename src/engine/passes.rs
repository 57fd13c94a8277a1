//! Passes over an array for those who look at it before they choose a recipe.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::assess::Idle;
use super::{Flow, Nowhere, Phase, Reader, Resources, Visit, run};
use crate::array::{Buf, Span};
use crate::error::{Result, refuse};
use crate::pipeline::{Pipeline, Source, Tally, Work};
use crate::recipe::Axes;

/// Hands the array of `reader` over in C order, whatever the order in its file.
pub(crate) fn with_array<R>(
    reader: &Reader,
    resources: &Resources<'_>,
    with: impl FnOnce(&dyn Source) -> Result<R>,
) -> Result<R> {
    reader.with_view(Axes::C, None, resources, |view, _| with(view))
}

struct Look<'a, T, N, A> {
    idle: Idle<T>,
    new: &'a N,
    add: &'a A,
}

impl<T, N, A> Visit for Look<'_, T, N, A>
where
    T: Send,
    N: Fn() -> T + Sync,
    A: Fn(&mut T, Span, &Buf) -> Result<()> + Sync,
{
    fn visit(&self, at: Span, part: &Buf, _work: &mut Work) -> Result<()> {
        self.idle.with(|| Ok((self.new)()), |one| (self.add)(one, at, part))
    }
}

/// One pass over all of `source` on all cores: each part goes to one of a few accumulators, which come back in no order.
pub(crate) fn look<T: Send>(
    source: &dyn Source,
    resources: &Resources<'_>,
    new: impl Fn() -> T + Sync,
    add: impl Fn(&mut T, Span, &Buf) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let spec = source.spec();
    let flow = Flow {
        source,
        steps: 0,
        unit: 1,
        unit_bytes: 2 * spec.dtype().size() as u64,
        cut: None,
        prefer: source.grain().map(|g| g.step),
        phase: Phase::Fitting,
        original_bytes: spec.bytes(),
    };
    let look = Look { idle: Idle::new(), new: &new, add: &add };
    run(&flow, &look, None, resources)?;
    Ok(look.idle.into_all())
}

/// One pass of all of `source` through `pipeline`, nothing written: what was refused and lost.
pub(crate) fn tally(source: &dyn Source, pipeline: &Pipeline, resources: &Resources<'_>) -> Result<Tally> {
    let packing = pipeline.packing(source);
    let flow = Flow::packing(pipeline, &packing, source, Phase::Fitting);
    run(&flow, &Nowhere, None, resources)
}

/// Runs `job` for 0 … `count` − 1 on all cores and returns the results in that order, or the error of the earliest that failed.
pub(crate) fn each<T: Send>(
    count: usize,
    resources: &Resources<'_>,
    job: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::new());
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                break;
            }
            let interrupted = resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
            let result = if interrupted { refuse!(Interrupted, "interrupted; nothing was written") } else { job(i) };
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
        }
    };
    let threads = resources.threads.get().min(count).max(1);
    std::thread::scope(|scope| -> Result<()> {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        worker();
        for other in others {
            if other.join().is_err() {
                return refuse!(Io, "a worker thread failed; please report this as a bug");
            }
        }
        Ok(())
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_ends_the_rest() {
        let resources = Resources::default();
        let squares = each(100, &resources, |i| Ok(i * i)).unwrap();
        assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        let failed = each(100, &resources, |i| if i == 7 { refuse!(Refused, "seven") } else { Ok(i) });
        assert!(failed.is_err());
        assert!(each(0, &resources, |_| Ok(())).unwrap().is_empty());
    }
}
