//! Where something stands in a chunk: a bit for each element, coded by what stands around it.
//!
//! Land masks are large areas with few borders, and often the same in every plane. Blocks of 64 bits that are just what is
//! expected (those of the previous plane, or of the row above) cost one nearly sure decision; in all others each bit is coded
//! with the bits around it as context. Measured, bytes: `ocean_nemo_tos` and `ocean_ostia_sst` stand in the tests.

use crate::coding::binary::{Chance, Decide, Decoder, Encoder};
use crate::coding::bytes::{Put, Reader};
use crate::error::{Result, refuse};

/// Contexts of a bit: the ten bits around it that are known.
const CONTEXTS: usize = 1 << 10;
/// Contexts of a block: whether the last three were as expected, and whether the expected one is all alike.
const BLOCKS: usize = 16;

/// Distances of what is looked at, in elements of the flat chunk.
#[derive(Debug, Clone, Copy)]
struct Shape {
    row: usize,
    /// 0 where there is no previous plane.
    plane: usize,
    /// Whether blocks are expected to be those of the previous plane, else those of the row above.
    by_plane: bool,
}

impl Shape {
    fn of(dims: &[usize], by_plane: bool) -> Self {
        let row = dims.last().copied().unwrap_or(1);
        let plane = if dims.len() >= 3 { row * dims[dims.len() - 2] } else { 0 };
        Self { row, plane, by_plane: by_plane && plane > 0 }
    }

    /// The block expected at `at`, from the bits before it.
    #[inline(always)]
    fn expected(&self, bits: &[u64], at: usize) -> u64 {
        let back = if self.by_plane && at >= self.plane { self.plane } else { self.row };
        if back >= 64 && at >= back {
            word(bits, at - back)
        } else {
            // Rows shorter than a block: more of the last bit.
            (bit(bits, at, 1) as u64).wrapping_neg()
        }
    }

    #[inline(always)]
    fn context(&self, bits: &[u64], at: usize) -> usize {
        let row = self.row;
        let mut c = bit(bits, at, 1) | bit(bits, at, 2) << 1;
        c |= bit(bits, at, row) << 2 | bit(bits, at, row + 1) << 3 | bit(bits, at, row.saturating_sub(1)) << 4;
        c |= bit(bits, at, row.saturating_sub(2)) << 5 | bit(bits, at, 2 * row) << 6;
        if self.plane > 0 {
            c |= bit(bits, at, self.plane) << 7;
            c |= bit(bits, at, self.plane - 1) << 8 | bit(bits, at, self.plane - row) << 9;
        }
        c
    }
}

/// The bit `back` before position `at`; 0 before the beginning, and for a distance of 0, which is not known yet.
#[inline(always)]
fn bit(bits: &[u64], at: usize, back: usize) -> usize {
    match at.checked_sub(back) {
        Some(i) if back > 0 => (bits[i / 64] >> (i % 64)) as usize & 1,
        _ => 0,
    }
}

/// The 64 bits from `at` on.
#[inline(always)]
fn word(bits: &[u64], at: usize) -> u64 {
    let (w, s) = (at / 64, at % 64);
    let next = bits.get(w + 1).copied().unwrap_or(0);
    if s == 0 { bits[w] } else { bits[w] >> s | next << (64 - s) }
}

/// What has been learnt.
struct Model {
    bits: Box<[Chance; CONTEXTS]>,
    blocks: [Chance; BLOCKS],
    history: usize,
}

impl Model {
    fn new() -> Self {
        Self { bits: Box::new([Chance::EVEN; CONTEXTS]), blocks: [Chance::EVEN; BLOCKS], history: 0 }
    }

    #[inline(always)]
    fn block(&mut self, expected: u64) -> &mut Chance {
        &mut self.blocks[self.history << 1 | usize::from(expected == 0 || expected == u64::MAX)]
    }

    #[inline(always)]
    fn remember(&mut self, hit: bool) {
        self.history = (self.history << 1 | usize::from(hit)) & 7;
    }
}

/// Bits of the block at `at` of `n` that count.
fn valid(n: usize, at: usize) -> u64 {
    if n - at >= 64 { u64::MAX } else { (1 << (n - at)) - 1 }
}

/// Appends `bits` of `n` elements of shape `dims`.
pub(super) fn write(bits: &[u64], n: usize, dims: &[usize], out: &mut Vec<u8>) {
    let misses = |by_plane| {
        let shape = Shape::of(dims, by_plane);
        (0..n).step_by(64).filter(|at| (shape.expected(bits, *at) ^ bits[at / 64]) & valid(n, *at) != 0).count()
    };
    let shape = Shape::of(dims, misses(true) < misses(false));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let mut model = Model::new();
    for at in (0..n).step_by(64) {
        let (expected, valid) = (shape.expected(bits, at), valid(n, at));
        let hit = (expected ^ bits[at / 64]) & valid == 0;
        encoder.decide(hit, model.block(expected));
        model.remember(hit);
        if !hit {
            for i in at..at + valid.count_ones() as usize {
                let chance = &mut model.bits[shape.context(bits, i)];
                encoder.decide(bits[i / 64] >> (i % 64) & 1 != 0, chance);
            }
        }
    }
    encoder.finish();
    out.push(u8::from(shape.by_plane));
    out.put_block(&bytes);
}

/// Reads the bits of `n` elements of shape `dims`.
pub(super) fn read(reader: &mut Reader<'_>, n: usize, dims: &[usize]) -> Result<Vec<u64>> {
    let by_plane = match reader.u8()? {
        0 => false,
        1 => true,
        other => return refuse!(Corrupt, "a mask in a coded chunk is expected in way {other}"),
    };
    let shape = Shape::of(dims, by_plane);
    let mut decoder = Decoder::new(reader.block()?);
    let mut bits = Vec::new();
    if bits.try_reserve_exact(n.div_ceil(64)).is_err() {
        return refuse!(Io, "no memory for a mask of {n} elements");
    }
    bits.resize(n.div_ceil(64), 0u64);
    let mut model = Model::new();
    for at in (0..n).step_by(64) {
        let (expected, valid) = (shape.expected(&bits, at), valid(n, at));
        let hit = decoder.decide(false, model.block(expected));
        model.remember(hit);
        if hit {
            bits[at / 64] = expected & valid;
        } else {
            for i in at..at + valid.count_ones() as usize {
                let chance = &mut model.bits[shape.context(&bits, i)];
                bits[i / 64] |= u64::from(decoder.decide(false, chance)) << (i % 64);
            }
        }
    }
    Ok(bits)
}
