//! Values to integers and back.
//!
//! A map gives each regular value an integer and each integer a value, by one expression that is the same on every machine. What
//! the value of an element's integer may not stand for is a hole, and comes back exactly.

mod even;
mod find;
mod fine;
mod ints;
mod kernel;
mod lattice;
mod ordered;
mod relative;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod whole;

pub(in crate::coding) use even::Even;
pub(in crate::coding) use fine::Fine;
pub(in crate::coding) use ints::{Ints, IntsRef};
pub(in crate::coding) use kernel::Stats;
pub(in crate::coding) use lattice::Lattice;
pub(in crate::coding) use ordered::Ordered;
pub(in crate::coding) use relative::Relative;
pub(in crate::coding) use survey::Survey;
pub(in crate::coding) use table::Table;
pub(in crate::coding) use whole::Whole;

use crate::array::{Buf, DType, DTypeKind, with_float};
use crate::coding::Bound;
use crate::coding::bytes::{Put, Reader};
use crate::coding::holes::Holes;
use crate::error::{Result, refuse};
use kernel::{Count, Grid, Stored};
use lattice::{Divided, Form, Scaled, ScaledSingle};

/// Magnitudes of relative grids' integers above which 64 bits are used.
const NARROW: i128 = i32::MAX as i128 - 1;

/// Beyond this ratio of greatest to least magnitude, an even grid for a relative limit is not worth trying.
const EVEN_RATIO: f64 = 64.0;

/// How values become integers.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::coding) enum Map {
    /// Floats in their order, without loss.
    Ordered(Ordered),
    /// Integers in steps.
    Whole(Whole),
    /// Floats that were computed from integers.
    Lattice(Lattice),
    /// Few distinct values, without loss.
    Table(Table),
    /// Floats within an absolute limit.
    Even(Even),
    /// Floats within a relative limit.
    Relative(Relative),
    /// Integers within an absolute limit, finer than their steps.
    Fine(Fine),
}

/// What stands first in a written map.
const ORDERED: u8 = 0;
const WHOLE: u8 = 1;
const LATTICE: u8 = 2;
const TABLE: u8 = 3;
const EVEN: u8 = 4;
const RELATIVE: u8 = 5;
const FINE: u8 = 6;

/// The maps worth trying on `values` (a real dtype) within `bound`, those that are usually smaller first; at least one of them
/// holds every value. `survey` is of the same values and `fill` (the bits of a value to be kept exactly).
///
/// Structure is sought in a sample; what does not follow it becomes a hole, so look at [`Stats::holes`] after [`Map::forward`].
pub(in crate::coding) fn candidates(
    values: &Buf,
    survey: &Survey,
    bound: &Bound,
    fill: Option<u64>,
    tables: bool,
) -> Vec<Map> {
    let dtype = values.dtype();
    let mut maps = Vec::new();
    if dtype.kind() == DTypeKind::Float {
        let lossless = bound.is_lossless();
        let limit = survey.limit(bound, false);
        let even = Even::fit(dtype, survey, bound, 1);
        let relative = Relative::fit(dtype, survey, bound);
        let spread = survey.high.max(-survey.low) / survey.least.max(bound.rel_floor);
        let even = even.filter(|_| relative.is_none() || spread <= EVEN_RATIO);
        // The coarsest lattice that the bound allows, where its steps are no finer than the even grid's, or nothing is lost.
        if let Some(l) = find::lattice(dtype, survey, limit) {
            let room = limit.map_or(0.0, |e| e - 2.0 * even::rounding(dtype, survey.high.max(-survey.low)));
            let coarse = l.coarsened(room);
            let wide = |l: &Lattice| lossless || l.spacing() > even.map_or(0.0, |e| e.unit) * COARSER;
            maps.extend(coarse.filter(wide).map(Map::Lattice));
        }
        maps.extend(relative.map(Map::Relative));
        maps.extend(even.map(Map::Even));
        let limit = spread_of(&maps, dtype, survey);
        if tables {
            maps.extend(Table::fit(values, fill, survey, limit).map(Map::Table));
        }
        if lossless || maps.is_empty() {
            maps.push(Map::Ordered(Ordered::fit(dtype, survey)));
        }
    } else {
        // Truth has no middle: booleans come back as they are.
        let bound = if dtype == DType::Bool { &Bound::default() } else { bound };
        maps.push(Map::Whole(Whole::fit(survey, bound)));
        let limit = spread_of(&maps, dtype, survey);
        if tables {
            maps.extend(Table::fit(values, fill, survey, limit).map(Map::Table));
        }
    }
    maps
}

/// Integers between the least and the greatest of the surveyed values, of the map that has fewest.
fn spread_of(maps: &[Map], dtype: DType, survey: &Survey) -> u128 {
    maps.iter().map(|m| m.ends(dtype, survey)).map(|[low, high]| high.abs_diff(low)).min().unwrap_or(u128::MAX)
}

/// A found lattice within a bound is tried where its step is at least this part of the even grid's: its integers are better to
/// predict by nothing else.
const COARSER: f64 = 0.95;

/// Runs `$body` with `$g` as the grid of a lattice's form.
macro_rules! with_form {
    ($l:expr, $g:ident => $body:expr) => {
        match $l.form {
            Form::Divided => {
                let $g = &Divided(*$l);
                $body
            }
            Form::Scaled => {
                let $g = &Scaled(*$l);
                $body
            }
            Form::ScaledSingle => {
                let $g = &ScaledSingle(*$l);
                $body
            }
        }
    };
}

impl Map {
    /// The sub-grid for interpolation, of fineness at most `fineness`; integers stay below `even::FINE_LIMIT`. `None` where there is no
    /// room for one.
    pub(in crate::coding) fn fine(dtype: DType, survey: &Survey, bound: &Bound, fineness: u32) -> Option<Map> {
        if dtype.kind() == DTypeKind::Float {
            Even::fit(dtype, survey, bound, fineness).map(Map::Even)
        } else {
            Fine::fit(dtype, survey, bound, fineness).map(Map::Fine)
        }
    }

    /// How many integers of this map make a step of the bound: a predictor may give back any within (this − 1)/2.
    pub(in crate::coding) fn fineness(&self) -> u32 {
        match self {
            Map::Even(m) => m.fineness,
            Map::Fine(m) => m.fineness,
            _ => 1,
        }
    }

    /// The integers of `values`; elements that are not finite, are `fill`, or whose integer's value `bound` does not allow, are
    /// marked in `holes` (cleared first) and get the integer of the element before them.
    ///
    /// # Errors
    /// `Io` without memory.
    pub(in crate::coding) fn forward(
        &self,
        values: &Buf,
        survey: &Survey,
        bound: &Bound,
        fill: Option<u64>,
        ints: &mut Ints,
        holes: &mut Holes,
    ) -> Result<Stats> {
        let n = values.len();
        holes.clear(n)?;
        if self.is_wide(values.dtype(), survey) {
            let ints = ints.wide(n)?;
            Ok(self.run(values, bound, fill, ints, holes))
        } else {
            let ints = ints.narrow(n)?;
            Ok(self.run(values, bound, fill, ints, holes))
        }
    }

    fn run<K: Count>(
        &self,
        values: &Buf,
        bound: &Bound,
        fill: Option<u64>,
        ints: &mut [K],
        holes: &mut Holes,
    ) -> Stats {
        match self {
            Map::Ordered(m) => m.forward(values, fill, ints, holes),
            Map::Whole(m) => m.forward(values, bound, fill, ints, holes),
            Map::Fine(m) => m.forward(values, bound, fill, ints, holes),
            Map::Table(m) => m.forward(values, fill, ints, holes),
            Map::Even(m) => floats(m, values, bound, fill, ints, holes),
            Map::Relative(m) => floats(&m, values, bound, fill, ints, holes),
            Map::Lattice(l) => with_form!(l, g => floats(g, values, bound, fill, ints, holes)),
        }
    }

    /// The values of `ints` into `out`, whose dtype and length the caller has set. Elements past the shorter of the two are
    /// left; holes are put in afterwards.
    pub(in crate::coding) fn inverse(&self, ints: IntsRef<'_>, out: &mut Buf) {
        match ints {
            IntsRef::Narrow(k) => self.back(k, out),
            IntsRef::Wide(k) => self.back(k, out),
        }
    }

    fn back<K: Count>(&self, k: &[K], out: &mut Buf) {
        match self {
            Map::Ordered(m) => m.inverse(k, out),
            Map::Whole(m) => m.inverse(k, out),
            Map::Fine(m) => m.inverse(k, out),
            Map::Table(m) => m.inverse(k, out),
            Map::Even(m) => floats_back(m, k, out),
            Map::Relative(m) => floats_back(&m, k, out),
            Map::Lattice(l) => with_form!(l, g => floats_back(g, k, out)),
        }
    }

    /// Whether the integers of the surveyed values need 64 bits. All maps are monotonic.
    fn is_wide(&self, dtype: DType, survey: &Survey) -> bool {
        survey.regular && !self.ends(dtype, survey).into_iter().all(|k| (-NARROW..=NARROW).contains(&k))
    }

    /// The integers of the least and the greatest value.
    fn ends(&self, dtype: DType, survey: &Survey) -> [i128; 2] {
        let ends = [survey.low, survey.high];
        match self {
            Map::Table(m) => [0, m.len() as i128],
            Map::Ordered(m) => ends.map(|x| m.int(dtype, x).into()),
            Map::Whole(m) => [m.int(survey.whole.0), m.int(survey.whole.1)],
            Map::Fine(m) => [m.int(survey.whole.0), m.int(survey.whole.1)],
            Map::Even(m) => ends.map(|x| Grid::<f64, i64>::int(m, x).into()),
            Map::Relative(m) => ends.map(|x| Grid::<f64, i64>::int(&m, x).into()),
            Map::Lattice(l) => with_form!(l, g => ends.map(|x| Grid::<f64, i64>::int(g, x).into())),
        }
    }

    /// Appends the map.
    pub(in crate::coding) fn write(&self, out: &mut Vec<u8>) {
        let mut kind = |kind| out.put(&[kind]);
        match self {
            Map::Ordered(m) => {
                kind(ORDERED);
                m.write(out);
            }
            Map::Whole(m) => {
                kind(WHOLE);
                m.write(out);
            }
            Map::Lattice(m) => {
                kind(LATTICE);
                m.write(out);
            }
            Map::Table(m) => {
                kind(TABLE);
                m.write(out);
            }
            Map::Even(m) => {
                kind(EVEN);
                m.write(out);
            }
            Map::Relative(m) => {
                kind(RELATIVE);
                m.write(out);
            }
            Map::Fine(m) => {
                kind(FINE);
                m.write(out);
            }
        }
    }

    /// Reads a map for elements of `dtype` (a real one).
    ///
    /// # Errors
    /// `Corrupt` for numbers that no encoder writes, or a map that is none for `dtype`.
    pub(in crate::coding) fn read(reader: &mut Reader<'_>, dtype: DType) -> Result<Map> {
        let kind = reader.u8()?;
        let float = dtype.kind() == DTypeKind::Float;
        Ok(match kind {
            ORDERED if float => Map::Ordered(Ordered::read(reader, dtype)?),
            WHOLE if !float => Map::Whole(Whole::read(reader, dtype)?),
            LATTICE if float => Map::Lattice(Lattice::read(reader)?),
            TABLE => Map::Table(Table::read(reader)?),
            EVEN if float => Map::Even(Even::read(reader)?),
            FINE if !float => Map::Fine(Fine::read(reader, dtype)?),
            RELATIVE if float => Map::Relative(Relative::read(reader)?),
            other => {
                return refuse!(Corrupt, "a coded chunk maps {dtype} in way {other}, which this program does not know");
            }
        })
    }
}

/// The bits of a fill value as the float that is worked with.
trait Fill: Stored {
    fn fill(bits: u64) -> Self::Work;
}

impl Fill for half::f16 {
    fn fill(bits: u64) -> f32 {
        half::f16::from_bits(bits as u16).to_f32()
    }
}

impl Fill for f32 {
    fn fill(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
}

impl Fill for f64 {
    fn fill(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

fn floats<K: Count, G: Grid<f32, K> + Grid<f64, K>>(
    grid: &G,
    values: &Buf,
    bound: &Bound,
    fill: Option<u64>,
    ints: &mut [K],
    holes: &mut Holes,
) -> Stats {
    with_float!(values.dtype(), T => {
        kernel::forward::<T, K, G>(grid, values.slice(), bound, fill.map(<T as Fill>::fill), ints, holes)
    }, else Stats::default())
}

fn floats_back<K: Count, G: Grid<f32, K> + Grid<f64, K>>(grid: &G, ints: &[K], out: &mut Buf) {
    with_float!(out.dtype(), T => kernel::inverse::<T, K, G>(grid, ints, out.slice_mut()), else ());
}
