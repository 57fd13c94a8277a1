//! Bytes to planes of residuals.

use super::activity::{self, Geometry, Parts, WEIGHTS};
use super::bits::BitReader;
use super::cluster::{ENTRIES, Tables};
use super::rans::States;
use super::table::{ESCAPE, ZERO};
use crate::array::simd::vectorize;
use crate::coding::bytes::Reader;
use crate::error::{Result, refuse};

/// Buffers of a decoder, to be used again.
#[derive(Debug)]
pub(in crate::coding) struct Room {
    entries: Box<[u32; ENTRIES]>,
    tables: Box<Tables>,
    parts: Parts,
    bins: Vec<u8>,
    symbols: Vec<u8>,
}

impl Default for Room {
    fn default() -> Self {
        let entries = vec![0; ENTRIES].into_boxed_slice();
        // The length is the type's: the other arm never happens.
        let entries = entries.try_into().unwrap_or_else(|_| Box::new([0; ENTRIES]));
        Self { entries, tables: Box::default(), parts: Parts::default(), bins: Vec::new(), symbols: Vec::new() }
    }
}

/// Decodes planes in the order in which they were coded.
pub(in crate::coding) struct Decoder<'a, 'r> {
    states: States<'a>,
    bits: BitReader<'a>,
    room: &'r mut Room,
}

impl<'a, 'r> Decoder<'a, 'r> {
    /// Of what [`Encoder::finish`](super::Encoder::finish) wrote, and nothing after it.
    pub(in crate::coding) fn new(reader: &mut Reader<'a>, room: &'r mut Room) -> Result<Self> {
        let bits = BitReader::new(reader.block()?);
        match States::new(reader.rest()) {
            Some(states) => Ok(Self { states, bits, room }),
            None => refuse!(Corrupt, "a chunk's coded residuals end before they begin"),
        }
    }

    /// Decodes a plane and its magnitudes; arguments as they were for the encoder. Forged bytes give wrong numbers.
    pub(in crate::coding) fn plane(
        &mut self,
        geometry: Geometry,
        v: &mut [i32],
        magnitudes: &mut [u16],
        coarse: &[u16],
        axes: u32,
    ) {
        if !self.room.tables.read(&mut self.bits, &mut self.room.entries) {
            v.fill(0);
            magnitudes.fill(0);
            return;
        }
        let weights = WEIGHTS[self.bits.take(4) as usize % WEIGHTS.len()];
        let longest = geometry.segment.min(v.len());
        self.room.bins.resize(longest, 0);
        self.room.symbols.resize(longest, 0);
        vectorize(
            #[inline(always)]
            || {
                let mut at = 0;
                for v in v.chunks_mut(geometry.segment) {
                    self.segment(geometry, weights, v, magnitudes, coarse, axes, at);
                    at += v.len();
                }
            },
        );
    }

    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "a segment of a plane, and all that the plane is")]
    fn segment(
        &mut self,
        geometry: Geometry,
        weights: activity::Weights,
        v: &mut [i32],
        magnitudes: &mut [u16],
        coarse: &[u16],
        axes: u32,
        at: usize,
    ) {
        let n = v.len();
        let Room { entries, tables, parts, bins, symbols } = &mut *self.room;
        let (bins, symbols) = (&mut bins[..n], &mut symbols[..n]);
        parts.gather(geometry, magnitudes, coarse, axes, at, n);
        parts.bins(weights, bins);
        self.states.symbols(entries, tables.coarse, &tables.of_bin, bins, symbols);
        let mut escapes = false;
        for (v, s) in v.iter_mut().zip(&*symbols) {
            *v = i32::from(*s) - ZERO as i32;
            escapes |= usize::from(*s) == ESCAPE;
        }
        // A copy: the position stays in a register.
        let mut raw = self.bits.clone();
        if escapes {
            for (v, s) in v.iter_mut().zip(&*symbols) {
                if usize::from(*s) == ESCAPE {
                    let negative = raw.take(1) == 1;
                    let high = raw.take_long() as i32;
                    *v = if negative { high.wrapping_neg() } else { high };
                }
            }
        }
        if tables.any_shift {
            for (v, bin) in v.iter_mut().zip(&*bins) {
                let shift = u32::from(tables.shift_of_bin[usize::from(*bin)] & 31);
                let low = raw.take(shift) as i32;
                *v = (v.wrapping_shl(shift) | low).wrapping_sub((1_u32 << shift >> 1) as i32);
            }
        }
        self.bits = raw;
        activity::magnitudes(v, &mut magnitudes[at..at + n]);
    }

    /// Whether all that was decoded had been there.
    pub(in crate::coding) fn finish(self) -> Result<()> {
        if self.states.missing() || self.bits.overrun() {
            return refuse!(Corrupt, "a chunk's coded residuals end too early");
        }
        Ok(())
    }
}
