//! Sources whose pieces lie across C order, read piece by piece into a temporary file first: each piece is decoded once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Flow, Resources, WriteTo, run};
use crate::array::{Buf, Span};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::Spool;

/// The array of `source` in a temporary file, read in its own pieces; `None` where it reads well in C order.
pub(super) fn by_pieces(source: &dyn Source, resources: &Resources<'_>) -> Result<Option<Spool>> {
    let pieces = source.pieces();
    if pieces == 0 {
        return Ok(None);
    }
    let spool = Spool::create(source.spec())?;
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        let (mut work, mut buf, mut spans) = (Work::new(0), Buf::new(), Vec::<Span>::new());
        while !stop.load(Ordering::Relaxed) {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                break;
            }
            spans.clear();
            source.piece(piece, &mut spans);
            let result = if resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                refuse!(Interrupted, "interrupted; nothing was written")
            } else {
                source.read(&spans, &mut buf, &mut work).and_then(|()| spool.write_spans(&spans, &buf))
            };
            if let Err(error) = result {
                stop.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    let share = (resources.memory / 2 / source.overhead().max(1)).max(1);
    let workers = (resources.threads.get() as u64).min(share).min(pieces);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(worker);
        }
        worker();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(Some(spool)),
    }
}

/// The array of `flow` in a temporary file, made in C order by whole units.
pub(super) fn in_order(flow: &Flow<'_>, resources: &Resources<'_>) -> Result<Spool> {
    let spool = Spool::create(flow.source.spec())?;
    run(flow, &WriteTo(&spool), None, resources)?;
    Ok(spool)
}
