//! Prediction by a sum of neighbours with factors fitted to the chunk: x is predicted by b + Σ c·neighbour, exactly reversible. Terms of
//! rows before are added up by whole vectors of floats, which give the same bits in one order everywhere, and rounded to units
//! of 2^-20; those of the own row, for which a decoder has to wait, are added as integers.
//!
//! Differences along all axes add up the noise of all corners of a cell: of three axes eight times its variance, 1.5 bits a
//! value. Factors fitted by least squares average it instead, as far as the field is smooth enough. They are fitted anew for
//! each block of rows, as fields are not the same everywhere (levels of an atmosphere, latitudes).

mod fit;
mod neighbours;
mod solve;
#[cfg(test)]
mod tests;

use crate::array::simd::vectorize;
use crate::coding::bytes::{Put, Reader};
use crate::error::{Result, refuse};
use neighbours::{OWN, Rows, TERMS, Window, own_terms, plain, terms};

pub(in crate::coding) use fit::Fitter;

/// Factors are in units of 2^-20: so fine that rounding them moves no prediction of 2^17 levels by more than a fraction of one.
const SHIFT: u32 = 20;

/// The constant term is in units of a sixteenth.
const CONSTANT_SHIFT: u32 = SHIFT - 4;

/// Sets of outer axes that can have a row before.
const MASKS: usize = 8;

/// Factors of one set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Factors {
    /// In units of 2^-20; own row first.
    each: [i32; TERMS],
    /// In sixteenths.
    constant: i64,
    /// Bits after the point that factors but the first are kept with; 0: differences along axes, which need no factors in the stream.
    bits: u8,
}

impl Factors {
    fn plain(outer: usize, axes: u8) -> Self {
        Self { each: plain(outer, axes).map(|c| c << SHIFT), constant: 0, bits: 0 }
    }

    fn write(&self, outer: usize, out: &mut Vec<u8>) {
        out.put(&[self.bits]);
        if self.bits > 0 {
            out.put_signed(self.constant);
            out.put_signed(i64::from(self.each[0]));
            for c in &self.each[1..terms(outer)] {
                out.put_signed(i64::from(c >> (SHIFT - u32::from(self.bits))));
            }
        }
    }

    fn read(reader: &mut Reader<'_>, outer: usize, axes: u8) -> Result<Self> {
        let bits = reader.u8()?;
        if bits == 0 {
            return Ok(Self::plain(outer, axes));
        }
        if u32::from(bits) > SHIFT {
            return refuse!(
                Corrupt,
                "a coded chunk gives predictor factors of {bits} bits; at most {SHIFT} can stand here"
            );
        }
        let mut factors = Self { each: [0; TERMS], constant: reader.signed()?, bits };
        factors.each[0] = reader.signed()? as i32;
        for c in &mut factors.each[1..terms(outer)] {
            *c = (reader.signed()? as i32) << (SHIFT - u32::from(bits));
        }
        Ok(factors)
    }

    /// The constant and the terms of rows before, in units of 2^-20, with a half to round by.
    #[inline(always)]
    fn others<'a>(
        &self,
        window: &Window,
        outer: usize,
        len: usize,
        floats: &mut Vec<f64>,
        sums: &'a mut Vec<i64>,
    ) -> &'a mut [i64] {
        if floats.len() < len {
            floats.resize(len, 0.0);
            sums.resize(len, 0);
        }
        let (floats, sums) = (&mut floats[..len], &mut sums[..len]);
        floats.fill(self.constant as f64 * f64::from(1u32 << CONSTANT_SHIFT) + HALF);
        let (mut at, to) = (own_terms(outer), terms(outer));
        while at < to {
            // Past the last term nothing is added.
            let slice = |k: usize| &window.values[window.starts[(at + k).min(to - 1)]..][..len];
            let factor = |k: usize| if at + k < to { f64::from(self.each[at + k]) } else { 0.0 };
            let (a, b, c, d) = (slice(0), slice(1), slice(2), slice(3));
            let (fa, fb, fc, fd) = (factor(0), factor(1), factor(2), factor(3));
            for i in 0..len {
                floats[i] += (a[i] * fa + b[i] * fb) + (c[i] * fc + d[i] * fd);
            }
            at += AT_ONCE;
        }
        for (sum, x) in sums.iter_mut().zip(floats) {
            // The low bits of the number are those of the integer: vectors have no conversion to 64 bits. Sums beyond 2^51, of values
            // that are no field, give other predictions, the same in either direction.
            *sum = ((*x + ROUNDING).to_bits() as i64).wrapping_sub(ROUNDING.to_bits() as i64);
        }
        sums
    }

    /// Adds the terms of the own row.
    #[inline(always)]
    fn own(&self, window: &Window, outer: usize, sums: &mut [i64]) {
        let n = sums.len();
        for k in 0..own_terms(outer) {
            let factor = i64::from(self.each[k]);
            for (sum, x) in sums.iter_mut().zip(&window.own[window.starts[k]..][..n]) {
                *sum = sum.wrapping_add(i64::from(*x) * factor);
            }
        }
    }
}

/// Added to a float below 2^51, it leaves its nearest integer in the low bits.
const ROUNDING: f64 = (3u64 << 51) as f64;

/// Half a level in units of factors.
const HALF: f64 = (1u64 << (SHIFT - 1)) as f64;

/// Terms added at once: fewer passes over the sums.
const AT_ONCE: usize = 4;

/// The factors of a whole chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::coding) struct Model {
    /// Differences along these axes stand where no factors do.
    axes: u8,
    /// Rows of a block (of one axis: values).
    block: usize,
    /// Of the rows on the edges, by mask; unused ones are plain.
    edges: Vec<Factors>,
    /// Of the rows inside, block by block.
    blocks: Vec<Factors>,
}

/// A piece of a row that is predicted with one set of factors.
#[derive(Debug, Clone, Copy)]
struct Piece {
    row: usize,
    from: usize,
    len: usize,
}

/// Pieces of a chunk in C order: its rows, or of one axis its blocks.
#[derive(Debug, Clone, Copy)]
struct Pieces {
    rows: Rows,
    each: usize,
    count: usize,
}

impl Pieces {
    fn new(dims: &[usize], block: usize) -> Self {
        let rows = Rows::new(dims);
        let each = if rows.count() == 1 { block.clamp(1, rows.width.max(1)) } else { rows.width };
        let count = if rows.count() == 1 { rows.width.div_ceil(each) } else { rows.count() };
        Self { rows, each, count }
    }

    #[inline(always)]
    fn get(&self, i: usize) -> Piece {
        if self.rows.count() == 1 {
            let from = i * self.each;
            Piece { row: 0, from, len: self.each.min(self.rows.width - from) }
        } else {
            Piece { row: i, from: 0, len: self.each }
        }
    }
}

impl Model {
    /// Blocks a chunk of `dims` has.
    fn count(dims: &[usize], block: usize) -> usize {
        let rows = Rows::new(dims);
        if rows.count() == 1 { rows.width.div_ceil(block) } else { rows.count().div_ceil(block) }
    }

    /// Masks on the edges of a chunk.
    fn edges(rows: &Rows) -> impl Iterator<Item = u8> {
        let inside = rows.inside();
        (0..inside).filter(move |m| m & !inside == 0)
    }

    pub(in crate::coding) fn write(&self, dims: &[usize], out: &mut Vec<u8>) {
        let rows = Rows::new(dims);
        out.put(&[self.axes]);
        out.put_varint(self.block as u64);
        for mask in Self::edges(&rows) {
            if let Some(factors) = self.edges.get(usize::from(mask)) {
                factors.write(mask.count_ones() as usize, out);
            }
        }
        for factors in &self.blocks {
            factors.write(rows.inside().count_ones() as usize, out);
        }
    }

    /// # Errors
    /// Corrupt: the bytes end too early or hold numbers that cannot stand there.
    pub(in crate::coding) fn read(reader: &mut Reader<'_>, dims: &[usize]) -> Result<Self> {
        let rows = Rows::new(dims);
        let axes = reader.u8()?;
        let block = reader.length(dims.iter().product::<usize>().max(1))?.max(1);
        let plain = |mask: u8| Factors::plain(mask.count_ones() as usize, rows.listed(axes, mask));
        let mut edges: Vec<Factors> = (0..MASKS as u8).map(plain).collect();
        for mask in Self::edges(&rows) {
            let outer = mask.count_ones() as usize;
            edges[usize::from(mask)] = Factors::read(reader, outer, rows.listed(axes, mask))?;
        }
        // A set of factors takes a byte at least, so that the bytes there are bound what is allocated.
        let inside = rows.inside();
        let mut blocks = Vec::new();
        for _ in 0..Self::count(dims, block) {
            blocks.push(Factors::read(reader, inside.count_ones() as usize, rows.listed(axes, inside))?);
        }
        Ok(Self { axes, block, edges, blocks })
    }

    #[inline(always)]
    fn factors(&self, pieces: &Pieces, piece: usize, mask: u8, inside: u8) -> &Factors {
        if mask == inside {
            let block = if pieces.rows.count() == 1 { piece } else { piece / self.block };
            &self.blocks[block]
        } else {
            &self.edges[usize::from(mask)]
        }
    }

    /// Replaces `v` (of `dims`, those the model was fitted or read with) by what its prediction leaves over.
    pub(in crate::coding) fn forward(&self, v: &mut [i32], dims: &[usize], scratch: &mut Scratch) {
        vectorize(
            #[inline(always)]
            || self.forward_all(v, dims, scratch),
        );
    }

    /// Undoes [`Model::forward`].
    pub(in crate::coding) fn inverse(&self, v: &mut [i32], dims: &[usize], scratch: &mut Scratch) {
        vectorize(
            #[inline(always)]
            || self.inverse_all(v, dims, scratch),
        );
    }

    #[inline(always)]
    fn forward_all(&self, v: &mut [i32], dims: &[usize], scratch: &mut Scratch) {
        let pieces = Pieces::new(dims, self.block);
        let inside = pieces.rows.inside();
        // From the end, so that what predicts is still there.
        for i in (0..pieces.count).rev() {
            let Piece { row, from, len } = pieces.get(i);
            let place = pieces.rows.place(row);
            let factors = self.factors(&pieces, i, place.mask, inside);
            scratch.window.gather(v, &pieces.rows, place, from, len, true);
            let sums = factors.others(&scratch.window, place.outer(), len, &mut scratch.floats, &mut scratch.sums);
            factors.own(&scratch.window, place.outer(), sums);
            for (x, sum) in v[row * pieces.rows.width + from..][..len].iter_mut().zip(sums) {
                *x = x.wrapping_sub((*sum as u64 >> SHIFT) as i32);
            }
        }
    }

    #[inline(always)]
    fn inverse_all(&self, v: &mut [i32], dims: &[usize], scratch: &mut Scratch) {
        let pieces = Pieces::new(dims, self.block);
        let inside = pieces.rows.inside();
        for i in 0..pieces.count {
            let Piece { row, from, len } = pieces.get(i);
            let place = pieces.rows.place(row);
            let factors = self.factors(&pieces, i, place.mask, inside);
            scratch.window.gather(v, &pieces.rows, place, from, len, false);
            let own = own_terms(place.outer());
            let sums = factors.others(&scratch.window, place.outer(), len, &mut scratch.floats, &mut scratch.sums);
            let out = &mut v[row * pieces.rows.width + from..][..len];
            for (sum, r) in sums.iter_mut().zip(out.iter()) {
                *sum = sum.wrapping_add(i64::from(*r) << SHIFT);
            }
            restore(out, sums, &scratch.window.own, &factors.each[..own]);
        }
    }
}

/// Finishes `out` value by value: `sums` are the predictions without terms of the own row, residuals added; `before` ends in what stands
/// before `out`. What waits for the value before is one multiplication, an addition and a shift; the others are ready earlier.
///
/// Not inlined: in a function compiled for wide vectors the four products become one, emulated in several steps, and the loop takes
/// 12 ns a value in place of 3.
#[inline(never)]
fn restore(out: &mut [i32], sums: &[i64], before: &[i32], own: &[i32]) {
    let factor = |k: usize| own.get(k).map_or(0, |f| i64::from(*f));
    let (c0, c1, c2, c3) = (factor(0), factor(1), factor(2), factor(3));
    let value = |k: usize| before.get(OWN - 1 - k).map_or(0, |x| i64::from(*x));
    let (mut p0, mut p1, mut p2, mut p3) = (value(0), value(1), value(2), value(3));
    for (x, sum) in out.iter_mut().zip(sums) {
        let ready = sum.wrapping_add(c1 * p1).wrapping_add(c2 * p2).wrapping_add(c3 * p3);
        *x = (ready.wrapping_add(c0 * p0) >> SHIFT) as i32;
        (p0, p1, p2, p3) = (i64::from(*x), p0, p1, p2);
    }
}

/// Buffers of one row.
#[derive(Debug, Default)]
pub(in crate::coding) struct Scratch {
    window: Window,
    floats: Vec<f64>,
    sums: Vec<i64>,
}
