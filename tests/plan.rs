//! Plans: what is said of the data is true of every element, what is promised holds, and the same array gets the same plan.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, bytes};
use ndcompact::coding::CodingAsk;
use ndcompact::plan::{Keeps, Kind, Plan, PlanOptions, Target, plan};
use ndcompact::store::Place;
use serde_json::Value;

const N: usize = 6000;

/// Whole numbers without a pattern, from 0 up to `below`.
fn noise(below: u64) -> impl Iterator<Item = u64> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(state) * u128::from(below)) >> 64) as u64
    })
}

fn of(desk: &Desk, name: &str, options: &PlanOptions<'_>) -> Plan {
    plan(&Place { path: desk.path(name), member: None }, options).unwrap()
}

fn kinds(plan: &Plan) -> Vec<Kind> {
    plan.findings.iter().map(|f| f.kind).collect()
}

/// Runs every finding's flags, restores, and compares all bytes.
fn findings_are_true(desk: &Desk, name: &str) {
    let original = std::fs::read(desk.path(name)).unwrap();
    let plan = of(desk, name, &PlanOptions::default());
    for finding in plan.findings.iter().filter(|f| f.lossless) {
        let flags = finding.flags.as_ref().unwrap();
        let mut line = vec![name, "-o", "made.npy", "--force"];
        line.extend(flags.split_whitespace());
        desk.done(&line);
        desk.done(&["restore", "made.npy", "-o", "back.npy", "--force"]);
        let back = std::fs::read(desk.path("back.npy")).unwrap();
        let data = |file: &[u8]| file[file.len() - plan.array_bytes as usize..].to_vec();
        assert_eq!(data(&back), data(&original), "{name}: {}", finding.text);
    }
}

/// A file with `values` says `kind`; with one element put out of it, it does not; and what is said is true both times.
fn told_until_one_element_breaks_it(values: &[f64], shape: &[usize], odd: f64, kind: Kind) {
    let desk = Desk::new();
    let mut broken = values.to_vec();
    broken[values.len() / 3] = odd;
    desk.write("good.npy", "<f8", shape, &bytes(values));
    desk.write("bad.npy", "<f8", shape, &bytes(&broken));
    let (good, bad) = (of(&desk, "good.npy", &PlanOptions::default()), of(&desk, "bad.npy", &PlanOptions::default()));
    assert!(kinds(&good).contains(&kind), "{kind:?} is not in {:?}", good.findings);
    assert!(!kinds(&bad).contains(&kind), "{kind:?} in {:?}", bad.findings);
    findings_are_true(&desk, "good.npy");
    findings_are_true(&desk, "bad.npy");
}

#[test]
fn narrower_floats_are_told_until_one_element_breaks_them() {
    let halves: Vec<f64> = noise(700).take(N).map(|k| k as f64 * 0.5 - 100.25).collect();
    told_until_one_element_breaks_it(&halves, &[N], 0.1, Kind::NarrowerFloat);
    let singles: Vec<f64> = noise(1 << 40).take(N).map(|k| f64::from((k as f32).sqrt())).collect();
    told_until_one_element_breaks_it(&singles, &[60, 100], 1.0 / 3.0, Kind::NarrowerFloat);
}

#[test]
fn grids_are_told_until_one_element_breaks_them() {
    let integers: Vec<f64> = noise(5000).take(N).map(|k| k as f64 - 70.0).collect();
    told_until_one_element_breaks_it(&integers, &[N], 0.017_3, Kind::Integers);
    let cents: Vec<f64> = noise(50_000).take(N).map(|k| (k as f64 - 7000.0) / 100.0).collect();
    told_until_one_element_breaks_it(&cents, &[N], std::f64::consts::PI, Kind::Decimals);
    let steps: Vec<f64> = noise(900).take(N).map(|k| k as f64 * 0.125).collect();
    told_until_one_element_breaks_it(&steps, &[N], 0.0317, Kind::CommonStep);
    // −0 would come back as +0: a grid is not lossless then.
    told_until_one_element_breaks_it(&integers.iter().map(|x| x.abs()).collect::<Vec<_>>(), &[N], -0.0, Kind::Integers);
}

#[test]
fn constants_masks_and_few_values_are_told_until_one_element_breaks_them() {
    told_until_one_element_breaks_it(&vec![273.15; N], &[N], 273.0, Kind::Constant);
    let mask: Vec<f64> = noise(2).take(N).map(|k| k as f64).collect();
    told_until_one_element_breaks_it(&mask, &[N], 0.5, Kind::ZeroOne);
}

#[test]
fn symmetry_is_told_until_one_element_breaks_it() {
    let n = 30;
    let value = |m: usize, i: usize, j: usize| ((m * 31 + i * 7919 + j * 104_729) as f64 * 0.618).fract();
    let stack = |f: &dyn Fn(usize, usize, usize) -> f64| -> Vec<f64> {
        (0..4 * n * n).map(|k| f(k / (n * n), k / n % n, k % n)).collect()
    };
    let symmetric = stack(&|m, i, j| value(m, i.min(j), i.max(j)));
    told_until_one_element_breaks_it(&symmetric, &[4, n, n], 17.5, Kind::Symmetric);
    // No zero off the diagonal: the image of 0 is −0, and 0 − 0 would not be.
    let skew = stack(&|m, i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => value(m, i, j) + 0.25,
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => -(value(m, j, i) + 0.25),
    });
    told_until_one_element_breaks_it(&skew, &[4, n, n], 17.5, Kind::Symmetric);
    // One rounding away.
    let desk = Desk::new();
    let mut nearly = symmetric;
    nearly[n * n + n] = nearly[n * n + n].next_up();
    desk.write("nearly.npy", "<f8", &[4, n, n], &bytes(&nearly));
    let found = of(&desk, "nearly.npy", &PlanOptions::default());
    let finding = found.findings.iter().find(|f| f.kind == Kind::NearlySymmetric).unwrap();
    let flags: Vec<&str> = finding.flags.as_ref().unwrap().split_whitespace().collect();
    assert_eq!(flags[..2], ["--triangle", "--symmetry-tol"]);
    desk.done(&[&["nearly.npy", "-o", "x.npy"], &flags[..]].concat());
}

#[test]
fn integers_say_how_many_bits_they_need() {
    let desk = Desk::new();
    let values: Vec<i64> = noise(4000).take(N).map(|k| k as i64 + 90).collect();
    let data = |values: &[i64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    desk.write("x.npy", "<i8", &[N], &data(&values));
    let found = of(&desk, "x.npy", &PlanOptions::default());
    let flags: Vec<&str> = found.findings.iter().filter_map(|f| f.flags.as_deref()).collect();
    assert_eq!(flags, ["--scale-offset 0", "--bits=12"]);
    findings_are_true(&desk, "x.npy");
    let hours: Vec<i64> = values.iter().map(|v| v * 3600).collect();
    desk.write("h.npy", "<i8", &[N], &data(&hours));
    let found = of(&desk, "h.npy", &PlanOptions::default());
    assert!(
        found.findings.iter().any(|f| f.flags.as_deref() == Some("--scale-offset step=3600")),
        "{:?}",
        found.findings
    );
    findings_are_true(&desk, "h.npy");
    let mut odd = hours;
    odd[77] += 1;
    desk.write("o.npy", "<i8", &[N], &data(&odd));
    assert!(!kinds(&of(&desk, "o.npy", &PlanOptions::default())).contains(&Kind::CommonStep));
}

#[test]
fn fill_values_are_suspected_only_where_they_repeat_far_from_all_else() {
    let desk = Desk::new();
    let mut sea: Vec<f64> = noise(3000).take(N).map(|k| k as f64 / 100.0).collect();
    sea.iter_mut().step_by(3).for_each(|v| *v = 1e20);
    sea[1] = f64::NAN;
    desk.write("sea.npy", "<f8", &[N], &bytes(&sea));
    let found = of(&desk, "sea.npy", &PlanOptions::default());
    let fill = found.findings.iter().find(|f| f.kind == Kind::FillValue).unwrap();
    assert_eq!(fill.flags.as_deref(), Some("--fill=1e20"));
    assert!((fill.share.unwrap() - 1.0 / 3.0).abs() < 1e-3);
    assert!(kinds(&found).contains(&Kind::Decimals) && kinds(&found).contains(&Kind::NotFinite));
    findings_are_true(&desk, "sea.npy");
    // A single outlier is none, nor is a mark among values like it.
    let mut values: Vec<f64> = noise(3000).take(N).map(|k| k as f64).collect();
    values[9] = 1e20;
    desk.write("one.npy", "<f8", &[N], &bytes(&values));
    assert!(!kinds(&of(&desk, "one.npy", &PlanOptions::default())).contains(&Kind::FillValue));
    let wide: Vec<f64> = noise(20_000).take(N).map(|k| (k as f64 - 9999.0).max(-9999.0)).collect();
    desk.write("wide.npy", "<f8", &[N], &bytes(&wide));
    assert!(!kinds(&of(&desk, "wide.npy", &PlanOptions::default())).contains(&Kind::FillValue));
}

#[test]
fn values_beyond_float16_are_told() {
    let desk = Desk::new();
    let pressure: Vec<f64> = noise(9000).take(N).map(|k| 1e5 + (k as f64).sqrt()).collect();
    desk.write("p.npy", "<f8", &[N], &bytes(&pressure));
    let found = of(&desk, "p.npy", &PlanOptions { ask: Some(within(1.0)), ..all() });
    assert!(kinds(&found).contains(&Kind::BeyondFloat16));
    assert!(found.candidates.iter().filter(|c| c.flags.contains("--f16")).all(|c| c.keeps == Keeps::Refused));
}

fn within(e: f64) -> CodingAsk {
    CodingAsk { max_abs: Some(e), ..CodingAsk::default() }
}

/// HDF5 candidates too, in builds that could not write them.
fn all() -> PlanOptions<'static> {
    PlanOptions { hdf5: true, filtered: true, ..PlanOptions::default() }
}

fn smooth(n: usize) -> Vec<f64> {
    (0..n * n).map(|k| ((k / n) as f64 * 0.031).sin() * ((k % n) as f64 * 0.017).cos() * 40.0 + 280.0).collect()
}

#[test]
fn candidates_within_a_bound_keep_it_and_the_best_is_the_smallest_of_them() {
    let desk = Desk::new();
    desk.write("x.npy", "<f8", &[90, 90], &bytes(&smooth(90)));
    let found = of(&desk, "x.npy", &PlanOptions { ask: Some(within(1e-3)), ..all() });
    assert!(found.sample.whole);
    for c in &found.candidates {
        assert!(c.keeps != Keeps::Kept || c.max_error <= 1e-3, "{c:?}");
        assert_eq!(c.keeps == Keeps::Broken, c.max_error > 1e-3, "{c:?}");
    }
    let kept = || found.candidates.iter().filter(|c| c.keeps == Keeps::Kept);
    let best = found.candidates.iter().find(|c| c.best).unwrap();
    let least = kept().map(|c| c.bytes).min().unwrap();
    assert!(best.bytes as f64 <= least as f64 * 1.02);
    let names: Vec<&str> = found.candidates.iter().map(|c| c.flags.as_str()).collect();
    for flags in [
        "--max-abs 0",
        "--max-abs 0.001",
        "--max-abs 0.001 --effort 9",
        "--f32",
        "--scale-offset 3",
        "--keepbits 17 --codec zstd",
    ] {
        assert!(names.contains(&flags), "{flags} is not in {names:?}");
    }
    assert_eq!(found.ranked().len(), kept().count());
    assert_eq!(found.best().unwrap().flags, best.flags);
}

#[test]
fn without_a_bound_only_lossless_candidates_are_chosen_and_bounds_are_shown() {
    let desk = Desk::new();
    desk.write("x.npy", "<f8", &[90, 90], &bytes(&smooth(90)));
    let found = of(&desk, "x.npy", &all());
    assert_eq!(found.candidates.iter().filter(|c| c.keeps == Keeps::NotAsked).count(), 3);
    assert!(found.candidates.iter().filter(|c| c.keeps == Keeps::Kept).all(|c| c.max_error == 0.0));
    assert_eq!(found.asked, None);
}

#[test]
fn a_budget_marks_candidates_that_break_it() {
    let desk = Desk::new();
    desk.write("x.npy", "<f8", &[90, 90], &bytes(&smooth(90)));
    std::fs::write(desk.path("b.toml"), "max_abs = 0.02\nrmse = 0.0002\n").unwrap();
    let found = desk.json(&["plan", "x.npy", "--budget", "b.toml", "--json"]);
    let list = found["candidates"].as_array().unwrap();
    assert!(list.iter().any(|c| c["keeps"] == "broken"));
    for c in list.iter().filter(|c| c["keeps"] == "kept") {
        assert!(c["rmse"].as_f64().unwrap() <= 2e-4 && c["max_error"].as_f64().unwrap() <= 0.02);
    }
}

#[test]
fn a_plan_is_the_same_whatever_the_threads_but_for_speeds() {
    let desk = Desk::new();
    let mut values = smooth(700);
    values.iter_mut().step_by(911).for_each(|v| *v = f64::NAN);
    desk.write("x.npy", "<f8", &[700, 700], &bytes(&values));
    let plan_with = |threads: &str| {
        let mut json = desk.json(&["plan", "x.npy", "--max-abs", "0.01", "--json", "--threads", threads]);
        for c in json["candidates"].as_array_mut().unwrap() {
            c["encode_mb_s"] = Value::Null;
            c["decode_mb_s"] = Value::Null;
        }
        json
    };
    let one = plan_with("1");
    assert_eq!(one, plan_with("3"));
    assert!(!one["sample"]["whole"].as_bool().unwrap());
    assert!(one["sample"]["bytes"].as_u64().unwrap() <= 700 * 700);
}

#[test]
fn the_json_names_everything_that_the_documents_name() {
    let desk = Desk::new();
    let json = desk.json(&["plan", "sym.npy", "--max-abs", "0.5", "--json"]);
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut top = keys(&json);
    top.sort();
    let expected = [
        "array_bytes",
        "asked",
        "best",
        "bound",
        "candidates",
        "command",
        "dtype",
        "fill",
        "findings",
        "place",
        "sample",
        "shape",
        "status",
        "stored_bytes",
    ];
    assert_eq!(top, expected);
    let mut one = keys(&json["candidates"][0]);
    one.sort();
    let expected = [
        "asks",
        "best",
        "bytes",
        "coding",
        "decode_mb_s",
        "encode_mb_s",
        "estimated",
        "flags",
        "front",
        "keeps",
        "max_error",
        "ratio",
        "reads",
        "rmse",
        "speed_class",
        "target",
    ];
    assert_eq!(one, expected);
    let finding = &json["findings"][0];
    assert_eq!((&finding["kind"], &finding["lossless"]), (&Value::from("symmetric"), &Value::from(true)));
    assert_eq!(finding["flags"], "--triangle");
}

#[test]
fn the_line_of_a_plan_runs_and_the_table_names_the_choice() {
    let desk = Desk::new();
    let text = desk.done(&["plan", "sym.npy", "-o", "small.npy"]);
    assert!(text.contains("symmetric: --triangle is lossless"), "{text}");
    let line = text.lines().find_map(|l| l.strip_prefix("run    ")).unwrap_or_else(|| panic!("{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[0], words[1]), ("compact", "sym.npy"));
    desk.done(&words[1..]);
    assert!(desk.path("small.npy").exists());
}

#[test]
fn auto_runs_the_best_and_holds_the_whole_array_against_the_bound() {
    let desk = Desk::new();
    let mut values = smooth(700);
    desk.write("x.npy", "<f8", &[700, 700], &bytes(&values));
    let report = desk.json(&["x.npy", "--auto", "--max-abs", "0.01", "-o", "y.npy", "--json"]);
    assert!(report["loss"]["max_abs"].as_f64().unwrap() <= 0.01);
    assert!(report["ratio"].as_f64().unwrap() > 3.9);
    assert!(report["chosen"].as_str().unwrap().contains("--scale-offset"));
    desk.done(&["verify", "x.npy", "y.npy", "--max-abs", "0.01"]);
    // One value that no sample meets and that float16 cannot hold.
    values.iter_mut().for_each(|v| *v = (*v * 8.0).round() / 8.0);
    values[3] = 280.0 + 1.0 / 3.0;
    desk.write("z.npy", "<f8", &[700, 700], &bytes(&values));
    let report = desk.json(&["z.npy", "--auto", "-o", "w.npy", "--json", "--max-abs", "0.0625"]);
    assert!(report["loss"]["max_abs"].as_f64().unwrap() <= 0.0625);
    desk.done(&["verify", "z.npy", "w.npy", "--max-abs", "0.0625"]);
}

#[test]
fn auto_without_a_bound_is_lossless_and_refuses_steps() {
    let desk = Desk::new();
    let report = desk.json(&["sym.npy", "--auto", "-o", "y.npy", "--json"]);
    assert_eq!(report["loss"]["changed"], 0);
    desk.done(&["restore", "y.npy", "-o", "back.npy"]);
    let data = |name: &str| {
        let file = std::fs::read(desk.path(name)).unwrap();
        file[file.len() - 8 * desk::MATRICES * desk::N * desk::N..].to_vec()
    };
    assert_eq!(data("back.npy"), data("sym.npy"));
    assert!(desk.fails(2, &["sym.npy", "--auto", "--f16"]).contains("--auto chooses"));
    assert!(desk.fails(2, &["sym.npy", "--max-abs", "-1", "--auto"]).contains("--max-abs"));
    assert!(desk.fails(2, &["plan", "y.npy"]).contains("compacted already"));
}

#[test]
fn odd_arrays_get_a_plan_too() {
    let desk = Desk::new();
    desk.write("empty.npy", "<f8", &[0, 3], &[]);
    desk.write("nan.npy", "<f8", &[3], &bytes(&[f64::NAN; 3]));
    desk.write("bool.npy", "|b1", &[4, 4], &[0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1]);
    desk.write("complex.npy", "<c16", &[2, 2], &bytes(&[1.0, 0.0, 2.0, 3.5, 2.0, -3.5, 4.0, 0.0]));
    desk.write("u8.npy", "|u1", &[5], &[0, 255, 3, 9, 77]);
    for (name, kind) in [
        ("empty.npy", Kind::Empty),
        ("nan.npy", Kind::NotFinite),
        ("bool.npy", Kind::ZeroOne),
        ("complex.npy", Kind::Symmetric),
    ] {
        let found = of(&desk, name, &all());
        assert!(kinds(&found).contains(&kind), "{name}: {:?}", found.findings);
        findings_are_true(&desk, name);
        of(&desk, name, &PlanOptions { ask: Some(within(0.5)), ..all() });
    }
    let found = of(&desk, "u8.npy", &PlanOptions { ask: Some(within(2.0)), ..all() });
    assert!(found.candidates.iter().any(|c| c.target == Target::Hdf5Filtered));
    assert!(found.candidates.iter().filter(|c| c.keeps == Keeps::Kept).all(|c| c.max_error <= 2.0));
}

#[test]
fn auto_keeps_the_bits_of_nan_under_a_bound() {
    let desk = Desk::new();
    let mut values: Vec<f64> = noise(3000).take(60_000).map(|n| n as f64 / 100.0).collect();
    for (i, v) in values.iter_mut().enumerate().skip(7).step_by(1000) {
        *v = f64::from_bits(0x7ff8_0000_0000_0000 | (i as u64 + 1));
    }
    desk.write("x.npy", "<f8", &[60, 1000], &bytes(&values));
    for output in ["y.h5", "y.npy"] {
        // Steps of `.npy` files keep no such bits, so there it stays as it is.
        let report = desk.json(&["x.npy", "--auto", "--max-abs", "0.01", "-o", output, "--json"]);
        assert_eq!(report["loss"]["nan_payload"], Value::Null, "{report}");
        desk.done(&["verify", "x.npy", output]);
    }
}

#[test]
fn auto_takes_what_nothing_makes_smaller_and_what_has_no_error_to_speak_of() {
    let desk = Desk::new();
    let noise: Vec<f64> = noise(u64::MAX).take(5000).map(|n| f64::from_bits(n >> 2)).collect();
    desk.write("noise.npy", "<f8", &[5000], &bytes(&noise));
    desk.write("empty.npy", "<f8", &[0, 3], &[]);
    desk.write("zero.npy", "<f8", &[50], &bytes(&[0.0; 50]));
    let huge: Vec<f64> = (0..500).map(|i| 1e307 * f64::from(i % 10)).collect();
    desk.write("huge.npy", "<f8", &[500], &bytes(&huge));
    desk.done(&["noise.npy", "--auto", "-o", "n.npy"]);
    assert_eq!(desk.json(&["verify", "noise.npy", "n.npy", "--json"])["status"], "ok");
    for output in ["e.npy", "e.h5"] {
        desk.done(&["empty.npy", "--auto", "--max-abs", "1", "-o", output]);
        desk.done(&["verify", "empty.npy", output]);
    }
    desk.done(&["zero.npy", "--auto", "--max-rel", "1e-3", "-o", "z.h5"]);
    desk.done(&["zero.npy", "--auto", "--max-rel", "1e-3", "--rel-floor", "1", "-o", "f.h5"]);
    desk.done(&["verify", "zero.npy", "f.h5"]);
    desk.done(&["huge.npy", "--auto", "--psnr", "50", "-o", "h.h5"]);
    desk.done(&["verify", "huge.npy", "h.h5"]);
}
