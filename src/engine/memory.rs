//! Compacting an array in memory.

use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayD, ArrayViewD};

use super::tallied::{refuse_broken_bounds, refuse_if_refused, summarise};
use super::{Flow, Phase, Resources, StepReport, Visit, fit, run};
use crate::array::{Buf, ByteOrder, Element, Slice, Span, Spec, from_ndarray, to_ndarray};
use crate::error::Result;
use crate::metric::LossRecord;
use crate::pipeline::{Memory, Pipeline, Sliced, Source, Work};
use crate::recipe::{Axes, FORMAT, Original, Record};
use crate::transform::{Ask, Step};

/// An array in memory, packed, with all that is needed to restore it.
///
/// ```
/// use ndarray::arr2;
/// use ndcompact::pipeline::Source;
/// use ndcompact::transform::{Cast, CastTo, Overflow, TriangleAsk};
/// use ndcompact::{Ask, Compacted};
///
/// let kernel = arr2(&[[1.0, 0.5], [0.5, 1.0]]).into_dyn();
/// let asks = [Ask::Triangle(TriangleAsk::default()), Ask::Cast(Cast { to: CastTo::Float16, overflow: Overflow::Error })];
/// let packed = Compacted::new(kernel.view(), &asks)?;
/// assert_eq!(packed.packed().spec().shape(), [3]);
/// assert_eq!(packed.loss().max_abs, 0.0);
/// assert_eq!(packed.restore::<f64>()?, kernel);
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Compacted {
    record: Record,
    pipeline: Pipeline,
    packed: Memory,
    steps: Vec<StepReport>,
    loss: LossRecord,
}

/// Takes parts into one buffer.
pub(super) struct Gather<'a> {
    size: usize,
    bytes: Mutex<&'a mut [u8]>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(to: &'a mut Buf) -> Self {
        Self { size: to.dtype().size(), bytes: Mutex::new(to.bytes_mut()) }
    }
}

impl Visit for Gather<'_> {
    fn visit(&self, at: Span, part: &Buf, _work: &mut Work) -> Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let from = at.start as usize * self.size;
        bytes[from..from + part.bytes().len()].copy_from_slice(part.bytes());
        Ok(())
    }
}

/// An array that went through its steps into memory.
pub(super) struct Through {
    pub(super) pipeline: Pipeline,
    pub(super) packed: Buf,
    pub(super) steps: Vec<Step>,
    pub(super) reports: Vec<StepReport>,
    pub(super) loss: LossRecord,
}

/// Settles `asks` for `source` and runs them; `reversed` says that its axes stand in the reverse of the order that people see.
pub(super) fn through(source: &dyn Source, asks: &[Ask], reversed: bool, resources: &Resources<'_>) -> Result<Through> {
    let steps = fit::settle(source, asks, resources)?;
    let mut pipeline = Pipeline::bind(source.spec(), &steps)?;
    if reversed {
        pipeline = pipeline.reversed();
    }
    let packing = pipeline.packing(source);
    let mut packed = Buf::new();
    packed.reset(pipeline.output().dtype(), pipeline.output().count())?;
    let flow = Flow::packing(&pipeline, &packing, source, Phase::Compacting);
    let tally = run(&flow, &Gather::new(&mut packed), None, resources)?;
    refuse_if_refused(&pipeline, &tally)?;
    refuse_broken_bounds(&pipeline, &tally)?;
    let (reports, loss) = summarise(&pipeline, &tally);
    Ok(Through { pipeline, packed, steps, reports, loss })
}

impl Compacted {
    /// Runs the steps on `array`, in the order given, on all cores.
    pub fn new<T: Element>(array: ArrayViewD<'_, T>, asks: &[Ask]) -> Result<Self> {
        Self::with(array, asks, &Resources::default())
    }

    /// As [`Compacted::new`], with threads and memory to choose.
    pub fn with<T: Element>(array: ArrayViewD<'_, T>, asks: &[Ask], resources: &Resources<'_>) -> Result<Self> {
        let (spec, buf) = from_ndarray(&array)?;
        let source = Memory::new(spec, buf)?;
        let Through { pipeline, packed, steps, reports, loss } = through(&source, asks, false, resources)?;
        let record = Record {
            ndcompact: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            original: Original {
                dtype: T::DTYPE,
                byte_order: ByteOrder::NATIVE,
                axes: Axes::C,
                shape: source.spec().shape().to_vec(),
                fill: None,
                cf: None,
            },
            axes: Axes::C,
            steps,
            coding: None,
            loss: Some(loss.clone()),
            crc32: None,
        };
        let packed = Memory::new(pipeline.output().clone(), packed)?;
        Ok(Self { record, pipeline, packed, steps: reports, loss })
    }

    /// The record: the steps with all their parameters.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The packed array.
    pub fn packed(&self) -> &Memory {
        &self.packed
    }

    /// Each step with dtype, shape, bytes and the error it added.
    pub fn steps(&self) -> &[StepReport] {
        &self.steps
    }

    /// What was lost in all.
    pub fn loss(&self) -> &LossRecord {
        &self.loss
    }

    /// Dtype and shape of the original.
    pub fn spec(&self) -> &Spec {
        self.pipeline.input()
    }

    /// The original array (as far as the steps keep it).
    pub fn restore<T: Element>(&self) -> Result<ArrayD<T>> {
        self.slice(&Slice::default())
    }

    /// A slice of the original array.
    pub fn slice<T: Element>(&self, slice: &Slice) -> Result<ArrayD<T>> {
        let restoring = self.pipeline.restoring(&self.packed);
        let sliced = Sliced::new(&restoring, slice)?;
        let mut buf = Buf::new();
        sliced.read(&[Span::new(0, sliced.spec().count())], &mut buf, &mut Work::new(self.pipeline.stages().len()))?;
        to_ndarray(sliced.spec(), &buf)
    }
}
