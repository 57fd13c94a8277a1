//! Promises of interpolation: within the step, safe on any bytes, the same bytes everywhere.

use super::*;
use crate::coding::context::tests::noise;

const SHAPES: &[&[usize]] = &[
    &[1],
    &[2],
    &[3],
    &[10],
    &[257],
    &[4000],
    &[7, 9],
    &[64, 64],
    &[2, 2],
    &[300, 3],
    &[3, 1000],
    &[9, 10, 11],
    &[4, 5, 6, 7],
    &[2, 2, 2, 2],
    &[20, 2, 3, 50],
];

const PARAMS: [Params; 5] = [
    Params { q: 255, decay: Decay::Even, schedule: Schedule::Isotropic },
    Params { q: 63, decay: Decay::Finer, schedule: Schedule::Isotropic },
    Params { q: 1, decay: Decay::Even, schedule: Schedule::Isotropic },
    Params { q: 1, decay: Decay::Finer, schedule: Schedule::LastAxis(0) },
    Params { q: 127, decay: Decay::Even, schedule: Schedule::LastAxis(1) },
];

/// The largest value the coder takes.
const LIMIT: i32 = (1 << 22) - 1;

fn field(kind: u64, dims: &[usize]) -> Vec<i32> {
    let mut next = noise(kind * 31 + dims.len() as u64);
    let w = dims.last().copied().unwrap_or(1);
    (0..dims.iter().product::<usize>())
        .map(|i| {
            let (x, y) = ((i % w) as i32, (i / w) as i32);
            match kind {
                0 => 1234,
                1 => (x * x * 3 - y * y * 5 + x * y * 2) % LIMIT,
                2 => (next() % (2 * LIMIT as u64)) as i32 - LIMIT,
                3 => [LIMIT, -LIMIT][next() as usize % 2],
                4 => x * 3000 - y * 700 + (next() % 200) as i32,
                _ => next().is_multiple_of(100).into(),
            }
        })
        .collect()
}

fn holes(kind: u64, n: usize) -> Option<Vec<bool>> {
    let mut next = noise(kind);
    match kind % 3 {
        0 => None,
        1 => Some((0..n).map(|_| next().is_multiple_of(4)).collect()),
        _ => Some(vec![true; n]),
    }
}

#[test]
fn reconstructions_keep_half_a_step_and_decode_alike() {
    let mut scratch = Scratch::default();
    for dims in SHAPES {
        for kind in 0..6 {
            for (i, params) in PARAMS.iter().enumerate() {
                let xs = field(kind, dims);
                let holes = holes(kind + i as u64, xs.len());
                let mut rec = xs.clone();
                let mut out = Vec::new();
                encode(&mut rec, holes.as_deref(), dims, params, &mut scratch, &mut out).unwrap();
                for (i, (x, r)) in xs.iter().zip(&rec).enumerate() {
                    let hole = holes.as_ref().is_some_and(|h| h[i]);
                    assert!(
                        hole || (x - r).abs() <= params.q as i32 / 2,
                        "{x} became {r}, kind {kind}, {dims:?}, {params:?}"
                    );
                }
                let mut back = vec![7; xs.len()];
                decode(&out, dims, &mut back, &mut scratch).unwrap();
                assert_eq!(back, rec, "kind {kind}, {dims:?}, {params:?}");
                assert!(estimate(&xs, holes.as_deref(), dims, params, &mut scratch) >= 0.0);
            }
        }
    }
}

#[test]
fn a_chunk_of_ten_values_costs_tens_of_bytes() {
    for (kind, most) in [(0, 20), (1, 60), (2, 80)] {
        let mut out = Vec::new();
        encode(&mut field(kind, &[10]), None, &[10], &PARAMS[0], &mut Scratch::default(), &mut out).unwrap();
        assert!(out.len() <= most, "{} bytes for 10 values of kind {kind}", out.len());
    }
}

#[test]
fn forged_bytes_give_an_error_or_wrong_values() {
    let mut scratch = Scratch::default();
    let dims = [13, 20, 9];
    let mut back = vec![0; 13 * 20 * 9];
    for kind in 0..6 {
        let mut good = Vec::new();
        encode(&mut field(kind, &dims), None, &dims, &PARAMS[kind as usize % 5], &mut scratch, &mut good).unwrap();
        let mut next = noise(kind);
        for round in 0..300 {
            let mut bad = good.clone();
            match next() % 3 {
                0 => bad.truncate(next() as usize % (bad.len() + 1)),
                1 => (0..=next() % 4).for_each(|_| {
                    let i = next() as usize % bad.len();
                    bad[i] ^= 1 << (next() % 8);
                }),
                // Past the parameters, so that they are not what is refused.
                _ => bad.iter_mut().skip(2 + round % 60).for_each(|b| *b = next() as u8),
            }
            let _ = decode(&bad, &dims, &mut back, &mut scratch);
        }
    }
    assert!(decode(&[], &dims, &mut back, &mut scratch).is_err());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut scratch = Scratch::default();
    for dims in [&[][..], &[3], &[2, 2, 1, 1, 1], &[usize::MAX, 2], &[0]] {
        assert!(encode(&mut [0; 4], None, dims, &PARAMS[0], &mut scratch, &mut Vec::new()).is_err());
        assert!(decode(&[], dims, &mut [0; 4], &mut scratch).is_err());
    }
    assert!(encode(&mut [], None, &[0], &PARAMS[0], &mut scratch, &mut Vec::new()).is_err());
    let even = Params { q: 2, ..PARAMS[0] };
    assert!(encode(&mut [0; 4], None, &[4], &even, &mut scratch, &mut Vec::new()).is_err());
}

#[test]
fn bytes_are_the_same_on_every_machine() {
    let mut all = Vec::new();
    for dims in SHAPES {
        for kind in 0..6 {
            for params in PARAMS {
                encode(&mut field(kind, dims), None, dims, &params, &mut Scratch::default(), &mut all).unwrap();
            }
        }
    }
    assert_eq!((all.len(), crc32fast::hash(&all)), GOLDEN);
}

/// Changes only with the format or the encoder's choices.
const GOLDEN: (usize, u32) = (564_861, 3_169_857_956);
