//! A budget to begin with, from the data.

use std::fmt::Write as _;

use super::text::{key, line, meaning, quoted};
use super::{Budget, number};
use crate::array::{DType, DTypeKind};
use crate::metric::comparison::Description;
use crate::metric::figure::Figure;

/// The share of the range that may be lost where the data do not say it themselves: four digits are left of what a plot or a
/// mean of the data shows.
const SHARE: f64 = 1e-4;
/// The correlation from which Baker et al. (2014) take compressed climate data for the same.
const PEARSON: f64 = 0.99999;
/// Of fewer values the mean of roundings is not small beside the largest: it spreads as `max_abs / sqrt(3 n)`.
const VALUES_FOR_A_MEAN: u64 = 1000;
/// Integers of a wider range than this may be measurements; narrower ones are counts, labels or classes.
const WIDE: f64 = 65536.0;

/// An array for which a budget is begun.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Its name in a file of several arrays, which puts its limits under `[arrays.NAME]`; `None`: they hold for any array.
    pub name: Option<&'a str>,
    /// Dtype.
    pub dtype: DType,
    /// Shape as NumPy shows it.
    pub shape: &'a [u64],
    /// What it holds.
    pub description: &'a Description,
}

impl Budget {
    /// A budget file to begin with: limits from the data's own scale, each with where it comes from, to be read and changed by
    /// someone who knows what the data are for.
    ///
    /// `max_abs` is half a unit of the last decimal digit where floats are decimal numbers, else 1e-4 of their range, rounded
    /// down to one digit; 0 for integers; masks must be equal. The other limits are what such errors leave of the array's
    /// likeness. Where nothing can be derived (no finite value, a constant), an exact copy is asked for and the comments
    /// say so. [`Budget::from_toml`] reads the text unless `arrays` is empty or repeats a name.
    pub fn start(arrays: &[Start<'_>]) -> String {
        let mut text = String::from(
            "# An error budget to begin with. The numbers are guesses from the data themselves: go through them, and set each to\n\
             # what the use of the data allows. A limit that is deleted is not checked. Every change of class (a value that\n\
             # becomes NaN, infinite, zero, or changes its sign) fails the budget unless `allow` names it.\n",
        );
        line(&mut text, "note = \"\"", "why these limits are right; reports show it");
        line(&mut text, "author = \"\"", "who answers for them");
        // Keys after a table would belong to it: what holds for any array comes first.
        let (any, named): (Vec<&Start<'_>>, Vec<_>) = arrays.iter().partition(|a| a.name.is_none());
        for array in any.into_iter().chain(named) {
            text.push('\n');
            array.write(&mut text);
        }
        text
    }
}

impl Start<'_> {
    fn write(&self, text: &mut String) {
        let d = self.description;
        let shape = self.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        let shape = if shape.is_empty() { "one value".to_owned() } else { shape };
        let special = d.nan + d.pos_inf + d.neg_inf;
        let _ = write!(text, "# {}, {shape}: {} values", self.dtype, d.count);
        if d.finite > 0 {
            let _ = write!(text, " from {} to {}", number(d.min.0), number(d.max.0));
        }
        for (count, words) in [(d.nan, "NaN"), (d.pos_inf + d.neg_inf, "infinite"), (d.fill, "fill values")] {
            if count > 0 {
                let _ = write!(text, "; {count} {words}");
            }
        }
        text.push_str(".\n");
        if let Some(name) = self.name {
            line(text, &format!("[arrays.{}]", key(name)), "");
        }
        match self.dtype.kind() {
            _ if d.count == 0 => {
                exact(text, "There is no value, so nothing can be derived; and no check of it can pass.")
            }
            _ if d.finite == 0 => exact(
                text,
                "There is no finite value, so no tolerance can be derived. Fill in max_abs if others of these arrays have some.",
            ),
            DTypeKind::Bool => self.mask(text),
            DTypeKind::Int | DTypeKind::Uint => self.integers(text),
            DTypeKind::Float | DTypeKind::Complex => self.numbers(text),
        }
        if special > 0 {
            line(
                text,
                "# NaN and infinite values must come back as they are: `allow` has no line for them on purpose.",
                "",
            );
        }
    }

    fn mask(&self, text: &mut String) {
        exact(text, "A mask: every value as it was. Where some may change, lower these.");
        let ones = self.description.zeros < self.description.finite;
        let off = if ones { "" } else { "# no value is true, so it is not defined: " };
        line(text, &format!("{off}{} = 1", Figure::Iou), &meaning(Figure::Iou));
        line(text, &format!("{} = 0", Figure::PopcountShift), &meaning(Figure::PopcountShift));
    }

    fn integers(&self, text: &mut String) {
        line(text, "# Integers: every value as it was, as counts, labels and indices have to be.", "");
        limit(text, Figure::MaxAbs, 0.0);
        let wide = range(self.description).filter(|r| *r > WIDE).and_then(|r| one_digit_down(r * SHARE));
        if let Some(share) = wide {
            let share = number(share);
            line(
                text,
                &format!("# max_abs = {share}"),
                "if they are measurements: 1e-4 of their range, instead of the 0",
            );
        }
    }

    fn numbers(&self, text: &mut String) {
        let d = self.description;
        let Some((max_abs, why)) = self.tolerance() else {
            let constant = d.min == d.max;
            let words = match constant {
                true => {
                    format!("All values are {}: a constant has no scale to derive a tolerance from.", number(d.max.0))
                }
                false => "The range is too small or too large for a tolerance to be derived from it.".to_owned(),
            };
            line(text, &format!("# {words} 0 asks for an exact copy; fill in what may be lost."), "");
            limit(text, Figure::MaxAbs, 0.0);
            return;
        };
        line(text, &format!("# {why}"), "");
        limit(text, Figure::MaxAbs, max_abs);
        if self.dtype.kind() == DTypeKind::Float {
            self.likeness(text, max_abs);
        }
        self.vanishing(text, max_abs);
        if let [n, _, ..] = self.shape
            && *n > 1
        {
            let half = number(max_abs / 2.0);
            text.push_str(
                "# Errors must not gather in one place: each index of an axis by itself, with half of max_abs.\n",
            );
            let table = self.name.map_or("slice".to_owned(), |name| format!("arrays.{}.slice", key(name)));
            let _ = write!(text, "# [[{table}]]\n# axis = 0\n# rmse = {half}\n");
        }
    }

    /// The largest error to begin with, and where it comes from.
    fn tolerance(&self) -> Option<(f64, String)> {
        let d = self.description;
        if self.dtype.kind() == DTypeKind::Complex {
            let share = one_digit_down(d.max.0 * SHARE)?;
            return Some((
                share,
                format!("1e-4 of the largest modulus, {}, rounded down to one digit.", number(d.max.0)),
            ));
        }
        if let Some(digits) = self.decimals() {
            let half = format!("5e-{}", digits + 1).parse().ok().filter(|half| *half > 0.0)?;
            let words = match digits {
                0 => "All values are whole numbers: half a unit.".to_owned(),
                n => format!("All values have at most {n} digits after the decimal point: half a unit of the last."),
            };
            return Some((half, words));
        }
        let range = range(d).filter(|r| *r > 0.0)?;
        let share = one_digit_down(range * SHARE)?;
        Some((share, format!("1e-4 of the range, {}, rounded down to one digit.", number(range))))
    }

    /// Digits after the point, if the data are decimal numbers: if they use fewer digits than their floats have. Floats of any
    /// kind are decimals of enough digits.
    fn decimals(&self) -> Option<u32> {
        let precision = self.description.precision?;
        let digits = precision.decimal_digits?;
        let held = match self.dtype {
            _ if precision.float16 => 3,
            DType::F16 => 3,
            _ if precision.float32 => 6,
            DType::F32 => 6,
            _ => 15,
        };
        let largest = self.description.min.0.abs().max(self.description.max.0.abs());
        let before = if largest >= 1.0 { largest.log10().floor() + 1.0 } else { 0.0 };
        // Small whole numbers are exact in any float; of fractions one digit is left to tell decimals from chance.
        (f64::from(digits) + before < f64::from(held) || (digits == 0 && before <= 15.0)).then_some(digits)
    }

    /// What errors of up to `max_abs` leave of the array's likeness.
    fn likeness(&self, text: &mut String, max_abs: f64) {
        let d = self.description;
        if d.finite >= VALUES_FOR_A_MEAN
            && let Some(bias) = one_digit_down(max_abs / 10.0)
        {
            text.push_str("# A tenth of that for the mean: roundings cancel, a shift of all values does not.\n");
            limit(text, Figure::MeanError, bias);
        }
        let share = range(d).map(|range| max_abs / range).filter(|share| share.is_finite() && *share > 0.0);
        if let Some(nrmse) = share.and_then(|share| if share <= SHARE { Some(SHARE) } else { one_digit_up(share) }) {
            text.push_str("# RMSE beside the range, which max_abs keeps as well; and the same in decibels.\n");
            limit(text, Figure::Nrmse, nrmse);
            limit(text, Figure::Psnr, (-20.0 * nrmse.log10() + 1e-9).floor());
        }
        // Errors that are no part of the values leave a correlation of about 1 - (RMSE / standard deviation)^2 / 2.
        let loss = (max_abs / d.std.0).powi(2) / 2.0;
        if loss <= 1.0 - PEARSON {
            text.push_str("# The threshold of Baker et al. (2014) for data that cannot be told apart.\n");
            limit(text, Figure::Pearson, PEARSON);
        } else {
            let _ = writeln!(
                text,
                "# pearson = {PEARSON} # not sure to hold with this max_abs, or the spread is not known"
            );
        }
    }

    /// Values that `max_abs` lets vanish, which is a change of class.
    fn vanishing(&self, text: &mut String, max_abs: f64) {
        let d = self.description;
        let mut classes = Vec::new();
        if d.smallest_nonzero.0 <= max_abs {
            let smallest = number(d.smallest_nonzero.0);
            let _ = writeln!(
                text,
                "# The smallest magnitude, {smallest}, is within max_abs: such values may become zero or change their sign. Allow\n\
                 # that here if it does no harm, or limit the relative error, max_rel = 0.001."
            );
            classes.extend(["nonzero_to_zero", "sign_flip"]);
        }
        if d.zeros > 0 {
            classes.extend(["zero_to_nonzero", "zero_sign"]);
        }
        if !classes.is_empty() {
            let list: Vec<String> = classes.into_iter().map(quoted).collect();
            let _ = writeln!(text, "# allow = [{}]", list.join(", "));
        }
    }
}

fn limit(text: &mut String, figure: Figure, limit: f64) {
    line(text, &format!("{figure} = {}", number(limit)), &meaning(figure));
}

fn exact(text: &mut String, words: &str) {
    line(text, &format!("# {words}"), "");
    limit(text, Figure::EqualFraction, 1.0);
}

/// Largest minus smallest, if that is a number.
fn range(d: &Description) -> Option<f64> {
    Some(d.max.0 - d.min.0).filter(|r| r.is_finite())
}

/// `x` with one decimal digit, not larger; `None` if nothing is left.
fn one_digit_down(x: f64) -> Option<f64> {
    // Through text, so that the digit is the decimal number's own whatever the exponent. A number that only rounding keeps
    // below one of one digit, 9.999999999999999e-5, is that.
    let text = format!("{x:.14e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let digit = mantissa.split('.').next()?;
    format!("{digit}e{exponent}").parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0)
}

/// `x` with one decimal digit, not smaller but for rounding; below 1.
fn one_digit_up(x: f64) -> Option<f64> {
    let down = one_digit_down(x)?;
    let exponent = down.log10().floor();
    let up = if down >= x { down } else { one_digit_down(down + 10f64.powf(exponent))? };
    (up < 1.0).then_some(up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::traps::description;
    use super::*;
    use crate::metric::comparison::Precision;
    use crate::metric::figure::Number;

    fn start(dtype: DType, shape: &[u64], description: &Description) -> (Budget, String) {
        let text = Budget::start(&[Start { name: None, dtype, shape, description }]);
        (Budget::from_toml(&text).unwrap_or_else(|e| panic!("{e}\n{text}")), text)
    }

    fn limit_of(dtype: DType, description: &Description, figure: Figure) -> Option<f64> {
        start(dtype, &[100, 100], description).0.limits.figures.get(&figure).copied()
    }

    fn decimal(digits: u32, range: f64) -> Description {
        let precision =
            Precision { mantissa_bits: Some(50), float16: false, float32: false, decimal_digits: Some(digits) };
        Description { precision: Some(precision), ..description(10_000, range) }
    }

    #[test]
    fn the_largest_error_is_half_a_decimal_unit_or_a_share_of_the_range() {
        assert_eq!(limit_of(DType::F64, &decimal(2, 40.0), Figure::MaxAbs), Some(0.005));
        assert_eq!(limit_of(DType::F64, &decimal(0, 40.0), Figure::MaxAbs), Some(0.5));
        // As many digits as float64 has are no decimals.
        assert_eq!(limit_of(DType::F64, &decimal(15, 40.0), Figure::MaxAbs), Some(0.004));
        assert_eq!(limit_of(DType::F32, &decimal(5, 40.0), Figure::MaxAbs), Some(0.004));
        assert_eq!(limit_of(DType::F64, &description(10_000, 0.7), Figure::MaxAbs), Some(7e-5));
        assert_eq!(limit_of(DType::F64, &description(10_000, 1e300), Figure::MaxAbs), Some(1e296));
        assert_eq!(limit_of(DType::C128, &description(10_000, 2.5), Figure::MaxAbs), Some(2e-4));
    }

    #[test]
    fn integers_and_masks_must_be_equal() {
        assert_eq!(limit_of(DType::I32, &description(10_000, 1e6), Figure::MaxAbs), Some(0.0));
        assert_eq!(limit_of(DType::Bool, &description(10_000, 1.0), Figure::EqualFraction), Some(1.0));
        assert_eq!(limit_of(DType::Bool, &description(10_000, 1.0), Figure::Iou), Some(1.0));
        let none = Description { zeros: 10_000, ..description(10_000, 0.0) };
        assert_eq!(limit_of(DType::Bool, &none, Figure::Iou), None);
    }

    #[test]
    fn what_gives_no_scale_asks_for_an_exact_copy_and_says_so() {
        let (budget, text) = start(DType::F64, &[10], &description(10, 0.0));
        assert_eq!(budget.limits.figures.get(&Figure::MaxAbs), Some(&0.0));
        assert!(text.contains("constant"), "{text}");
        for (count, words) in [(0, "no value"), (8, "no finite value")] {
            let nan = Number(f64::NAN);
            let none = Description { finite: 0, nan: count, min: nan, max: nan, ..description(count, 1.0) };
            let (budget, text) = start(DType::F32, &[count], &none);
            assert_eq!(budget.limits.figures.get(&Figure::EqualFraction), Some(&1.0));
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn limits_agree_with_one_another() {
        // Whole numbers from 0 to 10: half a unit is 5 % of the range, so limits on likeness are no stricter than that.
        let coarse = decimal(0, 10.0);
        assert_eq!(limit_of(DType::F64, &coarse, Figure::Nrmse), Some(0.05));
        assert_eq!(limit_of(DType::F64, &coarse, Figure::Psnr), Some(26.0));
        assert_eq!(limit_of(DType::F64, &coarse, Figure::Pearson), None);
        let fine = description(10_000, 1.0);
        assert_eq!(limit_of(DType::F64, &fine, Figure::Psnr), Some(80.0));
        assert_eq!(limit_of(DType::F64, &fine, Figure::Pearson), Some(PEARSON));
        assert_eq!(limit_of(DType::F64, &fine, Figure::MeanError), Some(1e-5));
    }

    #[test]
    fn several_arrays_have_tables_of_their_own_whatever_their_names() {
        let (a, b) = (description(10_000, 1.0), description(10_000, 300.0));
        let make = |name, description| Start { name, dtype: DType::F64, shape: &[100, 100], description };
        let names = ["group/t 2m", "a\n[x]\"#"];
        let text = Budget::start(&[make(Some(names[0]), &a), make(Some(names[1]), &b), make(None, &a)]);
        let budget = Budget::from_toml(&text).unwrap();
        assert_eq!(budget.of(Some(names[1])).figures.get(&Figure::MaxAbs), Some(&0.03));
        assert_eq!(budget.of(Some(names[0])), budget.of(None));
        // The lines that are commented out are good as well.
        let all: String = text.lines().map(|l| l.strip_prefix("# [[").map_or(l.into(), |r| format!("[[{r}"))).fold(
            String::new(),
            |all, l: String| {
                let l =
                    ["axis", "rmse", "allow"].iter().fold(l, |l, k| l.replace(&format!("# {k} ="), &format!("{k} =")));
                all + &l + "\n"
            },
        );
        assert_eq!(Budget::from_toml(&all).unwrap().limits.slices.len(), 1, "{all}");
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), Just(0.0), Just(f64::NAN), -1e3..1e3, Just(f64::MAX), Just(5e-324), Just(1e-310)]
    }

    proptest! {
        #[test]
        fn the_start_of_any_array_reads_back(
            dtype in proptest::sample::select(DType::ALL.to_vec()),
            shape in proptest::collection::vec(0u64..2000, 0..4),
            (min, max, std, small) in (any_number(), any_number(), any_number(), any_number()),
            (finite, nan, zeros) in (0u64..3000, 0u64..3, 0u64..3),
            digits in proptest::option::of(proptest::option::of(0u32..16)),
            (float16, float32) in any::<(bool, bool)>(),
            name in proptest::option::of(".*"),
        ) {
            let precision = digits.map(|decimal_digits| Precision { mantissa_bits: None, float16, float32, decimal_digits });
            let description = Description {
                count: finite + nan, finite, nan, zeros, precision, min: Number(min), max: Number(max), std: Number(std),
                smallest_nonzero: Number(small), ..description(1, 1.0)
            };
            let text = Budget::start(&[Start { name: name.as_deref(), dtype, shape: &shape, description: &description }]);
            let budget = Budget::from_toml(&text);
            prop_assert!(budget.is_ok(), "{:?}\n{text}", budget);
            prop_assert!(!budget.unwrap().of(name.as_deref()).is_empty());
        }
    }
}
