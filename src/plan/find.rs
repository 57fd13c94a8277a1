//! From a look at all values to findings: each claim of "lossless" is proved by running its steps on the whole array.

use super::finding::{Finding, Kind};
use super::flags::number;
use super::look::Look;
use super::symmetry;
use crate::array::{Buf, DType, DTypeKind, Span};
use crate::engine::{Resources, look, tally};
use crate::error::{ErrorKind, Result};
use crate::pipeline::{Pipeline, Source, Work};
use crate::transform::{
    Ask, BitPackAsk, BitRound, Cast, CastTo, Fact, FactNeeded, Fill, Overflow, Range, ScaleOffsetAsk, Step,
};

/// Values that mark missing data in many archives. NetCDF's own defaults and what models and satellites write.
const MARKS: &[f64] = &[
    1e20,
    -1e20,
    9.969209968386869e36,
    1e30,
    -1e30,
    1e34,
    -1e34,
    1e35,
    -1e35,
    1e36,
    -1e36,
    1e37,
    1e38,
    -9999.0,
    -999.0,
    -99.0,
    -8888.0,
    -999.9,
    -9999.9,
    -99999.0,
    -32768.0,
    -32767.0,
    -2147483648.0,
    -2147483647.0,
    99999.0,
    9999.0,
];

/// Beyond this a float is suspected to be a mark as well.
const HUGE: f64 = 1e15;

/// A mark stands for at least this share of the elements.
const LEAST_MARKED: f64 = 1e-5;

/// The largest finite float16.
const LARGEST_F16: f64 = 65504.0;

/// What is known of the array.
#[derive(Debug)]
pub(super) struct Known {
    /// All but the fill value.
    pub(super) look: Look,
    /// The fill value, declared or found.
    pub(super) fill: Option<Fill>,
    /// Whether the fill value must be given as a flag, because the file does not declare it.
    pub(super) fill_is_found: bool,
    pub(super) findings: Vec<Finding>,
    /// The triangle step that fits the matrices exactly.
    pub(super) triangle: Option<Ask>,
    /// The triangle step that fits them within its tolerance.
    pub(super) nearly: Option<(Ask, f64)>,
    first: Buf,
}

impl Known {
    /// The fill value as a flag, where one is needed.
    pub(super) fn flag_fill(&self) -> Option<Fill> {
        self.fill.filter(|_| self.fill_is_found)
    }

    /// The settled steps of `asks` on `input`, from what is known; `None` where they do not fit or need another pass.
    pub(super) fn settle(&self, source: &dyn Source, asks: &[Ask]) -> Result<Option<Vec<Step>>> {
        let mut at = source.spec().clone();
        let mut steps: Vec<Step> = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut ask = ask.clone();
            ask.offer_fill(self.fill);
            let Ok(needed) = ask.asked().needs(&at) else { return Ok(None) };
            let fact = match needed {
                FactNeeded::Nothing => Fact::Nothing,
                FactNeeded::First => Fact::First(self.first.clone()),
                FactNeeded::Range { fill } => match steps.last().and_then(|s| s.transform().ceiling()) {
                    Some(ceiling) => Fact::Range(Range::up_to(ceiling)),
                    // Triangles keep values as they are, so that the range of all holds theirs.
                    None if fill == self.fill && steps.iter().all(|s| matches!(s, Step::Triangle(_))) => {
                        Fact::Range(self.look.range)
                    }
                    None if self.fill.is_none() => Fact::Range(self.look.range),
                    None => return Ok(None),
                },
            };
            let step = match ask.asked().settle(&at, &fact) {
                Ok(step) => step,
                Err(e) if matches!(e.kind(), ErrorKind::Recipe | ErrorKind::Refused | ErrorKind::Usage) => {
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            let Ok(output) = step.transform().output(&at) else { return Ok(None) };
            at = output;
            steps.push(step);
        }
        Ok(Some(steps))
    }

    /// Whether `asks` give every bit of `source` back: they are run on all of it.
    fn prove(&self, source: &dyn Source, asks: &[Ask], resources: &Resources<'_>) -> Result<bool> {
        let Some(steps) = self.settle(source, asks)? else { return Ok(false) };
        let Ok(pipeline) = Pipeline::bind(source.spec(), &steps) else { return Ok(false) };
        let tally = tally(source, &pipeline, resources)?;
        let kept = |loss: &crate::metric::Loss| loss.changed() == 0 && loss.nan_payload() == 0;
        Ok(!tally.is_refused() && tally.steps.iter().all(|s| kept(&s.loss)) && kept(&tally.total))
    }

    fn claim(
        &mut self,
        source: &dyn Source,
        resources: &Resources<'_>,
        kind: Kind,
        text: &str,
        asks: Vec<Ask>,
    ) -> Result<Option<&mut Finding>> {
        if !self.prove(source, &asks, resources)? {
            return Ok(None);
        }
        let fill = self.flag_fill();
        self.findings.push(Finding::lossless(kind, text, asks, fill));
        Ok(self.findings.last_mut())
    }
}

/// Looks at all of `source`. `declared` is the fill value that the file declares or the user gives.
pub(super) fn find(
    source: &dyn Source,
    declared: Option<Fill>,
    given: bool,
    resources: &Resources<'_>,
) -> Result<Known> {
    let spec = source.spec();
    let dtype = spec.dtype();
    let declared = declared.filter(|f| dtype.part() == dtype && dtype != DType::Bool && f.bits(dtype).is_ok());
    let mut all = look_at(source, declared, resources)?;
    let (mut fill, mut found) = (declared, given && declared.is_some());
    if declared.is_none() {
        for mark in suspects(dtype, &all) {
            let without = look_at(source, Some(mark), resources)?;
            if is_apart(mark, &without, spec.count()) {
                (all, fill, found) = (without, Some(mark), true);
                break;
            }
        }
    }
    let mut first = Buf::new();
    source.read(&[Span::new(0, spec.count().min(1))], &mut first, &mut Work::new(0))?;
    let mut known =
        Known { look: all, fill, fill_is_found: found, findings: Vec::new(), triangle: None, nearly: None, first };
    if spec.count() == 0 {
        known.findings.push(Finding::note(Kind::Empty, "no elements".to_owned()));
        return Ok(known);
    }
    special(&mut known, spec.count(), declared.is_none() && found);
    symmetry::find(source, &mut known, resources)?;
    match dtype.part().kind() {
        DTypeKind::Float => floats(source, &mut known, resources)?,
        DTypeKind::Bool => {
            let asks = vec![Ask::BitPack(BitPackAsk::default())];
            known.claim(source, resources, Kind::ZeroOne, "booleans, eight to the byte", asks)?;
        }
        _ => integers(source, &mut known, resources)?,
    }
    few(source, &mut known, resources)?;
    Ok(known)
}

fn look_at(source: &dyn Source, fill: Option<Fill>, resources: &Resources<'_>) -> Result<Look> {
    let empty = Look::new(source.spec().dtype(), fill)?;
    let parts = look(source, resources, || empty.clone(), |look, _at, part| look.add(part))?;
    let mut all = empty;
    parts.into_iter().for_each(|part| all.merge(part));
    Ok(all)
}

/// The extremes, where they may be marks of missing data.
fn suspects(dtype: DType, look: &Look) -> Vec<Fill> {
    let Some((low, high)) = look.bounds().filter(|(low, high)| low < high && dtype.part() == dtype) else {
        return Vec::new();
    };
    let float = dtype.kind() == DTypeKind::Float;
    let as_held = |x: f64| match dtype {
        DType::F32 => f64::from(x as f32),
        DType::F16 => f64::from(half::f16::from_f64(x)),
        _ => x,
    };
    let suspect = |x: f64| match () {
        () if float && x.abs() >= HUGE => Some(Fill::Float(x)),
        () if !MARKS.iter().any(|m| as_held(*m) == x) => None,
        () if float => Some(Fill::Float(x)),
        () if x < 0.0 => Some(Fill::Int(x as i64)),
        () => Some(Fill::Uint(x as u64)),
    };
    // Written as people write it: 1e20 and not the float32 nearest to it.
    let plain = |fill: Fill| match fill {
        Fill::Float(x) if dtype == DType::F32 => {
            let short = (x as f32).to_string().parse::<f64>().unwrap_or(x);
            if short as f32 == x as f32 { Fill::Float(short) } else { fill }
        }
        other => other,
    };
    [high, low].into_iter().filter_map(suspect).map(plain).filter(|f| f.bits(dtype).is_ok()).collect()
}

/// Whether `mark` lies farther from all other values than they from each other, and is no single outlier.
fn is_apart(mark: Fill, without: &Look, count: u64) -> bool {
    let (Some((low, high)), fills) = (without.bounds(), without.range.fills) else { return false };
    let x = match mark {
        Fill::Float(x) => x,
        Fill::Int(i) => i as f64,
        Fill::Uint(u) => u as f64,
    };
    let width = high / 2.0 - low / 2.0;
    let distance = (x / 2.0 - high / 2.0).max(low / 2.0 - x / 2.0);
    fills >= 2 && fills as f64 >= LEAST_MARKED * count as f64 && distance > width
}

/// What is not an ordinary number.
fn special(known: &mut Known, count: u64, fill_is_guess: bool) {
    let range = known.look.range;
    let parts = (range.finite + range.nan + range.pos_inf + range.neg_inf + range.fills).max(count);
    let share = |n: u64| n as f64 / parts.max(1) as f64;
    if let Some(fill) = known.fill.filter(|_| range.fills > 0) {
        let text = format!("{fill} in {} of the elements", percent(share(range.fills)));
        let flag = super::flags::fill_flag(fill);
        let text =
            if fill_is_guess { format!("{text}: looks like a fill value: {flag}") } else { text + ", the fill value" };
        let value = match fill {
            Fill::Float(x) => crate::metric::Value::Float(x),
            Fill::Int(i) => crate::metric::Value::Int(i),
            Fill::Uint(u) => crate::metric::Value::Uint(u),
        };
        let found = Finding::note(Kind::FillValue, text).with(value);
        let flags = fill_is_guess.then_some(flag);
        known.findings.push(Finding { flags, share: Some(share(range.fills)), ..found });
    }
    let others = [(range.nan, "NaN"), (range.pos_inf, "+Inf"), (range.neg_inf, "-Inf")];
    let words: Vec<String> = others
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{name} in {} of the elements", percent(share(*n))))
        .collect();
    if !words.is_empty() {
        let text = words.join(", ") + "; they always come back exactly";
        let all = others.iter().map(|(n, _)| n).sum();
        known.findings.push(Finding { share: Some(share(all)), ..Finding::note(Kind::NotFinite, text) });
    }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p >= 10.0 => format!("{p:.0} %"),
        p if p >= 0.1 => format!("{p:.1} %"),
        p => format!("{p:.1e} %"),
    }
}

fn floats(source: &dyn Source, known: &mut Known, resources: &Resources<'_>) -> Result<()> {
    let dtype = source.spec().dtype();
    let part = dtype.part();
    let Some((low, high)) = known.look.bounds() else { return Ok(()) };
    let cast = |to| vec![Ask::Cast(Cast { to, overflow: Overflow::Error })];
    let real = part == dtype;
    let mut narrowed = false;
    // Fill values are cast like any value, so that only what holds for them too is true.
    if known.look.float16 && real && part != DType::F16 {
        let text = format!("{dtype} that holds float16 values");
        narrowed = known.claim(source, resources, Kind::NarrowerFloat, &text, cast(CastTo::Float16))?.is_some();
    }
    if known.look.float32 && part == DType::F64 && !narrowed {
        let text = format!("{dtype} that holds {} values", if real { "float32" } else { "complex64" });
        narrowed = known.claim(source, resources, Kind::NarrowerFloat, &text, cast(CastTo::Float32))?.is_some();
    }
    if let Some((digits, divisor)) = known.look.grid().filter(|_| real && low < high) {
        let grid = |ask| vec![Ask::ScaleOffset(ask)];
        let words = match digits {
            0 if low >= 0.0 && high <= 1.0 => "only 0 and 1 in floats".to_owned(),
            0 => format!("integers from {low} to {high} in floats"),
            1 => "one decimal".to_owned(),
            d => format!("{d} decimals"),
        };
        let kind = if digits == 0 { Kind::Integers } else { Kind::Decimals };
        let step = divisor as f64 / 10u64.pow(digits) as f64;
        if digits == 0 && low >= 0.0 && high <= 1.0 {
            let mut asks = grid(ScaleOffsetAsk::digits(0));
            asks.push(Ask::BitPack(BitPackAsk::default()));
            known.claim(source, resources, Kind::ZeroOne, &words, asks)?;
        } else if divisor > 1 {
            let text = format!("all are multiples of {}", number(step));
            let found = known.claim(source, resources, Kind::CommonStep, &text, grid(ScaleOffsetAsk::step(step)))?;
            match found {
                Some(found) => found.value = Some(crate::metric::Value::Float(step)),
                None => {
                    known.claim(source, resources, kind, &words, grid(ScaleOffsetAsk::digits(digits as i32)))?;
                }
            }
        } else {
            let found = known.claim(source, resources, kind, &words, grid(ScaleOffsetAsk::digits(digits as i32)))?;
            if let Some(found) = found {
                found.value = Some(crate::metric::Value::Uint(digits.into()));
            }
        }
    }
    let bits: u32 = match part {
        DType::F16 => 10,
        DType::F32 => 23,
        _ => 52,
    };
    // A few zero bits are chance where values are few or powers of two; where a narrower float holds all, that says more.
    if let Some(idle) = known.look.idle_bits().filter(|idle| *idle >= 3 && *idle < bits && !narrowed) {
        let keepbits = (bits - idle) as u8;
        let asks = vec![Ask::BitRound(BitRound { keepbits, fill: None })];
        let text = format!("the lowest {idle} of {bits} mantissa bits are always zero");
        if let Some(found) = known.claim(source, resources, Kind::IdleBits, &text, asks)? {
            found.value = Some(crate::metric::Value::Uint(idle.into()));
        }
    }
    let most = low.abs().max(high.abs());
    if most > LARGEST_F16 && real {
        let text = format!("values beyond float16, up to {}: --f16 would overflow", number(most));
        known.findings.push(Finding::note(Kind::BeyondFloat16, text).with(crate::metric::Value::Float(most)));
    }
    Ok(())
}

fn integers(source: &dyn Source, known: &mut Known, resources: &Resources<'_>) -> Result<()> {
    let dtype = source.spec().dtype();
    let (low, high) = known.look.range.integers;
    if known.look.range.finite == 0 || low == high {
        return Ok(());
    }
    let bits = |low: i128, high: i128| -> u32 {
        let magnitude = |v: i128| i128::BITS - (if v < 0 { !v } else { v }).leading_zeros();
        magnitude(low).max(magnitude(high)) + u32::from(low < 0)
    };
    let whole = 8 * dtype.size() as u32;
    if low >= 0 && high <= 1 && known.fill.is_none() {
        let asks = vec![Ask::BitPack(BitPackAsk { bits: Some(1), ..BitPackAsk::default() })];
        known.claim(source, resources, Kind::ZeroOne, "only 0 and 1", asks)?;
        return Ok(());
    }
    let step = known.look.grid().map_or(1, |(_, divisor)| divisor);
    let codes = (high - low) as u128 / u128::from(step.max(1)) + u128::from(known.look.range.fills > 0);
    let to = u64::try_from(codes).map_or(dtype, DType::unsigned_for);
    if step > 1 {
        let text = format!("all are multiples of {step}");
        let asks = vec![Ask::ScaleOffset(ScaleOffsetAsk::step(step as f64))];
        if let Some(found) = known.claim(source, resources, Kind::CommonStep, &text, asks)? {
            found.value = Some(crate::metric::Value::Uint(step));
        }
    } else if to.size() < dtype.size() {
        let text = format!("{dtype} from {low} to {high} fit {to}");
        let asks = vec![Ask::ScaleOffset(ScaleOffsetAsk::digits(0))];
        known.claim(source, resources, Kind::NarrowerInteger, &text, asks)?;
    }
    let width = bits(low, high);
    if width < whole && width <= 32 && known.fill.is_none() {
        let asks = vec![Ask::BitPack(BitPackAsk { bits: Some(width), ..BitPackAsk::default() })];
        let text = format!("values from {low} to {high} fit {width} bits");
        if let Some(found) = known.claim(source, resources, Kind::NarrowerInteger, &text, asks)? {
            found.value = Some(crate::metric::Value::Uint(width.into()));
        }
    }
    Ok(())
}

fn few(source: &dyn Source, known: &mut Known, resources: &Resources<'_>) -> Result<()> {
    match known.look.few() {
        Some(1) => {
            let integer = matches!(source.spec().dtype().kind(), DTypeKind::Int | DTypeKind::Uint);
            let grid = if integer { ScaleOffsetAsk::digits(0) } else { ScaleOffsetAsk::bits(1) };
            let asks = vec![Ask::ScaleOffset(grid), Ask::BitPack(BitPackAsk::default())];
            let value = known.first.scalar(0);
            let text = format!("constant: every value is {value}");
            if known.claim(source, resources, Kind::Constant, &text, asks)?.is_none() {
                known.findings.push(Finding::note(Kind::Constant, text));
            }
        }
        Some(n) if source.spec().count() > 4 * n as u64 && n > 2 => {
            let text = format!("{n} distinct values");
            known.findings.push(Finding::note(Kind::FewDistinct, text).with(crate::metric::Value::Uint(n as u64)));
        }
        _ => {}
    }
    Ok(())
}
