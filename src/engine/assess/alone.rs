//! One array by itself.

use super::compare::CompareOptions;
use super::idle::Idle;
use super::spread::spread_of;
use crate::array::{Buf, Span};
use crate::engine::{Flow, Phase, Reader, Resources, Visit, run};
use crate::error::Result;
use crate::metric::{Describe, DescribeOptions, Description};
use crate::pipeline::Work;
use crate::recipe::Axes;
use crate::transform::Fill;

struct Look {
    new: Describe,
    idle: Idle<Describe>,
}

impl Visit for Look {
    fn visit(&self, at: Span, part: &Buf, _work: &mut Work) -> Result<()> {
        self.idle.with(|| Ok(self.new.clone()), |describe| describe.add(&[at], part))
    }
}

/// What the array of `reader` holds: range, moments, special values, distinct values, precision in use. `fill` is the fill
/// value, where the file declares none or another one.
pub fn describe(reader: &Reader, fill: Option<Fill>, resources: &Resources<'_>) -> Result<Description> {
    let fill = super::fill(reader, reader, fill)?;
    reader.with_view(Axes::C, None, resources, |view, unit| {
        let spec = view.spec();
        let steps = reader.pipeline().stages().len();
        let new = Describe::new(spec.dtype(), spec.count(), DescribeOptions { fill, deep: true });
        let look = Look { new: new.clone(), idle: Idle::new() };
        let flow = Flow {
            source: view,
            steps,
            unit,
            unit_bytes: if unit > 1 { reader.pipeline().unit_bytes() } else { 2 * spec.dtype().size() as u64 },
            cut: None,
            prefer: view.grain().map(|g| g.step),
            phase: Phase::Comparing,
            original_bytes: spec.bytes(),
        };
        run(&flow, &look, None, resources)?;
        let mut all = new;
        look.idle.into_all().into_iter().for_each(|d| all.merge(d));
        let mut options = CompareOptions::new(resources);
        options.fill = fill;
        let std = if all.finite() == 0 { f64::NAN } else { spread_of(&flow, &all, &options)? };
        Ok(all.finish(std))
    })
}
