//! Every figure against its definition, written out naively, and against NumPy, SciPy and scikit-image.

use super::{Known, Neighbours, Scratch, Tile, TileSums, Tiling, Totals};

/// Knuth's generator: uniform in 0..1, the same in the reference program.
pub(super) struct Lcg(pub(super) u64);

impl Lcg {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Two arrays as NumPy holds them: NaN in both where a value is missing.
#[derive(Clone)]
pub(super) struct Pair {
    shape: Vec<u64>,
    x: Vec<f64>,
    y: Vec<f64>,
    chunk: Option<Vec<u64>>,
}

impl Pair {
    /// Triangle waves with noise, restored with other noise; every `missing`-th value is missing (0: none).
    pub(super) fn field(shape: &[u64], seed: u64, noise: f64, missing: usize) -> Self {
        let n = shape.iter().product::<u64>() as usize;
        let mut random = Lcg(seed);
        let r: Vec<f64> = (0..2 * n).map(|_| random.next()).collect();
        let wave = |i: usize| {
            let (i, part) = (i as i64, |i: i64, period: i64, half: i64| ((i % period) - half).abs() as f64);
            part(i, 37, 18) / 18.0 + part(i, 101, 50) / 25.0
        };
        let mut x: Vec<f64> = (0..n).map(|i| wave(i) + 0.25 * r[i]).collect();
        let mut y: Vec<f64> = (0..n).map(|i| x[i] + noise * (r[n + i] - 0.5)).collect();
        if missing > 0 {
            for i in (0..n).step_by(missing) {
                (x[i], y[i]) = (f64::NAN, f64::NAN);
            }
        }
        Self { shape: shape.to_vec(), x, y, chunk: None }
    }

    fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        self.x.iter_mut().chain(&mut self.y).for_each(|v| *v = f(*v));
        self
    }

    fn errors(&self) -> Vec<f64> {
        self.x.iter().zip(&self.y).map(|(x, y)| x - y).collect()
    }

    fn planes(&self) -> Vec<(f64, f64)> {
        let size = self.shape.iter().rev().take(2).product::<u64>() as usize;
        if self.shape.len() < 2 || size == 0 {
            return Vec::new();
        }
        let ends = |(x, y): (&[f64], &[f64])| range(x.iter().chain(y));
        self.x.chunks(size).zip(self.y.chunks(size)).map(ends).collect()
    }

    pub(super) fn measure(&self, tiling: &Tiling) -> Neighbours {
        let e = self.errors();
        let planes = self.planes();
        let pairs = e.iter().filter(|e| !e.is_nan()).count();
        let scale = 2f64.powi(-20);
        let mean = |v: &[f64]| v.iter().filter(|v| !v.is_nan()).map(|v| v * scale).sum::<f64>() / pairs as f64 / scale;
        let known = Known {
            mean_x: mean(&self.x),
            mean_y: mean(&self.y),
            mean_e: mean(&e),
            range_x: range(&self.x),
            range_y: range(&self.y),
            max_abs: e.iter().fold(0.0, |m, e| e.abs().max(m)),
            pairs: pairs as u64,
            planes: &planes,
            chunk: self.chunk.as_deref(),
            moduli: false,
        };
        let mut totals = Totals::new(tiling, &known);
        let mut scratch = Scratch::default();
        for i in 0..tiling.count() {
            let place = tiling.tile(i);
            let mut spans = Vec::new();
            place.spans(&mut spans);
            let part = |v: &[f64]| -> Vec<f64> {
                spans.iter().flat_map(|s| v[s.start as usize..s.end() as usize].to_vec()).collect()
            };
            let (x, y, e) = (part(&self.x), part(&self.y), part(&e));
            let tile = Tile::new(&place, &x, &y, &e).unwrap();
            totals.add(&TileSums::measure(&tile, &known, &mut scratch));
        }
        totals.finish(&known)
    }

    pub(super) fn whole(&self) -> Neighbours {
        self.measure(&Tiling::with_core(&self.shape, &vec![u64::MAX; self.shape.len()]))
    }
}

fn range<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (v.min(a), v.max(b)))
}

/// Equal to `tolerance` of the larger, or both undefined.
fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

#[track_caller]
fn assert_close(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!(close(a, b, tolerance), "{what}: {a:?} is not {b:?}");
}

fn assert_alike(a: &Neighbours, b: &Neighbours) {
    let tolerance = 1e-12;
    for (what, a, b) in [
        ("std of x", a.std_x, b.std_x),
        ("std of y", a.std_y, b.std_y),
        ("pearson", a.pearson, b.pearson),
        ("ssim", a.ssim, b.ssim),
        ("dssim", a.dssim, b.dssim),
    ] {
        assert_close(what, a, b, tolerance);
    }
    assert_eq!(a.autocorrelation.len(), b.autocorrelation.len());
    for (a, b) in a.autocorrelation.iter().zip(&b.autocorrelation) {
        assert!(close(*a, *b, tolerance) || (a - b).abs() < 1e-14, "{a} {b}");
    }
    assert!(a.ks == b.ks || (a.ks.distance.is_nan() && b.ks.distance.is_nan()), "{:?} {:?}", a.ks, b.ks);
    assert_eq!(a.histogram, b.histogram);
    assert_eq!(a.dssim_plane, b.dssim_plane);
    assert_eq!(a.magnitudes.len(), b.magnitudes.len());
    for (a, b) in a.magnitudes.iter().zip(&b.magnitudes) {
        assert_eq!((a.exponent, a.count, a.max_abs), (b.exponent, b.count, b.max_abs));
        assert_close("mean by magnitude", a.mean_abs, b.mean_abs, tolerance);
    }
    for (a, b) in a.axes.iter().zip(&b.axes) {
        assert_eq!(a.slices.len(), b.slices.len());
        for (a, b) in a.slices.iter().zip(&b.slices) {
            assert_eq!((a.from, a.to, a.max_abs), (b.from, b.to, b.max_abs));
            assert_close("rmse of a slice", a.rmse.0, b.rmse.0, tolerance);
        }
    }
    assert_eq!(a.chunks.is_some(), b.chunks.is_some());
    for (a, b) in a.chunks.iter().zip(&b.chunks) {
        assert_eq!(a.count, b.count);
        for (a, b) in a.worst.iter().zip(&b.worst) {
            assert_eq!((&a.index, a.max_abs), (&b.index, b.max_abs));
            assert_close("rmse of a chunk", a.rmse.0, b.rmse.0, tolerance);
        }
    }
}

mod definitions;
mod reference;

#[test]
fn any_tiling_gives_the_figures_of_the_whole() {
    let cases: &[(&[u64], &[&[u64]])] = &[
        (&[300], &[&[1], &[7], &[64]]),
        (&[31, 45], &[&[4, 9], &[1, 45], &[31, 1], &[13, 20]]),
        (&[12, 19, 23], &[&[1, 5, 7], &[5, 19, 11], &[12, 2, 2]]),
        (&[9, 8, 600], &[&[4, 3, 70]]),
        (&[3, 8, 12, 14], &[&[1, 3, 4, 5], &[2, 8, 7, 14]]),
        (&[2, 3, 2, 3, 2, 4], &[&[1, 2, 1, 1, 2, 3]]),
        (&[], &[&[1]]),
    ];
    for (shape, cores) in cases {
        for missing in [0, 83, 5] {
            let mut pair = Pair::field(shape, 11, 0.3, missing);
            pair.chunk = Some(shape.iter().map(|d| d / 2 + 1).collect());
            let whole = pair.whole();
            for core in *cores {
                assert_alike(&pair.measure(&Tiling::with_core(shape, core)), &whole);
            }
            assert_alike(&pair.measure(&Tiling::new(shape)), &whole);
        }
    }
}

#[test]
fn a_long_axis_is_listed_in_groups_whatever_the_tiling() {
    let pair = Pair::field(&[600_000], 5, 0.3, 1013);
    let whole = pair.whole();
    assert_alike(&pair.measure(&Tiling::new(&[600_000])), &whole);
    assert_alike(&pair.measure(&Tiling::with_core(&[600_000], &[1001])), &whole);
    let slices = &whole.axes[0].slices;
    assert!(slices.len() <= 4096 && slices.windows(2).all(|w| w[0].to == w[1].from));
    assert_eq!(slices.last().unwrap().to, 600_000);
    let e = pair.errors();
    for s in [&slices[0], &slices[17], &slices[slices.len() - 1]] {
        let there: Vec<f64> = e[s.from as usize..s.to as usize].iter().copied().filter(|e| !e.is_nan()).collect();
        assert_eq!(s.max_abs, there.iter().fold(0.0, |m, e| e.abs().max(m)));
        assert_close("rmse", s.rmse.0, (there.iter().map(|e| e * e).sum::<f64>() / there.len() as f64).sqrt(), 1e-12);
    }
}

#[test]
fn figures_do_not_change_with_the_size_of_the_numbers() {
    let pair = Pair::field(&[9, 14, 15], 3, 0.1, 1511);
    let plain = pair.whole();
    for power in [996, -960] {
        let factor = 2f64.powi(power);
        let scaled = pair.clone().map(|v| v * factor).whole();
        for (what, a, b) in [
            ("std", plain.std_x, scaled.std_x / factor),
            ("std", plain.std_y, scaled.std_y / factor),
            ("pearson", plain.pearson, scaled.pearson),
            ("ssim", plain.ssim, scaled.ssim),
            ("dssim", plain.dssim, scaled.dssim),
            ("ks", plain.ks.distance, scaled.ks.distance),
            ("lag", plain.autocorrelation[1], scaled.autocorrelation[1]),
            ("rmse", plain.axes[0].slices[2].rmse.0, scaled.axes[0].slices[2].rmse.0 / factor),
        ] {
            assert!(b.is_finite(), "{what} {b}");
            assert_close(what, a, b, 1e-13);
        }
        let counts = |n: &Neighbours| n.histogram.as_ref().map(|h| h.counts.clone());
        assert_eq!(counts(&plain), counts(&scaled), "{power}");
    }
}

#[test]
fn values_of_1e300_and_of_1e_minus_300_together_do_not_hide_each_other() {
    let mut pair = Pair::field(&[16, 20], 9, 0.0, 0);
    pair.y[5 * 20 + 3] = 1e300;
    pair.y[9 * 20 + 9] += 1e-9;
    let found = pair.whole();
    assert!(found.std_y > 5e298 && found.std_y < 6e298, "{}", found.std_y);
    assert!(found.pearson.abs() < 0.2, "{}", found.pearson);
    assert!(found.ssim < 0.9 && found.dssim < 0.9, "{} {}", found.ssim, found.dssim);
    let rows = &found.axes[0];
    assert_eq!((rows.worst, rows.slices[9].max_abs), (Some(5), pair.y[9 * 20 + 9] - pair.x[9 * 20 + 9]));
    // Too small beside 1e300 to be squared: then the slice's RMSE is stated as its largest error, never as less.
    assert!(rows.slices[9].rmse.0 > 0.0 && rows.slices[9].rmse.0 <= rows.slices[9].max_abs);
    assert_eq!(rows.slices[0].rmse.0, 0.0);
}

#[test]
fn a_huge_value_in_the_original_alone_leaves_no_likeness() {
    let mut pair = Pair::field(&[3, 30], 9, 0.0, 0);
    pair.x[40] = f64::MAX;
    pair.y[40] = -f64::MAX / 4.0;
    let found = pair.whole();
    assert!(found.pearson < 0.0, "{}", found.pearson);
    assert_eq!((found.axes[0].worst, found.axes[0].slices[1].max_abs), (Some(1), f64::INFINITY));
}

#[test]
fn equal_arrays_are_alike_in_every_figure() {
    for missing in [0, 7, 31] {
        let mut pair = Pair::field(&[8, 13, 17], 4, 0.0, missing);
        pair.chunk = Some(vec![3, 13, 4]);
        let found = pair.whole();
        assert_eq!((found.pearson, found.dssim, found.ks.distance, found.ks.p), (1.0, 1.0, 0.0, 1.0));
        assert!(found.ssim == 1.0 || (missing == 7 || missing == 31) && found.ssim.is_nan(), "{}", found.ssim);
        assert_eq!(found.std_x, found.std_y);
        assert!(found.autocorrelation.iter().all(|r| r.is_nan()));
        assert!(found.histogram.is_none());
        assert!(found.axes.iter().all(|a| a.worst.is_none() && a.slices.iter().all(|s| s.rmse.0 == 0.0)));
        assert!(found.chunks.unwrap().worst.iter().all(|c| c.max_abs == 0.0));
    }
}

#[test]
fn a_constant_array_is_alike_only_to_itself() {
    let constant = Pair::field(&[13, 14], 4, 0.0, 0).map(|_| 3.5);
    let found = constant.whole();
    assert_eq!((found.std_x, found.std_y, found.ssim, found.dssim), (0.0, 0.0, 1.0, 1.0));
    assert!(found.pearson.is_nan());
    let mut other = constant;
    other.y[100] = 3.25;
    let found = other.whole();
    assert!(found.ssim.is_nan() && found.pearson.is_nan() && found.dssim < 1.0);
    assert_eq!((found.std_x, found.ks.distance), (0.0, 1.0 / 182.0));
}

#[test]
fn arrays_without_elements_or_without_pairs_have_no_figures() {
    for pair in [Pair::field(&[0, 14], 4, 0.1, 0), Pair::field(&[15, 14], 4, 0.1, 1), Pair::field(&[0], 1, 0.1, 0)] {
        let found = pair.measure(&Tiling::new(&pair.shape));
        let all = [found.std_x, found.std_y, found.pearson, found.ssim, found.dssim, found.ks.distance, found.ks.p];
        assert!(all.iter().all(|v| v.is_nan()), "{all:?}");
        assert!(found.autocorrelation.iter().all(|r| r.is_nan()) && found.autocorrelation.len() == pair.shape.len());
        assert!(found.histogram.is_none() && found.magnitudes.is_empty() && found.dssim_plane.is_none());
        assert!(found.axes.iter().all(|a| a.worst.is_none() && a.slices.iter().all(|s| s.rmse.0.is_nan())));
    }
}

#[test]
fn a_tile_of_another_length_is_refused() {
    let place = Tiling::new(&[4, 5]).tile(0);
    assert!(Tile::new(&place, &[0.0; 20], &[0.0; 20], &[0.0; 19]).is_err());
}

#[test]
fn moduli_have_no_signed_figures_and_all_others() {
    let pair = Pair::field(&[13, 15], 4, 0.1, 0);
    let e: Vec<f64> = pair.errors().iter().map(|e| e.abs()).collect();
    let planes = pair.planes();
    let known = Known {
        range_x: range(&pair.x),
        range_y: range(&pair.y),
        max_abs: range(&e).1,
        pairs: 195,
        planes: &planes,
        moduli: true,
        ..Known::default()
    };
    let tiling = Tiling::new(&pair.shape);
    let (place, mut totals) = (tiling.tile(0), Totals::new(&tiling, &known));
    let tile = Tile::new(&place, &pair.x, &pair.y, &e).unwrap();
    totals.add(&TileSums::measure(&tile, &known, &mut Scratch::default()));
    let found = totals.finish(&known);
    let signed = pair.whole();
    assert!(found.pearson.is_nan() && found.autocorrelation.iter().all(|r| r.is_nan()) && found.histogram.is_none());
    assert_eq!((found.ssim, found.dssim, found.ks), (signed.ssim, signed.dssim, signed.ks));
    assert_eq!(found.axes, signed.axes);
}

/// Time of one tile of each of some shapes, with everything on: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is to be read")]
fn time_of_a_tile() {
    for (shape, missing) in [
        (&[1000u64, 141, 141][..], 0),
        (&[1000, 141, 141], 1013),
        (&[8192, 8192], 0),
        (&[500, 1024, 1024], 0),
        (&[1 << 28], 0),
        (&[100_000_000, 3], 0),
        (&[1000, 30, 192, 288], 0),
        (&[4; 12], 0),
    ] {
        let tiling = Tiling::new(shape);
        let place = tiling.tile(tiling.count() / 2);
        let mut pair = Pair::field(&[place.len()], 1, 1e-3, missing);
        pair.shape = shape.to_vec();
        let e = pair.errors();
        let planes = vec![(0.0, 3.3); if shape.len() == 3 { 1000 } else { 30_000 }];
        let known = Known {
            mean_x: 1.2,
            mean_y: 1.2,
            range_x: range(&pair.x),
            range_y: range(&pair.y),
            max_abs: 5e-4,
            pairs: 1,
            planes: &planes,
            ..Known::default()
        };
        let tile = Tile::new(&place, &pair.x, &pair.y, &e).unwrap();
        let mut scratch = Scratch::default();
        let core: u64 = place.core().iter().product();
        let mut best = f64::INFINITY;
        for _ in 0..15 {
            let start = std::time::Instant::now();
            std::hint::black_box(TileSums::measure(&tile, &known, &mut scratch));
            best = best.min(start.elapsed().as_secs_f64());
        }
        eprintln!(
            "{shape:?} missing {missing}: core {:?}, {:.1} ns an element",
            place.core(),
            best * 1e9 / core as f64
        );
    }
}
