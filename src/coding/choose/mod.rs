//! How a part is coded: the smallest of the ways that an effort allows to try. Estimates from samples rank them, real bytes decide.
//! Nothing here depends on time, threads or machine.

mod sample;
mod trial;

use super::classes::Classes;
use super::entropy::Int;
use super::map::{self, IntsRef, Map};
use super::part::{Mapped, Part, Scratch};
use super::predict::{self, Differences, Lag};
use super::residual::{Coder, zstd_level};
use super::{Bound, Effort, interpolate};
use crate::array::Buf;
use crate::error::Result;

/// How integers are predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) enum Predictor {
    /// Differences.
    Differences(Differences),
    /// Sums of neighbours with factors fitted to the integers, after a lag if one is given: those of `Work::linear`.
    Linear(Option<Lag>),
    /// Interpolation on a sub-grid, which quantises what is left over.
    Fine(interpolate::Params),
}

/// One way to code a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Choice {
    pub(in crate::coding) predictor: Predictor,
    pub(in crate::coding) coder: Coder,
}

/// Fineness of the sub-grid: 63 has all of the gain (15 nearly all), and leaves the integers small.
const FINENESS: u32 = 63;

/// pco is tried where the estimate promises at least three parts in a hundred: it takes several times as long as the rest.
const PCO_GAIN: f64 = 0.97;

/// Fitted factors are tried where the estimate promises at least one part in a hundred.
const LINEAR_GAIN: f64 = 0.99;

/// Estimates of fewer bits a value are not trusted to tell factors from differences.
const UNSURE_BITS: f64 = 0.75;

/// What an estimate from samples may be wrong by, in bits a value. Factors of next to nothing would leave real ways out.
const UNSURE_ESTIMATE: f64 = 0.05;

/// What the usual effort tries lies at most by this above the best it estimates; higher efforts try that as well, so that no effort
/// is better than a higher one.
const USUAL_WITHIN: f64 = 1.1;

/// Nor with a hole in so many values.
const UNSURE_HOLES: usize = 32;

/// A chunk has many holes where more than one element in so many is one.
const MANY_HOLES: usize = 8;

/// zstd's level for the bytes of the values themselves: the highest, since only the highest effort tries them.
const SHUFFLED_LEVEL: i32 = 22;

/// Classes are kept where they take this part of the bytes of the best other way.
const CLASSES_GAIN: f64 = 0.95;

/// How much is tried at an effort.
struct Reach {
    /// Sets of axes that are really coded with the context coder.
    axes: usize,
    /// An estimate may be above the best by this factor and still be tried.
    within: f64,
    /// Interpolations that are really coded.
    interpolations: usize,
    /// Whether sums of neighbours are fitted: up to a quarter smaller, and half as fast to decode.
    linear: bool,
    /// Whether pco is tried on the residuals.
    pco: bool,
    /// Whether everything is tried in full, without trials on a part.
    full: bool,
}

impl Reach {
    fn of(effort: Effort) -> Self {
        match effort.level() {
            1 => Reach { axes: 1, within: 1.0, interpolations: 0, linear: false, pco: false, full: false },
            2..=3 => Reach { axes: 1, within: 1.0, interpolations: 1, linear: false, pco: false, full: false },
            4..=5 => Reach { axes: 1, within: 1.1, interpolations: 1, linear: false, pco: false, full: false },
            6 => Reach { axes: 1, within: 1.35, interpolations: 1, linear: true, pco: false, full: false },
            7..=8 => Reach { axes: 2, within: 1.5, interpolations: 3, linear: true, pco: true, full: false },
            _ => Reach { axes: 4, within: 3.0, interpolations: 8, linear: true, pco: true, full: true },
        }
    }
}

impl Reach {
    /// Interpolations that are estimated: halving all axes together, with even steps or with finer coarse ones; at high efforts
    /// also the last or the first axis before the others, which suits axes of unlike kinds.
    fn ways(&self, q: u32, dims: &[usize]) -> Vec<interpolate::Params> {
        let mut schedules = vec![interpolate::Schedule::Isotropic];
        if dims.len() > 1 && self.interpolations > 1 {
            schedules.extend((0..dims.len()).rev().map(interpolate::Schedule::LastAxis));
        }
        let decays = [interpolate::Decay::Even, interpolate::Decay::Finer];
        let decays = &decays[..self.interpolations.min(2)];
        schedules
            .into_iter()
            .flat_map(|schedule| decays.iter().map(move |decay| interpolate::Params { q, decay: *decay, schedule }))
            .collect()
    }
}

/// A set of axes on the integers of a map, and what it may cost in bits a value, head included.
#[derive(Debug, Clone, Copy)]
struct Plain {
    map: usize,
    how: Differences,
    bits: f64,
}

/// A way to interpolate, and what it may cost in bits a value.
type Interpolation = (interpolate::Params, f64);

/// Leaves the coded form of `values` in `scratch.best`. `scratch.survey` is of the same values and `fill`.
pub(in crate::coding) fn smallest(
    part: &Part<'_>,
    values: &Buf,
    bound: &Bound,
    effort: Effort,
    fill: Option<u64>,
    scratch: &mut Scratch,
) -> Result<()> {
    let n = part.len();
    let reach = Reach::of(effort);
    scratch.best.clear();
    let maps = map::candidates(values, &scratch.survey, bound, fill, true);
    if scratch.tried.len() < maps.len() {
        scratch.tried.resize_with(maps.len(), Default::default);
    }
    let mut tried = std::mem::take(&mut scratch.tried);
    let result = Contest { part, values, effort, reach, scratch }.run(&maps, bound, fill, &mut tried, n);
    scratch.tried = tried;
    result
}

/// The ways tried, the smallest kept.
struct Contest<'a, 'b> {
    part: &'a Part<'b>,
    values: &'a Buf,
    effort: Effort,
    reach: Reach,
    scratch: &'a mut Scratch,
}

impl Contest<'_, '_> {
    fn run(&mut self, maps: &[Map], bound: &Bound, fill: Option<u64>, tried: &mut [Mapped], n: usize) -> Result<()> {
        let mut plain: Vec<Plain> = Vec::new();
        for (i, map) in maps.iter().enumerate() {
            let (before, rest) = tried.split_at_mut(i);
            let Some(mapped) = rest.first_mut() else { break };
            let survey = &self.scratch.survey;
            let stats = mapped.fill(self.part, map, self.values, survey, bound, fill, before.last())?;
            if stats.min == stats.max {
                let predictor = Predictor::Differences(Differences::default());
                return self.attempt(Choice { predictor, coder: Coder::Constant }, mapped);
            }
            let head = 8.0 * mapped.head.len() as f64 / n as f64;
            let estimates = match mapped.ints.view() {
                IntsRef::Narrow(k) => self.estimates(k),
                IntsRef::Wide(k) => self.estimates(k),
            };
            plain.extend(estimates.into_iter().map(|(how, bits)| Plain { map: i, how, bits: bits + head }));
        }
        plain.sort_by(|a, b| a.bits.total_cmp(&b.bits));
        let level = self.effort.level();
        let least_plain = plain.first().map_or(f64::INFINITY, |p| p.bits);
        let linear = self.linear(tried, &plain);
        let least = linear.map_or(least_plain, |(bits, _)| bits.min(least_plain));
        let (interpolations, basic) = self.interpolations(bound, fill, n, least, least_plain, tried.first())?;
        let best_bits = interpolations.first().map_or(least, |i| i.1.min(least));
        // What the usual effort would try.
        let basic_bits = basic.map_or(f64::INFINITY, |b| b.1);
        let usual = |bits: f64| level > 5 && bits <= least_plain.min(basic_bits) * USUAL_WITHIN;
        let within = |bits: f64, factor: f64| {
            let least = if level > 5 { best_bits + UNSURE_ESTIMATE } else { best_bits };
            bits <= (best_bits * self.reach.within.max(factor)).max(least)
        };
        let try_interpolations: Vec<interpolate::Params> = interpolations
            .iter()
            .filter(|(_, bits)| within(*bits, 1.02))
            .chain(basic.iter().filter(|(_, bits)| usual(*bits)))
            .map(|(params, _)| *params)
            .collect();
        let linear_within = linear.filter(|l| within(l.0, 1.05));
        // With many holes the estimate for interpolation knows too little to leave differences out for it.
        let holey = tried.first().is_some_and(|t| t.holes.count() > n / MANY_HOLES);
        let likely: Vec<bool> = plain.iter().map(|p| holey || within(p.bits, 1.05)).collect();
        let usual_plain = usual(least_plain);
        for (i, params) in try_interpolations.iter().enumerate() {
            if !try_interpolations[..i].contains(params) {
                let params = *params;
                let fine = std::mem::take(&mut self.scratch.fine);
                let done = self.attempt(Choice { predictor: Predictor::Fine(params), coder: Coder::Context }, &fine);
                self.scratch.fine = fine;
                done?;
            }
        }
        if let Some((_, p)) = linear_within
            && let Some(mapped) = tried.get(p.map)
        {
            self.attempt(Choice { predictor: Predictor::Linear(p.how.lag), coder: Coder::Context }, mapped)?;
        }
        // Where factors promise more, plain differences are an attempt more. It pays where the order-0 estimates say little: of few
        // bits, and with holes, whose repeated values are steps to neighbours.
        let sure = linear.is_some_and(|(bits, m)| {
            bits > UNSURE_BITS && tried.get(m.map).is_some_and(|t| t.holes.count() < n / UNSURE_HOLES)
        });
        let unlagged = plain.iter().position(|p| p.how.lag.is_none());
        let mut lagged = false;
        for (i, p) in plain.iter().enumerate().filter(|_| !sure || level > 6) {
            // What a sample says of a lag is less sure than of neighbours: real bytes decide between both.
            let without = Some(i) == unlagged && (lagged || level > 6);
            let first = i == 0 && (level > 6 || usual_plain);
            if !(without || first || likely[i] && !(lagged && level < 7)) {
                continue;
            }
            let Some(mapped) = tried.get(p.map) else { continue };
            let wide = matches!(mapped.ints.view(), IntsRef::Wide(_));
            let predictor = Predictor::Differences(p.how);
            let coder = if wide { Coder::Pco } else { Coder::Context };
            self.attempt(Choice { predictor, coder }, mapped)?;
            // The estimate is what pco comes to. Contexts do better on what neighbours tell; where they do not (few scattered
            // values, far from 0), pco does.
            let reached = 8.0 * self.scratch.best.len() as f64 / n as f64;
            if !wide && (self.reach.pco || p.bits < reached * PCO_GAIN) {
                self.attempt(Choice { predictor, coder: Coder::Pco }, mapped)?;
            }
            if level < 7 {
                if lagged || p.how.lag.is_none() {
                    break;
                }
                lagged = true;
            }
        }
        self.repeats(tried, &plain, n)?;
        // What loses nothing keeps any bound: classes may be smaller than numbers that are rounded.
        self.classes(n)?;
        if bound.is_lossless() {
            self.lossless(n)?;
        }
        if self.scratch.best.is_empty() {
            // Nothing was estimated worth it: the first of all.
            if let Some((p, mapped)) = plain.first().and_then(|p| Some((p, tried.get(p.map)?))) {
                return self.attempt(Choice { predictor: Predictor::Differences(p.how), coder: Coder::Pco }, mapped);
            }
        }
        Ok(())
    }

    /// The sets of axes that are worth trying, with a lag if one shows, and their estimates, the smallest first.
    fn estimates<T: Int>(&self, k: &[T]) -> Vec<(Differences, f64)> {
        let most = self.reach.axes.max(1);
        let without = sample::axes(k, self.part.dims).into_iter().take(most);
        let mut all: Vec<_> = without.map(|e| (Differences::along(e.axes), e.bits)).collect();
        if self.effort.level() > 1
            && let Some(lag) = sample::lag(k, self.part.dims)
        {
            let mut v = k.to_vec();
            predict::forward(&mut v, self.part.dims, Differences { axes: 0, lag: Some(lag) });
            let with = sample::axes(&v, self.part.dims).into_iter().take(most);
            let least = all.first().map_or(f64::INFINITY, |e| e.1) * sample::LAG_MARGIN;
            let with = with.filter(|e| e.bits < least);
            all.extend(with.map(|e| (Differences { axes: e.axes, lag: Some(lag) }, e.bits)));
            all.sort_by(|a, b| a.1.total_cmp(&b.1));
            let unlagged = all.iter().find(|e| e.0.lag.is_none()).copied();
            all.truncate(most);
            if all.iter().all(|e| e.0.lag.is_some()) {
                all.extend(unlagged);
            }
        }
        all
    }

    /// Fits factors to the integers of the best plain way: what they promise in bits a value, head included, and whose map it is.
    fn linear(&mut self, tried: &[Mapped], plain: &[Plain]) -> Option<(f64, Plain)> {
        let best = plain.first().filter(|_| self.reach.linear)?;
        let IntsRef::Narrow(k) = tried.get(best.map)?.ints.view() else { return None };
        let Scratch { work, .. } = &mut *self.scratch;
        let lagged;
        let k = match best.how.lag {
            None => k,
            lag => {
                let mut v = k.to_vec();
                predict::forward(&mut v, self.part.dims, Differences { axes: 0, lag });
                lagged = v;
                &lagged
            }
        };
        let fitted = work.fitter.fit(k, self.part.dims, best.how.axes, &mut work.linear)?;
        // The samples are not those the plain ways were estimated from.
        let bits = (best.bits + fitted.bits - fitted.plain).max(0.0);
        (bits < best.bits * LINEAR_GAIN).then_some((bits, *best))
    }

    /// Codes in full, and keeps the result if it is the smallest.
    fn attempt(&mut self, choice: Choice, mapped: &Mapped) -> Result<()> {
        let Scratch { work, trial, .. } = &mut *self.scratch;
        self.part.write(choice, mapped, self.effort, work, trial)?;
        self.keep();
        Ok(())
    }

    fn keep(&mut self) {
        let Scratch { trial, best, .. } = &mut *self.scratch;
        if best.is_empty() || trial.len() < best.len() {
            std::mem::swap(trial, best);
        }
    }

    /// Interpolations of the sub-grid with their estimates, the smallest first, and the one that the usual effort knows, where it is
    /// worth more than `plain` to it. `scratch.fine` holds its integers.
    fn interpolations(
        &mut self,
        bound: &Bound,
        fill: Option<u64>,
        n: usize,
        least: f64,
        plain: f64,
        before: Option<&Mapped>,
    ) -> Result<(Vec<Interpolation>, Option<Interpolation>)> {
        let (mut found, mut basic) = (Vec::new(), None);
        let dtype = self.part.dtype;
        if self.reach.interpolations == 0 || bound.is_lossless() {
            return Ok((found, basic));
        }
        let Some(map) = Map::fine(dtype, &self.scratch.survey, bound, FINENESS) else { return Ok((found, basic)) };
        let fineness = map.fineness();
        let mut fine = std::mem::take(&mut self.scratch.fine);
        fine.fill(self.part, &map, self.values, &self.scratch.survey, bound, fill, before)?;
        let head = 8.0 * fine.head.len() as f64 / n as f64;
        if let IntsRef::Narrow(k) = fine.ints.view() {
            let work = &mut self.scratch.work;
            fine.holes.flags(&mut work.flags);
            let flags = (fine.holes.count() > 0).then_some(work.flags.as_slice());
            for (i, params) in self.reach.ways(fineness, self.part.dims).into_iter().enumerate() {
                let bits = interpolate::estimate(k, flags, self.part.dims, &params, &mut work.interpolate);
                // Holes cost nothing.
                let bits = bits * (1.0 - fine.holes.count() as f64 / n as f64);
                if bits + head <= least * self.reach.within.max(1.05) {
                    found.push((params, bits + head));
                }
                if i == 0 && bits + head <= plain * USUAL_WITHIN {
                    basic = Some((params, bits + head));
                }
            }
        }
        self.scratch.fine = fine;
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found.truncate(self.reach.interpolations);
        Ok((found, basic))
    }

    /// What repeats is smaller by a dictionary: tried on a piece first, in full where that says so.
    fn repeats(&mut self, tried: &[Mapped], plain: &[Plain], n: usize) -> Result<()> {
        let mut ways: Vec<(usize, Differences)> = Vec::new();
        for p in plain {
            for way in [(p.map, p.how), (p.map, Differences::default())] {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        if !self.reach.full {
            ways.truncate(4);
        }
        if self.effort.level() == 1 {
            ways.truncate(1);
        }
        let best = 8.0 * self.scratch.best.len() as f64 / n as f64;
        let mut promising = Vec::new();
        for (m, how) in ways {
            let Some(mapped) = tried.get(m) else { continue };
            if self.reach.full {
                promising.push((0.0, m, how));
                continue;
            }
            let bits = match mapped.ints.view() {
                IntsRef::Narrow(k) => trial::split_bits(k, self.part.dims, how, zstd_level(self.effort)),
                IntsRef::Wide(k) => trial::split_bits(k, self.part.dims, how, zstd_level(self.effort)),
            } + 8.0 * mapped.head.len() as f64 / n as f64;
            // A piece has had less to repeat than the whole.
            if bits < best * trial::HOPE {
                promising.push((bits, m, how));
            }
        }
        promising.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The best, and the one that the lowest effort knows: a piece does not tell well what repeats in the whole.
        let usual = plain.iter().find(|p| p.how.lag.is_none()).map(|p| (p.map, p.how));
        let full = self.reach.full;
        let chosen = promising.into_iter().enumerate().filter(|(i, p)| full || *i == 0 || Some((p.1, p.2)) == usual);
        for (_, (_, m, how)) in chosen {
            let Some(mapped) = tried.get(m) else { continue };
            self.attempt(Choice { predictor: Predictor::Differences(how), coder: Coder::Split }, mapped)?;
        }
        Ok(())
    }

    /// The values as pco and zstd see them.
    fn lossless(&mut self, n: usize) -> Result<()> {
        let best = 8.0 * self.scratch.best.len() as f64 / n as f64;
        if self.reach.full || trial::typed_bits(self.part, self.values)? < best * trial::HOPE {
            self.part.write_typed(self.values, &mut self.scratch.trial)?;
            self.keep();
        }
        if self.reach.full {
            self.part.write_shuffled(self.values, SHUFFLED_LEVEL, &mut self.scratch.trial);
            self.keep();
        }
        Ok(())
    }

    /// The values as classes, where they are few: kept where that is clearly smaller, because it decodes an element at a time.
    fn classes(&mut self, n: usize) -> Result<()> {
        let best = self.scratch.best.len();
        // The piece first: what has all 256 values of a byte and no areas is seen there.
        let share = if best == 0 { f64::INFINITY } else { best as f64 / n as f64 };
        if !self.reach.full && trial::classes_cost(self.part, self.values)? > share * trial::HOPE {
            return Ok(());
        }
        let Some(mut classes) = Classes::of(self.values, self.part.dims)? else { return Ok(()) };
        self.part.write_classes(&mut classes, &mut self.scratch.trial);
        if self.reach.full || best == 0 || (self.scratch.trial.len() as f64) < best as f64 * CLASSES_GAIN {
            self.keep();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::array::{Buf, Element, Spec};
    use crate::coding::{Bound, Coding, Effort, Scratch, encode};

    fn bytes<T: Element>(values: &[T], shape: &[u64], max_abs: f64, level: u8) -> usize {
        let spec = Spec::new(T::DTYPE, shape).unwrap();
        let bound = Bound { max_abs: Some(max_abs), ..Bound::default() };
        let coding = Coding { bound, effort: Effort::try_from(level).unwrap() };
        let (mut out, mut restored) = (Vec::new(), Buf::new());
        let values = Buf::from_slice(values).unwrap();
        encode(&spec, &values, &coding, None, &mut Scratch::default(), &mut out, &mut restored).unwrap();
        out.len()
    }

    fn no_effort_is_worse_than_a_lower_one<T: Element>(name: &str, values: &[T], shape: &[u64], max_abs: f64) {
        let mut least = usize::MAX;
        // Effort 1 tries little, but all of it in full; what repeats far away it may find by luck.
        for level in [5, 6, 7, 9] {
            let now = bytes(values, shape, max_abs, level);
            // A higher level of zstd may lose a few bytes; ways that are left out lose much more.
            assert!(now as f64 <= least as f64 * 1.02 + 16.0, "{name}: {now} at effort {level}, {least} at lower ones");
            least = least.min(now);
        }
    }

    #[test]
    fn higher_efforts_are_not_larger() {
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 16) as f64 / 65536.0;
        // Almost all residuals are zero: estimates are of next to nothing.
        let times: Vec<i64> = (0..40_000).map(|i| (i / 7 * 60) as i64 + (noise(i) * 900.0) as i64).collect();
        let range = times[39_999] as f64;
        for bound in [0.01, 0.001, 0.0] {
            no_effort_is_worse_than_a_lower_one("times", &times, &[40_000], range * bound);
        }
        let field = |i: usize| ((i / 200) as f64 * 0.05).sin() * ((i % 200) as f64 * 0.03).cos() + 0.01 * noise(i);
        let field: Vec<f32> = (0..40_000).map(|i| field(i) as f32).collect();
        for bound in [0.05, 0.002, 0.0] {
            no_effort_is_worse_than_a_lower_one("field", &field, &[200, 200], bound);
        }
        // Columns in turn, with values that repeat and some that are missing.
        let table = |i: usize| match (i % 5, i / 5) {
            (_, r) if noise(r) < 0.1 => f64::NAN,
            (c, r) => (c as f64 * 50.0 + (r as f64 * 0.01).sin() * 20.0 + (noise(i) * 8.0).floor()).round() * 0.25,
        };
        let table: Vec<f64> = (0..40_000).map(table).collect();
        for bound in [2.0, 0.3, 0.0] {
            no_effort_is_worse_than_a_lower_one("table", &table, &[8000, 5], bound);
        }
    }
}
