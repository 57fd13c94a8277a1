//! The `filtered` layout: each chunk of the original through the steps and the coding, by itself, into an HDF5 dataset of the
//! original's dtype and shape.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::compact::{Compaction, Target};
use super::hdf5::within;
use super::inside::Inside;
use super::ordered::in_order;
use super::tallied::{Report, nothing_lost, refuse_broken_bounds, refuse_if_refused, side, summarise};
use super::{Flow, Nowhere, Phase, Progress, fit, run};
use crate::array::{Buf, Span, Spec};
use crate::coding::{Coded, Coding, CodingAsk};
use crate::error::{Result, refuse};
use crate::filter::{self, Outcome, Scratch};
use crate::metric::Loss;
use crate::pipeline::{Pipeline, Source, Work};
use crate::recipe::{FORMAT_CODED, Record};
use crate::report::{CodingReport, StepReport, bound_words};
use crate::store::hdf5::{Boxes, ChunkAsk, Tiles, Writer};
use crate::store::{Format, Place};
use crate::transform::{Ask, Fill, Step, Triangle, TriangleAsk, TriangleKind};

/// How an array is coded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CodedOptions {
    /// What may be lost, and how hard to try.
    pub ask: CodingAsk,
    /// How the array is cut into chunks.
    pub chunks: ChunkAsk,
}

/// Bytes that a worker has in flight for a byte of its chunk: values, packed, integers, residuals, restored, and coded ones that
/// wait for their turn.
pub(super) const BYTES_IN_FLIGHT: u64 = 16;

/// What one worker keeps from chunk to chunk.
struct Kept {
    work: Work,
    scratch: Scratch,
    spans: Vec<Span>,
    values: Buf,
    restored: Buf,
}

/// How an array is cut.
enum Cut {
    Boxes(Boxes),
    /// Symmetric matrices, of which only the tiles on and above the diagonal are coded.
    Tiles(Tiles),
}

/// Where a chunk stands.
#[derive(Clone, Copy, PartialEq)]
enum Stands {
    /// Anywhere: all steps run on it.
    Usual,
    /// On the diagonal of a symmetric matrix: it is one itself.
    Diagonal,
    /// Above the diagonal, and shown below it as well.
    Beside,
}

impl Cut {
    fn boxes(&self) -> &Boxes {
        match self {
            Cut::Boxes(boxes) => boxes,
            Cut::Tiles(tiles) => tiles.boxes(),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Cut::Boxes(boxes) => boxes.count(),
            Cut::Tiles(tiles) => tiles.count(),
        }
    }

    /// The `k`-th box that is coded.
    fn at(&self, k: u64) -> (u64, Stands) {
        match self {
            Cut::Boxes(_) => (k, Stands::Usual),
            Cut::Tiles(tiles) => match tiles.number(k) {
                (number, true) => (number, Stands::Diagonal),
                (number, false) => (number, Stands::Beside),
            },
        }
    }
}

/// The tiles that symmetric matrices too large for chunks are cut into, where nothing else is asked for and their mirror images
/// are themselves.
fn tiles(pipeline: &Pipeline, ask: &ChunkAsk) -> Option<Tiles> {
    let Step::Triangle(triangle) = &pipeline.stages().first()?.step else { return None };
    let plain = matches!(triangle.kind, TriangleKind::Upper | TriangleKind::Lower | TriangleKind::Strict);
    // Which of two values stands for both, would depend on the kind.
    let exact = triangle.tolerance.is_none_or(|t| t == 0.0);
    if *ask == ChunkAsk::Auto && plain && exact { Tiles::of(pipeline.input()) } else { None }
}

/// One coded chunk.
struct Chunk {
    /// The number of its box.
    number: u64,
    /// How often it stands in the array.
    times: u64,
    bytes: Vec<u8>,
    coded: Coded,
    loss: Loss,
    elements: u64,
}

/// What all chunks came to.
#[derive(Default)]
struct Sums {
    bytes: u64,
    patched: u64,
    fell_back: u64,
    loss: Loss,
}

/// The coding that `ask` comes to for `source` after `steps`.
///
/// # Errors
/// `Usage` for limits that cannot be, and for steps that change values themselves beside a bound.
pub(super) fn settle(
    resources: &super::Resources<'_>,
    source: &dyn Source,
    asks: &[Ask],
    fill: Option<Fill>,
    options: &CodedOptions,
) -> Result<Coding> {
    let ask = &options.ask;
    ask.check()?;
    let dtype = source.spec().dtype();
    let fill = fill.filter(|_| dtype.part() == dtype);
    let range = if ask.needs_range() { fit::range(source, fill, resources)? } else { None };
    let mut coding = ask.settle(range)?;
    if coding.bound.is_lossless() {
        return Ok(coding);
    }
    for step in asks {
        match step {
            Ask::Cast(_) | Ask::ScaleOffset(_) | Ask::BitRound(_) => return refuse_both(step),
            Ask::Settled(Step::Cast(_) | Step::ScaleOffset(_) | Step::BitRound(_)) => return refuse_both(step),
            Ask::Triangle(TriangleAsk { tolerance: Some(t), .. }) if *t > 0.0 => leave(&mut coding, *t)?,
            Ask::Settled(Step::Triangle(Triangle { tolerance: Some(t), .. })) if *t > 0.0 => leave(&mut coding, *t)?,
            // Packed bits are no numbers; what they hold comes back exactly, which keeps any bound.
            Ask::BitPack(_) | Ask::Settled(Step::BitPack(_)) => coding.bound = Default::default(),
            Ask::Triangle(_) | Ask::Settled(Step::Triangle(_)) => {}
        }
    }
    Ok(coding)
}

fn refuse_both<T>(step: &Ask) -> Result<T> {
    refuse!(
        Usage,
        "step {} and a bound both choose the precision, and the bound is a promise about the original; leave the step out, or the \
         bound (with --max-abs 0 the step's values are coded without loss)",
        step.name()
    )
}

/// Leaves to the coding what a tolerance of symmetry does not use up.
fn leave(coding: &mut Coding, tolerance: f64) -> Result<()> {
    let Some(most) = coding.bound.max_abs else {
        return refuse!(
            Usage,
            "--symmetry-tol {tolerance} is an absolute error; beside it the bound must be absolute too: give --max-abs"
        );
    };
    if tolerance >= most {
        return refuse!(
            Usage,
            "--symmetry-tol {tolerance} alone may change values by that much, so nothing is left of --max-abs {most}; give a larger \
             bound or a smaller tolerance"
        );
    }
    // Rounded down: both together must keep the bound.
    coding.bound.max_abs = Some((most - tolerance).next_down().max(0.0));
    Ok(())
}

impl Compaction<'_> {
    /// Packs, codes, measures and writes. `record` holds the settled coding.
    #[expect(clippy::too_many_arguments, reason = "what to code and how, where it goes, and since when")]
    pub(super) fn code(
        &self,
        source: &dyn Source,
        pipeline: &Pipeline,
        mut record: Record,
        coding: Coding,
        options: &CodedOptions,
        target: &Target,
        start: Instant,
    ) -> Result<Report> {
        let spec = source.spec();
        record.ndcompact = FORMAT_CODED;
        record.coding = Some(coding);
        let whole = whole_axes(pipeline);
        // A 0-d or empty array has nothing to cut, and HDF5 no chunks for it.
        let cut = match spec.count() > 0 && !spec.shape().is_empty() {
            true => match tiles(pipeline, &options.chunks) {
                Some(tiles) => Some(Cut::Tiles(tiles)),
                None => Some(Cut::Boxes(Boxes::new(spec, whole, &options.chunks)?)),
            },
            false => None,
        };
        let fill = record.original.fill.filter(|_| spec.dtype().part() == spec.dtype());
        let fill = fill.map(|f| f.bits(spec.dtype())).transpose()?;
        let writer = match target {
            Target::DryRun => None,
            Target::Place(place) => {
                if self.format(target)? != Format::Hdf5 {
                    let h5 = place.path.with_extension("h5");
                    return refuse!(
                        Usage,
                        "{place}: coded chunks have lengths of their own, which .npy and .npz cannot hold; use -o {}",
                        h5.display()
                    );
                }
                let (path, name) = (&place.path, place.member.as_deref());
                let replace = self.options.replace;
                let inside = match self.inside {
                    Some(Inside::Hdf5(container, name)) => Some((container, within(name, spec.dtype()))),
                    _ => None,
                };
                Some(match (&cut, inside) {
                    (Some(Cut::Tiles(tiles)), Some((file, name))) => Writer::create_tiled_in(file, &name, spec, tiles)?,
                    (Some(Cut::Boxes(boxes)), Some((file, name))) => {
                        Writer::create_coded_in(file, &name, spec, Some(boxes))?
                    }
                    (None, Some((file, name))) => Writer::create_coded_in(file, &name, spec, None)?,
                    (Some(Cut::Tiles(tiles)), None) => Writer::create_tiled(path, name, spec, tiles, replace)?,
                    (Some(Cut::Boxes(boxes)), None) => Writer::create_coded(path, name, spec, Some(boxes), replace)?,
                    (None, None) => Writer::create_coded(path, name, spec, None, replace)?,
                })
            }
        };
        let steps = self.try_steps(source, pipeline)?;
        let mut sums = Sums::default();
        match &cut {
            Some(cut) => self.code_chunks(source, pipeline, &coding, cut, fill, writer.as_ref(), &mut sums)?,
            None => {
                let nothing = Pipeline::bind(spec, &[])?;
                let flow = Flow::packing(&nothing, source, source, Phase::Compacting);
                match &writer {
                    Some(writer) => run(&flow, &super::WriteTo(writer), None, &self.options.resources)?,
                    None => run(&flow, &Nowhere, None, &self.options.resources)?,
                };
                sums.bytes = spec.bytes();
            }
        }
        self.opened.verify()?;
        let exact = record.is_exact()?;
        let loss = if exact { nothing_lost(spec) } else { sums.loss.to_record(spec.shape()) };
        // A lossless coding after a tolerance of symmetry has no bound of its own.
        let most = options.ask.max_abs.filter(|most| *most > 0.0 && steps.iter().all(exact_step));
        let changed = sums.loss.changed() + sums.loss.nan_payload();
        if most.is_some_and(|most| sums.loss.max_abs() > most) || (exact && changed > 0) {
            return refuse!(
                Refused,
                "coding: {changed} values changed, by up to {}, where {} was asked for; nothing was kept. Please report this as a bug",
                sums.loss.max_abs(),
                bound_words(&coding.bound)
            );
        }
        record.loss = Some(loss.clone());
        let budgeted = self.budgeted(source, false, &record)?;
        let mut criteria = Vec::new();
        let output = match (writer, target) {
            (Some(writer), Target::Place(place)) => {
                let place = Place { path: place.path.clone(), member: Some(writer.name().to_owned()) };
                let nothing = Pipeline::bind(spec, &[])?;
                let check = |written: &Place| {
                    criteria = self.hold_coded(budgeted.as_ref(), &nothing, written, &coding.bound)?;
                    Ok(())
                };
                let attributes = super::hdf5::coded_attributes(&record);
                let check = budgeted.is_some().then_some(check);
                let bytes = writer.finish_if(Some(&record.to_json()?), &attributes, self.options.sync, check)?;
                Some(side(&place, Format::Hdf5, spec, bytes))
            }
            _ => None,
        };
        let stored = output.as_ref().map_or(sums.bytes, |o| o.stored_bytes);
        Ok(Report {
            input: side(self.opened.place(), self.opened.format(), self.opened.shown(), self.opened.stored_bytes()),
            output,
            packed_bytes: sums.bytes,
            ratio: if spec.bytes() == 0 { 1.0 } else { spec.bytes() as f64 / stored.max(1) as f64 },
            exact,
            steps,
            coding: Some(CodingReport {
                coding,
                words: bound_words(&coding.bound),
                chunk: cut.as_ref().map(|c| c.boxes().chunk().to_vec()).unwrap_or_default(),
                chunks: cut.as_ref().map_or(0, Cut::count),
                bytes: sums.bytes,
                patched: sums.patched,
                fell_back: sums.fell_back,
                loss: (!coding.bound.is_lossless()).then(|| loss.clone()),
            }),
            loss,
            criteria,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Runs the steps over the whole array once, without keeping anything: what they refuse is told of the whole array, and what
    /// each loses by itself is measured. Beside coding this costs little.
    fn try_steps(&self, source: &dyn Source, pipeline: &Pipeline) -> Result<Vec<StepReport>> {
        if pipeline.stages().is_empty() {
            return Ok(Vec::new());
        }
        let packing = pipeline.packing(source);
        let flow = Flow::packing(pipeline, &packing, source, Phase::Fitting);
        let tally = run(&flow, &Nowhere, None, &self.options.resources)?;
        refuse_if_refused(pipeline, &tally)?;
        refuse_broken_bounds(pipeline, &tally)?;
        Ok(summarise(pipeline, &tally).0)
    }

    #[expect(clippy::too_many_arguments, reason = "where chunks come from, what is done with them, where they go")]
    fn code_chunks(
        &self,
        source: &dyn Source,
        pipeline: &Pipeline,
        coding: &Coding,
        cut: &Cut,
        fill: Option<u64>,
        writer: Option<&Writer>,
        sums: &mut Sums,
    ) -> Result<()> {
        let resources = &self.options.resources;
        let spec = source.spec();
        let boxes = cut.boxes();
        let chunk = Spec::new(spec.dtype(), filter::merge(boxes.chunk()))?;
        let steps: Vec<Step> = pipeline.stages().iter().map(|s| s.step.clone()).collect();
        let done = AtomicU64::new(0);
        let state = || Kept {
            work: Work::new(0),
            scratch: Scratch::default(),
            spans: Vec::new(),
            values: Buf::new(),
            restored: Buf::new(),
        };
        let make = |k: u64, kept: &mut Kept| -> Result<Chunk> {
            let (i, place) = cut.at(k);
            // Beside the diagonal a tile is no symmetric matrix.
            let steps = if place == Stands::Beside { &steps[1..] } else { &steps[..] };
            kept.spans.clear();
            boxes.spans(i, &mut kept.spans);
            source.read(&kept.spans, &mut kept.values, &mut kept.work)?;
            let valid = filter::merge(&boxes.at(i).1);
            let mut bytes = Vec::new();
            let Kept { scratch, values, restored, .. } = kept;
            let coded =
                match filter::encode(&chunk, &valid, values, steps, coding, fill, scratch, &mut bytes, restored)? {
                    Outcome::Coded(coded) => coded,
                    // The whole array passed the same steps before.
                    Outcome::Refused(_) => {
                        return refuse!(
                            Refused,
                            "chunk {i}: the steps refuse values that they took before; the input was changed meanwhile"
                        );
                    }
                };
            let mut loss = Loss::new();
            loss.add(&kept.spans, &kept.values, &kept.restored)?;
            Ok(Chunk {
                number: i,
                times: if place == Stands::Beside { 2 } else { 1 },
                bytes,
                coded,
                loss,
                elements: kept.values.len() as u64,
            })
        };
        let size = spec.dtype().size() as u64;
        let take = |_: u64, chunk: Chunk| -> Result<()> {
            if let Some(writer) = writer {
                writer.write_coded(chunk.number, &chunk.bytes)?;
            }
            sums.bytes += chunk.bytes.len() as u64;
            sums.patched += chunk.coded.patched * chunk.times;
            sums.fell_back += u64::from(chunk.coded.fell_back);
            // What a mirrored tile loses is lost twice; its first place is above the diagonal.
            for _ in 0..chunk.times {
                sums.loss.merge(&chunk.loss);
            }
            let more = chunk.times * chunk.elements * size;
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            if let Some(tell) = resources.progress {
                tell(Progress { phase: Phase::Compacting, done, total: spec.bytes() });
            }
            Ok(())
        };
        let each = chunk.bytes().saturating_mul(BYTES_IN_FLIGHT).saturating_add(source.overhead());
        let workers = (resources.threads.get() as u64).min(resources.memory / each.max(1)).max(1);
        in_order(cut.count(), workers, resources, state, make, take)
    }
}

fn exact_step(step: &StepReport) -> bool {
    step.loss.is_none() || matches!(step.step, Step::Triangle(_))
}

/// The last axes that the steps need whole in every chunk.
pub(super) fn whole_axes(pipeline: &Pipeline) -> usize {
    let (unit, shape) = (pipeline.unit().input, pipeline.input().shape());
    if unit <= 1 {
        return 0;
    }
    let mut row = 1u64;
    for (n, d) in shape.iter().rev().enumerate() {
        row = row.saturating_mul(*d);
        if row.is_multiple_of(unit) {
            return n + 1;
        }
    }
    shape.len()
}
