//! Any bytes as a coded chunk of any small shape: an error or values, nothing else. The checksum is made right, or nothing behind
//! it would ever be reached. Run with `-rss_limit_mb=512`: what decoding may hold is far below that.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ndcompact::array::Buf;
use ndcompact::{DType, Spec, filter};

/// The most elements of a chunk along an axis.
const LONGEST_AXIS: u64 = 24;

fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>)| {
    let (kind, shape, mut bytes) = input;
    let dtype = DType::ALL[usize::from(kind) % DType::ALL.len()];
    let shape: Vec<u64> = shape.iter().take(4).map(|d| 1 + u64::from(*d) % LONGEST_AXIS).collect();
    let chunk = Spec::new(dtype, shape).unwrap();
    if let Some((sum, rest)) = bytes.split_at_mut_checked(4) {
        sum.copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
    }
    let mut out = Buf::new();
    if filter::decode(&chunk, &bytes, &mut filter::Scratch::default(), &mut out).is_ok() {
        assert_eq!((out.dtype(), out.len() as u64), (dtype, chunk.count()));
    }
});
