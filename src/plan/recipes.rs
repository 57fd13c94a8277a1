//! The candidates: what the findings allow, times what may be lost.

use super::candidate::Target;
use super::find::Known;
use super::finding::Kind;
use super::trial::Coder;
use crate::array::{DType, DTypeKind, Spec};
use crate::coding::{Bound, Coding, CodingAsk, Effort};
use crate::error::Result;
use crate::pipeline::Source;
use crate::store::Format;
use crate::transform::{Ask, BitPackAsk, BitRound, Cast, CastTo, Fidelity, Overflow, ScaleOffsetAsk, Step};

/// Efforts that are tried where none is asked for: fastest, usual, with fitted factors, smallest.
const EFFORTS: [u8; 4] = [1, 5, 6, 9];

/// From here on an effort takes many times as long as those below.
const SLOW: u8 = 7;

/// Bounds shown where none is given, as shares of the range.
const OFFERS: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// Decimals that are looked at for a bound.
const DIGITS: std::ops::RangeInclusive<i32> = -12..=15;

/// One candidate, before it is tried.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// Steps in front, those of the triangle first.
    pub(super) asks: Vec<Ask>,
    /// How many of them make the array that samples are of.
    pub(super) base: usize,
    pub(super) steps: Vec<Step>,
    pub(super) coder: Coder,
    /// The coding as a person would ask for it.
    pub(super) coding: Option<CodingAsk>,
    pub(super) format: Format,
    /// Whether it may be chosen, or only shows what another bound would give.
    pub(super) asked: bool,
    /// What the steps in front of the sampled array may change a value by.
    pub(super) slack: f64,
}

impl Recipe {
    /// The kind of file.
    pub(super) fn target(&self) -> Target {
        match self.coder {
            Coder::Plain => Target::Npy,
            Coder::Zstd => Target::Hdf5Zstd,
            Coder::Coded(_) => Target::Hdf5Filtered,
        }
    }

    /// How hard the coding tries; 0 without one.
    pub(super) fn effort(&self) -> u8 {
        match self.coder {
            Coder::Coded(coding) => coding.effort.level(),
            _ => 0,
        }
    }

    /// Whether its effort takes many times as long as others.
    pub(super) fn is_slow(&self) -> bool {
        self.effort() >= SLOW
    }
}

/// What candidates are made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) ask: Option<&'a CodingAsk>,
    pub(super) coding: &'a Coding,
    pub(super) effort: Option<Effort>,
    pub(super) npy: bool,
    pub(super) hdf5: bool,
    /// Whether the filtered layout may be used.
    pub(super) coded: bool,
}

/// A list in the making.
struct List<'a> {
    source: &'a dyn Source,
    known: &'a Known,
    wanted: Wanted<'a>,
    all: Vec<Recipe>,
}

/// All candidates for `source`, from lossless up, in an order that breaks ties.
pub(super) fn list(source: &dyn Source, known: &Known, wanted: Wanted<'_>) -> Result<Vec<Recipe>> {
    let mut list = List { source, known, wanted, all: Vec::new() };
    if source.spec().count() == 0 {
        // Nothing to make smaller: as it is.
        if wanted.npy {
            list.plain(&[], &[], 0.0)?
        } else {
            list.zstd(&[], &[], 0.0)?
        }
        return Ok(list.all);
    }
    let lossless = wanted.coding.bound.is_lossless();
    let usual = wanted.effort.unwrap_or_default();
    let mut bases: Vec<(Vec<Ask>, f64)> = vec![(Vec::new(), 0.0)];
    bases.extend(known.triangle.clone().map(|t| (vec![t], 0.0)));
    // The tolerance is taken off the bound of the values; only where that hardly matters.
    let room = wanted.coding.bound.max_abs.unwrap_or(0.0);
    bases.extend(known.nearly.clone().filter(|(_, t)| *t <= room / 64.0).map(|(ask, t)| (vec![ask], t)));
    let last = bases.len() - 1;
    for (i, (base, slack)) in bases.iter().enumerate() {
        let best = i == last;
        if *slack == 0.0 {
            let efforts: &[u8] = if lossless && best && wanted.effort.is_none() { &EFFORTS } else { &[usual.level()] };
            for effort in efforts {
                list.coded(base, &[], CodingAsk { max_abs: Some(0.0), ..effort_of(*effort)? }, true, 0.0)?;
            }
            // As it is, where nothing but `.npy` may come: noise is not refused.
            if !base.is_empty() || !wanted.hdf5 {
                list.plain(base, &[], 0.0)?;
            }
            list.zstd(base, &[], 0.0)?;
            list.narrowed(base, best)?;
        }
        if lossless {
            continue;
        }
        let Some(ask) = wanted.ask else { continue };
        let efforts: &[u8] = if best && wanted.effort.is_none() { &EFFORTS } else { &[usual.level()] };
        for effort in efforts {
            let ask = CodingAsk { effort: effort_of(*effort)?.effort, ..*ask };
            list.coded(base, &[], if *slack > 0.0 { less(&ask, wanted.coding, *slack) } else { ask }, true, *slack)?;
        }
        if best {
            list.lossy(base, *slack)?;
        }
    }
    if wanted.ask.is_none() {
        let base = &bases[last].0;
        let real = source.spec().dtype().part().kind() == DTypeKind::Float;
        for share in OFFERS.iter().filter(|_| real) {
            let ask = CodingAsk { max_range_rel: Some(*share), effort: usual, ..CodingAsk::default() };
            list.coded(base, &[], ask, false, 0.0)?;
        }
    }
    Ok(list.all)
}

fn effort_of(level: u8) -> Result<CodingAsk> {
    Ok(CodingAsk { effort: Effort::try_from(level)?, ..CodingAsk::default() })
}

/// The same limits with `slack` taken off, so that both together keep them.
fn less(ask: &CodingAsk, coding: &Coding, slack: f64) -> CodingAsk {
    let max_abs = coding.bound.max_abs.map(|e| (e - slack).next_down().max(0.0));
    CodingAsk { max_abs, max_range_rel: None, ..*ask }
}

impl List<'_> {
    fn push(
        &mut self,
        base: &[Ask],
        more: &[Ask],
        coder: Coder,
        format: Format,
        slack: f64,
    ) -> Result<Option<&mut Recipe>> {
        let fits = match format {
            Format::Npy => self.wanted.npy,
            _ => self.wanted.hdf5,
        };
        if !fits {
            return Ok(None);
        }
        let asks: Vec<Ask> = base.iter().chain(more).cloned().collect();
        let Some(steps) = self.known.settle(self.source, &asks)? else { return Ok(None) };
        if self.all.iter().any(|r| r.steps == steps && r.coder == coder && r.format == format) {
            return Ok(None);
        }
        self.all.push(Recipe { asks, base: base.len(), steps, coder, coding: None, format, asked: true, slack });
        Ok(self.all.last_mut())
    }

    fn coded(&mut self, base: &[Ask], more: &[Ask], ask: CodingAsk, asked: bool, slack: f64) -> Result<()> {
        if !self.wanted.coded {
            return Ok(());
        }
        let coding = ask.settle(self.known.look.bounds())?;
        if let Some(recipe) = self.push(base, more, Coder::Coded(coding), Format::Hdf5, slack)? {
            (recipe.coding, recipe.asked) = (Some(ask), asked);
        }
        Ok(())
    }

    fn plain(&mut self, base: &[Ask], more: &[Ask], slack: f64) -> Result<()> {
        self.push(base, more, Coder::Plain, Format::Npy, slack).map(|_| ())
    }

    fn zstd(&mut self, base: &[Ask], more: &[Ask], slack: f64) -> Result<()> {
        if cfg!(feature = "zstd") {
            self.push(base, more, Coder::Zstd, Format::Hdf5, slack)?;
        }
        Ok(())
    }

    /// As `.npy` and with zstd; grids of codes also packed to their bits.
    fn both(&mut self, base: &[Ask], more: Vec<Ask>, slack: f64) -> Result<()> {
        self.plain(base, &more, slack)?;
        if !matches!(more.last(), Some(Ask::BitPack(_))) {
            // Packed bits have no bytes that repeat.
            self.zstd(base, &more, slack)?;
        }
        if matches!(more.last(), Some(Ask::ScaleOffset(_))) {
            let mut bits = more;
            bits.push(Ask::BitPack(BitPackAsk::default()));
            self.plain(base, &bits, slack)?;
        }
        Ok(())
    }

    /// The findings' own steps behind `base`.
    fn narrowed(&mut self, base: &[Ask], best: bool) -> Result<()> {
        let known = self.known;
        let usual = self.wanted.effort.unwrap_or_default();
        for finding in known.findings.iter().filter(|f| f.lossless) {
            // A triangle is a base of its own.
            if matches!(finding.kind, Kind::Symmetric | Kind::IdleBits) {
                continue;
            }
            self.both(base, finding.asks.clone(), 0.0)?;
            let elementwise = finding.asks.iter().all(Ask::is_elementwise);
            if best && elementwise {
                let ask = CodingAsk { max_abs: Some(0.0), effort: usual, ..CodingAsk::default() };
                self.coded(base, &finding.asks, ask, true, 0.0)?;
            }
        }
        Ok(())
    }

    /// Steps of the command line that are likely to keep the bound; the trial tells.
    fn lossy(&mut self, base: &[Ask], slack: f64) -> Result<()> {
        let spec = self.source.spec().clone();
        let bound = self.wanted.coding.bound;
        if bound.rel_floor > 0.0 {
            // No figure of a budget has such a floor, so that a whole array could not be held against it: the coding alone keeps it.
            return Ok(());
        }
        let room = bound.max_abs.map(|e| e - slack).filter(|e| *e > 0.0);
        let (dtype, low_high) = (spec.dtype(), self.known.look.bounds());
        for to in [CastTo::Float32, CastTo::Float16] {
            self.both(base, vec![Ask::Cast(Cast { to, overflow: Overflow::Error })], slack)?;
        }
        let even = bound.mean_square.map(|ms| (12.0 * ms).sqrt() / 2.0);
        let half = match (room, even) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for half in half.into_iter().filter(|h| *h > 0.0 && h.is_finite()) {
            if let Some(digits) = self.digits(&spec, half)? {
                self.both(base, vec![Ask::ScaleOffset(ScaleOffsetAsk::digits(digits))], slack)?;
            }
            if let Some(step) = self.step(&spec, half)? {
                self.both(base, vec![Ask::ScaleOffset(ScaleOffsetAsk::step(step))], slack)?;
            }
        }
        if let Some(keepbits) =
            low_high.and_then(|(low, high)| keepbits(dtype, low.abs().max(high.abs()), &bound, room))
        {
            self.zstd(base, &[Ask::BitRound(BitRound { keepbits, fill: None })], slack)?;
        }
        Ok(())
    }

    /// The largest error that a grid can make, `None` where it does not fit.
    fn error_of(&self, spec: &Spec, ask: ScaleOffsetAsk) -> Result<Option<f64>> {
        let steps = self.known.settle(self.source, &[Ask::ScaleOffset(ask)])?;
        Ok(steps.and_then(|steps| match steps.first()?.transform().fidelity(spec) {
            Fidelity::Exact => Some(0.0),
            Fidelity::Lossy { max_abs, .. } => max_abs,
        }))
    }

    /// The fewest decimals that keep an error of `most`.
    fn digits(&self, spec: &Spec, most: f64) -> Result<Option<i32>> {
        for digits in DIGITS {
            // 10^-D/2 alone tells most of them.
            let half = if digits >= 0 { 0.5 / 10f64.powi(digits) } else { 0.5 * 10f64.powi(-digits) };
            if half <= most && self.error_of(spec, ScaleOffsetAsk::digits(digits))?.is_some_and(|e| e <= most) {
                return Ok(Some(digits));
            }
        }
        Ok(None)
    }

    /// The largest step that keeps an error of `most`, a little below it where rounding asks for room.
    fn step(&self, spec: &Spec, most: f64) -> Result<Option<f64>> {
        if matches!(spec.dtype().kind(), DTypeKind::Int | DTypeKind::Uint) {
            let step = (2.0 * most).floor() + 1.0;
            return Ok(self.error_of(spec, ScaleOffsetAsk::step(step))?.filter(|e| *e <= most).map(|_| step));
        }
        let mut step = short(2.0 * most);
        for _ in 0..3 {
            match self.error_of(spec, ScaleOffsetAsk::step(step))? {
                Some(error) if error <= most => return Ok(Some(step)),
                Some(error) => step = short(step - 2.1 * (error - most) - step * f64::EPSILON),
                None => return Ok(None),
            }
            if step <= most {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// The largest number of four digits up to `x`: people read it, and at most a thousandth of the step is given away.
fn short(x: f64) -> f64 {
    let read = |text: String| text.parse::<f64>().ok().filter(|y| *y > 0.0 && *y <= x);
    // Rounding may go up: then a little less rounds to the number below.
    read(format!("{x:.3e}")).or_else(|| read(format!("{:.3e}", x - x * 5e-4))).unwrap_or(x)
}

/// The fewest mantissa bits that keep `bound` for values up to `most`.
fn keepbits(dtype: DType, most: f64, bound: &Bound, room: Option<f64>) -> Option<u8> {
    let all = match dtype.part() {
        DType::F16 => 10u8,
        DType::F32 => 23,
        DType::F64 => 52,
        _ => return None,
    };
    // An error of half a kept bit: 2^-(N+1) of the power of two at or below the magnitude.
    let power = f64::from_bits(most.to_bits() & (0x7ff << 52));
    (0..all).find(|n| {
        let half = 0.5f64.powi(i32::from(*n) + 1);
        let relative = bound.max_rel.is_none_or(|r| half <= r);
        let absolute = room.is_none_or(|e| power * half <= e);
        // About a third of the largest error, root mean square.
        let square = bound.mean_square.is_none_or(|ms| (power * half) * (power * half) <= 3.0 * ms);
        relative && absolute && square && (bound.max_rel.is_some() || room.is_some() || bound.mean_square.is_some())
    })
}
