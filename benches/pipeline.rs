//! What pulling through the stages costs: the engine's chain against the same kernels called by hand, one core, from memory.
//!
//! `cargo bench --bench pipeline`; the ratio should stay at most 1.2.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use ndcompact::array::{Buf, Span, Spec};
use ndcompact::metric::Loss;
use ndcompact::pipeline::{Memory, Pipeline, Source, Work};
use ndcompact::transform::{
    Cast, CastTo, Overflow, Step, Triangle, TriangleKind, float16::astype, is_symmetric, pack_upper, unpack_upper,
};

/// Matrices of 141 x 141: 64 MB, more than any cache.
const MATRICES: usize = 400;
const N: usize = 141;
const T: usize = N * (N + 1) / 2;
/// Matrices pulled at a time, as the engine does.
const BLOCK: usize = 2;
const ROUNDS: usize = 21;

fn best(mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    if std::env::args().any(|a| a == "--test" || a == "--list") {
        return;
    }
    let mut values = vec![0.0f64; MATRICES * N * N];
    let mut state = 1u64;
    for m in values.chunks_exact_mut(N * N) {
        for i in 0..N {
            for j in i..N {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let x = (state >> 11) as f64 / (1u64 << 53) as f64;
                (m[i * N + j], m[j * N + i]) = (x, x);
            }
        }
    }
    let spec = Spec::new(ndcompact::DType::F64, [MATRICES as u64, N as u64, N as u64]).unwrap();
    let source = Memory::new(spec.clone(), Buf::from_slice(&values).unwrap()).unwrap();
    let steps = [
        Step::Triangle(Triangle { kind: TriangleKind::Upper, tolerance: None, diagonal: None }),
        Step::Cast(Cast { to: CastTo::Float16, overflow: Overflow::Error }),
    ];
    let pipeline = Pipeline::bind(&spec, &steps).unwrap();

    let mut result = vec![f16::ZERO; MATRICES * T];
    let (mut input, mut packed, mut halves, mut back) =
        (vec![0.0f64; BLOCK * N * N], vec![0u64; BLOCK * T], vec![f16::ZERO; BLOCK * T], vec![0.0f64; BLOCK * T]);
    let (mut x, mut y) = (Buf::from_slice(&back).unwrap(), Buf::from_slice(&back).unwrap());
    let by_hand = best(|| {
        let mut loss = Loss::default();
        for (b, block) in values.chunks_exact(BLOCK * N * N).enumerate() {
            input.copy_from_slice(block);
            let words: &[u64] = bytemuck::cast_slice(&input);
            for (m, p) in words.chunks_exact(N * N).zip(packed.chunks_exact_mut(T)) {
                assert!(is_symmetric(m, N));
                pack_upper(m, N, p);
            }
            let floats: &[f64] = bytemuck::cast_slice(&packed);
            astype(floats, &mut halves).unwrap();
            astype(&halves, &mut back).unwrap();
            x.slice_mut::<f64>().copy_from_slice(floats);
            y.slice_mut::<f64>().copy_from_slice(&back);
            loss.add(&[Span::new((b * BLOCK * T) as u64, (BLOCK * T) as u64)], &x, &y).unwrap();
            result[b * BLOCK * T..(b + 1) * BLOCK * T].copy_from_slice(&halves);
        }
        black_box(&loss);
    });
    let packing = pipeline.packing(&source);
    let mut work = Work::new(2);
    let mut out = Buf::new();
    let pulled = best(|| {
        for b in 0..MATRICES / BLOCK {
            packing.read(&[Span::new((b * BLOCK * T) as u64, (BLOCK * T) as u64)], &mut out, &mut work).unwrap();
            result[b * BLOCK * T..(b + 1) * BLOCK * T].copy_from_slice(out.slice());
        }
    });
    println!("compact: pulled {:.1} ms, by hand {:.1} ms, ratio {:.3}", pulled * 1e3, by_hand * 1e3, pulled / by_hand);

    let mut restored = vec![0.0f64; MATRICES * N * N];
    let mut wide = vec![0.0f64; BLOCK * T];
    let by_hand = best(|| {
        for (from, to) in result.chunks_exact(BLOCK * T).zip(restored.chunks_exact_mut(BLOCK * N * N)) {
            halves.copy_from_slice(from);
            astype(&halves, &mut wide).unwrap();
            let words: &[u64] = bytemuck::cast_slice(&wide);
            for (p, m) in words.chunks_exact(T).zip(bytemuck::cast_slice_mut(&mut input).chunks_exact_mut(N * N)) {
                unpack_upper::<u64>(p, N, m);
            }
            to.copy_from_slice(&input);
        }
    });
    let packed = Memory::new(pipeline.output().clone(), Buf::from_slice(&result).unwrap()).unwrap();
    let restoring = pipeline.restoring(&packed);
    let pulled = best(|| {
        for (b, to) in restored.chunks_exact_mut(BLOCK * N * N).enumerate() {
            let len = (BLOCK * N * N) as u64;
            restoring.read(&[Span::new(b as u64 * len, len)], &mut out, &mut work).unwrap();
            to.copy_from_slice(out.slice());
        }
    });
    println!("restore: pulled {:.1} ms, by hand {:.1} ms, ratio {:.3}", pulled * 1e3, by_hand * 1e3, pulled / by_hand);
}
