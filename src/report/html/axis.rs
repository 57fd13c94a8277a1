//! Axes of charts: from data to the place on the axis, and where the ticks stand. Charts get their ticks from here, and not
//! from the drawing crate, so that labels stay short for any data: 1e300 and 5e-324 included.

/// Ticks that an axis has about.
const TICKS: f64 = 5.0;
/// Labels that a logarithmic axis has at most.
const DECADES: i32 = 6;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Both ends, on the axis.
    pub(super) ends: (f64, f64),
    /// Places on the axis with their labels.
    pub(super) ticks: Vec<(f64, String)>,
    /// What it shows.
    pub(super) title: String,
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// Data over this power of ten.
    Linear(i32),
    /// The logarithm of the data.
    Log,
}

impl Axis {
    /// An even axis over data from `low` to `high`.
    pub(super) fn linear(title: &str, low: f64, high: f64) -> Self {
        let (low, high) = (low.clamp(f64::MIN, f64::MAX), high.clamp(f64::MIN, f64::MAX));
        let largest = low.abs().max(high.abs());
        let power = if largest > 0.0 { largest.log10().floor() as i32 } else { 0 };
        // A few powers of ten are readable as they are.
        let power = if (-2..=3).contains(&power) { 0 } else { power };
        let (low, mut high) = (over(low, power), over(high, power));
        if high <= low {
            high = low + 1.0;
        }
        let step = step((high - low) / TICKS);
        let places = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|i| (i as f64 * step, format!("{:.places$}", i as f64 * step))).collect();
        let title = if power == 0 { title.to_owned() } else { format!("{title} (× 1e{power})") };
        Self { ends: (low, high), ticks, title, scale: Scale::Linear(power) }
    }

    /// A logarithmic axis over data from `low` to `high`, both above 0, widened to whole decades.
    pub(super) fn log(title: &str, low: f64, high: f64) -> Self {
        let (from, mut to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        if to <= from {
            to = from + 1;
        }
        let step = ((to - from) / DECADES + 1).max(1);
        let label = |e: i32| match e {
            -2..=4 => format!("{}", 10f64.powi(e)),
            e => format!("1e{e}"),
        };
        let ticks = (from..=to).filter(|e| e % step == 0).map(|e| (f64::from(e), label(e))).collect();
        Self { ends: (f64::from(from), f64::from(to)), ticks, title: title.to_owned(), scale: Scale::Log }
    }

    /// The place of a value on the axis, at an end if it lies beyond.
    pub(super) fn at(&self, x: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear(power) => over(x, power),
            Scale::Log if x > 0.0 => x.log10(),
            Scale::Log => f64::NEG_INFINITY,
        };
        if place.is_nan() { self.ends.0 } else { place.clamp(self.ends.0, self.ends.1) }
    }
}

/// `x / 10^power`, of subnormal numbers too, for which 10^power is 0.
fn over(x: f64, power: i32) -> f64 {
    const APART: i32 = 290;
    if power < -APART { x * 10f64.powi(APART) / 10f64.powi(power + APART) } else { x / 10f64.powi(power) }
}

/// The number 1, 2 or 5 times a power of ten that is about `x` or the next above it.
fn step(x: f64) -> f64 {
    let power = 10f64.powi(x.log10().floor() as i32);
    let steps = [1.0, 2.0, 5.0, 10.0].map(|s| s * power);
    steps.into_iter().find(|s| *s >= x * 0.8).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_has_a_few_short_ticks_within_it() {
        let ranges = [
            (0.0, 1.0),
            (-1.7e308, 1.7e308),
            (0.0, 5e-324),
            (-3.4e-7, 2.0e-9),
            (5.0, 5.0),
            (0.0, 4095.0),
            (1e6, 1e6 + 1.0),
        ];
        for (low, high) in ranges {
            let axis = Axis::linear("x", low, high);
            assert!(axis.ends.0.is_finite() && axis.ends.1.is_finite() && axis.ends.0 < axis.ends.1, "{low} {high}");
            assert!((2..=11).contains(&axis.ticks.len()) || low == 1e6, "{low} {high}: {:?}", axis.ticks);
            for (place, label) in &axis.ticks {
                assert!(label.len() <= 9 && *place >= axis.ends.0 - 1e-9 && *place <= axis.ends.1 + 1e-9, "{axis:?}");
            }
            assert!(axis.at(high) <= axis.ends.1 && axis.at(f64::NAN) == axis.ends.0);
        }
    }

    #[test]
    fn decades_are_whole_and_zero_stands_at_the_lower_end() {
        for (low, high) in [(5e-324, 1.7e308), (1.0, 1.0), (2e-5, 3e-3)] {
            let axis = Axis::log("x", low, high);
            assert!((2..=8).contains(&axis.ticks.len()), "{axis:?}");
            assert!(axis.at(low) >= axis.ends.0 && axis.at(0.0) == axis.ends.0);
        }
        assert_eq!(
            Axis::log("x", 2e-5, 3e-3).ticks.iter().map(|t| t.1.as_str()).collect::<Vec<_>>(),
            ["1e-5", "1e-4", "1e-3", "0.01"]
        );
    }
}
