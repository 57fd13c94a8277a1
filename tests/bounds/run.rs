//! A chunk there and back, and the verdict.

use ndcompact::array::{Buf, DTypeKind};
use ndcompact::coding::Coding;
use ndcompact::{DType, Spec, filter};

use super::arrays::{Case, Random};
use super::exact::{Number, within};
use super::judge::{Verdict, judge};

/// What became of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// Bytes of the elements.
    pub(crate) before: u64,
    /// Bytes of the coded chunk.
    pub(crate) after: u64,
    pub(crate) patched: u64,
    pub(crate) fell_back: bool,
}

/// The elements of a decoded chunk that lie inside the array; `None` where one outside is not zero.
fn inside(chunk: &Spec, valid: &[u64], bytes: &[u8]) -> Option<Vec<u8>> {
    let size = chunk.dtype().size();
    let mut out = Vec::new();
    for (i, element) in bytes.chunks_exact(size).enumerate() {
        let (mut left, mut within) = (i as u64, true);
        for (extent, valid) in chunk.shape().iter().zip(valid).rev() {
            within &= left % extent < *valid;
            left /= extent;
        }
        if within {
            out.extend_from_slice(element);
        } else if element.iter().any(|b| *b != 0) {
            return None;
        }
    }
    Some(out)
}

fn broken(why: impl Into<String>) -> Verdict {
    Verdict { broken: 1, first: Some(why.into()), ..Verdict::default() }
}

/// Codes and decodes `case`, twice each where that must not change anything, and judges.
pub(crate) fn run(case: &Case) -> Outcome {
    // New ones each time would hide what a chunk leaves behind for the next.
    thread_local!(static SCRATCH: std::cell::RefCell<filter::Scratch> = std::cell::RefCell::default());
    SCRATCH.with_borrow_mut(|scratch| run_with(case, scratch))
}

fn run_with(case: &Case, scratch: &mut filter::Scratch) -> Outcome {
    let Case { chunk, valid, values, steps, coding, fill, .. } = case;
    let (mut coded, mut restored, mut back) = (vec![1, 2, 3], Buf::new(), Buf::new());
    let before = values.bytes().len() as u64;
    let done = filter::encode(chunk, valid, values, steps, coding, *fill, scratch, &mut coded, &mut restored);
    let done = match done {
        Ok(filter::Outcome::Coded(done)) => done,
        Ok(filter::Outcome::Refused(_)) => return Outcome { verdict: broken("refused"), ..Outcome::default() },
        Err(e) => return Outcome { verdict: broken(format!("encode: {e}")), ..Outcome::default() },
    };
    if let Err(e) = filter::decode(chunk, &coded, scratch, &mut back) {
        return Outcome { verdict: broken(format!("decode: {e}")), ..Outcome::default() };
    }
    let mut verdict = match inside(chunk, valid, back.bytes()) {
        Some(back) if back != restored.bytes() => broken("`restored` is not what decoding gives"),
        Some(back) => judge(chunk.dtype(), values.bytes(), &back, &coding.bound, *fill),
        None => broken("what is outside the array is not zero"),
    };
    // A chunk is its own: other buffers, the same bytes. Small ones only, for the time it takes.
    if before < 4096 {
        let (mut again, mut other) = (Vec::new(), Buf::new());
        let fresh = &mut filter::Scratch::default();
        let done = filter::encode(chunk, valid, values, steps, coding, *fill, fresh, &mut again, &mut other);
        if done.is_err() || again != coded {
            verdict.broken += 1;
            verdict.first.get_or_insert_with(|| "coded again it has other bytes".to_owned());
        }
    }
    Outcome { verdict, before, after: coded.len() as u64, patched: done.patched, fell_back: done.fell_back }
}

/// The neighbours of a float in its dtype, away from zero.
fn outwards(dtype: DType, bytes: &mut [u8]) {
    let mut word = [0u8; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let next = u64::from_le_bytes(word).wrapping_add(1);
    bytes.copy_from_slice(&next.to_le_bytes()[..dtype.size()]);
}

/// Moves one element of a chunk to the last value that its bound allows, which the judge must let pass, and then one further,
/// which it must not. Gives what was tried; `None` where the chunk lends itself to nothing.
pub(crate) fn spoil(case: &Case, seed: u64) -> Option<&'static str> {
    let mut random = Random(seed);
    let (dtype, bound) = (case.chunk.dtype(), &case.coding.bound);
    let size = dtype.size();
    let original = case.values.bytes();
    let at = random.below((original.len() / size) as u64) as usize * size;
    let place = at..at + size;
    let mut decoded = original.to_vec();
    let check = |decoded: &[u8]| judge(dtype, original, decoded, bound, case.fill).broken;
    assert_eq!(check(&decoded), 0);
    let real = dtype.kind() == DTypeKind::Float;
    let value = |bytes: &[u8]| match dtype {
        DType::F16 => half::f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
        DType::F32 => f32::from_le_bytes(bytes.try_into().unwrap()).into(),
        _ => f64::from_le_bytes(bytes.try_into().unwrap()),
    };
    let mut word = [0u8; 8];
    word[..size.min(8)].copy_from_slice(&original[place.clone()][..size.min(8)]);
    let is_fill = size <= 8 && case.fill == Some(u64::from_le_bytes(word));
    if is_fill || bound.is_lossless() {
        decoded[place.start] ^= if dtype == DType::Bool { 1 } else { 0x10 };
        assert!(check(&decoded) > 0, "seed {seed}");
        return Some(if is_fill { "fill" } else { "lossless" });
    }
    if real && !value(&original[place.clone()]).is_finite() {
        decoded[place.start] ^= 1;
        assert!(check(&decoded) > 0, "seed {seed}");
        return Some("not finite");
    }
    if bound.max_rel.is_some() || bound.mean_square.is_some() {
        return None;
    }
    let most = bound.max_abs?;
    if real && most > 1e39 {
        let infinity = Buf::from_slice(&[f64::INFINITY]).unwrap();
        match dtype {
            DType::F16 => decoded[place].copy_from_slice(&half::f16::INFINITY.to_le_bytes()),
            DType::F32 => decoded[place].copy_from_slice(&f32::INFINITY.to_le_bytes()),
            _ => decoded[place].copy_from_slice(infinity.bytes()),
        }
        assert!(check(&decoded) > 0, "seed {seed}");
        return Some("made infinite");
    }
    if real {
        // From x + E rounded, step back into the bound and then out of it: at most a few ulps, where there are any.
        let x = value(&original[place.clone()]);
        let e = Number::of_f64(most)?;
        let target = x + most.copysign(x);
        match dtype {
            DType::F16 => decoded[place.clone()].copy_from_slice(&half::f16::from_f64(target).to_le_bytes()),
            DType::F32 => decoded[place.clone()].copy_from_slice(&(target as f32).to_le_bytes()),
            _ => decoded[place.clone()].copy_from_slice(&target.to_le_bytes()),
        }
        let ok = |bytes: &[u8]| Some(within(Number::of_f64(x)?, Number::of_f64(value(bytes))?, e));
        let mut passed = false;
        for _ in 0..8 {
            if !ok(&decoded[place.clone()])? {
                assert!(check(&decoded) > 0, "seed {seed}");
                return Some(if passed { "one ulp beyond max_abs" } else { "beyond max_abs" });
            }
            passed = true;
            assert_eq!(check(&decoded), 0, "seed {seed}");
            outwards(dtype, &mut decoded[place.clone()]);
        }
        panic!("seed {seed}: nothing within eight ulps of {target:e} is beyond {most:e} from {x:e}");
    }
    if matches!(dtype, DType::I16 | DType::U16 | DType::I32 | DType::U32) && most < 10_000.0 {
        let step = most.floor() as i64;
        let read = |bytes: &[u8]| match dtype {
            DType::I16 => i64::from(i16::from_le_bytes(bytes.try_into().unwrap())),
            DType::U16 => i64::from(u16::from_le_bytes(bytes.try_into().unwrap())),
            DType::I32 => i64::from(i32::from_le_bytes(bytes.try_into().unwrap())),
            _ => i64::from(u32::from_le_bytes(bytes.try_into().unwrap())),
        };
        let x = read(&original[place.clone()]);
        let direction = if x > 0 { -1 } else { 1 };
        for (away, broken) in [(step, 0), (step + 1, 1)] {
            let y = x + direction * away;
            decoded[place.clone()].copy_from_slice(&y.to_le_bytes()[..size]);
            if read(&decoded[place.clone()]) != y {
                return None;
            }
            assert_eq!(check(&decoded), broken, "seed {seed}");
        }
        return Some("one beyond max_abs");
    }
    None
}

/// The coding of the dump: the default effort, the same bound.
pub(crate) fn at_default_effort(case: &Case) -> Case {
    Case { coding: Coding { bound: case.coding.bound, ..Coding::default() }, ..case.clone() }
}
