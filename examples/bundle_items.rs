//! Every n-th array of a bundle from its index, and how long that takes: `bundle_items INDEX STEP ROUNDS`.

use std::time::Instant;

use ndcompact::collect::bundle::Bundle;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, index, step, rounds] = args.as_slice() else { return Err("usage: bundle_items INDEX STEP ROUNDS".into()) };
    let (step, rounds): (usize, u32) = (step.parse()?, rounds.parse()?);
    let start = Instant::now();
    let bundle = Bundle::open(index.as_ref())?;
    let opened = start.elapsed();
    for _ in 0..rounds {
        let start = Instant::now();
        let (mut arrays, mut values, mut sum) = (0, 0, 0.0);
        for number in (0..bundle.len()).step_by(step) {
            let array = bundle.get(number)?.array::<f64>()?;
            arrays += 1;
            values += array.len();
            sum += array.first().copied().unwrap_or(0.0);
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{arrays} arrays, {values} values in {seconds:.6} s, opened in {:.6} s; {sum:.6}",
            opened.as_secs_f64()
        );
    }
    Ok(())
}
