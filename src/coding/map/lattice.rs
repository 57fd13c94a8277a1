//! Values that were computed from integers: decimals, multiples of a step, integers unpacked by a scale and an offset.

use super::kernel::{Count, Grid, Work, nearest};
use crate::coding::bytes::{Put, Reader};
use crate::error::{Result, refuse};

/// How a value was computed from its integer K.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) enum Form {
    /// K / step in float64, then rounded to the dtype: decimals, fractions of 255.
    Divided,
    /// K·step + offset in float64, then rounded to the dtype.
    Scaled,
    /// The same in float32 throughout.
    ScaledSingle,
}

const FORMS: [Form; 3] = [Form::Divided, Form::Scaled, Form::ScaledSingle];

/// Largest |K|: float64 holds it exactly, with room for the rounding of x/step.
pub(super) const MOST: f64 = (1u64 << 50) as f64;

/// x' = form(K) with K = `base` + k·`coarse`. Without loss where `coarse` is 1; a bound of n steps allows 2n + 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Lattice {
    pub(super) form: Form,
    pub(super) step: f64,
    pub(super) offset: f64,
    pub(super) base: i64,
    pub(super) coarse: u32,
    /// What x − offset is multiplied by to give K.
    per: f64,
    /// 1 / `coarse`.
    rarer: f64,
}

impl Lattice {
    /// `None` for numbers that are no lattice.
    pub(super) fn new(form: Form, step: f64, offset: f64, base: i64, coarse: u32) -> Option<Self> {
        let per = if form == Form::Divided { step } else { 1.0 / step };
        let good = step.is_finite() && step > 0.0 && offset.is_finite() && per.is_finite() && coarse > 0;
        (good && (base.unsigned_abs() as f64) < 4.0 * MOST).then_some(Self {
            form,
            step,
            offset,
            base,
            coarse,
            per,
            rarer: 1.0 / f64::from(coarse),
        })
    }

    /// The lattice of every (2n + 1)th value of this one, n the whole steps in `room`.
    pub(super) fn coarsened(&self, room: f64) -> Option<Self> {
        let n = (room / self.spacing()).floor().clamp(0.0, f64::from(u16::MAX)) as u32;
        Self::new(self.form, self.step, self.offset, self.base, self.coarse.checked_mul(2 * n + 1)?)
    }

    /// The distance between neighbouring values.
    pub(super) fn spacing(&self) -> f64 {
        f64::from(self.coarse) * if self.form == Form::Divided { 1.0 / self.step } else { self.step }
    }

    /// K of `x`, of the full lattice.
    pub(super) fn index(&self, x: f64) -> f64 {
        nearest((x - self.offset) * self.per)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put(&[self.form as u8]);
        out.put_f64(self.step);
        if self.form != Form::Divided {
            out.put_f64(self.offset);
        }
        out.put_signed(self.base);
        out.put_varint(self.coarse.into());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let form = reader.u8()?;
        let Some(form) = FORMS.get(usize::from(form)).copied() else {
            return refuse!(Corrupt, "a coded chunk computes values in form {form}, which this program does not know");
        };
        let step = reader.f64()?;
        let offset = if form == Form::Divided { 0.0 } else { reader.f64()? };
        let (base, coarse) = (reader.signed()?, reader.length(u32::MAX as usize)?);
        match Self::new(form, step, offset, base, coarse as u32) {
            Some(lattice) => Ok(lattice),
            None => {
                refuse!(Corrupt, "a coded chunk has a lattice of step {step} from {offset}, base {base}, by {coarse}")
            }
        }
    }

    #[inline(always)]
    fn full<K: Count>(&self, k: K) -> f64 {
        self.base as f64 + k.wide() * f64::from(self.coarse)
    }
}

/// A lattice of one form, so that the kernel has no branch.
macro_rules! grids {
    ($($name:ident, $W:ident, |$l:ident, $full:ident| $value:expr;)*) => { $(
        #[derive(Clone, Copy)]
        pub(super) struct $name(pub(super) Lattice);

        impl<$W: Work, K: Count> Grid<$W, K> for $name {
            #[inline(always)]
            fn int(&self, x: $W) -> K {
                let l = &self.0;
                let full = nearest((x.wide() - l.offset) * l.per);
                K::nearest((full - l.base as f64) * l.rarer)
            }
            #[inline(always)]
            fn value(&self, k: K) -> $W {
                let ($l, $full) = (&self.0, self.0.full(k));
                $value
            }
        }
    )* };
}
grids! {
    Divided, W, |l, full| W::from_wide(full / l.step);
    Scaled, W, |l, full| W::from_wide(full * l.step + l.offset);
    ScaledSingle, W, |l, full| W::from_single(full as f32 * l.step as f32 + l.offset as f32);
}
