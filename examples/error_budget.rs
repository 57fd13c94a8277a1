//! A budget held against an array that any tool made: every limit with what was measured, and the verdict.
//!
//! Run with `cargo run --example error_budget`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{ArrayD, IxDyn};
use ndcompact::Result;
use ndcompact::array::from_ndarray;
use ndcompact::engine::{CompareOptions, Resources, compare};
use ndcompact::metric::budget::{judge, worst};
use ndcompact::metric::{Budget, Figure, Outcome};
use ndcompact::pipeline::Memory;

fn memory(array: &ArrayD<f64>) -> Result<Memory> {
    let (spec, buf) = from_ndarray(&array.view())?;
    Memory::new(spec, buf)
}

fn main() -> Result<()> {
    let field =
        ArrayD::from_shape_fn(IxDyn(&[12, 40, 60]), |i| 280.0 + ((i[0] + 2 * i[1]) as f64 * 0.1).sin() * i[2] as f64);
    // What another tool made of it: two decimals, and one value lost.
    let mut other = field.mapv(|x| (x * 100.0).round() / 100.0);
    other[[3, 20, 7]] = f64::NAN;

    let budget = Budget::from_toml("max_abs = 0.0051\npsnr = 60\n[[slice]]\naxis = 0\nrmse = 0.003\n")?;
    let resources = Resources::default();
    let mut options = CompareOptions::new(&resources);
    options.effort = budget.limits.effort();
    let comparison = compare(&memory(&field)?, &memory(&other)?, &options)?;

    let criteria = judge(&budget.limits, &comparison);
    for criterion in &criteria {
        println!("{:<11}  {}", criterion.outcome.word(), criterion.sentence());
    }
    // Every error is within its limit, and the verdict is not fooled by that.
    assert!(comparison.figures.get(Figure::MaxAbs) <= 0.0051);
    assert_eq!(worst(&criteria), Outcome::Failed);
    Ok(())
}
