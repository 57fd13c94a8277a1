//! Each kernel on one core, in blocks as the engine hands them out, beside a memcpy of memory-sized buffers.
//!
//! `cargo bench --bench kernels`; the last lines give each kernel's bytes a second over memcpy's in the same run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use half::f16;
use ndcompact::array::{Buf, Span};
use ndcompact::metric::Loss;
use ndcompact::transform::{
    BitOrder, Grid, bit_round, dequantize, float16::astype, is_symmetric, pack_bits, pack_nbits, pack_upper, quantize,
    unpack_bits, unpack_nbits, unpack_upper,
};

/// Larger than any cache.
const MEMORY_BYTES: usize = 256 << 20;
/// The wide side of one block in the engine.
const BLOCK_BYTES: usize = 384 << 10;
/// Rounds; the best one counts, since a shared machine only ever adds time.
const ROUNDS: usize = 15;
/// Least time of one round.
const ROUND: Duration = Duration::from_millis(30);

struct Bench {
    memcpy: f64,
    rows: Vec<(String, f64, f64)>,
}

/// Bytes a second of `work`, which moves `bytes`.
fn speed(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (start, mut n) = (Instant::now(), 0u32);
        while start.elapsed() < ROUND {
            work();
            n += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(n));
    }
    bytes as f64 / best
}

impl Bench {
    fn row(&mut self, name: &str, floor: f64, bytes: usize, work: impl FnMut()) {
        let speed = speed(bytes, work);
        println!("{name:34} {:7.2} GB/s  {:6.2} x memcpy  (floor {floor})", speed / 1e9, speed / self.memcpy);
        self.rows.push((name.to_owned(), speed / self.memcpy, floor));
    }
}

fn noise(n: usize) -> Vec<f64> {
    let mut state = 1u64;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 * 20.0 - 5.0
        })
        .collect()
}

fn matrix(n: usize) -> Vec<f64> {
    let mut a = noise(n * n);
    for i in 0..n {
        for j in 0..i {
            a[i * n + j] = a[j * n + i];
        }
    }
    a
}

fn main() {
    if std::env::args().any(|a| a == "--test" || a == "--list") {
        // `cargo test --benches` only wants to know that it builds.
        return;
    }
    let from = vec![1u8; MEMORY_BYTES];
    let mut to = vec![0u8; MEMORY_BYTES];
    let memcpy = speed(MEMORY_BYTES, || black_box(&mut to[..]).copy_from_slice(black_box(&from)));
    println!("memcpy of {} MB: {:.2} GB/s", MEMORY_BYTES >> 20, memcpy / 1e9);
    drop((from, to));
    let mut bench = Bench { memcpy, rows: Vec::new() };

    let n = BLOCK_BYTES / 8;
    let f64s = noise(n);
    let mut f64s_out = vec![0.0f64; n];
    let mut halves = vec![f16::ZERO; n];
    let f32s: Vec<f32> = f64s.iter().map(|x| *x as f32).collect();
    let mut f32s_out = vec![0.0f32; n];
    bench.row("f64 to f16", 1.0, n * 8, || astype(black_box(&f64s), &mut halves).unwrap());
    bench.row("f16 to f64", 1.0, n * 8, || astype(black_box(&halves), &mut f64s_out).unwrap());
    bench.row("f32 to f16", 1.0, n * 4, || astype(black_box(&f32s), &mut halves).unwrap());
    bench.row("f16 to f32", 1.0, n * 4, || astype(black_box(&halves), &mut f32s_out).unwrap());
    bench.row("bit-round f32, 7 bits", 1.0, n * 4, || bit_round(black_box(&f32s), &mut f32s_out, 7).unwrap());
    bench.row("bit-round f64, 12 bits", 1.0, n * 8, || bit_round(black_box(&f64s), &mut f64s_out, 12).unwrap());

    let grid = Grid::Decimal { digits: 3, base: -5000 };
    let mut codes = vec![0u16; n];
    bench.row("scale-offset f64 to u16", 0.5, n * 8, || quantize(&grid, 20_000, black_box(&f64s), &mut codes).unwrap());
    bench.row("scale-offset u16 to f64", 0.5, n * 8, || dequantize(&grid, black_box(&codes), &mut f64s_out).unwrap());

    let mask: Vec<u8> = f64s.iter().map(|x| u8::from(*x > 0.0)).collect();
    let mut bits = vec![0u8; n.div_ceil(8)];
    let mut mask_out = vec![0u8; n];
    bench.row("1-bit pack", 1.0, n, || pack_bits(black_box(&mask), BitOrder::Big, &mut bits));
    bench.row("1-bit unpack", 1.0, n, || unpack_bits(black_box(&bits), BitOrder::Big, &mut mask_out));
    let small: Vec<u16> = codes.iter().map(|c| c & 0x3fff).collect();
    let mut packed = vec![0u8; n * 14 / 8];
    let mut small_out = vec![0u16; n];
    bench.row("14-bit pack", 0.5, n * 2, || pack_nbits(black_box(&small), 14, BitOrder::Big, &mut packed));
    bench.row("14-bit unpack", 0.3, n * 2, || {
        unpack_nbits(black_box(&packed), 14, BitOrder::Big, false, &mut small_out)
    });

    for n in [141usize, 4096] {
        let wide: Vec<u64> = matrix(n).iter().map(|x| x.to_bits()).collect();
        let narrow: Vec<u32> = wide.iter().map(|x| (f64::from_bits(*x) as f32).to_bits()).collect();
        let (mut packed, mut out) = (vec![0u64; n * (n + 1) / 2], vec![0u64; n * n]);
        bench.row(&format!("triangle pack f64 {n}"), 1.0, n * n * 8, || pack_upper(black_box(&wide), n, &mut packed));
        bench
            .row(&format!("triangle unpack f64 {n}"), 1.0, n * n * 8, || unpack_upper(black_box(&packed), n, &mut out));
        bench.row(&format!("symmetry f64 {n}"), 0.0, n * n * 8, || assert!(is_symmetric(black_box(&wide), n)));
        let (mut packed, mut out) = (vec![0u32; n * (n + 1) / 2], vec![0u32; n * n]);
        bench.row(&format!("triangle pack f32 {n}"), 1.0, n * n * 4, || pack_upper(black_box(&narrow), n, &mut packed));
        bench
            .row(&format!("triangle unpack f32 {n}"), 1.0, n * n * 4, || unpack_upper(black_box(&packed), n, &mut out));
    }

    astype(&f64s, &mut halves).unwrap();
    astype(&halves, &mut f64s_out).unwrap();
    let (original, restored) = (Buf::from_slice(&f64s).unwrap(), Buf::from_slice(&f64s_out).unwrap());
    let mut loss = Loss::default();
    bench.row("loss f64", 0.0, n * 8, || loss.add(&[Span::new(0, n as u64)], &original, &restored).unwrap());

    let below: Vec<_> = bench.rows.iter().filter(|(_, ratio, floor)| ratio < floor).collect();
    println!(
        "{} of {} kernels below their floor{}",
        below.len(),
        bench.rows.len(),
        if below.is_empty() { "" } else { ":" }
    );
    for (name, ratio, floor) in below {
        println!("  {name}: {ratio:.2}, floor {floor}");
    }
}
