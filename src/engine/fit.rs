//! From what is asked for to what is recorded: passes over the data where a step's parameters depend on them.

use std::sync::{Mutex, PoisonError};

use super::{Flow, Phase, Resources, Visit, run};
use crate::array::{Buf, Span, Spec};
use crate::error::Result;
use crate::pipeline::{Pipeline, Source, Work, in_step};
use crate::transform::{Ask, Fact, FactNeeded, Range, Step};

/// Refuses what cannot fit together before any data move: settles every step as if the array were all zeros.
fn check(input: &Spec, asks: &[Ask]) -> Result<()> {
    let mut at = input.clone();
    for (i, ask) in asks.iter().enumerate() {
        let place = |e| in_step(e, i, asks.len());
        let fact = match ask.asked().needs(&at).map_err(place)? {
            FactNeeded::Nothing => Fact::Nothing,
            FactNeeded::First => {
                let mut zero = Buf::new();
                zero.reset(at.dtype(), at.count().min(1))?;
                zero.bytes_mut().fill(0);
                Fact::First(zero)
            }
            FactNeeded::Range { fill } => Fact::Range(Range::of_zeros(at.count(), fill)),
        };
        at = ask.asked().settle(&at, &fact).and_then(|step| step.transform().output(&at)).map_err(place)?;
    }
    Ok(())
}

/// Settles `asks` in order for the array `source`. Each pass sees the array as packed by the steps settled before.
pub(super) fn settle(source: &dyn Source, asks: &[Ask], resources: &Resources<'_>) -> Result<Vec<Step>> {
    check(source.spec(), asks)?;
    let mut steps: Vec<Step> = Vec::with_capacity(asks.len());
    for (i, ask) in asks.iter().enumerate() {
        let pipeline = Pipeline::bind(source.spec(), &steps)?;
        let input = pipeline.output();
        let place = |e| in_step(e, i, asks.len());
        let fact = match ask.asked().needs(input).map_err(place)? {
            FactNeeded::Nothing => Fact::Nothing,
            FactNeeded::First => {
                let mut first = Buf::new();
                let span = Span::new(0, input.count().min(1));
                pipeline.packing_unmeasured(source).read(&[span], &mut first, &mut Work::new(steps.len()))?;
                Fact::First(first)
            }
            FactNeeded::Range { fill } => {
                let told = steps.last().and_then(|s| s.transform().ceiling()).filter(|_| fill.is_none());
                Fact::Range(match told {
                    Some(ceiling) => Range::up_to(ceiling),
                    None => scan(source, &pipeline, Range::new(fill), resources)?,
                })
            }
        };
        steps.push(ask.asked().settle(input, &fact).map_err(place)?);
    }
    Ok(steps)
}

/// The least and the greatest finite value of `source`, `fill` left out, as far apart as they can be told in f64: rounded inwards.
#[cfg(feature = "hdf5")]
pub(super) fn range(
    source: &dyn Source,
    fill: Option<crate::transform::Fill>,
    resources: &Resources<'_>,
) -> Result<Option<(f64, f64)>> {
    let nothing = Pipeline::bind(source.spec(), &[])?;
    let range = scan(source, &nothing, Range::new(fill), resources)?;
    if range.finite == 0 {
        return Ok(None);
    }
    if source.spec().dtype().part().kind() == crate::array::DTypeKind::Float {
        return Ok(Some(range.floats));
    }
    let (low, high) = (range.integers.0 as f64, range.integers.1 as f64);
    let low = if (low as i128) < range.integers.0 { low.next_up() } else { low };
    let high = if (high as i128) > range.integers.1 { high.next_down() } else { high };
    Ok(Some((low, high)))
}

struct Scan {
    empty: Range,
    all: Mutex<Range>,
}

impl Visit for Scan {
    fn visit(&self, _at: Span, part: &Buf, _work: &mut Work) -> Result<()> {
        let mut range = self.empty;
        range.add(part)?;
        self.all.lock().unwrap_or_else(PoisonError::into_inner).merge(&range);
        Ok(())
    }
}

fn scan(source: &dyn Source, pipeline: &Pipeline, empty: Range, resources: &Resources<'_>) -> Result<Range> {
    let packing = pipeline.packing_unmeasured(source);
    let flow = Flow::packing(pipeline, &packing, source, Phase::Fitting);
    let scan = Scan { empty, all: Mutex::new(empty) };
    let tally = run(&flow, &scan, None, resources)?;
    super::tallied::refuse_if_refused(pipeline, &tally)?;
    Ok(scan.all.into_inner().unwrap_or_else(PoisonError::into_inner))
}
