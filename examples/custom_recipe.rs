//! A recipe from JSON, in an order of one's own; the recorded recipe; and what happens when it does not fit the data.
//!
//! Run with `cargo run --example custom_recipe`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{Array1, ArrayD};
use ndcompact::recipe::asks_from_json;
use ndcompact::{Compacted, ErrorKind, Result};

fn main() -> Result<()> {
    // Counts in tens: to the grid of tens (exact here), then to as few bits as the codes need.
    let asks = asks_from_json(
        r#"[
            {"step": "scale-offset", "step_size": 10},
            {"step": "bitpack"}
        ]"#,
    )?;
    let counts: ArrayD<i32> = Array1::from_iter((0..1000).map(|i| 400 + 10 * (i % 60))).into_dyn();
    let packed = Compacted::new(counts.view(), &asks)?;

    // 60 codes fit in 6 bits: 750 bytes instead of 4000.
    assert_eq!(packed.steps()[1].bytes, 750);
    assert_eq!(packed.restore::<i32>()?, counts);
    assert_eq!(packed.loss().changed, 0);
    println!("recorded: {}", packed.record().to_json()?);

    // The recorded steps are a recipe too, with all parameters settled, so they run on other data without a look at them.
    let again = asks_from_json(&packed.record().to_json()?)?;
    let same = Compacted::new(counts.view(), &again)?;
    assert_eq!(same.record().steps, packed.record().steps);

    // Data that a recipe cannot carry are refused, with the count, the place, the value and the remedy.
    let mut other = counts.clone();
    other[7] = 5000;
    let refused = Compacted::new(other.view(), &again).map(|_| ()).map_err(|e| (e.kind(), e.to_string()));
    let Err((kind, message)) = refused else { unreachable!("5000 is not on the recorded grid") };
    assert_eq!(kind, ErrorKind::Refused);
    println!("refused: {message}");
    Ok(())
}
