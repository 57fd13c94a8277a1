//! Sources whose pieces lie across C order, read piece by piece into a temporary file first: each piece is decoded once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Flow, Resources, WriteTo, run};
use crate::array::{Buf, Span, total};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::Spool;

/// Bytes of neighbouring pieces that are put together before they are written.
const GATHER_BYTES: u64 = 4 << 20;

/// Pieces whose runs are as long as this on average are written run by run.
const LONG_BYTES: u64 = 64 << 10;

/// Consecutive pieces (neighbours along the last axis, mostly), put in C order: a piece that is one column of a matrix has runs of one
/// element, and a write each would take many times as long as all else.
#[derive(Default)]
struct Gathered {
    /// The runs of all pieces, each with its first element in `bytes`.
    runs: Vec<(Span, usize)>,
    bytes: Vec<u8>,
    /// A stretch of the array, made of runs that follow one another.
    stretch: Vec<u8>,
}

impl Gathered {
    fn take(&mut self, spans: &[Span], part: &Buf) {
        let size = part.dtype().size();
        let mut from = self.bytes.len();
        for span in spans {
            self.runs.push((*span, from));
            from += span.len as usize * size;
        }
        self.bytes.extend_from_slice(part.bytes());
    }

    fn write(&mut self, spool: &Spool) -> Result<()> {
        let size = spool.spec().dtype().size();
        // Each piece's runs ascend already, which this sort makes use of.
        self.runs.sort_by_key(|(span, _)| span.start);
        for group in self.runs.chunk_by(|(a, _), (b, _)| a.end() == b.start) {
            self.stretch.clear();
            for (span, from) in group {
                self.stretch.extend_from_slice(&self.bytes[*from..*from + span.len as usize * size]);
            }
            spool.write_bytes(group[0].0.start, &self.stretch)?;
        }
        self.runs.clear();
        self.bytes.clear();
        Ok(())
    }
}

/// The array of `source` in a temporary file, read in its own pieces; `None` where it reads well in C order.
pub(super) fn by_pieces(source: &dyn Source, resources: &Resources<'_>) -> Result<Option<Spool>> {
    let pieces = source.pieces();
    if pieces == 0 {
        return Ok(None);
    }
    let spool = Spool::create(source.spec())?;
    let size = source.spec().dtype().size() as u64;
    let mut first = Vec::new();
    source.piece(0, &mut first);
    let bytes = total(&first) * size;
    let is_long = bytes >= LONG_BYTES * first.len() as u64;
    // Neighbours that one worker takes together, as long as there is something for each.
    let together = match is_long {
        true => 1,
        false => (GATHER_BYTES / bytes.max(1)).min(pieces / resources.threads.get() as u64).max(1),
    };
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        let (mut work, mut buf, mut spans) = (Work::new(0), Buf::new(), Vec::<Span>::new());
        let mut gathered = Gathered::default();
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(together, Ordering::Relaxed);
            if from >= pieces {
                break;
            }
            let mut take = || {
                for piece in from..pieces.min(from + together) {
                    if resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                        return refuse!(Interrupted, "interrupted; nothing was written");
                    }
                    spans.clear();
                    source.piece(piece, &mut spans);
                    source.read(&spans, &mut buf, &mut work)?;
                    if is_long {
                        spool.write_spans(&spans, &buf)?;
                    } else {
                        gathered.take(&spans, &buf);
                    }
                }
                gathered.write(&spool)
            };
            if let Err(error) = take() {
                stop.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    // What is gathered stands there twice, its runs of one element beside it.
    let gathered = if is_long { 0 } else { together * (2 * bytes + (first.len() * size_of::<(Span, usize)>()) as u64) };
    let share = (resources.memory / 2 / (source.overhead() + gathered).max(1)).max(1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Spec};
    use crate::pipeline::Memory;

    /// A matrix stored in columns of `width`.
    struct Columns(Memory, u64);

    impl Source for Columns {
        fn spec(&self) -> &Spec {
            self.0.spec()
        }

        fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
            self.0.read(spans, out, work)
        }

        fn pieces(&self) -> u64 {
            self.spec().shape()[1].div_ceil(self.1)
        }

        fn piece(&self, i: u64, spans: &mut Vec<Span>) {
            let (rows, columns) = (self.spec().shape()[0], self.spec().shape()[1]);
            let width = self.1.min(columns - i * self.1);
            spans.extend((0..rows).map(|r| Span::new(r * columns + i * self.1, width)));
        }
    }

    #[test]
    fn columns_of_any_width_are_put_in_their_places() {
        for (rows, columns, width) in [(50, 70, 1), (50, 70, 3), (3000, 700, 1), (2, 40_000, 17_000), (1, 1, 1)] {
            let spec = Spec::new(DType::F64, [rows, columns]).unwrap();
            let values: Vec<f64> = (0..rows * columns).map(|i| i as f64).collect();
            let source = Columns(Memory::new(spec, Buf::from_slice(&values).unwrap()).unwrap(), width);
            for threads in [1, 3] {
                let threads = std::num::NonZeroUsize::new(threads).unwrap();
                let resources = Resources { threads, ..Resources::default() };
                let spool = by_pieces(&source, &resources).unwrap().unwrap();
                let mut out = Buf::new();
                spool.read(&[Span::new(0, rows * columns)], &mut out, &mut Work::new(0)).unwrap();
                assert!(out.elements::<f64>().unwrap() == values, "{rows} {columns} {width}");
            }
        }
    }
}
