//! The one list of dtypes, under NumPy's names.

use std::fmt;

use half::f16;
use num_complex::Complex;
use serde::{Deserialize, Serialize};

/// The broad kind of a dtype; what a step may do with it follows from this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DTypeKind {
    /// One byte, 0 or 1.
    Bool,
    /// Two's complement integers.
    Int,
    /// Unsigned integers.
    Uint,
    /// IEEE 754 binary floats.
    Float,
    /// Pairs of floats: real part, imaginary part.
    Complex,
}

macro_rules! dtypes {
    ($($variant:ident $name:literal $code:literal $size:literal $kind:ident;)*) => {
        /// The dtype of an element, under NumPy's names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "each variant is named as NumPy names it")]
        pub enum DType { $(#[serde(rename = $name)] $variant,)* }

        impl DType {
            /// Every dtype, narrow before wide within a kind.
            pub const ALL: &'static [DType] = &[$(DType::$variant,)*];

            /// NumPy's name, for example `"float16"`.
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// NumPy's type code without the byte order, for example `"f2"`.
            pub const fn code(self) -> &'static str {
                match self { $(DType::$variant => $code,)* }
            }

            /// Bytes of one element.
            pub const fn size(self) -> usize {
                match self { $(DType::$variant => $size,)* }
            }

            /// The broad kind.
            pub const fn kind(self) -> DTypeKind {
                match self { $(DType::$variant => DTypeKind::$kind,)* }
            }
        }
    };
}

dtypes! {
    Bool "bool" "b1" 1 Bool;
    I8 "int8" "i1" 1 Int;
    I16 "int16" "i2" 2 Int;
    I32 "int32" "i4" 4 Int;
    I64 "int64" "i8" 8 Int;
    U8 "uint8" "u1" 1 Uint;
    U16 "uint16" "u2" 2 Uint;
    U32 "uint32" "u4" 4 Uint;
    U64 "uint64" "u8" 8 Uint;
    F16 "float16" "f2" 2 Float;
    F32 "float32" "f4" 4 Float;
    F64 "float64" "f8" 8 Float;
    C64 "complex64" "c8" 8 Complex;
    C128 "complex128" "c16" 16 Complex;
}

impl DType {
    /// The dtype of NumPy's name (`"float64"`) or type code (`"f8"`), if it is one of ours.
    pub fn from_name(name: &str) -> Option<DType> {
        Self::ALL.iter().copied().find(|d| d.name() == name || d.code() == name)
    }

    /// Bytes of the smallest piece that a byte order applies to: a part of a complex number, else the element.
    pub const fn word(self) -> usize {
        match self.kind() {
            DTypeKind::Complex => self.size() / 2,
            _ => self.size(),
        }
    }

    /// The dtype of the real and imaginary parts of a complex dtype; any other dtype itself.
    pub const fn part(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }

    /// The smallest unsigned integer dtype that holds `largest`.
    pub const fn unsigned_for(largest: u64) -> DType {
        match largest {
            0..=0xff => DType::U8,
            0x100..=0xffff => DType::U16,
            0x1_0000..=0xffff_ffff => DType::U32,
            _ => DType::U64,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The order of the bytes of a word in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// This machine's order.
    pub const NATIVE: ByteOrder = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

    /// Reverses the bytes of each word of `bytes` if this order is not the machine's.
    pub fn to_native(self, dtype: DType, bytes: &mut [u8]) {
        if self == ByteOrder::NATIVE || dtype.word() == 1 {
            return;
        }
        match dtype.word() {
            2 => reverse::<2>(bytes),
            4 => reverse::<4>(bytes),
            _ => reverse::<8>(bytes),
        }
    }
}

fn reverse<const N: usize>(bytes: &mut [u8]) {
    let (words, _) = bytes.as_chunks_mut::<N>();
    for word in words {
        word.reverse();
    }
}

/// One element of any dtype, for messages and reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// `bool`, as its byte.
    Bool(bool),
    /// Any signed or unsigned integer.
    Int(i128),
    /// Any float; `f16` and `f32` are held exactly.
    Float(f64),
    /// Any complex number: real part, imaginary part.
    Complex(f64, f64),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(x) => write_float(f, *x),
            Scalar::Complex(re, im) => {
                write_float(f, *re)?;
                f.write_str(if im.is_sign_negative() { "-" } else { "+" })?;
                write_float(f, im.abs())?;
                f.write_str("j")
            }
        }
    }
}

/// The shortest form that reads back as the same float, with an exponent where digits would only be zeros.
fn write_float(f: &mut fmt::Formatter<'_>, x: f64) -> fmt::Result {
    if x == 0.0 || !x.is_finite() || (1e-4..1e16).contains(&x.abs()) { write!(f, "{x}") } else { write!(f, "{x:e}") }
}

/// Runs `$body` with `$T` as the float type of `$dtype`, or `$other` for any other dtype.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            $crate::array::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::array::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::array::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}
pub(crate) use with_float;

/// Runs `$body` with `$T` as the integer type of `$dtype` (`bool` as `u8`), or `$other` for any other dtype.
macro_rules! with_integer {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            $crate::array::DType::Bool | $crate::array::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::array::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::array::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::array::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::array::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::array::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::array::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::array::DType::U64 => {
                type $T = u64;
                $body
            }
            _ => $other,
        }
    };
}
pub(crate) use with_integer;

/// Runs `$body` with `$W` as the unsigned word as wide as one element of `$dtype`: for steps that only move bits.
macro_rules! with_word {
    ($dtype:expr, $W:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $W = u8;
                $body
            }
            2 => {
                type $W = u16;
                $body
            }
            4 => {
                type $W = u32;
                $body
            }
            8 => {
                type $W = u64;
                $body
            }
            _ => {
                type $W = [u64; 2];
                $body
            }
        }
    };
}
pub(crate) use with_word;

/// Elements as scalars, for messages.
pub(crate) fn scalar(dtype: DType, bytes: &[u8]) -> Scalar {
    macro_rules! read {
        ($T:ty) => {
            bytemuck::pod_read_unaligned::<$T>(bytes)
        };
    }
    match dtype {
        DType::Bool => Scalar::Bool(bytes.first().is_some_and(|b| *b != 0)),
        DType::I8 => Scalar::Int(read!(i8).into()),
        DType::I16 => Scalar::Int(read!(i16).into()),
        DType::I32 => Scalar::Int(read!(i32).into()),
        DType::I64 => Scalar::Int(read!(i64).into()),
        DType::U8 => Scalar::Int(read!(u8).into()),
        DType::U16 => Scalar::Int(read!(u16).into()),
        DType::U32 => Scalar::Int(read!(u32).into()),
        DType::U64 => Scalar::Int(read!(u64).into()),
        DType::F16 => Scalar::Float(read!(f16).to_f64()),
        DType::F32 => Scalar::Float(read!(f32).into()),
        DType::F64 => Scalar::Float(read!(f64)),
        DType::C64 => {
            let c = read!(Complex<f32>);
            Scalar::Complex(c.re.into(), c.im.into())
        }
        DType::C128 => {
            let c = read!(Complex<f64>);
            Scalar::Complex(c.re, c.im)
        }
    }
}
