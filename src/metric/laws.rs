//! The promises of [`Loss`](super::Loss), tested against a plain computation one element at a time.

use half::f16;
use num_complex::Complex;
use proptest::prelude::*;

use super::{Class, Loss, LossRecord, Value};
use crate::array::{Buf, Element, Scalar, Span};

fn lost<T: Element>(x: &[T], y: &[T]) -> Loss {
    let mut loss = Loss::new();
    let at = [Span::new(0, x.len() as u64)];
    loss.add(&at, &Buf::from_slice(x).unwrap(), &Buf::from_slice(y).unwrap()).unwrap();
    loss
}

/// The loss of blocks that end at `cuts`, each measured alone, merged in an order that `seed` picks.
fn lost_in_blocks<T: Element>(x: &[T], y: &[T], cuts: &[usize], mut seed: u64) -> Loss {
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (x.len() + 1)).chain([0, x.len()]).collect();
    ends.sort_unstable();
    let mut parts: Vec<Loss> = ends
        .windows(2)
        .map(|w| {
            let mut loss = Loss::new();
            let (x, y) = (Buf::from_slice(&x[w[0]..w[1]]).unwrap(), Buf::from_slice(&y[w[0]..w[1]]).unwrap());
            loss.add(&[Span::new(w[0] as u64, (w[1] - w[0]) as u64)], &x, &y).unwrap();
            loss
        })
        .collect();
    while parts.len() > 1 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let part = parts.swap_remove((seed >> 33) as usize % parts.len());
        let into = (seed >> 13) as usize % parts.len();
        parts[into].merge(&part);
    }
    parts.pop().unwrap()
}

/// A float of any kind: ordinary, special, or any bits.
fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1.0f64..1.0,
        2 => any::<u64>().prop_map(f64::from_bits),
        3 => prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, 1e-320, 1e-307, -3e-308]),
    ]
}

/// What a plain loop counts.
fn counted(x: &[f64], y: &[f64], is: impl Fn(f64, f64) -> bool) -> (u64, Option<u64>) {
    let hits: Vec<u64> = (0..x.len()).filter(|i| is(x[*i], y[*i])).map(|i| i as u64).collect();
    (hits.len() as u64, hits.first().copied())
}

fn check_against_plain(x: &[f64], y: &[f64]) {
    let loss = lost(x, y);
    let nonzero = |v: f64| v.is_finite() && v != 0.0;
    let expected = [
        (Class::FiniteToNan, counted(x, y, |x, y| x.is_finite() && y.is_nan())),
        (Class::FiniteToInf, counted(x, y, |x, y| x.is_finite() && y.is_infinite())),
        (Class::NanToOther, counted(x, y, |x, y| x.is_nan() && !y.is_nan())),
        (Class::InfToOther, counted(x, y, |x, y| x.is_infinite() && x != y)),
        (Class::SignFlip, counted(x, y, |x, y| nonzero(x) && nonzero(y) && x.signum() != y.signum())),
        (Class::NonzeroToZero, counted(x, y, |x, y| nonzero(x) && y == 0.0)),
        (Class::ZeroToNonzero, counted(x, y, |x, y| x == 0.0 && nonzero(y))),
        (Class::ZeroSign, counted(x, y, |x, y| x == 0.0 && y == 0.0 && x.signum() != y.signum())),
        (Class::NormalToSubnormal, counted(x, y, |x, y| x.is_normal() && y.is_subnormal())),
        (Class::FillToOther, (0, None)),
        (Class::OtherToFill, (0, None)),
    ];
    assert_eq!(expected.len(), Class::ALL.len());
    for (class, expected) in expected {
        let got = loss.class(class);
        assert_eq!((got.count, got.first), expected, "{}", class.name());
    }
    let both_nan = |x: f64, y: f64| x.is_nan() && y.is_nan();
    let differ = |x: f64, y: f64| x.to_bits() != y.to_bits();
    assert_eq!(loss.changed(), counted(x, y, |x, y| differ(x, y) && !both_nan(x, y)).0);
    assert_eq!(loss.nan_payload(), counted(x, y, |x, y| differ(x, y) && both_nan(x, y)).0);
    assert_eq!(loss.count(), x.len() as u64);
    let finite = counted(x, y, |x, y| x.is_finite() && y.is_finite()).0;
    assert_eq!(loss.count_finite(), finite);
    let mut worst = (0.0, None);
    for (i, (x, y)) in x.iter().zip(y).enumerate().filter(|(_, (x, y))| x.is_finite() && y.is_finite()) {
        let e = (x - y).abs().min(f64::MAX);
        if e > worst.0 {
            worst = (e, Some((i as u64, Scalar::Float(*x), Scalar::Float(*y))));
        }
    }
    assert_eq!((loss.max_abs(), loss.worst().map(|w| (w.at, w.original, w.restored))), worst);
    // Scaled, so that the plain sum neither overflows nor vanishes.
    if worst.0 > 0.0 {
        let scaled = |x: f64, y: f64| (x / 4.0 - y / 4.0) / (worst.0 / 4.0);
        let pairs = x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite());
        let sum: f64 = pairs.map(|(x, y)| scaled(*x, *y).powi(2)).sum();
        let rmse = (sum / finite as f64).sqrt() * worst.0;
        assert!(
            (loss.rmse() / rmse - 1.0).abs() < 1e-12 || worst.0 < 1e-300 || worst.0 == f64::MAX,
            "{} {rmse}",
            loss.rmse()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_figure_equals_a_plain_count(
        pairs in prop::collection::vec((any_float(), any_float(), 0u8..4), 0..2500),
    ) {
        let x: Vec<f64> = pairs.iter().map(|p| p.0).collect();
        // Mostly restored with a small error, sometimes something else altogether.
        let y: Vec<f64> = pairs.iter().map(|(x, y, how)| match how { 0 => *y, 1 => *x, _ => f64::from(*x as f32) }).collect();
        check_against_plain(&x, &y);
    }

    #[test]
    fn any_blocks_merged_in_any_order_give_the_same_figures_bit_for_bit(
        pairs in prop::collection::vec((any_float(), any_float(), 0u8..9), 1..5000),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        seed in any::<u64>(),
    ) {
        let x: Vec<f64> = pairs.iter().map(|p| p.0).collect();
        let y: Vec<f64> = pairs.iter().map(|(x, y, how)| if *how == 0 { *y } else { f16::from_f64(*x).to_f64() }).collect();
        prop_assert_eq!(lost(&x, &y), lost_in_blocks(&x, &y, &cuts, seed));
        let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
        prop_assert_eq!(lost(&narrow(&x), &narrow(&y)), lost_in_blocks(&narrow(&x), &narrow(&y), &cuts, seed));
        let half = |v: &[f64]| v.iter().map(|v| f16::from_f64(*v)).collect::<Vec<_>>();
        prop_assert_eq!(lost(&half(&x), &half(&y)), lost_in_blocks(&half(&x), &half(&y), &cuts, seed));
        let pair = |v: &[f64]| v.chunks_exact(2).map(|p| Complex::new(p[0], p[1])).collect::<Vec<_>>();
        prop_assert_eq!(lost(&pair(&x), &pair(&y)), lost_in_blocks(&pair(&x), &pair(&y), &cuts, seed));
    }

    #[test]
    fn integers_are_exact_in_any_blocks(
        pairs in prop::collection::vec((any::<i64>(), any::<i64>()), 1..2500),
        shift in 0u32..63,
        cuts in prop::collection::vec(any::<usize>(), 0..5),
        seed in any::<u64>(),
    ) {
        let x: Vec<i64> = pairs.iter().map(|p| p.0).collect();
        let y: Vec<i64> = pairs.iter().map(|p| p.0.saturating_add(p.1 >> shift)).collect();
        let loss = lost(&x, &y);
        prop_assert_eq!(&loss, &lost_in_blocks(&x, &y, &cuts, seed));
        let e: Vec<i128> = x.iter().zip(&y).map(|(x, y)| i128::from(*x) - i128::from(*y)).collect();
        prop_assert_eq!(loss.worst().map_or(0, |w| w.exact), e.iter().map(|e| e.unsigned_abs() as u64).max().unwrap());
        let mean = e.iter().sum::<i128>() as f64 / x.len() as f64;
        prop_assert!((loss.mean_error() - mean).abs() <= f64::EPSILON * mean.abs());
        let rmse = (e.iter().map(|e| (*e as f64).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
        prop_assert!((loss.rmse() - rmse).abs() <= 1e-12 * rmse);
        let narrow = |v: &[i64]| v.iter().map(|v| *v as u8).collect::<Vec<_>>();
        let (x, y) = (narrow(&x), narrow(&y));
        let loss = lost(&x, &y);
        prop_assert_eq!(&loss, &lost_in_blocks(&x, &y, &cuts, seed));
        let squares: u64 = x.iter().zip(&y).map(|(x, y)| u64::from(x.abs_diff(*y)).pow(2)).sum();
        let rmse = (squares as f64 / x.len() as f64).sqrt();
        prop_assert!((loss.rmse() - rmse).abs() <= f64::EPSILON * rmse);
    }
}

#[test]
fn tiny_integer_errors_fill_their_lanes_without_overflow() {
    for e in [(1u64 << 11) - 1, 1 << 11, (1 << 26) - 1, 1 << 26, u64::MAX] {
        let loss = lost(&[0u64; 3000], &[e; 3000]);
        assert_eq!((loss.rmse(), loss.mean_error()), (e as f64, -(e as f64)));
        assert_eq!(loss.worst().map(|w| (w.exact, w.at)), Some((e, 0)));
    }
    let loss = lost(&[i64::MIN, 0], &[i64::MAX, -1]);
    assert_eq!(loss.worst().map(|w| w.exact), Some(u64::MAX));
    assert_eq!((loss.class(Class::SignFlip).count, loss.class(Class::ZeroToNonzero).first), (1, Some(1)));
}

#[test]
fn huge_and_minute_errors_give_their_rmse() {
    for e in [1e300, 1.7e308, 1e-200, 1e-310, 3.7e-160] {
        let loss = lost(&[e; 1500], &[0.0; 1500]);
        assert!((loss.rmse() / e - 1.0).abs() < 1e-15, "{e} {}", loss.rmse());
        assert!((loss.mean_error() / e - 1.0).abs() < 1e-15);
        let complex = lost(&[Complex::new(0.3 * e, 0.4 * e); 1500], &[Complex::new(0.0, 0.0); 1500]);
        assert!((complex.max_abs() / (0.5 * e) - 1.0).abs() < 1e-12, "{e} {}", complex.max_abs());
        assert!((complex.rmse() / (0.5 * e) - 1.0).abs() < 1e-12);
    }
    let loss = lost(&[1.7e308, 0.0], &[-1.7e308, 0.0]);
    assert_eq!((loss.max_abs(), loss.count_finite()), (f64::MAX, 2));
    assert_eq!(loss.rmse(), f64::MAX, "3.4e308 over the root of 2 saturates");
}

#[test]
fn nan_and_infinity_neither_hide_nor_reset_the_maximum() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for at in [0, 700, 701, 1400] {
            let x: Vec<f64> = (0..1401).map(|i| if i == 702 { 5.0 } else { 1.0 }).collect();
            let mut y: Vec<f64> = x.iter().map(|x| x * 1.5).collect();
            y[at] = bad;
            let loss = lost(&x, &y);
            assert_eq!((loss.max_abs(), loss.worst().map(|w| w.at)), (2.5, Some(702)));
            assert_eq!(loss.classes().map(|(_, n)| (n.count, n.first)).collect::<Vec<_>>(), [(1, Some(at as u64))]);
        }
    }
}

#[test]
fn positions_follow_spans_and_ties_go_to_the_lowest() {
    let x = Buf::from_slice(&[1.0f64; 6]).unwrap();
    let y = Buf::from_slice(&[1.0, 2.0, 1.0, 2.0, 0.0, 1.0]).unwrap();
    let mut loss = Loss::new();
    loss.add(&[Span::new(100, 2), Span::new(40, 3), Span::new(7, 1)], &x, &y).unwrap();
    assert_eq!(loss.worst().map(|w| w.at), Some(41));
    assert_eq!(loss.class(Class::NonzeroToZero).first, Some(42));
    let refused = loss.clone().add(&[Span::new(0, 5)], &x, &y);
    assert!(refused.is_err());
    assert!(loss.add(&[Span::new(0, 6)], &x, &Buf::from_slice(&[1f32; 6]).unwrap()).is_err());
}

#[test]
fn nothing_compared_is_no_error() {
    let loss = lost::<f64>(&[], &[]);
    assert_eq!(loss, Loss::new());
    assert_eq!((loss.count(), loss.max_abs(), loss.rmse(), loss.mean_error()), (0, 0.0, 0.0, 0.0));
    assert_eq!(lost(&[f64::NAN], &[f64::NAN]).rmse(), 0.0);
}

#[test]
fn a_triangle_measured_once_counts_as_the_whole_matrix() {
    let n = 40u64;
    let value = |i: u64, j: u64| ((i.min(j) * 37 + i.max(j)) as f64).sin();
    let (mut whole, mut triangle, mut diagonal) = (Loss::new(), Loss::new(), Loss::new());
    let add = |loss: &mut Loss, at: u64, x: f64| {
        let y = f16::from_f64(x).to_f64();
        loss.add(&[Span::new(at, 1)], &Buf::from_slice(&[x]).unwrap(), &Buf::from_slice(&[y]).unwrap()).unwrap();
    };
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let (at, x) = (i * n + j, value(i, j));
        add(&mut whole, at, x);
        if i <= j {
            add(&mut triangle, at, x);
        }
        if i == j {
            add(&mut diagonal, at, x);
        }
    }
    assert_eq!(triangle.doubled_except(&diagonal), whole);
}

#[test]
fn a_bool_is_compared_as_0_and_1_and_a_complex_number_by_its_modulus() {
    let loss = lost(&[true, false, true], &[true, true, false]);
    assert_eq!((loss.changed(), loss.mean_error()), (2, 0.0));
    assert_eq!(loss.to_record(&[3]).original, Some(Value::Bool(false)));
    let loss = lost(
        &[Complex::new(3f32, 4.0), Complex::new(f32::NAN, 1.0), Complex::new(1.0, 0.0)],
        &[Complex::new(0f32, 0.0), Complex::new(f32::NAN, 9.0), Complex::new(1.0, -0.0)],
    );
    assert_eq!((loss.max_abs(), loss.changed(), loss.count_finite()), (5.0, 3, 2));
    assert_eq!((loss.mean_error(), loss.mean_error_imag()), (1.5, Some(2.0)));
    assert_eq!((loss.class(Class::NonzeroToZero).count, loss.class(Class::ZeroSign).first), (2, Some(2)));
}

#[test]
fn a_record_comes_back_equal_from_json() {
    let x = [1.0, f64::NAN, f64::NAN, 1e300, -0.0, 2.0];
    let y = [1.25, -f64::NAN, 3.0, f64::INFINITY, 0.0, 0.1];
    let record = lost(&x, &y).to_record(&[2, 3]);
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<LossRecord>(&json).unwrap(), record);
    assert_eq!(record.max_abs_at, Some(vec![1, 2]));
    assert_eq!((record.changed, record.nan_payload, record.not_finite), (5, 1, 3));
    assert_eq!(record.classes.keys().collect::<Vec<_>>(), ["finite_to_inf", "nan_to_other", "zero_sign"]);
    let large = lost(&[u64::MAX], &[3]).to_record(&[]);
    assert_eq!(large.original, Some(Value::Uint(u64::MAX)));
    let json = serde_json::to_string(&large).unwrap();
    assert_eq!(serde_json::from_str::<LossRecord>(&json).unwrap(), large);
}
