//! Numbers as people read them: sizes, counts, errors, figures with their units, values with their dtype's digits.

use half::f16;

use crate::array::{DType, Scalar};
use crate::metric::{Cell, Criterion, Direction, Estimate, Figure, Unit};

/// Digits after which two measured numbers that still look alike are called alike: those of a double.
const MOST_DIGITS: usize = 17;
/// Digits of a measured number.
const DIGITS: usize = 4;
/// Digits of a statistic that stands beside that of the other array.
const STATISTIC_DIGITS: usize = 6;

/// Bytes in SI units with one decimal: `999 B`, `20.0 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const NAMES: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut name = 0;
    // 999.95 would be printed as 1000.0.
    while value >= 999.95 && name + 1 < NAMES.len() {
        value /= 1000.0;
        name += 1;
    }
    format!("{value:.1} {}", NAMES[name])
}

/// A count with its thousands marked: `19,881,000`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds: `0.081 s`, `7.42 s`, `65.0 s`.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 1.0 => format!("{s:.3} s"),
        s if s < 10.0 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// A ratio of sizes: `7.94 x`.
pub(crate) fn ratio(ratio: f64) -> String {
    if ratio < 99.995 { format!("{ratio:.2} x") } else { format!("{ratio:.0} x") }
}

/// A bound for people: six digits, rounded up so that the statement stays true.
pub(crate) fn at_most(x: f64) -> String {
    let (mantissa, exponent) = match format!("{x:.5e}").split_once('e') {
        Some((m, e)) => (m.parse::<f64>().unwrap_or(0.0), e.to_owned()),
        None => return Scalar::Float(x).to_string(),
    };
    let read = |m: f64| format!("{m:.5}e{exponent}").parse::<f64>().unwrap_or(x);
    let rounded = read(mantissa);
    Scalar::Float(if rounded < x { read(mantissa + 1e-5) } else { rounded }).to_string()
}

/// A shape as NumPy prints it; the middle of a long one is left out.
pub(crate) fn shape(shape: &[u64]) -> String {
    const SHOWN: usize = 5;
    let text = |list: &[u64]| list.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    match shape {
        [one] => format!("({one},)"),
        list if list.len() <= SHOWN => format!("({})", text(list)),
        list => format!("({}, ..., {})", text(&list[..2]), text(&list[list.len() - 2..])),
    }
}

/// `x` with `digits` significant digits, in plain form where that is short: `0.01234`, `1234`, `1.234e-7`.
pub(crate) fn digits(x: f64, digits: usize) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return Scalar::Float(x).to_string();
    }
    let scientific = format!("{x:.*e}", digits.saturating_sub(1));
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    match usize::try_from(digits as i32 - 1 - exponent) {
        // A share of 0.99996 must not be read as 1 and a count of 1234567 must not lose its last digits.
        Ok(places) if exponent >= -3 => format!("{x:.places$}"),
        Err(_) if exponent < 9 => format!("{x:.0}"),
        _ => scientific,
    }
}

/// A share between 0 and 1: as many digits as it takes to tell it from 1.
fn share(x: f64) -> String {
    if x <= 0.9 || x >= 1.0 {
        return if x == 1.0 { "1".to_owned() } else { digits(x, DIGITS) };
    }
    let nines = (-(1.0 - x).log10()).floor().max(0.0) as usize;
    format!("{x:.*}", (nines + 2).clamp(DIGITS, MOST_DIGITS))
}

/// A figure in its unit: `84.21 dB`, `12,345`, `0.99999987`.
pub(crate) fn figure(figure: Figure, x: f64) -> String {
    match figure.unit() {
        _ if x.is_nan() => "not defined".to_owned(),
        Unit::Decibel => format!("{} dB", digits(x, 5)),
        Unit::Ratio => share(x),
        Unit::Count | Unit::Ulp => whole(x),
        // What is said to be the most must not be less than it is.
        Unit::Data if figure.direction() == Direction::AtMost && !figure.by_magnitude() => up(x),
        Unit::Data => digits(x, DIGITS),
    }
}

/// Four digits, rounded up.
fn up(x: f64) -> String {
    let text = digits(x, DIGITS);
    let read = |text: &str| text.parse::<f64>().unwrap_or(x);
    if read(&text) >= x || !x.is_finite() || x == 0.0 {
        return text;
    }
    // One unit of the last digit that is shown.
    let unit = 10f64.powi(x.abs().log10().floor() as i32 + 1 - DIGITS as i32);
    digits(read(&text) + unit, DIGITS)
}

/// A whole number with its thousands marked; any other as it is.
fn whole(x: f64) -> String {
    if x >= 0.0 && x.fract() == 0.0 && x < 2f64.powi(53) { count(x as u64) } else { digits(x, DIGITS) }
}

/// A criterion's limit: exactly as it was set.
pub(crate) fn allowed(criterion: &Criterion) -> String {
    let limit = criterion.allowed.0;
    let word = match criterion.direction {
        Direction::AtMost => "at most",
        Direction::AtLeast => "at least",
    };
    let magnitude = Figure::from_name(&criterion.name).is_some_and(Figure::by_magnitude);
    match limit {
        f64::INFINITY if criterion.direction == Direction::AtMost => "any number".to_owned(),
        _ if magnitude => format!("{word} ±{}", exact(limit)),
        _ => format!("{word} {}", exact(limit)),
    }
}

/// A criterion's measurement, with as many digits as it takes to see on which side of the limit it lies.
pub(crate) fn measured(criterion: &Criterion) -> String {
    let (x, limit) = (criterion.measured.0, criterion.allowed.0);
    if x.is_nan() {
        return "not defined".to_owned();
    }
    if x.fract() == 0.0 && x.abs() < 2f64.powi(53) {
        return exact(x);
    }
    let shown = (DIGITS..=MOST_DIGITS).map(|n| digits(x, n)).find(|text| {
        text.parse::<f64>()
            .is_ok_and(|read| read.partial_cmp(&limit) == x.partial_cmp(&limit) && (read == 1.0) == (x == 1.0))
    });
    shown.unwrap_or_else(|| exact(x))
}

/// A number with all its digits; whole ones with their thousands marked.
fn exact(x: f64) -> String {
    if x >= 0.0 && x.fract() == 0.0 && x < 1e15 { count(x as u64) } else { Scalar::Float(x).to_string() }
}

/// The share of a limit that is used: `73 %`, `12.6 x`. Never `100 %` for what is over, nor `0 %` for what is something.
pub(crate) fn percent(used: f64) -> String {
    match used * 100.0 {
        p if p.is_nan() => "-".to_owned(),
        p if p > 999.5 => format!("{} x", digits(used, 3)),
        p if p > 100.0 => format!("{} %", (p.ceil() as u64).max(101)),
        0.0 => "0 %".to_owned(),
        p if p < 1.0 => "< 1 %".to_owned(),
        p if p < 100.0 => format!("{} %", (p.round() as u64).min(99)),
        _ => "100 %".to_owned(),
    }
}

/// Two statistics side by side, with as many digits as it takes to see whether they differ.
pub(crate) fn pair(a: f64, b: f64) -> (String, String) {
    let texts = |n| (statistic(a, n), statistic(b, n));
    let alike = a == b || a.is_nan() || b.is_nan();
    let found = (STATISTIC_DIGITS..=MOST_DIGITS).map(texts).find(|(a, b)| alike || a != b);
    found.unwrap_or_else(|| texts(MOST_DIGITS))
}

fn statistic(x: f64, n: usize) -> String {
    match x {
        x if x.is_nan() => "-".to_owned(),
        x if x.fract() == 0.0 && x.abs() < 1e15 => Scalar::Float(x).to_string(),
        x => digits(x, n),
    }
}

/// A count that may be an estimate: `about 1.2e6`.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    let text = if estimate.value.fract() == 0.0 { exact(estimate.value) } else { digits(estimate.value, DIGITS) };
    if estimate.exact { text } else { format!("about {text}") }
}

/// A value of an array of `dtype`: the fewest digits that give back the same value of that dtype.
pub(crate) fn cell(cell: Cell, dtype: DType) -> String {
    let part = |x: f64| Scalar::Float(shortest(x, dtype.part()));
    match cell.0 {
        Scalar::Float(x) => part(x).to_string(),
        Scalar::Complex(re, im) => Scalar::Complex(shortest(re, dtype.part()), shortest(im, dtype.part())).to_string(),
        other => other.to_string(),
    }
}

/// The double with the fewest decimal digits that `dtype` rounds to the same value as `x`.
fn shortest(x: f64, dtype: DType) -> f64 {
    let same = |y: f64| match dtype {
        DType::F16 => f16::from_f64(y) == f16::from_f64(x),
        DType::F32 => y as f32 == x as f32,
        _ => y == x,
    };
    let short = (0..MOST_DIGITS).filter_map(|n| format!("{x:.n$e}").parse::<f64>().ok()).find(|y| same(*y));
    if x.is_finite() { short.unwrap_or(x) } else { x }
}

/// The error of an element, original − restored; the modulus for complex numbers. `None` where it is not a number.
pub(crate) fn difference(original: Cell, restored: Cell) -> Option<f64> {
    let e = match (original.0, restored.0) {
        (Scalar::Int(a), Scalar::Int(b)) => a.saturating_sub(b) as f64,
        (Scalar::Float(a), Scalar::Float(b)) => a - b,
        (Scalar::Bool(a), Scalar::Bool(b)) => f64::from(u8::from(a)) - f64::from(u8::from(b)),
        (Scalar::Complex(a, b), Scalar::Complex(c, d)) => (a - c).hypot(b - d),
        _ => f64::NAN,
    };
    Some(e).filter(|e| !e.is_nan())
}

/// An n-d index as NumPy prints a tuple.
pub(crate) fn index(index: &[u64]) -> String {
    let text = index.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if index.len() == 1 { format!("({text},)") } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Number, Outcome};

    fn criterion(measured: f64, allowed: f64) -> Criterion {
        Criterion {
            name: "max_abs".to_owned(),
            label: String::new(),
            outcome: Outcome::Passed,
            measured: Number(measured),
            allowed: Number(allowed),
            direction: Direction::AtMost,
            used: Number(measured / allowed),
            at: None,
            reason: None,
        }
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(size(159_048_000), "159.0 MB");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(999_960), "1.0 MB");
        assert_eq!(size(u64::MAX), "18.4 EB");
        assert_eq!(count(19_881_000), "19,881,000");
        assert_eq!(count(7), "7");
        assert_eq!(shape(&[3]), "(3,)");
        assert_eq!(shape(&[]), "()");
        assert_eq!(shape(&[2; 32]), "(2, 2, ..., 2, 2)");
        assert_eq!(at_most(0.0078125), "0.0078125");
        assert_eq!(at_most(0.005000000000000225), "0.00500001");
        assert_eq!(at_most(0.0019529632209946968), "0.00195297");
        assert_eq!(at_most(9.999999717180685e-10), "1e-9");
        assert_eq!(at_most(1e300), "1e300");
    }

    #[test]
    fn a_measurement_shows_on_which_side_of_its_limit_it_lies() {
        let next = f64::from_bits(0.005f64.to_bits() + 1);
        for (x, shown) in [(0.0049, "0.004900"), (next, "0.005000000000000001"), (0.00500001, "0.00500001"), (2.0, "2")]
        {
            let c = criterion(x, 0.005);
            assert_eq!(measured(&c), shown);
            assert_eq!(shown.parse::<f64>().unwrap() > 0.005, x > 0.005);
        }
        assert_eq!(
            (percent(next / 0.005), percent(1.0), percent(0.9999), percent(1e-9)),
            ("101 %".into(), "100 %".into(), "99 %".into(), "< 1 %".into())
        );
        assert_eq!(allowed(&criterion(0.0, 0.005)), "at most 0.005");
        assert_eq!(measured(&criterion(f64::NAN, 0.005)), "not defined");
    }

    #[test]
    fn a_share_below_one_is_never_written_as_one() {
        for x in [0.95, 0.99, 0.999_999_87, 1.0 - f64::EPSILON] {
            let text = figure(Figure::Pearson, x);
            assert!(text.parse::<f64>().unwrap() < 1.0, "{x:e}: {text}");
        }
        assert_eq!(figure(Figure::Pearson, 0.999_999_87), "0.99999987");
        assert_eq!(figure(Figure::Pearson, 1.0), "1");
        assert_eq!(figure(Figure::Psnr, f64::INFINITY), "inf dB");
        assert_eq!(figure(Figure::Rmse, 1.23456e-7), "1.235e-7");
        assert_eq!(figure(Figure::MaxUlp, 123456.0), "123,456");
    }

    #[test]
    fn values_have_the_digits_of_their_dtype_and_statistics_those_that_tell_them_apart() {
        assert_eq!(cell(Cell(Scalar::Float(f64::from(0.1f32))), DType::F32), "0.1");
        assert_eq!(cell(Cell(Scalar::Float(f16::from_f64(0.1).to_f64())), DType::F16), "0.1");
        assert_eq!(cell(Cell(Scalar::Float(0.1 + 0.2)), DType::F64), "0.30000000000000004");
        assert_eq!(cell(Cell(Scalar::Complex(0.5, f64::NAN)), DType::C128), "0.5+NaNj");
        let (a, b) = pair(0.123_456_789, 0.123_456_780);
        assert_eq!((a.as_str(), b.as_str()), ("0.12345679", "0.12345678"));
        assert_eq!(pair(f64::NAN, 1.0), ("-".to_owned(), "1".to_owned()));
    }
}
