//! Rows into the chunks of a dataset that grows, on all cores.

use super::rows::row_of;
use crate::array::{Buf, Span, Spec};
use crate::coding::{Bound, Coding};
use crate::engine::coded::BYTES_IN_FLIGHT;
use crate::engine::ordered::in_order;
use crate::engine::{Phase, Progress, Resources, fit, tallied};
use crate::error::{Result, refuse};
use crate::filter::{self, Outcome, Scratch};
use crate::metric::Loss;
use crate::pipeline::{Memory, Pipeline, Source, Tally, Work};
use crate::store::hdf5::{Dataset, Encoded, Growing};
use crate::transform::{Ask, BitPackAsk, Grid, Resolution, ScaleOffsetAsk, Step, TriangleAsk};

/// The dataset, and what of it stands in the file as it was.
pub(super) struct Grown<'a> {
    pub(super) growing: &'a Growing,
    /// The dataset as it was.
    pub(super) old: Option<&'a Dataset>,
    /// Rows that come from there.
    pub(super) old_rows: u64,
    /// The first row whose chunk must be written.
    pub(super) from: u64,
}

/// How chunks are coded.
pub(super) struct How<'a> {
    pub(super) steps: &'a [Step],
    pub(super) coding: Coding,
    pub(super) fill: Option<u64>,
    /// Whether a chunk that the steps refuse gets parameters of its own.
    pub(super) refit: bool,
}

/// What coding came to.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) loss: Loss,
    pub(super) patched: u64,
    pub(super) refitted: u64,
}

impl Sums {
    pub(super) fn merge(&mut self, other: &Sums) {
        self.loss.merge(&other.loss);
        self.patched += other.patched;
        self.refitted += other.refitted;
    }
}

impl Grown<'_> {
    /// The spans of box `i`: those of old rows, and those of new ones, counted from the first new row.
    fn spans(&self, i: u64, all: &mut Vec<Span>, old: &mut Vec<Span>, new: &mut Vec<Span>) {
        let edge = self.old_rows * row_of(self.growing.spec());
        all.clear();
        old.clear();
        new.clear();
        self.growing.boxes().spans(i, all);
        for span in all {
            let cut = edge.clamp(span.start, span.end());
            Span::push(old, Span::new(span.start, cut - span.start));
            Span::push(new, Span::new(cut.saturating_sub(edge), span.end() - cut));
        }
    }

    fn read_old(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        match self.old {
            Some(old) => old.read(spans, out, work),
            None if spans.is_empty() => out.reset(self.growing.spec().dtype(), 0),
            None => refuse!(Corrupt, "{}: rows that nobody has", self.growing.name()),
        }
    }

    /// Boxes to be written: the first one, and how many.
    fn boxes(&self) -> (u64, u64) {
        let (first, _) = self.growing.first_box(self.from);
        (first, self.growing.boxes().count().saturating_sub(first))
    }

    fn workers(&self, bytes: u64, overhead: u64, resources: &Resources<'_>) -> u64 {
        let size = self.growing.spec().dtype().size() as u64;
        let chunk = self.growing.boxes().chunk().iter().product::<u64>().saturating_mul(size);
        let old = self.old.map_or(0, Source::overhead);
        let each = chunk.saturating_mul(bytes).saturating_add(overhead).saturating_add(old);
        (resources.threads.get() as u64).min(resources.memory / each.max(1)).max(1)
    }

    /// Writes the elements of `packing`, whose first element is that of the first new row, into the chunks. What was refused and lost.
    pub(super) fn write(
        &self,
        packing: &dyn Source,
        steps: usize,
        unit: u64,
        resources: &Resources<'_>,
    ) -> Result<Tally> {
        let (first, count) = self.boxes();
        let mut tally = Tally::new(steps);
        let total = count.max(1);
        #[derive(Default)]
        struct Kept {
            work: Work,
            spans: [Vec<Span>; 3],
            values: Buf,
            fresh: Buf,
        }
        let state = || Kept { work: Work::new(steps), ..Kept::default() };
        let make = |k: u64, kept: &mut Kept| -> Result<(Option<Encoded>, Tally)> {
            let Kept { work, spans: [all, old, new], values, fresh } = kept;
            self.spans(first + k, all, old, new);
            packing.read(new, fresh, work)?;
            let found = std::mem::replace(&mut work.tally, Tally::new(steps));
            // Once a value is refused nothing will be kept; the run goes on only to count.
            if found.is_refused() {
                return Ok((None, found));
            }
            if old.is_empty() {
                return Ok((Some(self.growing.encode(first + k, fresh, work)?), found));
            }
            self.read_old(old, values, work)?;
            let both = joined(values, fresh)?;
            Ok((Some(self.growing.encode(first + k, &both, work)?), found))
        };
        let take = |k: u64, (encoded, found): (Option<Encoded>, Tally)| -> Result<()> {
            if let Some(encoded) = encoded
                && !tally.is_refused()
            {
                self.growing.write(first + k, &encoded)?;
            }
            tally.merge(found);
            self.tell(k + 1, total, resources);
            Ok(())
        };
        let workers = self.workers(6, packing.overhead().saturating_add(unit), resources);
        in_order(count, workers, resources, state, make, take)?;
        Ok(tally)
    }

    /// Codes the elements of `rows`, whose first element is that of the first new row, into the chunks.
    pub(super) fn code(&self, rows: &dyn Source, how: &How<'_>, resources: &Resources<'_>) -> Result<Sums> {
        let (first, count) = self.boxes();
        let chunk = Spec::new(self.growing.spec().dtype(), filter::merge(self.growing.boxes().chunk()))?;
        let (mut sums, total) = (Sums::default(), count.max(1));
        let make = |k: u64, kept: &mut Coder| -> Result<(Vec<u8>, Sums)> {
            let (i, mut sums) = (first + k, Sums::default());
            let [mut all, mut old, mut new] = std::mem::take(&mut kept.spans);
            self.spans(i, &mut all, &mut old, &mut new);
            let (_, extent) = self.growing.boxes().at(i);
            rows.read(&new, &mut kept.fresh, &mut kept.work)?;
            self.read_old(&old, &mut kept.kept, &mut kept.work)?;
            let bytes = kept.chunk(&chunk, &extent, how, &mut sums).map_err(|e| e.at(format!("chunk {i}")))?;
            sums.loss.add(&new, &kept.fresh, &kept.restored)?;
            kept.spans = [all, old, new];
            Ok((bytes, sums))
        };
        let take = |k: u64, (bytes, more): (Vec<u8>, Sums)| -> Result<()> {
            self.growing.write_coded(first + k, &bytes)?;
            sums.merge(&more);
            self.tell(k + 1, total, resources);
            Ok(())
        };
        let workers = self.workers(BYTES_IN_FLIGHT + 4, rows.overhead(), resources);
        in_order(count, workers, resources, Coder::default, make, take)?;
        Ok(sums)
    }

    fn tell(&self, done: u64, of: u64, resources: &Resources<'_>) {
        if let Some(tell) = resources.progress {
            let spec = self.growing.spec();
            let total = spec.bytes().saturating_sub(self.from * row_of(spec) * spec.dtype().size() as u64);
            let done = (u128::from(total) * u128::from(done) / u128::from(of)) as u64;
            tell(Progress { phase: Phase::Compacting, done, total });
        }
    }
}

/// One behind the other.
fn joined(a: &Buf, b: &Buf) -> Result<Buf> {
    let mut both = Buf::new();
    both.reset(b.dtype(), (a.len() + b.len()) as u64)?;
    let (head, tail) = both.bytes_mut().split_at_mut(a.bytes().len());
    head.copy_from_slice(a.bytes());
    tail.copy_from_slice(b.bytes());
    Ok(both)
}

/// The step's request with all that the data decide open again; how fine it is stays.
fn anew(step: &Step) -> Ask {
    match step {
        Step::ScaleOffset(s) => {
            let resolution = match s.grid {
                Grid::Decimal { digits, .. } => Resolution::Digits(digits),
                grid => Resolution::Step(grid.step()),
            };
            Ask::ScaleOffset(ScaleOffsetAsk { resolution, fill: s.fill })
        }
        Step::BitPack(b) => Ask::BitPack(BitPackAsk { bits: None, order: b.order }),
        Step::Triangle(t) => Ask::Triangle(TriangleAsk { kind: t.kind, tolerance: t.tolerance }),
        other => Ask::Settled(other.clone()),
    }
}

/// What one worker keeps for coding.
#[derive(Default)]
struct Coder {
    work: Work,
    spans: [Vec<Span>; 3],
    scratch: Scratch,
    /// What the chunk held before, as it came back then.
    kept: Buf,
    /// The new rows' elements, and what comes back of them.
    fresh: Buf,
    restored: Buf,
}

impl Coder {
    /// The bytes of a chunk of `extent` that holds `kept` and, behind it, `fresh`.
    fn chunk(&mut self, chunk: &Spec, extent: &[u64], how: &How<'_>, sums: &mut Sums) -> Result<Vec<u8>> {
        let valid = &filter::merge(extent);
        if self.kept.is_empty() {
            let fresh = std::mem::take(&mut self.fresh);
            let (bytes, restored) = self.fitted(chunk, valid, &fresh, how, sums)?;
            (self.fresh, self.restored) = (fresh, restored);
            return Ok(bytes);
        }
        let (kept, fresh) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.fresh));
        let result = self.behind(chunk, extent, &kept, &fresh, how, sums);
        (self.kept, self.fresh) = (kept, fresh);
        result
    }

    /// As [`Coder::chunk`] where rows are there already: they come back as they did, bit for bit. Coding them within the bound once
    /// more would lose twice.
    fn behind(
        &mut self,
        chunk: &Spec,
        extent: &[u64],
        kept: &Buf,
        fresh: &Buf,
        how: &How<'_>,
        sums: &mut Sums,
    ) -> Result<Vec<u8>> {
        let (edge, valid) = (kept.bytes().len(), &filter::merge(extent));
        let lossless = Coding { bound: Bound::default(), ..how.coding };
        // The old rows' values lie where decoding puts them, so most maps give them back; if all do, that is the smallest form. A mean
        // square is kept by the chunk: the old rows would leave all of it to the new ones.
        let mut best: Option<(Vec<u8>, Buf)> = None;
        if how.coding.bound.mean_square.is_none() {
            let both = joined(kept, fresh)?;
            if let Some((bytes, restored)) = self.encode(chunk, valid, &both, how.steps, &how.coding, how.fill)?
                && restored.bytes()[..edge] == *kept.bytes()
            {
                best = Some((bytes, behind(&restored, kept.len())?));
            }
            if best.is_some() && how.coding.bound.is_lossless() {
                if let Some((bytes, restored)) = best {
                    self.restored = restored;
                    return Ok(bytes);
                }
                return refuse!(Io, "a coded chunk was lost");
            }
        }
        // The new rows alone within the bound, then both without loss.
        let restored = match fresh.is_empty() {
            true => fresh.clone(),
            false => {
                let beside: u64 = extent.iter().skip(1).product();
                let mut alone = extent.to_vec();
                if let Some(rows) = alone.first_mut() {
                    *rows = fresh.len() as u64 / beside.max(1);
                }
                self.fitted(chunk, &filter::merge(&alone), fresh, how, sums)?.1
            }
        };
        let both = joined(kept, &restored)?;
        let mut smallest: Option<Vec<u8>> = None;
        for steps in [how.steps, &[]] {
            if let Some((bytes, back)) = self.encode(chunk, valid, &both, steps, &lossless, how.fill)?
                && back.bytes() == both.bytes()
                && smallest.as_ref().is_none_or(|s| bytes.len() < s.len())
            {
                smallest = Some(bytes);
            }
        }
        match (best, smallest) {
            (Some((bytes, restored)), Some(other)) if bytes.len() <= other.len() => {
                self.restored = restored;
                Ok(bytes)
            }
            (_, Some(bytes)) => {
                self.restored = restored;
                Ok(bytes)
            }
            _ => refuse!(
                Refused,
                "the rows before do not come back as they were; nothing was kept. Please report this as a bug"
            ),
        }
    }

    /// Codes `values` by the steps, or if they refuse and may be fitted anew, by steps fitted to them.
    fn fitted(
        &mut self,
        chunk: &Spec,
        valid: &[u64],
        values: &Buf,
        how: &How<'_>,
        sums: &mut Sums,
    ) -> Result<(Vec<u8>, Buf)> {
        if let Some((bytes, restored)) = self.encode(chunk, valid, values, how.steps, &how.coding, how.fill)? {
            return Ok((bytes, restored));
        }
        if !how.refit {
            return refuse!(Refused, "the steps refuse values that they took before; the input was changed meanwhile");
        }
        let asks: Vec<Ask> = how.steps.iter().map(anew).collect();
        let inside = Memory::new(Spec::new(chunk.dtype(), valid)?, values.clone())?;
        let resources = Resources { threads: std::num::NonZeroUsize::MIN, ..Resources::default() };
        let steps = fit::settle(&inside, &asks, &resources)?;
        sums.refitted += 1;
        match self.encode(chunk, valid, values, &steps, &how.coding, how.fill)? {
            Some(coded) => Ok(coded),
            None => {
                // The message names the values.
                let pipeline = Pipeline::bind(inside.spec(), &steps)?;
                let mut work = Work::new(steps.len());
                let all = [Span::new(0, pipeline.output().count())];
                pipeline.packing_unmeasured(&inside).read(&all, &mut Buf::new(), &mut work)?;
                tallied::refuse_if_refused(&pipeline, &work.tally)?;
                refuse!(Refused, "its steps refuse values even when they are fitted to them")
            }
        }
    }

    /// The coded bytes of `values` and what comes back of them; `None` where the steps refuse.
    fn encode(
        &mut self,
        chunk: &Spec,
        valid: &[u64],
        values: &Buf,
        steps: &[Step],
        coding: &Coding,
        fill: Option<u64>,
    ) -> Result<Option<(Vec<u8>, Buf)>> {
        let (mut bytes, mut restored) = (Vec::new(), Buf::new());
        let scratch = &mut self.scratch;
        match filter::encode(chunk, valid, values, steps, coding, fill, scratch, &mut bytes, &mut restored)? {
            Outcome::Coded(_) => Ok(Some((bytes, restored))),
            Outcome::Refused(_) => Ok(None),
        }
    }
}

/// All but the first `n` elements.
fn behind(buf: &Buf, n: usize) -> Result<Buf> {
    let mut out = Buf::new();
    out.reset(buf.dtype(), (buf.len() - n) as u64)?;
    out.bytes_mut().copy_from_slice(&buf.bytes()[n * buf.dtype().size()..]);
    Ok(out)
}
