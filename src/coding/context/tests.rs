//! Promises of the context coder: exact, safe on any bytes, the same bytes everywhere.

use super::*;

/// Numbers of the kinds that chunks hold, the same on every machine.
pub(in crate::coding) fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
}

const SHAPES: &[&[usize]] = &[
    &[1],
    &[2],
    &[10],
    &[31],
    &[129],
    &[1000],
    &[5000],
    &[7, 9],
    &[64, 64],
    &[300, 3],
    &[3, 1000],
    &[9, 10, 11],
    &[4, 5, 6, 7],
    &[2, 2, 2, 2],
    &[40, 2, 3, 50],
];

fn residuals(kind: u64, n: usize) -> Vec<i32> {
    let mut next = noise(kind * 77 + n as u64);
    (0..n)
        .map(|i| match kind {
            0 => 0,
            1 => (next() % 3) as i32 - 1,
            2 => next().is_multiple_of(1000).into(),
            3 => next() as i32,
            4 => [i32::MIN, i32::MAX, 0, -1][next() as usize % 4],
            5 => (next() % 64) as i32 * 1000 - 32_000 + i as i32,
            6 => ((next() % 64) as i32 - 32) << (i / 64 % 20),
            _ => 7,
        })
        .collect()
}

#[test]
fn residuals_come_back_exactly() {
    let mut scratch = Scratch::default();
    for dims in SHAPES {
        for kind in 0..8 {
            let v = residuals(kind, dims.iter().product());
            let mut out = Vec::new();
            encode(&v, dims, &mut scratch, &mut out).unwrap();
            let mut back = vec![1; v.len()];
            decode(&out, dims, &mut back, &mut scratch).unwrap();
            assert_eq!(v, back, "kind {kind}, {dims:?}");
        }
    }
}

#[test]
fn ten_values_cost_tens_of_bytes_and_zeros_almost_none() {
    let mut scratch = Scratch::default();
    for (kind, most) in [(0, 4), (1, 16), (3, 100)] {
        let mut out = Vec::new();
        encode(&residuals(kind, 10), &[10], &mut scratch, &mut out).unwrap();
        assert!(out.len() <= most, "{} bytes for 10 values of kind {kind}", out.len());
    }
}

#[test]
fn forged_bytes_give_an_error_or_wrong_values() {
    let mut scratch = Scratch::default();
    let dims = [40, 60];
    let mut back = vec![0; 2400];
    for kind in 0..8 {
        let v = residuals(kind, 2400);
        let mut good = Vec::new();
        encode(&v, &dims, &mut scratch, &mut good).unwrap();
        let mut next = noise(kind);
        for _ in 0..200 {
            let mut bad = good.clone();
            match next() % 3 {
                0 => bad.truncate(next() as usize % (bad.len() + 1)),
                1 => (0..=next() % 4).for_each(|_| {
                    let i = next() as usize % bad.len();
                    bad[i] ^= 1 << (next() % 8);
                }),
                _ => bad.iter_mut().for_each(|b| *b = next() as u8),
            }
            let _ = decode(&bad, &dims, &mut back, &mut scratch);
        }
    }
    assert!(decode(&[], &dims, &mut back, &mut scratch).is_err());
}

#[test]
fn bytes_are_the_same_on_every_machine() {
    let mut all = Vec::new();
    for dims in SHAPES {
        for kind in 0..8 {
            encode(&residuals(kind, dims.iter().product()), dims, &mut Scratch::default(), &mut all).unwrap();
        }
    }
    assert_eq!((all.len(), crc32fast::hash(&all)), GOLDEN);
}

/// Changes only with the format or the encoder's choices.
const GOLDEN: (usize, u32) = (336_193, 1_250_745_042);
