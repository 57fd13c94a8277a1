//! A grid whose steps grow with the values: for limits relative to each value.
//!
//! Integers pass through i64 on their way to and from floats: conversions of u64 take several times as long.
//!
//! No logarithm decides a value: within a binade (from a power of two to the next) the steps are even in pieces.

use super::even::rounding;
use super::kernel::{Count, Grid, Work};
use super::survey::Survey;
use crate::array::DType;
use crate::coding::Bound;
use crate::coding::bytes::{Put, Reader};
use crate::error::{Result, refuse};

/// Most pieces of a binade, as a power of two: finer ones save less than their table costs.
const MOST_PIECES: u32 = 10;
/// Most steps of a binade: beyond that a float32 has no digits left to drop.
const MOST_STEPS: f64 = (1u32 << 30) as f64;
/// Exponents of normal float64 numbers.
const LEAST_EXPONENT: i32 = -1022;
const MOST_EXPONENT: i32 = 1023;

/// What is written; everything else follows from it by IEEE arithmetic.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Given {
    /// Half a step relative to the lower edge of its piece.
    relative: f64,
    /// Half a step about zero, up to the piece `start`. Not used where `central` is 0.
    half: f64,
    /// Integers on either side of zero in the even zone about it.
    central: u64,
    /// Half a step above the piece `end`.
    top: f64,
    /// Where the growing steps begin and end: exponent of a binade, piece of it.
    start: (i32, u32),
    end: (i32, u32),
    /// Pieces of a binade are 2^this many.
    pieces: u32,
}

/// A piece of the binade from 1 to 2.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// Steps of the binade before it.
    before: u64,
    /// Its steps.
    count: f64,
    /// Its lower edge.
    edge: f64,
    /// Width of a step.
    width: f64,
}

/// 0 is 0; from there on, by magnitude and with the sign of the value: even steps up to the floor, steps that grow with the
/// magnitude, even steps where the absolute limit is the stricter.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::coding) struct Relative {
    given: Given,
    /// The pieces of a binade, and one more: the steps of a whole binade.
    pieces: Vec<Piece>,
    /// Piece of the first step of every 2^`shift` steps of a binade.
    piece: Vec<u16>,
    shift: u32,
    /// Steps of the binades from `start`'s to `end`.
    growing: u64,
    /// Steps of a binade, and 1 over that.
    all: u64,
    per_binade: f64,
}

/// 2^e for a normal float64.
#[inline(always)]
fn power(e: i32) -> f64 {
    f64::from_bits(((e.clamp(LEAST_EXPONENT, MOST_EXPONENT) + 1023) as u64) << 52)
}

impl Relative {
    /// The grid for floats of `dtype` within `bound`; `None` where there is no relative limit, or no room for rounding.
    pub(in crate::coding) fn fit(dtype: DType, survey: &Survey, bound: &Bound) -> Option<Self> {
        let asked = bound.max_rel?;
        if bound.is_lossless() || survey.least == 0.0 {
            return None;
        }
        // Rounding to the dtype is relative, too, but for subnormals, which are judged one by one.
        let most = survey.high.max(-survey.low);
        let relative = (asked - rounding(dtype, 1.0) * (1.0 + asked)).min(0.5);
        if !(relative > asked / 2.0 && relative > 0.0) {
            return None;
        }
        let square = bound.mean_square.map_or(f64::MAX, |s| (3.0 * s).sqrt());
        let limit = bound.max_abs.unwrap_or(f64::MAX).min(square);
        let top = limit - rounding(dtype, most.min(limit / asked));
        if top <= limit / 2.0 || top.is_nan() {
            return None;
        }
        let pieces = (0..=MOST_PIECES)
            .min_by_key(|s| steps(relative, *s).map_or(u64::MAX, |b| b.last().copied().unwrap_or(0)))?;
        let floor = bound.rel_floor;
        let edge_at = |x: f64| {
            // The piece that x stands in; of a subnormal, the first of all.
            let bits = x.to_bits();
            let exponent = (((bits >> 52) & 0x7ff) as i32 - 1023).max(LEAST_EXPONENT);
            let piece = if x < power(LEAST_EXPONENT) { 0 } else { ((bits << 12) >> (64 - pieces.max(1))) as u32 };
            (exponent, if pieces == 0 { 0 } else { piece })
        };
        let up = |(e, j): (i32, u32)| if (j + 1) >> pieces == 0 { (e, j + 1) } else { (e + 1, 0) };
        let edge = |(e, j): (i32, u32)| power(e) * (1.0 + f64::from(j) / f64::from(1u32 << pieces));
        let (mut half, mut central) = (0.0, 0);
        let mut start = edge_at(survey.least);
        if floor > 0.0 && floor >= survey.least {
            half = (relative * floor).min(top);
            start = edge_at(floor);
            if edge(start) < floor {
                start = up(start);
            }
            // Cells of width 2·half centred on multiples reach `start`.
            central = whole((edge(start) / half - 1.0) / 2.0)? + 1;
        }
        let mut end = edge_at((limit / asked).clamp(power(LEAST_EXPONENT), most.max(power(LEAST_EXPONENT))));
        while end.0 < MOST_EXPONENT && edge(end) * relative < top && edge(end) <= most {
            end = up(end);
        }
        if end.0 >= MOST_EXPONENT || start.0 >= MOST_EXPONENT {
            return None;
        }
        end = end.max(start);
        Self::new(Given { relative, half, central, top: top.min(f64::MAX / 8.0), start, end, pieces })
    }

    fn new(given: Given) -> Option<Self> {
        let Given { relative, half, top, start, end, pieces, central } = given;
        let in_range = |(e, j): (i32, u32)| (LEAST_EXPONENT..MOST_EXPONENT).contains(&e) && j < 1 << pieces;
        if pieces > MOST_PIECES || !in_range(start) || !in_range(end) || start > end {
            return None;
        }
        if !(relative > 0.0 && relative < 1.0 && top > 0.0 && top.is_finite() && half >= 0.0 && half.is_finite()) {
            return None;
        }
        if central > 1 << 50 {
            return None;
        }
        let before = steps(relative, pieces)?;
        let fewest = before.windows(2).map(|w| w[1] - w[0]).min()?;
        // Every 2^shift steps lie in at most two pieces.
        let shift = fewest.ilog2();
        let all = *before.last()?;
        let width = power(-(pieces as i32));
        let of = |(j, before): (usize, &u64), next: &u64| {
            let count = (next - before) as f64;
            Piece { before: *before, count, edge: 1.0 + j as f64 * width, width: width / count }
        };
        let list =
            before.iter().enumerate().zip(before.iter().skip(1).chain([&(all + 1)])).map(|(b, n)| of(b, n)).collect();
        let mut piece = Vec::with_capacity((all >> shift) as usize + 1);
        let mut j = 0;
        for first in (0..all).step_by(1 << shift) {
            while before[j + 1] <= first {
                j += 1;
            }
            piece.push(j as u16);
        }
        let growing = (end.0 - start.0) as u64 * all + before[end.1 as usize];
        Some(Self { given, pieces: list, piece, shift, growing, all, per_binade: 1.0 / all as f64 })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let g = &self.given;
        out.put_f64(g.relative);
        out.put_f64(g.half);
        out.put_f64(g.top);
        out.put_varint(g.central);
        out.put(&[g.pieces as u8]);
        for (e, j) in [g.start, g.end] {
            out.put_signed(e.into());
            out.put_varint(j.into());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (relative, half, top) = (reader.f64()?, reader.f64()?, reader.f64()?);
        let (central, pieces) = (reader.varint()?, reader.u8()?.into());
        let mut edge = || -> Result<(i32, u32)> {
            let (e, j) = (reader.signed()?, reader.length(1 << MOST_PIECES)?);
            Ok((e.clamp(i16::MIN.into(), i16::MAX.into()) as i32, j as u32))
        };
        let (start, end) = (edge()?, edge()?);
        match Self::new(Given { relative, half, central, top, start, end, pieces }) {
            Some(map) => Ok(map),
            None => refuse!(
                Corrupt,
                "a coded chunk has a relative grid of steps that cannot be ({relative} from {start:?})"
            ),
        }
    }

    #[inline(always)]
    fn edge(&self, (e, j): (i32, u32)) -> f64 {
        power(e) * self.pieces[j as usize].edge
    }

    /// The magnitude's integer, above 0 (any number for what is not finite).
    #[inline(always)]
    fn magnitude(&self, x: f64) -> u64 {
        let g = &self.given;
        if g.central > 0 && x < self.edge(g.start) {
            return ((x / (2.0 * g.half) + 0.5) as i64 as u64).min(g.central);
        }
        let first = g.central + 1;
        let skipped = self.pieces[g.start.1 as usize].before;
        let end = self.edge(g.end);
        if x >= end {
            // Only what is not finite comes near 64 bits; it is judged afterwards.
            return (first + (self.growing - skipped)).wrapping_add(((x - end) / (2.0 * g.top)) as i64 as u64);
        }
        let bits = x.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
        let fraction = f64::from_bits((bits << 12 >> 12) | 1023 << 52) - 1.0;
        let scaled = fraction * power(g.pieces as i32);
        let piece = &self.pieces[(scaled as i32 as usize).min(self.pieces.len() - 2)];
        let step = ((scaled - f64::from(scaled as i32)) * piece.count).min(piece.count - 1.0) as i64 as u64;
        let binade = i64::from(exponent - g.start.0).max(0) as u64;
        first + (binade * self.all + piece.before + step).saturating_sub(skipped)
    }

    /// The value in the middle of the step of `m` > 0.
    #[inline(always)]
    fn middle(&self, m: u64) -> f64 {
        let g = &self.given;
        if m <= g.central {
            return m as i64 as f64 * (2.0 * g.half);
        }
        let p = (m - g.central - 1).saturating_add(self.pieces[g.start.1 as usize].before);
        if p >= self.growing {
            return self.edge(g.end) + ((p - self.growing) as i64 as f64 + 0.5) * (2.0 * g.top);
        }
        // p < 2^53: half a step off any whole binade, the quotient's rounding cannot reach the next one.
        let binade = ((p as i64 as f64 + 0.5) * self.per_binade) as i64 as u64;
        let position = p.wrapping_sub(binade * self.all).min(self.all - 1);
        let j = usize::from(self.piece[(position >> self.shift) as usize]);
        let j = j + usize::from(position >= self.pieces[j + 1].before);
        let piece = &self.pieces[j];
        power(g.start.0 + binade as i32) * (piece.edge + ((position - piece.before) as i64 as f64 + 0.5) * piece.width)
    }
}

/// Steps before each piece of a binade of 2^`pieces` pieces: piece j has as many whole steps as keep each within
/// 2·relative·(its lower edge).
fn steps(relative: f64, pieces: u32) -> Option<Vec<u64>> {
    let count = 1u32 << pieces;
    if (1.0 / relative).is_nan() || 1.0 / relative >= MOST_STEPS {
        return None;
    }
    let mut before = vec![0u64];
    let mut sum = 0;
    for j in 0..count {
        // Width 2^-s over 2·relative·(1 + j·2^-s), in units of the binade.
        let exact = 1.0 / (2.0 * relative * f64::from(count + j));
        sum += whole(exact)?.max(1) + u64::from(exact as u64 as f64 != exact && exact > 1.0);
        before.push(sum);
    }
    Some(before)
}

/// x cut to a whole number, where it is one that fits.
fn whole(x: f64) -> Option<u64> {
    (x < (1u64 << 50) as f64).then_some(x.max(0.0) as u64)
}

impl<W: Work, K: Count> Grid<W, K> for &Relative {
    #[inline(always)]
    fn int(&self, x: W) -> K {
        let x = x.wide();
        if x == 0.0 {
            return K::from_i64(0);
        }
        let m = self.magnitude(x.abs()) as i64;
        K::from_i64(if x < 0.0 { m.wrapping_neg() } else { m })
    }
    #[inline(always)]
    fn value(&self, k: K) -> W {
        let k = k.to_i64();
        if k == 0 {
            return W::from_wide(0.0);
        }
        let x = self.middle(k.unsigned_abs());
        W::from_wide(if k < 0 { -x } else { x })
    }
}
