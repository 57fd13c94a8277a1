//! Standard deviations where the two arrays do not have their finite values in the same places.

use super::compare::{CompareOptions, Ends};
use super::idle::Idle;
use crate::array::{Buf, Span};
use crate::engine::{Flow, Phase, Visit, run};
use crate::error::Result;
use crate::metric::{Describe, Neighbours, Spread};
use crate::pipeline::{Source, Work};

/// Adds up squares about a mean.
struct About {
    mean: f64,
    fill: Option<u64>,
    idle: Idle<Spread>,
}

impl Visit for About {
    fn visit(&self, _at: Span, part: &Buf, _work: &mut Work) -> Result<()> {
        let add = |spread: &mut Spread| {
            spread.add(part);
            Ok(())
        };
        self.idle.with(|| Ok(Spread::about(self.mean, self.fill)), add)
    }
}

/// The standard deviations of original and restored, each over its own finite values. The second pass has them over the
/// pairs; only where those are not all finite values of an array, that array is read once more.
pub(super) fn std(
    ends: &Ends<'_>,
    options: &CompareOptions<'_>,
    describes: [&Describe; 2],
    pairs: u64,
    found: &Neighbours,
) -> Result<[f64; 2]> {
    let sides = [(ends.original, ends.original_steps, 1), (ends.restored, ends.restored_steps, ends.unit)];
    let mut std = [found.std_x, found.std_y];
    for (((source, steps, unit), describe), std) in sides.into_iter().zip(describes).zip(&mut std) {
        if describe.finite() != pairs || describe.is_rounded() {
            *std = alone(source, steps, (unit, ends.unit_bytes), describe, options)?;
        }
    }
    Ok(std)
}

fn alone(
    source: &dyn Source,
    steps: usize,
    (unit, unit_bytes): (u64, u64),
    describe: &Describe,
    options: &CompareOptions<'_>,
) -> Result<f64> {
    let flow = Flow {
        source,
        steps,
        unit,
        unit_bytes: unit_bytes.max(source.spec().dtype().size() as u64 * unit),
        cut: None,
        prefer: source.grain().map(|g| g.step),
        phase: Phase::Comparing,
        original_bytes: source.spec().bytes(),
    };
    spread_of(&flow, describe, options)
}

/// The standard deviation of the array of `flow`, which `describe` has seen before.
pub(super) fn spread_of(flow: &Flow<'_>, describe: &Describe, options: &CompareOptions<'_>) -> Result<f64> {
    let about = About { mean: describe.mean(), fill: options.fill, idle: Idle::new() };
    run(flow, &about, None, options.resources)?;
    let mut all = Spread::about(about.mean, options.fill);
    about.idle.into_all().iter().for_each(|s| all.merge(s));
    Ok(all.std())
}
