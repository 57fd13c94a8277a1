//! Budget files: what reads back, and what each mistake is told.

use proptest::prelude::*;

use super::{Budget, Limits, Scope, SliceLimit};
use crate::error::ErrorKind;
use crate::metric::class::Class;
use crate::metric::figure::Figure;

const GOOD: &str = r#"note = "Monthly means go to the archive; 0.01 K is below the sensor's noise."
author = "A. Reviewer"
max_abs = 0.01            # any figure by name
ssim = 0.9999
psnr = "inf"
allow = ["zero_sign"]
rel_floor = 1e-6
spatial_tol = 1e-4
[[slice]]
axis = 0
max_abs = 0.02
rmse = 0.001
[arrays.temperature]
max_abs = 0.05
allow = { zero_sign = 10, sign_flip = "any" }
[[arrays.temperature.slice]]
axis = -1
rmse = 0.002
"#;

#[test]
fn every_key_of_the_form_is_read() {
    let budget = Budget::from_toml(GOOD).unwrap();
    assert!(budget.note.as_ref().unwrap().starts_with("Monthly"));
    assert_eq!(budget.author.as_deref(), Some("A. Reviewer"));
    let limits = &budget.limits;
    assert_eq!(limits.figures.get(&Figure::MaxAbs), Some(&0.01));
    assert_eq!(limits.figures.get(&Figure::Ssim), Some(&0.9999));
    assert_eq!(limits.figures.get(&Figure::Psnr), Some(&f64::INFINITY));
    assert_eq!(limits.allow.get(&Class::ZeroSign), Some(&Limits::ANY));
    assert_eq!((limits.rel_floor, limits.spatial_tol), (Some(1e-6), Some(1e-4)));
    assert_eq!(
        limits.slices,
        [
            SliceLimit { axis: 0, figure: Figure::MaxAbs, limit: 0.02 },
            SliceLimit { axis: 0, figure: Figure::Rmse, limit: 0.001 }
        ]
    );
    let own = budget.of(Some("temperature"));
    assert_eq!(own.figures.len(), 1);
    assert_eq!(own.allow.get(&Class::ZeroSign), Some(&10));
    assert_eq!(own.allow.get(&Class::SignFlip), Some(&Limits::ANY));
    assert_eq!(own.slices, [SliceLimit { axis: -1, figure: Figure::Rmse, limit: 0.002 }]);
    assert_eq!(own.rel_floor, None, "limits of a named array replace the others, they do not add to them");
}

/// Each mistake, and what its message must hold.
#[test]
fn each_mistake_is_told_with_its_line_and_its_remedy() {
    let cases: &[(&str, &[&str])] = &[
        ("max_abs = 1\nmax_asb = 2", &["line 2", "\"max_asb\"", "did you mean \"max_abs\""]),
        ("Max-Abs = 1", &["line 1", "did you mean \"max_abs\""]),
        ("RMSE = 1", &["did you mean \"rmse\""]),
        ("temperature = 1", &["line 1", "known are max_abs", "arrays"]),
        ("max_abs = 1\n[[slices]]\naxis = 0", &["line 2", "did you mean \"slice\""]),
        ("max_abs = 1\n[array.t]\nrmse = 1", &["line 2", "did you mean \"arrays\""]),
        ("max_abs = 1\nzero_sign = 3", &["line 2", "allow = [\"zero_sign\"]"]),
        ("max_abs = 1\nallow = [\n  \"zero_sing\"\n]", &["line 3", "unknown class", "did you mean \"zero_sign\""]),
        ("max_abs = 1\nallow = { zero-sign = 1 }", &["line 2", "did you mean \"zero_sign\""]),
        ("max_abs = 1\nallow = [\"zero_sign\", \"zero_sign\"]", &["line 2", "twice"]),
        ("max_abs = 1\nallow = \"zero_sign\"", &["line 2", "the text \"zero_sign\"", "allow = [\"zero_sign\"]"]),
        ("max_abs = 1\nallow = { zero_sign = -1 }", &["line 2", "-1", "0 or more"]),
        ("max_abs = 1\nallow = [1]", &["line 2", "quotes"]),
        ("max_abs = \"0.1\"", &["line 1", "\"0.1\"", "without quotes"]),
        ("max_abs = true", &["line 1", "a boolean", "a number"]),
        ("max_abs = [1]", &["line 1", "a list", "a number"]),
        ("max_abs = -1", &["line 1", "max_abs = -1", "strictest is 0"]),
        ("max_abs = nan", &["line 1", "nan"]),
        ("max_abs = inf", &["line 1", "any loss pass"]),
        ("max_abs = 1e999", &["line 1", "1e999", "smaller"]),
        ("psnr = -inf", &["line 1", "any loss pass"]),
        ("equal_fraction = 2", &["line 1", "strictest is 1"]),
        ("min_error = 0.5", &["line 1", "min_error = -0.5"]),
        ("max_abs = 1\nrel_floor = -1", &["line 2", "rel_floor = -1", "at least 0"]),
        ("max_abs = 1\nspatial_tol = inf", &["line 2", "spatial_tol = inf", "finite"]),
        ("note = 3\nmax_abs = 1", &["line 1", "note is 3", "a text in quotes"]),
        ("", &["no size of error", "max_abs"]),
        ("note = \"x\"\nallow = [\"zero_sign\"]", &["no size of error"]),
        ("[[slice]]\nmax_abs = 1", &["line 1", "axis = 0"]),
        ("[[slice]]\naxis = 0", &["line 1", "have no limit", "max_abs, rmse"]),
        ("[[slice]]\naxis = 0.5\nrmse = 1", &["line 2", "axis is 0.5", "a whole number"]),
        ("[[slice]]\naxis = 0\nssim = 0.9", &["line 3", "ssim", "only max_abs, rmse"]),
        ("[[slice]]\naxis = 0\nrmsee = 0.9", &["line 3", "did you mean \"rmse\""]),
        ("[[slice]]\naxis = 0\nrmse = 1\n[[slice]]\naxis = 0\nrmse = 2", &["line 6", "1 and 2", "keep one"]),
        ("[slice]\naxis = 0\nrmse = 1", &["line 1", "[[slice]]"]),
        ("max_abs = 1\n[arrays.t]\nnote = \"x\"", &["line 3", "unknown key \"note\""]),
        ("max_abs = 1\n[arrays.t]\nallow = [\"zero_sign\"]", &["line 2", "\"t\" has no limit"]),
        ("max_abs = 1\n[arrays.g.t]\nrmse = 1", &["line 2", "[arrays.\"g.t\"]"]),
        ("max_abs = 1\narrays.t = 3", &["line 2", "a table of limits"]),
        ("max_abs = 1\narrays = 3", &["line 2", "[arrays.NAME]"]),
        ("[arrays.t]\nrmse = 1\n[arrays.\"/t\"]\nrmse = 2", &["the same array"]),
        ("max_abs = 1\nmax_abs = 2", &["line 2", "duplicate"]),
        ("max_abs = 1\r\n\r\n[[slice]]\r\naxis = 0", &["line 3", "have no limit"]),
        ("max_abs = = 1", &["line 1"]),
        ("max_abs = 1\n\n[arrays", &["line 3"]),
    ];
    for (text, parts) in cases {
        let error = Budget::from_toml(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Usage);
        for part in *parts {
            assert!(error.to_string().contains(part), "{text:?}: {error}\n does not say {part:?}");
        }
    }
}

#[test]
fn numbers_and_tables_may_be_written_in_every_way_of_toml() {
    let text = "max_ulp = 1_000\r\nmax_abs = 0x10\nrmse = +1_0.5e-1\npsnr = +inf\n'iou' = 1\n\
                slice = [{ axis = -0, rmse = 1 }]\narrays.t.max_abs = 0\narrays.'u v' = { rmse = 0.0 }\n";
    let budget = Budget::from_toml(text).unwrap();
    let limits: Vec<f64> = budget.limits.figures.values().copied().collect();
    assert_eq!(limits, [16.0, 1.05, 1000.0, f64::INFINITY, 1.0]);
    assert_eq!((budget.limits.slices.len(), budget.arrays.len()), (1, 2));
}

#[test]
fn a_blank_note_is_none() {
    let budget = Budget::from_toml("note = \" \"\nauthor = \"\"\nmax_abs = 0").unwrap();
    assert_eq!((budget.note, budget.author), (None, None));
}

fn limits() -> impl Strategy<Value = Limits> {
    let figure = (proptest::sample::select(Figure::ALL.to_vec()), 0.0..=1.0f64, any::<bool>());
    let allow = (proptest::sample::select(Class::ALL.to_vec()), prop_oneof![any::<u64>(), Just(Limits::ANY)]);
    let slice = (any::<i64>(), proptest::sample::select(SliceLimit::FIGURES.to_vec()), 0.0..1e300f64);
    (
        proptest::collection::vec(figure, 1..6),
        proptest::collection::vec(allow, 0..4),
        proptest::collection::vec(slice, 0..4),
        proptest::option::of(0.0..1e3f64),
    )
        .prop_map(|(figures, allow, slices, floor)| {
            let mut limits = Limits::default();
            for (figure, share, tiny) in figures {
                let Scope { worst, best } = Scope::of(figure);
                let to = if worst.is_finite() {
                    worst
                } else if best > 0.0 {
                    -1e3
                } else {
                    worst.signum() * 1e10
                };
                let from = if best.is_finite() { best } else { 400.0 };
                // Never as far as the worst.
                let way = share * if tiny { 1e-12 } else { 0.999 };
                limits.set(figure, from + (to - from) * way).unwrap();
            }
            allow.into_iter().for_each(|(class, count)| limits.set_allow(class, count));
            for (axis, figure, limit) in slices {
                // A second limit on the same is refused, and not wanted here.
                let _ = limits.set_slice(SliceLimit { axis, figure, limit });
            }
            if let Some(floor) = floor {
                limits.set_rel_floor(floor).unwrap();
                limits.set_spatial_tol(floor / 7.0).unwrap();
            }
            limits
        })
}

proptest! {
    #[test]
    fn a_written_budget_reads_back_as_the_same(
        note in proptest::option::of("(?s)[\"\\\\\n\t#=]{0,3}\\PC*[a-z]"),
        author in proptest::option::of("(?s).*[a-z]"),
        top in limits(),
        arrays in proptest::collection::btree_map("(?s).{0,3}[a-z .\"\\\\]{0,6}", limits(), 0..3),
    ) {
        let budget = Budget { note, author, limits: top, arrays };
        let plain: std::collections::BTreeSet<&str> = budget.arrays.keys().map(|k| super::plain(k)).collect();
        prop_assume!(plain.len() == budget.arrays.len());
        let text = budget.to_toml();
        let back = Budget::from_toml(&text);
        prop_assert!(back.is_ok(), "{:?}\n{text}", back);
        let back = back.unwrap();
        prop_assert_eq!(&back, &budget, "{}", text);
        prop_assert_eq!(back.to_toml(), text);
    }

    #[test]
    fn no_text_panics_and_what_is_read_has_a_limit(text in "(?s).*") {
        if let Ok(budget) = Budget::from_toml(&text) {
            prop_assert!(!budget.limits.is_empty() || !budget.arrays.is_empty());
        }
    }

    #[test]
    fn no_change_of_a_good_file_panics_and_every_error_is_the_users(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0usize..12, "[\\PC\n]{0,3}"), 1..4),
    ) {
        let mut chars: Vec<char> = GOOD.chars().collect();
        for (at, cut, put) in changes {
            let from = at.index(chars.len() + 1);
            let to = (from + cut).min(chars.len());
            chars.splice(from..to, put.chars());
        }
        match Budget::from_toml(&chars.into_iter().collect::<String>()) {
            Ok(budget) => prop_assert!(!budget.limits.is_empty() || !budget.arrays.is_empty()),
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Usage);
                prop_assert!(error.to_string().len() > 10);
            }
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow_of_the_stack(depth in 1usize..20_000, open in "[\\[{]|a\\.|a=\\{") {
        let _ = Budget::from_toml(&format!("max_abs = {}", open.repeat(depth)));
        prop_assert!(Budget::from_toml(&open.repeat(depth)).is_err());
    }
}
