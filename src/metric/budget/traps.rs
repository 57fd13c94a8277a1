//! Comparisons that fool other tools, held against budgets: none may pass.

use std::collections::BTreeMap;

use super::{Limits, Outcome, SliceLimit, judge, worst};
use crate::array::Scalar;
use crate::metric::class::Class;
use crate::metric::comparison::{AxisErrors, Cell, ClassRow, Comparison, Description, Element, SliceError, Structure};
use crate::metric::figure::{Direction, Figure, Figures, Number};

/// An array of `count` values from 0 to `range`.
pub(super) fn description(count: u64, range: f64) -> Description {
    let n = |x: f64| Number(if count == 0 { f64::NAN } else { x });
    Description {
        count,
        finite: count,
        min: n(0.0),
        max: n(range),
        mean: n(range / 2.0),
        std: n(range / 4.0),
        smallest_nonzero: n(range / 8.0),
        zeros: 0,
        nan: 0,
        pos_inf: 0,
        neg_inf: 0,
        fill: 0,
        distinct: None,
        entropy: None,
        precision: None,
    }
}

/// A comparison of two arrays of this shape without any error, to be spoiled.
fn equal(shape: &[u64], range: f64) -> Comparison {
    let count = shape.iter().product();
    let mut figures = Figures::default();
    if count > 0 {
        for figure in [Figure::MaxAbs, Figure::Rmse, Figure::MeanError] {
            figures.set(figure, 0.0);
        }
        figures.set(Figure::EqualFraction, 1.0);
    }
    if count > 0 && range > 0.0 {
        figures.set(Figure::Nrmse, 0.0);
        figures.set(Figure::Psnr, f64::INFINITY);
    }
    let slice = |i| SliceError { from: i, to: i + 1, max_abs: 0.0, rmse: Number(0.0) };
    let axis = |(axis, n): (usize, &u64)| AxisErrors { axis, slices: (0..*n).map(slice).collect(), worst: None };
    Comparison {
        shape: shape.to_vec(),
        count,
        pairs: count,
        changed: 0,
        nan_payload: 0,
        rel_skipped: 0,
        figures,
        accuracy: BTreeMap::new(),
        autocorrelation: Vec::new(),
        classes: Class::ALL.iter().map(|name| ClassRow { name: *name, count: 0, first: None }).collect(),
        places: BTreeMap::new(),
        worst: Vec::new(),
        original: description(count, range),
        restored: description(count, range),
        axes: if count > 0 { shape.iter().enumerate().map(axis).collect() } else { Vec::new() },
        chunks: None,
        histogram: None,
        cumulative: Vec::new(),
        magnitudes: Vec::new(),
        spectrum: None,
        structure: None,
        plane: None,
    }
}

fn limited(limits: &[(Figure, f64)]) -> Limits {
    let mut all = Limits::default();
    for (figure, limit) in limits {
        all.set(*figure, *limit).unwrap();
    }
    all
}

fn by_slice(axis: i64, figure: Figure, limit: f64) -> Limits {
    let mut limits = Limits::default();
    limits.set_slice(SliceLimit { axis, figure, limit }).unwrap();
    limits
}

fn verdict(limits: &Limits, comparison: &Comparison) -> Outcome {
    worst(&judge(limits, comparison))
}

fn happen(comparison: &mut Comparison, class: Class, count: u64) {
    let place =
        Element { index: vec![1, 2], original: Cell(Scalar::Float(1.0)), restored: Cell(Scalar::Float(f64::NAN)) };
    let row = comparison.classes.iter_mut().find(|row| row.name == class).unwrap();
    (row.count, row.first) = (count, Some(place));
}

#[test]
fn arrays_without_error_pass_and_use_nothing_of_the_budget() {
    let limits = limited(&[(Figure::MaxAbs, 0.1), (Figure::Psnr, 80.0), (Figure::EqualFraction, 1.0)]);
    let criteria = judge(&limits, &equal(&[3, 4], 1.0));
    assert_eq!(worst(&criteria), Outcome::Passed);
    assert_eq!(criteria.len(), 3);
    assert_eq!(criteria[0].used, Number(0.0));
}

#[test]
fn a_limit_is_kept_at_its_very_value_and_broken_by_the_next_float() {
    let limits = limited(&[(Figure::MaxAbs, 0.1)]);
    let mut comparison = equal(&[3, 4], 1.0);
    comparison.figures.set(Figure::MaxAbs, 0.1);
    assert_eq!(verdict(&limits, &comparison), Outcome::Passed);
    assert_eq!(judge(&limits, &comparison)[0].used, Number(1.0));
    comparison.figures.set(Figure::MaxAbs, 0.1_f64.next_up());
    assert_eq!(verdict(&limits, &comparison), Outcome::Failed);
}

#[test]
fn the_share_used_runs_from_the_best_value_to_the_limit_in_both_directions() {
    let mut comparison = equal(&[8, 8], 1.0);
    comparison.figures.set(Figure::Ssim, 0.95);
    comparison.figures.set(Figure::MinError, -0.25);
    comparison.figures.set(Figure::MaxError, -0.1);
    comparison.figures.set(Figure::Psnr, 90.0);
    let limits =
        limited(&[(Figure::MaxError, 1.0), (Figure::MinError, -1.0), (Figure::Psnr, 80.0), (Figure::Ssim, 0.9)]);
    let used: Vec<f64> = judge(&limits, &comparison).iter().map(|c| c.used.0).collect();
    assert_eq!(used[..2], [0.0, 0.25]);
    assert!(used[2].is_nan(), "a distance from infinite PSNR has no shares");
    approx::assert_relative_eq!(used[3], 0.5, max_relative = 1e-12);
}

#[test]
fn any_class_change_fails_whatever_the_errors_unless_it_is_allowed_by_name() {
    let limits = limited(&[(Figure::MaxAbs, 1e300)]);
    for class in Class::ALL {
        let mut comparison = equal(&[3, 4], 1.0);
        happen(&mut comparison, *class, 1);
        assert_eq!(verdict(&limits, &comparison), Outcome::Failed, "{class:?}");
        let criterion = judge(&limits, &comparison).into_iter().find(|c| c.name == class.name()).unwrap();
        assert_eq!(criterion.at.unwrap().index, [1, 2], "{class:?} without its place");

        let mut allowed = limits.clone();
        allowed.set_allow(*class, 1);
        assert_eq!(verdict(&allowed, &comparison), Outcome::Passed, "{class:?}");
        happen(&mut comparison, *class, 2);
        assert_eq!(verdict(&allowed, &comparison), Outcome::Failed, "{class:?}");
        allowed.set_allow(*class, Limits::ANY);
        assert_eq!(verdict(&allowed, &comparison), Outcome::Passed, "{class:?}");
    }
}

#[test]
fn a_class_that_was_not_counted_is_not_taken_for_one_that_did_not_occur() {
    let mut comparison = equal(&[3, 4], 1.0);
    comparison.classes.retain(|row| row.name != Class::FiniteToNan);
    assert_eq!(verdict(&limited(&[(Figure::MaxAbs, 1.0)]), &comparison), Outcome::Unknown);
}

#[test]
fn an_infinite_error_fails_every_finite_limit() {
    let mut comparison = equal(&[3, 4], 1.0);
    comparison.figures.set(Figure::MaxAbs, f64::INFINITY);
    assert_eq!(verdict(&limited(&[(Figure::MaxAbs, f64::MAX)]), &comparison), Outcome::Failed);
    comparison.figures.set(Figure::MeanError, f64::NEG_INFINITY);
    assert_eq!(verdict(&limited(&[(Figure::MeanError, f64::MAX)]), &comparison), Outcome::Failed);
}

#[test]
fn a_bias_of_either_sign_is_held_by_its_magnitude() {
    let mut comparison = equal(&[3, 4], 1.0);
    comparison.figures.set(Figure::MeanError, -0.5);
    assert_eq!(verdict(&limited(&[(Figure::MeanError, 0.1)]), &comparison), Outcome::Failed);
}

#[test]
fn limits_relative_to_the_range_of_a_constant_array_are_not_checked() {
    let comparison = equal(&[3, 4], 0.0);
    for (figure, limit) in [(Figure::Nrmse, 0.1), (Figure::MaxRange, 0.1), (Figure::Psnr, 1.0)] {
        let criteria = judge(&limited(&[(figure, limit)]), &comparison);
        assert_eq!(criteria[0].outcome, Outcome::Unknown, "{figure}");
        assert!(criteria[0].reason.as_ref().unwrap().contains("constant"), "{figure}");
    }
}

#[test]
fn an_empty_array_and_one_of_nan_alone_pass_no_limit_on_errors() {
    let empty = equal(&[0, 4], 1.0);
    let mut nan = equal(&[2, 4], 1.0);
    nan.pairs = 0;
    nan.figures = Figures::default();
    for axis in &mut nan.axes {
        axis.slices.iter_mut().for_each(|s| s.rmse = Number(f64::NAN));
    }
    for figure in Figure::ALL {
        let best = super::Scope::of(*figure).best;
        assert_eq!(verdict(&limited(&[(*figure, best)]), &empty), Outcome::Unknown, "{figure}");
        assert_eq!(verdict(&limited(&[(*figure, best)]), &nan), Outcome::Unknown, "{figure}");
    }
    assert_eq!(verdict(&by_slice(0, Figure::MaxAbs, 1.0), &empty), Outcome::Unknown);
    assert_eq!(verdict(&by_slice(1, Figure::Rmse, 1.0), &nan), Outcome::Unknown);
}

#[test]
fn errors_on_one_slice_fail_its_limit_though_the_mean_over_all_is_small() {
    let mut comparison = equal(&[1000, 4], 1.0);
    comparison.axes[0].slices[77] = SliceError { from: 77, to: 78, max_abs: 0.5, rmse: Number(0.3) };
    comparison.figures.set(Figure::Rmse, 0.3 / 1000f64.sqrt());
    assert_eq!(verdict(&limited(&[(Figure::Rmse, 0.01)]), &comparison), Outcome::Passed);
    for (axis, figure, measured) in [(0, Figure::Rmse, 0.3), (-2, Figure::MaxAbs, 0.5)] {
        let criteria = judge(&by_slice(axis, figure, 0.01), &comparison);
        assert_eq!((criteria[0].outcome, criteria[0].measured), (Outcome::Failed, Number(measured)));
        assert!(criteria[0].reason.as_ref().unwrap().contains("index 77 of axis 0"));
    }
}

#[test]
fn an_rmse_over_several_indices_does_not_pass_for_each_of_them() {
    let mut comparison = equal(&[1000, 4], 1.0);
    let slices = |max_abs: f64, rmse: f64| {
        let at = |i: u64| SliceError { from: i * 100, to: (i + 1) * 100, max_abs: 0.0, rmse: Number(0.0) };
        let mut slices: Vec<SliceError> = (0..10).map(at).collect();
        slices[3] = SliceError { max_abs, rmse: Number(rmse), ..slices[3] };
        slices
    };
    let limits = by_slice(0, Figure::Rmse, 0.01);
    for (max_abs, rmse, outcome) in
        [(0.009, 0.005, Outcome::Passed), (0.05, 0.005, Outcome::Unknown), (0.05, 0.02, Outcome::Failed)]
    {
        comparison.axes[0].slices = slices(max_abs, rmse);
        assert_eq!(verdict(&limits, &comparison), outcome, "{max_abs} {rmse}");
    }
    assert_eq!(verdict(&by_slice(0, Figure::MaxAbs, 0.01), &comparison), Outcome::Failed);
}

#[test]
fn a_limit_on_slices_of_an_axis_that_is_missing_or_not_measured_does_not_pass() {
    let mut comparison = equal(&[3, 4], 1.0);
    for axis in [2, -3, i64::MAX, i64::MIN] {
        let criteria = judge(&by_slice(axis, Figure::MaxAbs, 1.0), &comparison);
        assert_eq!(worst(&criteria), Outcome::Unknown, "axis {axis}");
        assert!(criteria[0].reason.as_ref().unwrap().contains("has no axis"));
    }
    comparison.axes[1].slices.pop();
    assert_eq!(verdict(&by_slice(1, Figure::MaxAbs, 1.0), &comparison), Outcome::Unknown);
    comparison.axes.clear();
    let criteria = judge(&by_slice(0, Figure::MaxAbs, 1.0), &comparison);
    assert_eq!(worst(&criteria), Outcome::Unknown);
    assert!(criteria[0].reason.as_ref().unwrap().contains("not measured"));
}

#[test]
fn no_limit_at_all_is_not_checked_and_no_criterion_is_not_passed() {
    let mut only_classes = Limits::default();
    only_classes.set_allow(Class::ZeroSign, 5);
    for limits in [Limits::default(), only_classes] {
        assert_eq!(verdict(&limits, &equal(&[3, 4], 1.0)), Outcome::Unknown);
    }
    assert_eq!(worst(&[]), Outcome::Unknown);
}

#[test]
fn the_worst_of_several_outcomes_is_the_verdict() {
    let mut comparison = equal(&[3, 4], 1.0);
    let passed_and_unknown = limited(&[(Figure::MaxAbs, 0.1), (Figure::Iou, 1.0)]);
    assert_eq!(verdict(&passed_and_unknown, &comparison), Outcome::Unknown);
    comparison.figures.set(Figure::MaxAbs, 0.2);
    assert_eq!(verdict(&passed_and_unknown, &comparison), Outcome::Failed);
}

#[test]
fn limits_that_are_not_numbers_pass_nothing_even_where_they_were_not_checked() {
    for figure in Figure::ALL {
        let mut comparison = equal(&[8, 8], 1.0);
        comparison.figures.set(*figure, super::Scope::of(*figure).best);
        let limits = Limits { figures: BTreeMap::from([(*figure, f64::NAN)]), ..Limits::default() };
        assert_ne!(verdict(&limits, &comparison), Outcome::Passed, "{figure}");
    }
}

#[test]
fn a_limit_on_eigenvalues_does_not_pass_on_some_of_the_matrices() {
    let mut comparison = equal(&[100, 8, 8], 1.0);
    comparison.figures.set(Figure::EigenvalueShift, 0.01);
    comparison.figures.set(Figure::MaxAbs, 0.01);
    let structure = |eigen_matrices| Some(Structure { matrices: 100, n: 8, eigen_matrices, ..Structure::default() });
    for (computed, limit, outcome) in [
        (100, 0.02, Outcome::Passed),
        (4, 0.02, Outcome::Unknown),
        (4, 0.005, Outcome::Failed),
        // Eight times the largest error: no matrix can be over it.
        (4, 0.08, Outcome::Passed),
    ] {
        comparison.structure = structure(computed);
        assert_eq!(verdict(&limited(&[(Figure::EigenvalueShift, limit)]), &comparison), outcome, "{computed} {limit}");
    }
}

#[test]
fn how_far_a_figure_may_be_off_stands_beside_its_verdict() {
    let mut comparison = equal(&[3, 4], 1.0);
    comparison.accuracy.insert(Figure::MaxAbs, "to 1 %".to_owned());
    assert_eq!(judge(&limited(&[(Figure::MaxAbs, 1.0)]), &comparison)[0].reason.as_deref(), Some("to 1 %"));
}

#[test]
fn masks_without_a_true_value_say_so() {
    let mut comparison = equal(&[8, 8], 0.0);
    comparison.structure = Some(Structure { union: Some(0), ..Structure::default() });
    let criteria = judge(&limited(&[(Figure::Iou, 1.0)]), &comparison);
    assert_eq!((criteria[0].outcome, criteria[0].direction), (Outcome::Unknown, Direction::AtLeast));
    assert!(criteria[0].reason.as_ref().unwrap().contains("true"));
}
