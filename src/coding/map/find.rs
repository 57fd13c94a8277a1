//! Finds the lattice that float values were computed on, from a sample.

use super::even::rounding;
use super::lattice::{Form, Lattice, MOST};
use super::ordered::MISSES;
use super::survey::Survey;
use crate::array::DType;

/// Most decimals that are tried; 10^15 still leaves whole parts in float64.
const DECIMALS: i32 = 15;
/// A step must exceed the rounding of the largest values this many times: closer ones save nothing.
const ROUNDINGS: f64 = 16.0;
/// Integers that offsets are sought over: those of 16-bit packed data, the usual kind.
const PACKED: i64 = 1 << 16;
/// One in so many of the sample is enough to find a step; sorting is most of the work.
const THINNED: usize = 4;
/// Most decimals of an offset that somebody chose.
const OFFSET_DECIMALS: i32 = 3;

/// Steps within a limit from which on an even grid is as good: its step is at most a sixteenth wider then.
const STEPS: f64 = 8.0;

/// The lattice of the sample with its base set for the whole chunk, if there is one; within a `limit`, only one whose steps are
/// not much finer.
pub(super) fn lattice(dtype: DType, survey: &Survey, limit: Option<f64>) -> Option<Lattice> {
    let sample = &survey.sample;
    if sample.is_empty() || survey.low == survey.high {
        return None;
    }
    let finest = limit.map_or(0.0, |l| l / STEPS);
    let mut best = Best { dtype, sample, found: None };
    decimals(&mut best, finest);
    if !best.is_perfect() {
        unpacked(&mut best, survey, finest);
    }
    let (found, _) = best.found?;
    let (low, high) = (found.index(survey.low), found.index(survey.high));
    if !(low.abs() < MOST && high.abs() < MOST) {
        return None;
    }
    let base = if low <= 0.0 && high >= 0.0 { 0 } else { ((low + high) / 2.0) as i64 };
    // Decimals may stand further apart than a digit: eighths have three. What stands off for once becomes a hole.
    let anchor = found.index(sample[0]) as i64;
    let gcd = sample.iter().fold(0u64, |step, x| {
        let (mut a, mut b) = ((found.index(*x) as i64).abs_diff(anchor), step);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    let coarse = u32::try_from(gcd).unwrap_or(1).max(1);
    let base = base + (anchor - base).rem_euclid(coarse.into());
    Lattice::new(found.form, found.step, found.offset, base, coarse)
}

/// What `x` is after rounding to the dtype, as the kernels round it.
fn settle(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F16 => half::f16::from_f32(x as f32).to_f64(),
        DType::F32 => (x as f32).into(),
        _ => x,
    }
}

/// The value of the full lattice's integer K, in float64 arithmetic for float64 and in float32's for the others.
fn value(dtype: DType, l: &Lattice, full: f64) -> f64 {
    match l.form {
        Form::Divided => settle(dtype, full / l.step),
        Form::Scaled => settle(dtype, full * l.step + l.offset),
        Form::ScaledSingle => settle(dtype, (full as f32 * l.step as f32 + l.offset as f32).into()),
    }
}

/// How many of the sample the lattice does not give bit for bit, where they are few.
fn misses(dtype: DType, sample: &[f64], l: &Lattice) -> Option<usize> {
    let few = sample.len() / MISSES;
    let mut misses = 0;
    for x in sample {
        let full = l.index(*x);
        // −0 is an exception like any other, but a cheap one.
        if !(full.abs() < MOST && value(dtype, l, full) == *x) {
            misses += 1;
            if misses > few {
                return None;
            }
        }
    }
    Some(misses)
}

/// Bits of the fraction of a dtype, with the leading one.
fn precision(dtype: DType) -> i32 {
    match dtype {
        DType::F16 => 11,
        DType::F32 => 24,
        _ => 53,
    }
}

/// Few decimals: x = K / 10^d. Integers of nearly as many bits as the fraction would hold any value.
fn decimals(best: &mut Best<'_>, finest: f64) {
    let most = best.sample.iter().fold(0f64, |m, x| m.max(x.abs()));
    let room = (1u64 << (precision(best.dtype) - 2)) as f64;
    let mut power = 1.0;
    for _ in 0..=DECIMALS {
        if best.found.is_some() || most * power >= room || 1.0 < finest * power {
            return;
        }
        best.take(Form::Divided, power, 0.0);
        power *= 10.0;
    }
}

/// A common step from any offset: x = K·step + offset.
fn unpacked(best: &mut Best<'_>, survey: &Survey, finest: f64) -> Option<()> {
    let dtype = best.dtype;
    let most = survey.high.max(-survey.low);
    // Either of two values is off by half of this at most.
    let noise = 2.0 * rounding(dtype, most);
    let mut sorted: Vec<f64> = survey.sample.iter().copied().step_by(THINNED).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let step = common_step(&sorted, noise).filter(|s| *s >= finest)?;
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let count = nearest_whole((last - first) / step);
    let step = (last - first) / count;
    let doubt = 2.0 * noise / count;
    let mut steps = vec![step];
    if let Some(short) = shortest(step, doubt) {
        steps.insert(0, short);
    }
    // Multiples: the offset is 0.
    let zeroth = nearest_whole(first / step);
    if (first - zeroth * step).abs() <= 2.0 * noise + zeroth.abs() * doubt {
        if let Some(per) = shortest(1.0 / step, doubt / step / step) {
            best.take(Form::Divided, per, 0.0);
        }
        let wholes = survey.sample.iter().map(|x| nearest_whole(x / step).abs()).sum::<f64>();
        let by_sum = survey.sample.iter().map(|x| x.abs()).sum::<f64>() / wholes;
        for step in steps.iter().copied().chain([by_sum]) {
            best.take(Form::Scaled, step, 0.0);
            best.take(Form::ScaledSingle, step, 0.0);
        }
    }
    let quick: Vec<f64> = survey.sample.iter().copied().step_by(survey.sample.len().div_ceil(QUICK)).collect();
    for step in steps {
        let forms = [Form::Scaled, Form::ScaledSingle];
        let each = offsets(first, step, 2.0 * noise).flat_map(|offset| forms.map(|form| (form, offset)));
        let mut looks = 0;
        for (form, offset) in each {
            if best.is_perfect() {
                return None;
            }
            let quickly = Lattice::new(form, step, offset, 0, 1).and_then(|l| misses(dtype, &quick, &l));
            if quickly.is_some() {
                best.take(form, step, offset);
                looks += 1;
            }
            if looks == LOOKS {
                break;
            }
        }
        // The middle of what the roundings leave open.
        let residual = |x: &f64| x - first - nearest_whole((x - first) / step) * step;
        let (low, high) = sorted.iter().map(residual).fold((0f64, 0f64), |(l, h), r| (l.min(r), h.max(r)));
        best.take(Form::Scaled, step, first + (low + high) / 2.0);
    }
    None
}

/// The lattice that misses fewest of a sample.
struct Best<'a> {
    dtype: DType,
    sample: &'a [f64],
    found: Option<(Lattice, usize)>,
}

impl Best<'_> {
    fn take(&mut self, form: Form, step: f64, offset: f64) {
        if self.is_perfect() {
            return;
        }
        let Some(l) = Lattice::new(form, step, offset, 0, 1) else { return };
        if let Some(count) = misses(self.dtype, self.sample, &l)
            && self.found.is_none_or(|f| count < f.1)
        {
            self.found = Some((l, count));
        }
    }

    fn is_perfect(&self) -> bool {
        self.found.is_some_and(|f| f.1 == 0)
    }
}

fn nearest_whole(x: f64) -> f64 {
    x.round_ties_even()
}

/// Differences of neighbours in the sorted sample that Euclid's algorithm is run over: more add nothing but noise.
const GAPS: usize = 256;

/// The greatest step that all gaps are whole multiples of, up to `noise`.
fn common_step(sorted: &[f64], noise: f64) -> Option<f64> {
    if sorted.len() < 3 {
        return None;
    }
    let mut gaps: Vec<f64> = sorted.windows(2).map(|w| w[1] - w[0]).filter(|g| g.is_finite()).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let mut step = *gaps.first()?;
    for gap in gaps.iter().take(GAPS) {
        let (mut a, mut b) = (*gap, step);
        loop {
            // Near the end of the range `times * b` overflows, and what follows is NaN: no step either.
            if !(b >= ROUNDINGS * noise && b < f64::INFINITY) {
                return None;
            }
            let times = nearest_whole(a / b);
            let rest = (a - times * b).abs();
            if rest <= 2.0 * noise * (times + 1.0) {
                break;
            }
            (a, b) = (b, rest);
        }
        step = b;
    }
    // Count the steps from the first value on, and make the step exact with every doubling of the distance.
    let first = sorted[0];
    let mut known = 1.0;
    for x in &sorted[1..] {
        let times = nearest_whole((x - first) / step);
        if times >= 2.0 * known {
            let better = (x - first) / times;
            if (better - step).abs() * times > step / 4.0 {
                return None;
            }
            (step, known) = (better, times);
        }
    }
    let misses = sorted.iter().filter(|x| {
        let d = **x - first;
        (d - nearest_whole(d / step) * step).abs() > 4.0 * noise
    });
    (step >= ROUNDINGS * noise && misses.count() <= sorted.len() / MISSES).then_some(step)
}

/// The decimal of fewest digits within `doubt` of `x`.
fn shortest(x: f64, doubt: f64) -> Option<f64> {
    (0..16).find_map(|digits| {
        let short: f64 = format!("{x:.digits$e}").parse().ok()?;
        ((short - x).abs() <= doubt && short > 0.0).then_some(short)
    })
}

/// Elements that an offset is tried on first: none may miss.
const QUICK: usize = 48;

/// Offsets that are tried on the whole sample once those few passed. Where one value alone stands off, no offset is perfect, and
/// without a limit all of 131,073 would be tried in both forms: 10^9 evaluations a chunk.
const LOOKS: usize = 2048;

/// Offsets of few decimals that `first` is a whole number of steps from, the nearest steps first.
fn offsets(first: f64, step: f64, doubt: f64) -> impl Iterator<Item = f64> {
    (0..=PACKED).flat_map(|k| [k, -k]).filter_map(move |k| {
        let offset = first - k as f64 * step;
        let mut power = 1.0;
        (0..=OFFSET_DECIMALS).find_map(|_| {
            let short = nearest_whole(offset * power) / power;
            power *= 10.0;
            ((short - offset).abs() <= doubt).then_some(short)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_near_the_end_of_the_range_have_no_step_or_a_finite_one() {
        let noise = rounding(DType::F64, f64::MAX);
        assert_eq!(common_step(&[-1.1e308, 0.0, 1.79e308], noise), None);
        assert_eq!(common_step(&[-5e307, 0.0, 5e307], noise), Some(5e307));
    }
}
