//! Multi-level interpolation of integers: each value is predicted from finished neighbours on both sides, from coarse to
//! fine, and what differs is coded in whole steps of an odd number of sub-grid units by the context coder.
//!
//! Quantising after the prediction uses the whole bound at every value, yet all arithmetic is of integers: the decoder
//! gives the same values on every machine.

mod choose;
mod estimate;
mod planes;
mod predict;
mod quantise;
mod schedule;

pub(in crate::coding) use estimate::estimate;
pub(in crate::coding) use schedule::Schedule;

use self::choose::Sampler;
use self::predict::Choice;
use self::schedule::{Level, Set, levels};
use crate::array::simd::vectorize;
use crate::coding::bytes::{Put, Reader};
use crate::coding::context::{Decoder, Encoder, Geometry, Room};
use crate::error::{Result, refuse};

/// Stands in the encoder's planes for a value that is kept exactly elsewhere. No value reaches it.
const HOLE: i32 = i32::MIN;

/// How steps shrink from the finest level to coarser ones, whose errors spread to all that is predicted from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) enum Decay {
    /// The same step at every level.
    Even,
    /// By 1.25 a level, down to 1 / 2.5: pays on very smooth values.
    Finer,
}

/// How a chunk is interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) struct Params {
    /// Units of the sub-grid in a step: odd, 1 to 255. 1 is reversible.
    pub(in crate::coding) q: u32,
    /// Steps of coarser levels.
    pub(in crate::coding) decay: Decay,
    /// Which axes are halved when.
    pub(in crate::coding) schedule: Schedule,
}

impl Params {
    /// The step of the `level`-th level, the finest being 0: odd.
    fn step(&self, level: usize) -> i32 {
        let q = self.q;
        let step = match self.decay {
            Decay::Even => q,
            // 1.25^4 = 2.44, 1.25^5 > 2.5.
            Decay::Finer if level < 5 => q * 4_u32.pow(level as u32) / 5_u32.pow(level as u32),
            Decay::Finer => q * 2 / 5,
        };
        ((step.max(2) - 1) | 1) as i32
    }

    fn write(&self, out: &mut Vec<u8>) {
        let schedule = match self.schedule {
            Schedule::Isotropic => 0,
            Schedule::LastAxis(axis) => axis as u8 + 1,
        };
        out.push(self.q as u8);
        out.push(u8::from(self.decay == Decay::Finer) | schedule << 1);
    }

    fn read(reader: &mut Reader) -> Result<Self> {
        let (q, rest) = (u32::from(reader.u8()?), reader.u8()?);
        if q.is_multiple_of(2) || rest > 9 {
            return refuse!(Corrupt, "interpolation in {q} units and of form {rest}: no such parameters");
        }
        let decay = if rest & 1 == 0 { Decay::Even } else { Decay::Finer };
        let schedule = match usize::from(rest >> 1).checked_sub(1) {
            None => Schedule::Isotropic,
            Some(axis) => Schedule::LastAxis(axis),
        };
        Ok(Self { q, decay, schedule })
    }
}

/// Buffers, to be used again from chunk to chunk.
#[derive(Debug, Default)]
pub(in crate::coding) struct Scratch {
    encoder: Encoder,
    room: Room,
    sampler: Sampler,
    planes: Vec<i32>,
    grid: Vec<i32>,
    v: Vec<i32>,
    sums: Vec<i32>,
    magnitudes: Vec<u16>,
    magnitude_grid: Vec<u16>,
    coarse: Vec<u16>,
}

/// The first `n` elements of a buffer that only grows: shrinking and growing again would write it each time.
#[inline(always)]
fn grown<T: Copy + Default>(buffer: &mut Vec<T>, n: usize) -> &mut [T] {
    if buffer.len() < n {
        buffer.resize(n, T::default());
    }
    &mut buffer[..n]
}

/// The geometry of the plane of a class.
fn geometry(level: &Level, class: Set) -> Geometry {
    let dims = level.plane_dims(class);
    Geometry::new(dims[3], dims[2])
}

/// Adds `a + b` to `out`, or sets it.
#[inline(always)]
fn add(first: bool, out: &mut [u16], a: &[u16], b: &[u16]) {
    if first {
        out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o = a + b);
    } else {
        out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o += a + b);
    }
}

/// For each value of the class, the sum of the magnitudes of its two neighbours along each of its odd axes.
#[inline(always)]
fn coarse_magnitudes(level: &Level, magnitudes: &[u16], class: Set, out: &mut [u16]) {
    let own = level.plane_dims(class);
    let w = own[3];
    let mut first = true;
    for axis in (0..4).filter(|a| class >> a & 1 != 0) {
        let set = class & !(1 << axis);
        let dims = level.plane_dims(set);
        let from = &magnitudes[level.range(set)];
        let mut rows = out.chunks_exact_mut(w);
        planes::rows(
            own,
            #[inline(always)]
            |at| {
                let Some(out) = rows.next() else { return };
                let start = ((at[0] * dims[1] + at[1]) * dims[2] + at[2]) * dims[3];
                let x = &from[start..];
                if axis == 3 {
                    if dims[3] > w {
                        add(first, out, &x[..w], &x[1..=w]);
                    } else {
                        // The last one has no neighbour after it: its one neighbour counts twice.
                        add(first, out, &x[..w - 1], &x[1..w]);
                        let last = x[w - 1];
                        out[w - 1] = if first { 2 * last } else { out[w - 1] + 2 * last };
                    }
                } else {
                    let step = w * [dims[1] * dims[2], dims[2], 1][axis];
                    let after = if at[axis] + 1 < dims[axis] { &x[step..][..w] } else { &x[..w] };
                    add(first, out, &x[..w], after);
                }
            },
        );
        first = false;
    }
}

fn check(len: usize, dims: &[usize]) -> Result<()> {
    let fits = (1..=schedule::AXES).contains(&dims.len())
        && dims.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)) == Some(len)
        && (1..=1 << 31).contains(&len);
    if fits { Ok(()) } else { refuse!(Recipe, "a chunk of {len} values is not one of shape {dims:?} with 1 to 4 axes") }
}

/// Codes `xs` (|x| < 2^22), C order, of shape `dims`. On return `xs` holds the reconstruction: |reconstruction - x| <=
/// (q - 1) / 2 for all but `holes`, which have what suits their neighbours.
///
/// # Errors
/// Recipe: `xs` does not have `dims`, or the parameters do not exist.
pub(in crate::coding) fn encode(
    xs: &mut [i32],
    holes: Option<&[bool]>,
    dims: &[usize],
    params: &Params,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<()> {
    check(xs.len(), dims)?;
    if params.q.is_multiple_of(2) || params.q > 255 {
        return refuse!(Recipe, "{} units in a step: it must be odd and below 256", params.q);
    }
    if let Some(holes) = holes {
        xs.iter_mut().zip(holes).for_each(|(x, hole)| *x = if *hole { HOLE } else { *x });
    }
    params.write(out);
    let levels = levels(dims, params.schedule);
    // All levels' planes, finest first.
    let total: usize = levels.iter().map(Level::len).sum();
    let Scratch { encoder, sampler, planes, grid, v, sums, magnitudes, magnitude_grid, coarse, .. } = scratch;
    let planes = grown(planes, total);
    let mut start = 0;
    for (i, level) in levels.iter().enumerate() {
        let (before, own) = planes.split_at_mut(start);
        let source = match i.checked_sub(1).and_then(|i| levels.get(i)) {
            Some(finer) => &before[start - finer.len()..][..level.len()],
            None => &xs[..],
        };
        vectorize(
            #[inline(always)]
            || planes::split(level, source, &mut own[..level.len()]),
        );
        start += level.len();
    }
    // A hole as the coarsest point becomes any value that is not far off.
    let corner = levels.last().map_or(xs.first(), |l| planes.get(total - l.len())).copied().unwrap_or(0);
    let anchor = if corner == HOLE { xs.iter().copied().find(|x| *x != HOLE).unwrap_or(0) } else { corner };
    out.put_signed(i64::from(anchor));
    grown(grid, 1)[0] = anchor;
    grown(magnitude_grid, 1)[0] = 0;
    let mut end = total;
    encoder.start();
    for (i, level) in levels.iter().enumerate().rev() {
        let own = &mut planes[end - level.len()..end];
        end -= level.len();
        let base = level.range(0).len();
        own[..base].copy_from_slice(&grid[..base]);
        let magnitudes = grown(magnitudes, level.len());
        magnitudes[..base].copy_from_slice(&magnitude_grid[..base]);
        let step = params.step(i);
        for class in level.classes() {
            let range = level.range(class);
            let (n, w) = (range.len(), level.plane_dims(class)[3]);
            let (v, coarse, sums) = (grown(v, n), grown(coarse, n), grown(sums, w));
            let choice = vectorize(
                #[inline(always)]
                || {
                    let (choice, _) = choose::best(level, own, class, step, sampler);
                    let mut rows = v.chunks_exact_mut(w);
                    let mut at_row = range.start;
                    planes::rows(
                        level.plane_dims(class),
                        #[inline(always)]
                        |at| {
                            let Some(v) = rows.next() else { return };
                            predict::row(level, own, class, choice, at, sums);
                            quantise::steps(step, &mut own[at_row..at_row + w], sums, v);
                            at_row += w;
                        },
                    );
                    coarse_magnitudes(level, magnitudes, class, coarse);
                    let own = &mut magnitudes[range.clone()];
                    own.iter_mut().zip(&*v).for_each(|(m, v)| *m = crate::coding::context::magnitude(*v));
                    choice
                },
            );
            out.push(choice.to_byte());
            encoder.plane(geometry(level, class), v, &magnitudes[range], coarse, class.count_ones());
        }
        let target = if i == 0 { &mut *xs } else { grown(grid, level.len()) };
        vectorize(
            #[inline(always)]
            || planes::join(level, own, target),
        );
        if i > 0 {
            let magnitude_grid = grown(magnitude_grid, level.len());
            vectorize(
                #[inline(always)]
                || planes::join(level, magnitudes, magnitude_grid),
            );
        }
    }
    if levels.is_empty() {
        xs.fill(anchor);
    }
    encoder.finish(out);
    Ok(())
}

/// Decodes what [`encode`] wrote, and nothing after it, into `xs` of shape `dims`: the same reconstruction.
///
/// # Errors
/// Corrupt: the bytes end too early or hold what no encoder writes; forged bytes may also give wrong values.
/// Recipe: `xs` does not have `dims`.
pub(in crate::coding) fn decode(bytes: &[u8], dims: &[usize], xs: &mut [i32], scratch: &mut Scratch) -> Result<()> {
    check(xs.len(), dims)?;
    let mut reader = Reader::new(bytes);
    let params = Params::read(&mut reader)?;
    let levels = levels(dims, params.schedule);
    let anchor = reader.signed()? as i32;
    let classes = levels.iter().map(|l| l.classes().count()).sum();
    let mut choices = reader.take(classes)?.iter();
    let Scratch { room, planes, grid, v, sums, magnitudes, magnitude_grid, coarse, .. } = scratch;
    let mut decoder = Decoder::new(&mut reader, room)?;
    grown(grid, 1)[0] = anchor;
    grown(magnitude_grid, 1)[0] = 0;
    for (i, level) in levels.iter().enumerate().rev() {
        let base = level.range(0).len();
        let (planes, magnitudes) = (grown(planes, level.len()), grown(magnitudes, level.len()));
        planes[..base].copy_from_slice(&grid[..base]);
        magnitudes[..base].copy_from_slice(&magnitude_grid[..base]);
        let step = params.step(i);
        for class in level.classes() {
            let byte = choices.next().copied().unwrap_or_default();
            let Some(choice) = Choice::from_byte(byte, class) else {
                return refuse!(Corrupt, "predictor {byte} for points odd on axes {class:#06b}: there is none");
            };
            let range = level.range(class);
            let (n, w) = (range.len(), level.plane_dims(class)[3]);
            let (v, coarse, sums) = (grown(v, n), grown(coarse, n), grown(sums, w));
            vectorize(
                #[inline(always)]
                || coarse_magnitudes(level, magnitudes, class, coarse),
            );
            decoder.plane(geometry(level, class), v, &mut magnitudes[range.clone()], coarse, class.count_ones());
            vectorize(
                #[inline(always)]
                || {
                    let mut rows = v.chunks_exact(w);
                    let mut at_row = range.start;
                    planes::rows(
                        level.plane_dims(class),
                        #[inline(always)]
                        |at| {
                            let Some(v) = rows.next() else { return };
                            predict::row(level, planes, class, choice, at, sums);
                            quantise::values(step, sums, v, &mut planes[at_row..at_row + w]);
                            at_row += w;
                        },
                    );
                },
            );
        }
        let target = if i == 0 { &mut *xs } else { grown(grid, level.len()) };
        vectorize(
            #[inline(always)]
            || planes::join(level, planes, target),
        );
        if i > 0 {
            let magnitude_grid = grown(magnitude_grid, level.len());
            vectorize(
                #[inline(always)]
                || planes::join(level, magnitudes, magnitude_grid),
            );
        }
    }
    if levels.is_empty() {
        xs.fill(anchor);
    }
    decoder.finish()
}

#[cfg(test)]
mod tests;
