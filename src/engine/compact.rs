//! A file in, a smaller file out.

use std::time::Instant;

use super::budgeted::Budgeted;
#[cfg(feature = "hdf5")]
use super::budgeted::hold_bound;
use super::inside::{self, Inside};
use super::tallied::{nothing_lost, refuse_broken_bounds, refuse_if_refused, side, summarise};
use super::transposed::Transposed;
use super::{Flow, Nowhere, Phase, Report, Resources, WriteTo, fit, run, spooled};
use crate::array::ByteOrder;
use crate::error::{ErrorKind, Result, refuse};
use crate::metric::{Class, Criterion, Limits, LossRecord, Value};
use crate::pipeline::{Pipeline, Source, Tally};
use crate::recipe::{Axes, FORMAT, Original, Record};
use crate::report::{Side, StepReport};
use crate::store::{Format, NpyWriter, Opened, Packing, Place, Replace, open, same_file};
use crate::transform::{Ask, Fill, Step};

/// Where a run writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, and the array inside where it can hold several.
    Place(Place),
    /// Nowhere: sizes and errors are found all the same.
    DryRun,
}

/// How an array is compacted.
#[derive(Debug, Clone, Default)]
pub struct CompactOptions<'a> {
    /// The steps in the order in which they run. None at all converts between containers.
    pub asks: Vec<Ask>,
    /// The fill value, where the input declares none or another one.
    pub fill: Option<Fill>,
    /// Whether an output of the same name may be replaced.
    pub replace: Replace,
    /// Put the record beside a `.npy` output instead of into its header.
    pub sidecar: bool,
    /// Have the output on disk before it gets its name, even where it replaces nothing.
    pub sync: bool,
    /// How members of `.npz` output are compressed.
    pub npz: Packing,
    /// The codec of HDF5 output, and its level.
    #[cfg(feature = "hdf5")]
    pub hdf5: crate::store::hdf5::Options,
    /// The `filtered` layout: chunks of the original through the steps and a coding, each by itself; `None` for the plain one.
    #[cfg(feature = "hdf5")]
    pub coded: Option<super::CodedOptions>,
    /// What may be lost: held against the output, read again and restored, before it gets its name.
    pub budget: Option<&'a Limits>,
    /// Refuse, where a NaN would come back with other bits. The coding of the filtered layout keeps them always.
    pub exact_nan: bool,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// Compacts the array at `input` into `target` and reports what that lost, measured on every element.
///
/// The output appears whole or not at all. Data that the steps cannot carry are an error of kind
/// [`ErrorKind::Refused`] that counts them and names the first one, the worst one and the remedy.
pub fn compact(input: &Place, target: &Target, options: &CompactOptions<'_>) -> Result<Report> {
    if let Target::Place(place) = target
        && Format::of_name(&place.path) == Some(Format::Npz)
    {
        return super::many::one(input, place, options);
    }
    let mut options = options.clone();
    if let Target::Place(place) = target {
        options.replace = never_the_input(input, place, options.replace)?;
    }
    opened(open(input)?, target, None, &options)
}

/// Compacts what was opened; `inside` takes it, where the output holds several arrays.
pub(super) fn opened(
    mut opened: Opened,
    target: &Target,
    inside: Option<Inside<'_>>,
    options: &CompactOptions<'_>,
) -> Result<Report> {
    let start = Instant::now();
    let input = opened.place().clone();
    let mut packed_already = opened.record()?;
    let asked = !options.asks.is_empty() || options.budget.is_some();
    #[cfg(feature = "hdf5")]
    let asked = asked || options.coded.is_some();
    // Moved from another container without a step: what is there is the original.
    let stored_sum = packed_already.take_if(|r| asked && r.is_original()).and_then(|r| r.crc32);
    if let Some(sum) = stored_sum {
        opened.expect(sum);
    }
    if let Some(record) = &packed_already {
        if !options.asks.is_empty() {
            return refuse!(
                Usage,
                "{input} is compacted already ({}); restore it first, or give no step to convert it to another container",
                record
                    .steps
                    .iter()
                    .map(Step::name)
                    .chain((record.coding.is_some() || record.steps.is_empty()).then_some("coding"))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
        #[cfg(feature = "hdf5")]
        if options.coded.is_some() {
            return refuse!(Usage, "{input} is compacted already; restore it first and compact the original");
        }
        if options.budget.is_some() {
            return refuse!(
                Usage,
                "{input} is compacted already and its original is not at hand, so no budget can be held against it; \
                 use `compact verify ORIGINAL {input}`"
            );
        }
        if let Some(sum) = record.crc32 {
            opened.expect(sum);
        }
    }
    let run = Compaction { opened: &opened, options, inside };
    let report = match packed_already {
        Some(record) => run.convert(record, target, start),
        None => run.compact(target, start),
    };
    report.map_err(|e| if e.kind() == ErrorKind::Refused { e.at(input) } else { e })
}

/// Inputs are never touched, not even with leave to replace. Adding a dataset to the HDF5 file that is read leaves what is
/// read as it is, so that alone is possible, and then `Replace::Never` holds whatever was asked for.
pub(super) fn never_the_input(input: &Place, output: &Place, asked: Replace) -> Result<Replace> {
    if !same_file(input, output) {
        return Ok(asked);
    }
    if output.member.is_none() {
        return refuse!(Usage, "{output} is the input itself; choose another name for the output with -o");
    }
    let plain = |place: &Place| place.member.as_deref().map(|m| m.trim_matches('/').to_owned());
    if asked == Replace::Allowed && plain(input) == plain(output) {
        return refuse!(
            Usage,
            "{output} is the input itself and is not replaced; choose another name for the output with -o"
        );
    }
    Ok(Replace::Never)
}

pub(super) struct Compaction<'a> {
    pub(super) opened: &'a Opened,
    pub(super) options: &'a CompactOptions<'a>,
    pub(super) inside: Option<Inside<'a>>,
}

impl Compaction<'_> {
    fn compact(&self, target: &Target, start: Instant) -> Result<Report> {
        let opened = self.opened;
        let fill = match self.options.fill {
            Some(fill) => Some(fill),
            None => opened.fill()?,
        };
        let mut asks = self.options.asks.clone();
        for ask in &mut asks {
            ask.offer_fill(fill);
        }
        let to_npy = self.format(target)? != Format::Hdf5;
        // Steps on single elements do not care about the order of the axes, and `.npy` can say that it is reversed.
        let reversed = opened.is_fortran() && to_npy && !self.is_coded() && asks.iter().all(Ask::is_elementwise);
        let resources = &self.options.resources;
        let spool = spooled::by_pieces(opened, resources)?;
        let stored: &dyn Source = spool.as_ref().map_or(opened, |s| s);
        let transposed;
        let source: &dyn Source = if opened.is_fortran() && !reversed {
            transposed = Transposed::new(stored, resources.share())?;
            &transposed
        } else {
            stored
        };
        #[cfg(feature = "hdf5")]
        let coding = match &self.options.coded {
            Some(coded) => Some((super::coded::settle(resources, source, &asks, fill, coded)?, coded)),
            None => None,
        };
        let steps = fit::settle(source, &asks, resources)?;
        let mut pipeline = Pipeline::bind(source.spec(), &steps)?;
        if reversed {
            pipeline = pipeline.reversed();
        }
        let record = Record {
            ndcompact: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            original: Original {
                dtype: opened.shown().dtype(),
                byte_order: opened.byte_order(),
                axes: if opened.is_fortran() { Axes::F } else { Axes::C },
                shape: opened.shown().shape().to_vec(),
                fill,
                cf: opened.cf()?,
            },
            axes: if reversed { Axes::F } else { Axes::C },
            steps,
            coding: None,
            loss: None,
            crc32: None,
        };
        #[cfg(feature = "hdf5")]
        if let Some((coding, coded)) = coding {
            return self.code(source, &pipeline, record, coding, coded, target, start);
        }
        self.pass(source, &pipeline, record, target, start)
    }

    /// The kind of file that the array goes to.
    pub(super) fn format(&self, target: &Target) -> Result<Format> {
        self.inside.map_or_else(|| format_of(target), |inside| Ok(inside.format()))
    }

    /// Whether the output is in the `filtered` layout.
    fn is_coded(&self) -> bool {
        #[cfg(feature = "hdf5")]
        let coded = self.options.coded.is_some();
        #[cfg(not(feature = "hdf5"))]
        let coded = false;
        coded
    }

    /// Moves a compacted array to another container as it is, with its record. A coded one becomes an ordinary array that
    /// everybody reads; its record still tells what was lost.
    fn convert(&self, mut record: Record, target: &Target, start: Instant) -> Result<Report> {
        if record.coding.is_some() {
            record = Record { ndcompact: FORMAT, coding: None, steps: Vec::new(), ..record };
        }
        if record.axes == Axes::F && self.format(target)? == Format::Hdf5 {
            // HDF5 has no Fortran order. Only steps on single elements leave one, and those are the same in any order.
            let turned = Transposed::new(self.opened, self.options.resources.share())?;
            let pipeline = Pipeline::bind(turned.spec(), &[])?;
            return self.pass(&turned, &pipeline, Record { axes: Axes::C, crc32: None, ..record }, target, start);
        }
        let pipeline = Pipeline::bind(self.opened.spec(), &[])?;
        self.pass(self.opened, &pipeline, record, target, start)
    }

    /// The one pass over the data that packs, measures and writes.
    fn pass(
        &self,
        source: &dyn Source,
        pipeline: &Pipeline,
        mut record: Record,
        target: &Target,
        start: Instant,
    ) -> Result<Report> {
        let packing = pipeline.packing(source);
        let flow = Flow::packing(pipeline, &packing, source, Phase::Compacting);
        let resources = &self.options.resources;
        let reversed = record.axes == Axes::F;
        let budgeted = self.budgeted(source, reversed, &record)?;
        let mut criteria = Vec::new();
        let member = match self.inside {
            Some(Inside::Npz(npz, name)) => Some((npz, name)),
            _ => None,
        };
        let (steps, output) = match (target, member) {
            (Target::DryRun, _) => {
                let steps = self.settle(pipeline, &run(&flow, &Nowhere, None, resources)?, &mut record)?;
                if let Some(budgeted) = &budgeted {
                    let unwritten = pipeline.packing_unmeasured(source);
                    criteria = budgeted.hold(budgeted.judge(pipeline, &unwritten)?, &self.options.asks)?;
                }
                (steps, None)
            }
            (Target::Place(place), Some((npz, name))) => {
                // An array that stays as it is needs no record: it is the original.
                let kept = pipeline.stages().is_empty() && record.loss.is_none();
                let (draft, output) = (if kept { None } else { Some(draft(&record)?) }, pipeline.output());
                let order = if kept { record.original.byte_order } else { ByteOrder::Little };
                let held = budgeted.is_some();
                let (writer, stage) = inside::start(npz, name, output, reversed, order, draft.as_deref(), held)?;
                let steps = self.settle(pipeline, &run(&flow, &WriteTo(&writer), None, resources)?, &mut record)?;
                record.crc32 = Some(writer.crc32());
                let json = if kept { None } else { Some(record.to_json()?) };
                let bytes = inside::finish(npz, name, writer, stage, json.as_deref(), resources, |place| {
                    criteria = self.hold(budgeted.as_ref(), pipeline, place, record.crc32)?;
                    Ok(())
                })?;
                let shown = if reversed { crate::store::reversed(output)? } else { output.clone() };
                (steps, Some(side(place, Format::Npz, &shown, bytes)))
            }
            (Target::Place(place), None) if self.format(target)? == Format::Npy => {
                let draft = draft(&record)?;
                let options = self.options;
                let writer = NpyWriter::create(
                    &place.path,
                    pipeline.output(),
                    reversed,
                    ByteOrder::Little,
                    Some(&draft),
                    options.sidecar,
                    options.replace,
                )?;
                let steps = self.settle(pipeline, &run(&flow, &WriteTo(&writer), None, resources)?, &mut record)?;
                record.crc32 = Some(writer.crc32());
                let bytes = writer.finish_if(Some(&record.to_json()?), options.sync, |place| {
                    criteria = self.hold(budgeted.as_ref(), pipeline, place, record.crc32)?;
                    Ok(())
                })?;
                let shown =
                    if reversed { crate::store::reversed(pipeline.output())? } else { pipeline.output().clone() };
                (steps, Some(side(place, Format::Npy, &shown, bytes)))
            }
            (Target::Place(place), None) => {
                let check = |place: &Place| {
                    criteria = self.hold(budgeted.as_ref(), pipeline, place, None)?;
                    Ok(())
                };
                let check = budgeted.is_some().then_some(check);
                self.to_hdf5(place, &flow, pipeline, &mut record, check)?
            }
        };
        let loss = record.loss.clone().unwrap_or_else(|| nothing_lost(pipeline.input()));
        let (array, stored) =
            (pipeline.input().bytes(), output.as_ref().map_or(pipeline.output().bytes(), |o: &Side| o.stored_bytes));
        Ok(Report {
            input: side(self.opened.place(), self.opened.format(), self.opened.shown(), self.opened.stored_bytes()),
            output,
            packed_bytes: pipeline.output().bytes(),
            ratio: if array == 0 { 1.0 } else { array as f64 / stored.max(1) as f64 },
            exact: pipeline.is_exact(),
            steps,
            coding: None,
            loss,
            criteria,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// What the output is held against, if there is a budget that can be held now: what makes a file of several datasets complete holds
    /// it against them then.
    pub(super) fn budgeted<'a>(
        &'a self,
        source: &'a dyn Source,
        reversed: bool,
        record: &Record,
    ) -> Result<Option<Budgeted<'a>>> {
        let later = self.inside.is_some_and(|inside| !inside.is_readable());
        let Some(limits) = self.options.budget.filter(|_| !later) else { return Ok(None) };
        let dtype = source.spec().dtype();
        let fill = record.original.fill.filter(|_| dtype.part() == dtype).map(|f| f.bits(dtype)).transpose()?;
        Ok(Some(Budgeted { limits, resources: &self.options.resources, source, reversed, fill }))
    }

    /// Reads what was just written, and refuses it if it is over budget.
    fn hold(
        &self,
        budgeted: Option<&Budgeted<'_>>,
        pipeline: &Pipeline,
        written: &Place,
        crc32: Option<u32>,
    ) -> Result<Vec<Criterion>> {
        let Some(budgeted) = budgeted else { return Ok(Vec::new()) };
        let mut opened = open(written)?;
        if let Some(sum) = crc32 {
            opened.expect(sum);
        }
        let criteria = budgeted.judge(pipeline, &opened)?;
        opened.verify()?;
        budgeted.hold(criteria, &self.options.asks)
    }

    /// As [`Self::hold`] for coded chunks, which the file shows as the original.
    #[cfg(feature = "hdf5")]
    pub(super) fn hold_coded(
        &self,
        budgeted: Option<&Budgeted<'_>>,
        shown: &Pipeline,
        written: &Place,
        bound: &crate::coding::Bound,
    ) -> Result<Vec<Criterion>> {
        let Some(budgeted) = budgeted else { return Ok(Vec::new()) };
        let opened = open(written)?;
        let criteria = budgeted.judge(shown, &opened)?;
        if bound.is_lossless() { budgeted.hold(criteria, &self.options.asks) } else { hold_bound(criteria, bound) }
    }

    /// After a pass: refuses what must be refused, and puts the loss into the record (a conversion keeps the old one).
    pub(super) fn settle(&self, pipeline: &Pipeline, tally: &Tally, record: &mut Record) -> Result<Vec<StepReport>> {
        refuse_if_refused(pipeline, tally)?;
        refuse_broken_bounds(pipeline, tally)?;
        self.opened.verify()?;
        let (steps, loss) = summarise(pipeline, tally);
        if self.options.exact_nan && loss.nan_payload > 0 {
            return refuse!(
                Refused,
                "{} NaN would come back with other bits; the coding of HDF5 output keeps them (--max-abs)",
                loss.nan_payload
            );
        }
        record.loss.get_or_insert(loss);
        Ok(steps)
    }
}

/// The kind of file a target's name asks for.
pub(super) fn format_of(target: &Target) -> Result<Format> {
    let Target::Place(place) = target else { return Ok(Format::Npy) };
    match Format::of_name(&place.path) {
        Some(Format::Hdf5) if !cfg!(feature = "hdf5") => {
            refuse!(Unsupported, "{place} is to be HDF5 and this build has none; build with the feature `hdf5`")
        }
        Some(Format::Npy) if place.member.is_some() => {
            refuse!(Usage, "{place}: a .npy file holds one array; give a name without \":\"")
        }
        Some(format) => Ok(format),
        None => refuse!(Usage, "{place}: the kind of file is not clear; give a name that ends in .npy, .npz or .h5"),
    }
}

/// Classes that room is kept for. There are more, but room for all would change the bytes of every file, and they do not
/// occur all at once with counts as long as these; a record that is too long all the same goes beside the file.
const DRAFTED: usize = 8;

/// The record's JSON with the longest numbers that a run may put into it: what room is kept for in a `.npy` header.
pub(super) fn draft(record: &Record) -> Result<String> {
    // Digits without a pattern, so that deflating them saves as little as on real ones.
    const LONG: f64 = 1.7976931348623157e-308;
    let loss = LossRecord {
        count: 18_273_645_546_372_819,
        changed: 17_263_544_536_271_809,
        nan_payload: 16_394_528_170_365_428,
        not_finite: 15_840_293_715_629_384,
        max_abs: LONG,
        max_abs_at: Some(record.original.shape.iter().map(|d| d.saturating_sub(1)).collect()),
        original: Some(Value::Complex([-5.298374650192837e-103, -8.019283746574839e-207])),
        restored: Some(Value::Complex([-3.918273645019284e-119, -6.748392019283747e-211])),
        rmse: 2.0394857610293847e-149,
        mean_error: -4.6102938475601928e-151,
        mean_error_imag: Some(-7.583920192837465e-153),
        classes: Class::ALL.iter().take(DRAFTED).zip(10_293_847_561..).map(|(c, n)| (c.name().to_owned(), n)).collect(),
    };
    Record { loss: Some(loss), crc32: Some(3_958_271_604), ..record.clone() }.to_json()
}

#[cfg(not(feature = "hdf5"))]
impl Compaction<'_> {
    fn to_hdf5(
        &self,
        place: &Place,
        _: &Flow<'_>,
        _: &Pipeline,
        _: &mut Record,
        _: Option<impl FnOnce(&Place) -> Result<()>>,
    ) -> Result<(Vec<StepReport>, Option<Side>)> {
        refuse!(Unsupported, "{place}: this build has no HDF5")
    }
}
