//! Floats as integers in the order of their values: no loss whatever they are.

use super::kernel::{SURE, Stats, drive};
use super::survey::Survey;
use crate::array::simd::vectorize;
use crate::array::{Buf, DType};
use crate::coding::bytes::{Put, Reader};
use crate::coding::entropy::Int;
use crate::coding::holes::Holes;
use crate::error::{Result, refuse};

/// k = (the bits of x, sign and magnitude made two's complement) >> `shift`, less `base`.
///
/// Holds exactly the floats whose `shift` lowest bits are 0: values that came from fewer bits of fraction. With `single`, a
/// float64 is first seen as the float32 that equals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) struct Ordered {
    pub(super) single: bool,
    pub(super) shift: u8,
    pub(super) base: i64,
}

/// Share of the sample that may miss a structure: such elements become holes, which cost some bytes each.
pub(super) const MISSES: usize = 64;

impl Ordered {
    /// The narrowest that holds the sample.
    pub(super) fn fit(dtype: DType, survey: &Survey) -> Self {
        let few = survey.sample.len() / MISSES;
        let off = survey.sample.iter().filter(|x| f64::from(**x as f32).to_bits() != x.to_bits()).count();
        let single = dtype == DType::F64 && !survey.sample.is_empty() && off <= few;
        let mut map = Self { single, shift: 0, base: 0 };
        let width = map.width(dtype);
        let mut zeros = [0usize; 65];
        for x in &survey.sample {
            let bits = Self { single, shift: 0, base: 0 }.bits(dtype, *x);
            zeros[(bits.trailing_zeros() as usize).min(width)] += 1;
        }
        let mut below = 0;
        while usize::from(map.shift) < width - 1 {
            below += zeros[usize::from(map.shift)];
            if below > few {
                break;
            }
            map.shift += 1;
        }
        if survey.sample.iter().all(|x| x.to_bits() == 0) {
            map.shift = 0;
        }
        let (low, high) = (map.order(dtype, survey.low), map.order(dtype, survey.high));
        if !(low <= 0 && high >= 0 && low > i64::from(i32::MIN) && high < i64::from(i32::MAX)) {
            map.base = (low & high) + ((low ^ high) >> 1);
        }
        map
    }

    fn width(&self, dtype: DType) -> usize {
        if self.single { 32 } else { dtype.size() * 8 }
    }

    fn bits(&self, dtype: DType, x: f64) -> u64 {
        match dtype {
            DType::F16 => half::f16::from_f64(x).to_bits().into(),
            DType::F64 if !self.single => x.to_bits(),
            _ => (x as f32).to_bits().into(),
        }
    }

    fn order(&self, dtype: DType, x: f64) -> i64 {
        match self.width(dtype) {
            16 => (self.bits(dtype, x) as u16).order(self.shift),
            32 => (self.bits(dtype, x) as u32).order(self.shift),
            _ => self.bits(dtype, x).order(self.shift),
        }
    }

    /// The integer of `x`.
    pub(super) fn int(&self, dtype: DType, x: f64) -> i64 {
        self.order(dtype, x).wrapping_sub(self.base)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put(&[u8::from(self.single), self.shift]);
        out.put_signed(self.base);
    }

    pub(super) fn read(reader: &mut Reader<'_>, dtype: DType) -> Result<Self> {
        let (single, shift, base) = (reader.u8()?, reader.u8()?, reader.signed()?);
        let map = Self { single: single == 1, shift, base };
        if single > 1 || usize::from(shift) >= map.width(dtype) || map.single && dtype != DType::F64 {
            return refuse!(Corrupt, "a coded chunk shifts the bits of {dtype} by {shift} (form {single})");
        }
        Ok(map)
    }

    pub(super) fn forward<K: Int>(&self, values: &Buf, fill: Option<u64>, ints: &mut [K], holes: &mut Holes) -> Stats {
        match values.dtype() {
            DType::F16 => self.words::<u16, u16, K>(values.slice(), fill.map(|f| f as u16), |w| w, |w| w, ints, holes),
            DType::F32 => self.words::<u32, u32, K>(values.slice(), fill.map(|f| f as u32), |w| w, |w| w, ints, holes),
            _ if self.single => self.words::<u64, u32, K>(values.slice(), fill, to_single, from_single, ints, holes),
            _ => self.words::<u64, u64, K>(values.slice(), fill, |w| w, |w| w, ints, holes),
        }
    }

    /// `W` the words of the dtype, `V` those that are ordered, with the ways between them.
    fn words<W: Word, V: Word, K: Int>(
        &self,
        values: &[W],
        fill: Option<W>,
        to: impl Fn(W) -> V + Copy,
        from: impl Fn(V) -> W + Copy,
        ints: &mut [K],
        holes: &mut Holes,
    ) -> Stats {
        let Self { shift, base, .. } = *self;
        drive(
            ints,
            holes,
            |start, k, flags| {
                let x = &values[start..start + k.len()];
                vectorize(
                    #[inline(always)]
                    || {
                        let mut any = 0;
                        for (k, x) in k.iter_mut().zip(x) {
                            *k = K::from_i64(to(*x).order(shift).wrapping_sub(base));
                        }
                        for ((k, x), flag) in k.iter().zip(x).zip(&mut *flags) {
                            let back = from(V::unorder(k.to_i64().wrapping_add(base), shift));
                            *flag = u8::from((back != *x) | !x.is_finite()) * SURE;
                            any |= *flag;
                        }
                        if let Some(fill) = fill {
                            for (x, flag) in x.iter().zip(&mut *flags) {
                                *flag |= u8::from(*x == fill) * SURE;
                                any |= *flag;
                            }
                        }
                        any != 0
                    },
                )
            },
            |_, _| true,
        )
    }

    pub(super) fn inverse<K: Int>(&self, ints: &[K], out: &mut Buf) {
        match out.dtype() {
            DType::F16 => self.back::<u16, u16, K>(ints, |w| w, out.slice_mut()),
            DType::F32 => self.back::<u32, u32, K>(ints, |w| w, out.slice_mut()),
            _ if self.single => self.back::<u64, u32, K>(ints, from_single, out.slice_mut()),
            _ => self.back::<u64, u64, K>(ints, |w| w, out.slice_mut()),
        }
    }

    fn back<W: Word, V: Word, K: Int>(&self, ints: &[K], from: impl Fn(V) -> W, out: &mut [W]) {
        let Self { shift, base, .. } = *self;
        vectorize(
            #[inline(always)]
            || {
                for (k, out) in ints.iter().zip(out) {
                    *out = from(V::unorder(k.to_i64().wrapping_add(base), shift));
                }
            },
        );
    }
}

#[inline(always)]
fn to_single(w: u64) -> u32 {
    (f64::from_bits(w) as f32).to_bits()
}

#[inline(always)]
fn from_single(w: u32) -> u64 {
    f64::from(f32::from_bits(w)).to_bits()
}

/// The bits of a float.
pub(super) trait Word: Copy + PartialEq {
    /// An integer that grows with the value: −0 is −1.
    fn order(self, shift: u8) -> i64;
    /// The inverse: bits that were shifted out come back as 0.
    fn unorder(k: i64, shift: u8) -> Self;
    fn is_finite(self) -> bool;
}

macro_rules! words {
    ($($W:ty, $I:ty, $exponent:expr;)*) => { $(impl Word for $W {
        #[inline(always)]
        fn order(self, shift: u8) -> i64 {
            let x = self as $I;
            let inverted = x ^ (((x >> (<$I>::BITS - 1)) as $W) >> 1) as $I;
            i64::from(inverted >> (u32::from(shift) % <$I>::BITS))
        }
        #[inline(always)]
        fn unorder(k: i64, shift: u8) -> Self {
            let shift = u32::from(shift) % <$I>::BITS;
            let sign = (k >> 63) as $I;
            // Below zero the magnitude stands inverted, and so do the zeros that were shifted out.
            let x = ((k as $I) << shift) | (sign & (((1 as $W) << shift) - 1) as $I);
            (x as $W) ^ ((sign as $W) >> 1)
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            self & $exponent != $exponent
        }
    })* };
}
words! { u16, i16, 0x7c00; u32, i32, 0x7f80_0000; u64, i64, 0x7ff0_0000_0000_0000; }
