//! Small integers and masks to their bits: a mask in an eighth of its bytes, 12-bit counts in three quarters.

mod bits;
mod row;
#[cfg(test)]
mod tests;

use bitvec::order::{Lsb0, Msb0};
use bitvec::slice::BitSlice;
use bitvec::view::BitView;
use serde::{Deserialize, Serialize};

use self::row::{Packer, Rows};
use super::{Asked, Fact, FactNeeded, Fidelity, Io, Refusal, Refused, Step, Transform, Unit, Why, unfit};
use crate::array::{Buf, DType, DTypeKind, Scalar, Span, Spec, total, with_integer};
use crate::error::{Result, refuse};

use self::bits::MAX_BITS;
pub use self::bits::{Packable, pack_bits, pack_nbits, unpack_bits, unpack_nbits};

/// The order of bits in a byte, under `np.packbits`' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BitOrder {
    /// The first value in the highest bit, each value's highest bit first.
    #[default]
    Big,
    /// The first value in the lowest bit, each value's lowest bit first.
    Little,
}

/// Recorded: rows of L values along the last axis become `ceil(L * bits / 8)` bytes, padded with zero bits.
///
/// Guarantee: exact. Values outside `0..2^bits` (signed: `-2^(bits-1)..2^(bits-1)`) are refused, as are bytes of a bool
/// array other than 0 and 1. With `bits = 1` the bytes are those of `np.packbits(array, axis=-1, bitorder=order)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitPack {
    /// Bits of each value, 1 to 32.
    pub bits: u32,
    /// The order of bits in a byte.
    #[serde(default)]
    pub order: BitOrder,
    /// Whether values are two's complement.
    #[serde(default)]
    pub signed: bool,
}

/// Asked: `{"step": "bitpack", "bits": null, "order": "big"}`, both optional; without `bits` the fewest that fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BitPackAsk {
    /// Bits of each value, 1 to 32.
    pub bits: Option<u32>,
    /// The order of bits in a byte.
    pub order: BitOrder,
}

/// One packed row of 1-bit values in [`BitOrder::Big`] as a `bitvec` slice of its first `len` bits (all if it has fewer).
///
/// ```
/// let row = ndcompact::transform::bits_big(&[0b1010_0000], 3);
/// assert_eq!(row.iter_ones().collect::<Vec<_>>(), [0, 2]);
/// ```
pub fn bits_big(row: &[u8], len: usize) -> &BitSlice<u8, Msb0> {
    let bits = row.view_bits::<Msb0>();
    &bits[..len.min(bits.len())]
}

/// One packed row of 1-bit values in [`BitOrder::Little`] as a `bitvec` slice of its first `len` bits (all if it has fewer).
///
/// ```
/// let row = ndcompact::transform::bits_little(&[0b0000_0101], 3);
/// assert_eq!(row.count_ones(), 2);
/// ```
pub fn bits_little(row: &[u8], len: usize) -> &BitSlice<u8, Lsb0> {
    let bits = row.view_bits::<Lsb0>();
    &bits[..len.min(bits.len())]
}

/// The fewest bits that hold `value`, two's complement if `signed` (a negative value is never held otherwise).
fn width(value: i128, signed: bool) -> u32 {
    let magnitude = if value < 0 { !value } else { value };
    (i128::BITS - magnitude.leading_zeros() + u32::from(signed)).max(1)
}

/// Refuses dtypes, shapes and widths that cannot be packed.
fn check(input: &Spec, bits: Option<u32>) -> Result<()> {
    if !matches!(input.dtype().kind(), DTypeKind::Bool | DTypeKind::Int | DTypeKind::Uint) {
        return Err(unfit("bitpack", input, "bool and integers; make floats integers first with --scale-offset"));
    }
    if input.shape().is_empty() {
        return Err(unfit(
            "bitpack",
            input,
            "arrays of at least one axis; a single value needs no packing, leave --bits out",
        ));
    }
    match bits {
        Some(bits) if !(1..=MAX_BITS).contains(&bits) => {
            refuse!(Recipe, "step bitpack: {bits} bits a value; give 1 to {MAX_BITS}, or leave the number out")
        }
        _ => Ok(()),
    }
}

impl BitPack {
    fn rows(&self, input: &Spec) -> Rows {
        Rows { len: input.last_axis(), bits: self.bits }
    }

    fn packer(&self, input: &Spec) -> Packer {
        let (bits, dtype) = (self.bits, input.dtype());
        let (low, high) = match (dtype, self.signed) {
            (DType::Bool, _) => (0, 1),
            (_, true) => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1),
            (_, false) => (0, (1i64 << bits) - 1),
        };
        Packer { bits, order: self.order, signed: self.signed, low, high, boolean: dtype == DType::Bool }
    }
}

/// The error for a dtype that [`Transform::output`] would have refused.
fn not_integers(input: &Spec) -> Result<()> {
    check(input, None)
}

impl Transform for BitPack {
    fn fidelity(&self, _input: &Spec) -> Fidelity {
        Fidelity::Exact
    }

    fn output(&self, input: &Spec) -> Result<Spec> {
        check(input, Some(self.bits))?;
        if self.signed && input.dtype().kind() != DTypeKind::Int {
            return refuse!(
                Recipe,
                "step bitpack: `signed` does not fit {}, which has no negative values; remove it",
                input.dtype()
            );
        }
        let mut shape = input.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.rows(input).bytes();
        }
        Spec::new(DType::U8, shape)
    }

    fn unit(&self, input: &Spec) -> Unit {
        self.rows(input).unit()
    }

    fn cut(&self, _input: &Spec) -> u64 {
        // Eight values of N bits fill N bytes; fewer may do.
        let n = u64::from(self.bits);
        n >> n.trailing_zeros().min(3)
    }

    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()> {
        let (rows, packer) = (self.rows(&io.input), self.packer(&io.input));
        out.reset(DType::U8, total(at))?;
        let start = at.first().map_or(0, |s| rows.origin(s.start));
        with_integer!(io.input.dtype(), T => {
            let values = input.slice::<T>();
            packer.check(values, start, refused);
            let (len, bytes) = rows.piece(values.len());
            for (values, out) in values.chunks(len).zip(out.bytes_mut().chunks_mut(bytes)) {
                packer.pack(values, out);
            }
        }, else not_integers(&io.input)?);
        Ok(())
    }

    fn inverse(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        let (rows, packer) = (self.rows(&io.input), self.packer(&io.input));
        out.reset(io.input.dtype(), total(at))?;
        with_integer!(io.input.dtype(), T => {
            let values = out.slice_mut::<T>();
            let (len, bytes) = rows.piece(values.len());
            for (values, bytes) in values.chunks_mut(len).zip(input.bytes().chunks(bytes)) {
                packer.unpack(bytes, values);
            }
            packer.check_restored(values)?;
        }, else not_integers(&io.input)?);
        Ok(())
    }

    fn forward_need(&self, io: &Io, want: &[Span], need: &mut Vec<Span>) {
        let rows = self.rows(&io.input);
        for part in row::parts(want, rows.bytes()) {
            let values = rows.values_of(part.within.clone());
            Span::push(need, Span::new(part.row * rows.len + values.start, values.end - values.start));
        }
    }

    fn forward_part(
        &self,
        io: &Io,
        want: &[Span],
        _need: &[Span],
        input: &Buf,
        out: &mut Buf,
        refused: &mut Refused,
    ) -> Result<()> {
        let (rows, packer) = (self.rows(&io.input), self.packer(&io.input));
        out.reset(DType::U8, total(want))?;
        with_integer!(io.input.dtype(), T => {
            packer.pack_parts::<T>(rows, want, input.slice(), out.bytes_mut(), refused);
        }, else not_integers(&io.input)?);
        Ok(())
    }

    fn inverse_need(&self, io: &Io, want: &[Span], need: &mut Vec<Span>) {
        let rows = self.rows(&io.input);
        for part in row::parts(want, rows.len) {
            let bytes = rows.bytes_of(part.within.clone());
            Span::push(need, Span::new(part.row * rows.bytes() + bytes.start, bytes.end - bytes.start));
        }
    }

    fn inverse_part(&self, io: &Io, want: &[Span], need: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        let (rows, packer) = (self.rows(&io.input), self.packer(&io.input));
        out.reset(io.input.dtype(), total(want))?;
        // Neighbouring parts share a byte, which the list of needs then names twice; it is not merged away, since spans
        // that overlap do not touch.
        debug_assert_eq!(total(need), input.len() as u64);
        with_integer!(io.input.dtype(), T => {
            let values = out.slice_mut::<T>();
            packer.unpack_parts(rows, want, input.bytes(), values);
            packer.check_restored(values)?;
        }, else not_integers(&io.input)?);
        Ok(())
    }

    /// A value of which some bits lie in bytes outside `want` comes back with those bits zero.
    fn reconstruct(&self, io: &Io, want: &[Span], need: &[Span], out: &Buf, back: &mut Buf) -> Result<()> {
        let (rows, packer) = (self.rows(&io.input), self.packer(&io.input));
        back.reset(io.input.dtype(), total(need))?;
        with_integer!(io.input.dtype(), T => {
            packer.reconstruct_parts::<T>(rows, want, out.bytes(), back.slice_mut());
        }, else not_integers(&io.input)?);
        Ok(())
    }

    fn origin(&self, io: &Io, at: u64) -> u64 {
        self.rows(&io.input).origin(at)
    }

    fn explain(&self, io: &Io, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String {
        let (count, first, widest) = (refusal.count, refusal.first_value.0, refusal.worst_value.0);
        if refusal.why == Why::NotBool {
            return format!(
                "{count} of the bool array's bytes are neither 0 nor 1, the first, {first}, at {index:?}; correct them (in NumPy: \
                 a.view('u1') != 0) or read the array as uint8"
            );
        }
        let bits = self.bits;
        let Scalar::Int(value) = widest else {
            return format!("{count} values do not fit {bits} bits, the first, {first}, at {index:?}");
        };
        let signed = self.signed || value < 0;
        let kind = if self.signed { "signed bits" } else { "bits" };
        let found = match count {
            1 => format!("1 value does not fit {bits} {kind}: {first} at {index:?}"),
            _ => format!(
                "{count} values do not fit {bits} {kind}: the first, {first}, at {index:?}, the widest, {widest}, at {worst:?}"
            ),
        };
        let needed = width(value, signed);
        if needed > MAX_BITS {
            format!(
                "{found}; the widest value needs {needed} bits and at most {MAX_BITS} can be packed: leave --bits out"
            )
        } else if signed && !self.signed {
            format!(
                "{found}; this step was fitted to {} without negative values; fit it again with --bits, or --bits=N with N >= {needed}",
                io.input.dtype()
            )
        } else {
            format!("{found}; give --bits=N with N >= {needed}, the widest value needs {needed} bits")
        }
    }

    fn describe(&self) -> String {
        let bits = if self.bits == 1 { "1 bit".to_owned() } else { format!("{} bits", self.bits) };
        let order = match self.order {
            BitOrder::Big => "big-endian",
            BitOrder::Little => "little-endian",
        };
        format!("{bits} a value, {}{order}", if self.signed { "signed, " } else { "" })
    }
}

impl Asked for BitPackAsk {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        check(input, self.bits)?;
        Ok(match (input.dtype().kind(), self.bits) {
            (DTypeKind::Bool, _) | (DTypeKind::Uint, Some(_)) => FactNeeded::Nothing,
            // A given width leaves open whether any value is negative.
            _ => FactNeeded::Range { fill: None },
        })
    }

    fn settle(&self, input: &Spec, fact: &Fact) -> Result<Step> {
        check(input, self.bits)?;
        let (low, high) = match fact {
            Fact::Range(range) if range.finite > 0 => range.integers,
            _ => (0, 0),
        };
        let signed = low < 0;
        let needed = width(low, signed).max(width(high, signed));
        let bits = self.bits.unwrap_or(needed);
        if bits > MAX_BITS {
            return refuse!(
                Refused,
                "step bitpack: the values of {input} reach from {low} to {high}, which takes {needed} bits; at most {MAX_BITS} can be \
                 packed: leave --bits out, or shorten the values first with --scale-offset"
            );
        }
        Ok(Step::BitPack(BitPack { bits, order: self.order, signed }))
    }
}
