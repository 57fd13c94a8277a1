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
use crate::transform::Ask;

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

impl Compacted {
    /// Runs the steps on `array`, in the order given, on all cores.
    pub fn new<T: Element>(array: ArrayViewD<'_, T>, asks: &[Ask]) -> Result<Self> {
        Self::with(array, asks, &Resources::default())
    }

    /// As [`Compacted::new`], with threads and memory to choose.
    pub fn with<T: Element>(array: ArrayViewD<'_, T>, asks: &[Ask], resources: &Resources<'_>) -> Result<Self> {
        let (spec, buf) = from_ndarray(&array)?;
        let source = Memory::new(spec, buf)?;
        let steps = fit::settle(&source, asks, resources)?;
        let pipeline = Pipeline::bind(source.spec(), &steps)?;
        let packing = pipeline.packing(&source);
        let mut packed = Buf::new();
        packed.reset(pipeline.output().dtype(), pipeline.output().count())?;
        let flow = Flow::packing(&pipeline, &packing, &source, Phase::Compacting);
        let to = Gather::new(&mut packed);
        let tally = run(&flow, &to, None, resources)?;
        refuse_if_refused(&pipeline, &tally)?;
        refuse_broken_bounds(&pipeline, &tally)?;
        let (reports, loss) = summarise(&pipeline, &tally);
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
