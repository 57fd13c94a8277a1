//! One chunk of an array to bytes and back: every bit, or every value within a bound that is checked on what the decoder gives.
//!
//! A chunk passes through a *map* (values to integers), a *predictor* (integers to residuals) and an *entropy coder* (residuals to
//! bytes); which ones, is chosen by [`Effort`] from the chunk alone. The bytes do not depend on time or on threads. Decoding needs the
//! bytes and the chunk's dtype and shape, is safe on any bytes, and allocates no more than a few times the chunk.
//!
//! ```
//! use ndcompact::array::{Buf, Spec};
//! use ndcompact::coding::{self, Bound, Coding};
//!
//! let values: Vec<f64> = (0..4096).map(|i| (i as f64 / 100.0).sin()).collect();
//! let spec = Spec::new(ndcompact::DType::F64, [64, 64])?;
//! let coding = Coding { bound: Bound { max_abs: Some(1e-3), ..Bound::default() }, ..Coding::default() };
//! let (mut bytes, mut restored) = (Vec::new(), Buf::new());
//! let mut scratch = coding::Scratch::default();
//! coding::encode(&spec, &Buf::from_slice(&values)?, &coding, None, &mut scratch, &mut bytes, &mut restored)?;
//! assert!(bytes.len() < 2500);
//!
//! let mut back = Buf::new();
//! coding::decode(&spec, &bytes, &mut scratch, &mut back)?;
//! assert_eq!(back.bytes(), restored.bytes());
//! assert!(values.iter().zip(back.elements::<f64>()?).all(|(x, y)| (x - y).abs() <= 1e-3));
//! # Ok::<(), ndcompact::Error>(())
//! ```

mod aim;
mod ask;
mod binary;
mod bound;
mod bytes;
mod choose;
mod classes;
mod context;
mod entropy;
mod estimate;
pub(crate) mod frame;
mod holes;
mod interpolate;
mod map;
mod part;
mod predict;
mod residual;

pub(crate) use aim::{Aim, mean_square};
pub use ask::{Coding, CodingAsk, Effort};
pub use bound::Bound;

use crate::array::{Buf, DTypeKind, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use bytes::{Put, Reader};
use part::Part;

/// Axes that predictors see at most; leading ones are merged.
const MOST_AXES: usize = 4;

/// Elements of a chunk at most: positions in one are held in 32 bits.
const MOST_ELEMENTS: u64 = 1 << 31;

/// Buffers kept from chunk to chunk.
#[derive(Debug, Default)]
pub struct Scratch {
    part: part::Scratch,
    /// Real and imaginary parts, apart.
    apart: [Buf; 2],
    back: Buf,
    bytes: Vec<u8>,
}

/// What coding a chunk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coded {
    /// Finite values that are kept exactly because the decoder would have broken the bound there.
    pub patched: u64,
    /// Whether the chunk is kept without loss although a bound allowed some.
    pub fell_back: bool,
}

/// The shape as predictors see it: no axis of length 1, at most four.
fn dims(shape: &[u64]) -> Vec<usize> {
    let mut dims: Vec<usize> = shape.iter().map(|n| *n as usize).filter(|n| *n != 1).collect();
    if dims.is_empty() {
        dims.push(1);
    }
    while dims.len() > MOST_AXES {
        let first = dims.remove(0);
        dims[0] *= first;
    }
    dims
}

fn check(spec: &Spec) -> Result<()> {
    if spec.count() > MOST_ELEMENTS {
        return refuse!(Unsupported, "a chunk of {spec} has over 2^31 elements; make chunks smaller");
    }
    Ok(())
}

/// Appends the coded form of `values` (of `spec`) to `out` and puts into `restored` what decoding it will give.
///
/// For every element x and what is restored of it, y: within `coding`'s bound, in exact arithmetic on the stored values; of complex
/// numbers the modulus of the difference is. NaN, infinities and elements whose bits are `fill` (real dtypes) come back bit for bit. Without a bound every bit does.
///
/// # Errors
/// `Usage` where `values` are not of `spec`; `Unsupported` over 2^31 elements; `Io` without memory. No values are refused.
pub fn encode(
    spec: &Spec,
    values: &Buf,
    coding: &Coding,
    fill: Option<u64>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
    restored: &mut Buf,
) -> Result<Coded> {
    if values.dtype() != spec.dtype() || values.len() as u64 != spec.count() {
        return refuse!(Usage, "{} {} elements are no chunk of {spec}", values.len(), values.dtype());
    }
    check(spec)?;
    restored.reset(spec.dtype(), spec.count())?;
    if values.is_empty() {
        return Ok(Coded::default());
    }
    let part = Part { dtype: spec.dtype().part(), dims: &dims(spec.shape()) };
    if spec.dtype().kind() != DTypeKind::Complex {
        return part.encode(values, &coding.bound, coding.effort, fill, &mut scratch.part, out, restored);
    }
    take_apart(values, &mut scratch.apart)?;
    let start = out.len();
    // Where one part alone is finite, its error counts for the part and not for the number: each part's share may be too large.
    let mut aim = Aim::new(&coding.bound, 1.0);
    loop {
        let bound = of_parts(aim.bound());
        let mut whole = Coded { fell_back: aim.gave_up(), ..Coded::default() };
        for p in 0..2 {
            scratch.bytes.clear();
            let (values, bytes) = (&scratch.apart[p], &mut scratch.bytes);
            let coded =
                part.encode(values, &bound, coding.effort, None, &mut scratch.part, bytes, &mut scratch.back)?;
            out.put_block(bytes);
            put_part(&scratch.back, p, restored);
            whole.patched += coded.patched;
            whole.fell_back |= coded.fell_back;
        }
        if aim.is_kept(|| mean_square(values, restored, None))? {
            return Ok(whole);
        }
        out.truncate(start);
    }
}

/// Appends `values` as they are, behind what tells that: for where nothing else can be done.
pub(crate) fn store(values: &Buf, out: &mut Vec<u8>) -> Result<()> {
    if values.dtype().kind() != DTypeKind::Complex {
        part::store(values, out);
        return Ok(());
    }
    let mut apart = [Buf::new(), Buf::new()];
    take_apart(values, &mut apart)?;
    for part in &apart {
        let mut bytes = Vec::new();
        part::store(part, &mut bytes);
        out.put_block(&bytes);
    }
    Ok(())
}

/// Puts the elements of `spec` that `bytes` hold into `out`.
///
/// # Errors
/// `Corrupt` for bytes that no encoder writes; `Unsupported` for coders that this build leaves out; `Io` without memory.
pub fn decode(spec: &Spec, bytes: &[u8], scratch: &mut Scratch, out: &mut Buf) -> Result<()> {
    check(spec)?;
    out.reset(spec.dtype(), spec.count())?;
    if spec.count() == 0 {
        return Ok(());
    }
    let part = Part { dtype: spec.dtype().part(), dims: &dims(spec.shape()) };
    if spec.dtype().kind() != DTypeKind::Complex {
        return part.decode(bytes, &mut scratch.part.work, out);
    }
    let mut reader = Reader::new(bytes);
    for p in 0..2 {
        part.decode(reader.block()?, &mut scratch.part.work, &mut scratch.back)?;
        put_part(&scratch.back, p, out);
    }
    if !reader.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, "a coded chunk of complex numbers is followed by something else"));
    }
    Ok(())
}

/// A little less than 1/√2.
const ROOT_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2.next_down();

/// The bound of each part that keeps `bound` for the modulus of the difference: |Δre|² + |Δim|² <= E² where each is at most
/// E/√2. A relative limit without a floor holds for the modulus as it stands: r²re² + r²im² = r²|z|²; with one, a part below
/// floor/√2 adds up to r²floor²/2.
fn of_parts(bound: &Bound) -> Bound {
    let less = |x: f64| (x * ROOT_HALF).next_down().max(0.0);
    let floor = bound.rel_floor > 0.0;
    Bound {
        max_abs: bound.max_abs.map(less),
        max_rel: if floor { bound.max_rel.map(less) } else { bound.max_rel },
        rel_floor: less(bound.rel_floor),
        mean_square: bound.mean_square.map(|m| m / 2.0),
    }
}

/// Real and imaginary parts of `values`, apart.
fn take_apart(values: &Buf, apart: &mut [Buf; 2]) -> Result<()> {
    let dtype = values.dtype().part();
    let size = dtype.size();
    for (p, part) in apart.iter_mut().enumerate() {
        part.reset(dtype, values.len() as u64)?;
        let from = values.bytes().chunks_exact(size).skip(p).step_by(2);
        for (to, from) in part.bytes_mut().chunks_exact_mut(size).zip(from) {
            to.copy_from_slice(from);
        }
    }
    Ok(())
}

/// Puts part `p` (0 real, 1 imaginary) of complex numbers into its place.
fn put_part(part: &Buf, p: usize, whole: &mut Buf) {
    let size = part.dtype().size();
    let to = whole.bytes_mut().chunks_exact_mut(size).skip(p).step_by(2);
    for (to, from) in to.zip(part.bytes().chunks_exact(size)) {
        to.copy_from_slice(from);
    }
}
