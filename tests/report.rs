//! `compact report`, `compact verify`, `compact budget` and `compact --budget`, run as people run them.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use std::fs;

use desk::{Desk, bytes};
use serde_json::Value;

const SHAPE: [usize; 3] = [6, 9, 11];

fn field() -> Vec<f64> {
    let value = |k: usize| 20.0 + 5.0 * (k as f64 * 0.013).sin() + (k * 7919 % 101) as f64 * 1e-3;
    (0..SHAPE.iter().product()).map(value).collect()
}

/// A desk with `a.npy`, and `b.npy`, which is `a.npy` with `change` made.
fn desk(change: impl FnOnce(&mut Vec<f64>)) -> Desk {
    let desk = Desk::new();
    let mut values = field();
    desk.write("a.npy", "<f8", &SHAPE, &bytes(&values));
    change(&mut values);
    desk.write("b.npy", "<f8", &SHAPE, &bytes(&values));
    desk
}

/// What `args` print, which must end with `code`.
fn ends(desk: &Desk, code: i32, args: &[&str]) -> String {
    let output = desk.run(args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
    format!("{out}{err}")
}

#[test]
fn verify_says_one_line_a_criterion_and_ends_with_the_verdict() {
    let desk = desk(|v| v[123] += 0.25);
    let text = ends(&desk, 1, &["verify", "a.npy", "b.npy", "--max-abs", "0.1", "--psnr", "20"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("FAILED       max_abs 0.25 > 0.1 (250 % used) at [1, 2, 2]: "), "{text}");
    assert!(lines[1].starts_with("PASSED       psnr "), "{text}");
    assert_eq!(lines.len(), 3, "{text}");
    ends(&desk, 0, &["verify", "a.npy", "b.npy", "--max-abs", "0.2500001"]);
    let json: Value =
        serde_json::from_str(&ends(&desk, 1, &["verify", "a.npy", "b.npy", "--max-abs", "0.1", "--json"])).unwrap();
    assert_eq!((&json["verdict"], &json["arrays"][0]["criteria"][0]["outcome"]), (&"failed".into(), &"failed".into()));
    // What needs no second look at the data is not computed.
    assert_eq!(json["arrays"][0]["comparison"]["figures"]["ssim"], Value::Null);
}

#[test]
fn without_limits_a_file_must_keep_what_it_says_of_itself() {
    let desk = desk(|v| v[0] += 0.5);
    desk.done(&["a.npy", "--f16", "-o", "c.npy"]);
    assert!(ends(&desk, 0, &["verify", "a.npy", "c.npy"]).contains("what a compacted file says of itself"));
    // The same file against another original.
    assert!(ends(&desk, 1, &["verify", "b.npy", "c.npy"]).contains("FAILED"));
    assert!(ends(&desk, 1, &["verify", "a.npy", "b.npy"]).contains("equal_fraction"));
    ends(&desk, 0, &["verify", "a.npy", "a.npy"]);
}

#[test]
fn no_trap_gets_a_green_verdict() {
    type Change = fn(&mut Vec<f64>);
    let failing: &[(&str, Change)] = &[
        ("finite_to_nan", |v| v[17] = f64::NAN),
        ("finite_to_inf", |v| v[17] = f64::INFINITY),
        ("sign_flip", |v| v[17] = -v[17]),
        ("nonzero_to_zero", |v| v[17] = 0.0),
        ("normal_to_subnormal", |v| v[17] = 1e-310),
    ];
    for (class, change) in failing {
        let desk = desk(change);
        for limit in ["--max-abs", "--rmse", "--max-error"] {
            let text = ends(&desk, 1, &["verify", "a.npy", "b.npy", limit, "1e6"]);
            assert!(text.contains(&format!("FAILED       {class} 1 > 0")), "{class} {limit}: {text}");
            assert!(text.contains("at [0, 1, 6]"), "{text}");
        }
        // Allowed by name, and no more of them than were allowed.
        ends(&desk, 0, &["verify", "a.npy", "b.npy", "--max-abs", "1e6", "--allow", class]);
        ends(&desk, 1, &["verify", "a.npy", "b.npy", "--max-abs", "1e6", "--allow", &format!("{class}=0")]);
    }
    let backwards = desk(|v| v[3] = f64::NAN);
    let text = ends(&backwards, 1, &["verify", "b.npy", "a.npy", "--max-abs", "1e6"]);
    assert!(text.contains("nan_to_other 1 > 0"), "{text}");
}

#[test]
fn what_cannot_be_said_is_not_passed() {
    let desk = desk(|_| ());
    for (name, values) in [("nan", vec![f64::NAN; 8]), ("constant", vec![4.0; 8]), ("moved", vec![4.5; 8])] {
        desk.write(&format!("{name}.npy"), "<f8", &[8], &bytes(&values));
    }
    desk.write("empty.npy", "<f8", &[0, 3], &[]);
    for file in ["nan.npy", "empty.npy"] {
        let text = ends(&desk, 2, &["verify", file, file, "--max-abs", "1", "--psnr", "1"]);
        assert!(text.contains("NOT CHECKED  max_abs is not known"), "{text}");
    }
    for limit in ["--nrmse", "--max-range", "--pearson=0", "--psnr=0"] {
        let mut args = vec!["verify", "constant.npy", "moved.npy", limit];
        if !limit.contains('=') {
            args.push("1e9");
        }
        let text = ends(&desk, 2, &args);
        assert!(text.contains("NOT CHECKED"), "{limit}: {text}");
    }
    // The absolute error of a constant is known well enough.
    ends(&desk, 0, &["verify", "constant.npy", "moved.npy", "--max-abs", "0.5"]);
    ends(&desk, 1, &["verify", "constant.npy", "moved.npy", "--max-abs", "0.49"]);
}

#[test]
fn files_that_differ_in_shape_or_dtype_are_not_compared() {
    let desk = desk(|_| ());
    desk.write("flat.npy", "<f8", &[594], &bytes(&field()));
    let singles: Vec<u8> = field().iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
    desk.write("single.npy", "<f4", &SHAPE, &singles);
    let message = desk.fails(2, &["verify", "a.npy", "flat.npy", "--max-abs", "1e9"]);
    assert!(message.contains("(6, 9, 11)") && message.contains("(594,)") && message.contains("shape"), "{message}");
    let message = desk.fails(2, &["report", "a.npy", "single.npy"]);
    assert!(message.contains("float64") && message.contains("float32") && message.contains("convert"), "{message}");
}

#[test]
fn a_budget_file_with_a_slip_is_refused_with_the_right_key() {
    let desk = desk(|_| ());
    fs::write(desk.path("b.toml"), "note = \"x\"\nmax_asb = 1\n").unwrap();
    for command in [&["verify", "a.npy", "b.npy", "--budget", "b.toml"][..], &["a.npy", "--f16", "--budget", "b.toml"]]
    {
        let message = desk.fails(2, command);
        assert!(message.contains("b.toml") && message.contains("line 2") && message.contains("max_abs"), "{message}");
    }
    let message = desk.fails(2, &["verify", "a.npy", "b.npy", "--allow", "sign_flop"]);
    assert!(message.contains("did you mean sign_flip"), "{message}");
}

#[test]
fn errors_on_one_slice_fail_a_limit_by_slice_though_the_whole_passes() {
    let desk = desk(|v| v[3 * 99..4 * 99].iter_mut().for_each(|x| *x += 0.01));
    fs::write(desk.path("b.toml"), "rmse = 0.005\n[[slice]]\naxis = 0\nrmse = 0.005\n").unwrap();
    let text = ends(&desk, 1, &["verify", "a.npy", "b.npy", "--budget", "b.toml"]);
    assert!(text.contains("PASSED       rmse 0.00408") && text.contains("FAILED       rmse[axis 0]"), "{text}");
    assert!(text.contains("index 3 of axis 0"), "{text}");
    fs::write(desk.path("b.toml"), "[[slice]]\naxis = 3\nrmse = 1e9\n").unwrap();
    assert!(ends(&desk, 2, &["verify", "a.npy", "b.npy", "--budget", "b.toml"]).contains("NOT CHECKED"));
}

#[test]
fn a_declared_fill_value_is_told_apart_and_enters_no_figure() {
    let desk = Desk::new();
    let mut values = vec![1.0, -9999.0, 2.0, -9999.0, 3.0, 4.0];
    desk.write("a.npy", "<f8", &[6], &bytes(&values));
    values[4] = 3.25;
    desk.write("same.npy", "<f8", &[6], &bytes(&values));
    values[1] = -9998.0;
    values[5] = -9999.0;
    desk.write("lost.npy", "<f8", &[6], &bytes(&values));
    let verify = |file| ["verify", "a.npy", file, "--fill", "-9999", "--max-abs", "0.25", "--nrmse", "0.1"];
    ends(&desk, 0, &verify("same.npy"));
    let text = ends(&desk, 1, &verify("lost.npy"));
    assert!(text.contains("fill_to_other 1 > 0") && text.contains("other_to_fill 1 > 0"), "{text}");
    assert!(text.contains("PASSED       max_abs 0.25"), "{text}");
}

#[test]
fn compacting_over_budget_leaves_nothing_and_names_the_finest_change_that_fits() {
    let desk = desk(|_| ());
    fs::write(desk.path("fine.toml"), "max_abs = 1e-4\n").unwrap();
    fs::write(desk.path("wide.toml"), "max_abs = 0.1\nmean_error = 0.01\n").unwrap();
    for (step, value, change) in [
        ("--keepbits", "10", "--keepbits 17 instead of 10"),
        ("--scale-offset", "2", "--scale-offset 4 instead of 2"),
        ("--scale-offset", "step=0.001", "--scale-offset step=0.000125 instead of step=0.001"),
    ] {
        let message = desk.fails(1, &["a.npy", step, value, "--budget", "fine.toml", "-o", "out.npy"]);
        assert!(message.contains("max_abs") && message.contains(&format!("{change} keeps the budget")), "{message}");
        // What was promised holds: and the step before it does not.
        let finer = change.split(' ').nth(1).unwrap();
        desk.done(&["a.npy", step, finer, "--budget", "fine.toml", "-o", "out.npy", "--force"]);
        fs::remove_file(desk.path("out.npy")).unwrap();
    }
    let message = desk.fails(1, &["a.npy", "--f16", "--budget", "fine.toml", "--dry-run"]);
    assert!(message.contains("--f32 instead of --f16 keeps the budget"), "{message}");
    let table = desk.done(&["a.npy", "--f16", "--budget", "wide.toml", "-o", "out.npy"]);
    assert!(table.contains("PASSED max_abs") && table.contains("PASSED mean_error"), "{table}");
    let json = desk.json(&["a.npy", "--f16", "--budget", "wide.toml", "-o", "out.npy", "--force", "--json"]);
    assert_eq!(json["criteria"].as_array().map(Vec::len), Some(2));
    let message = desk.fails(2, &["out.npy", "--budget", "wide.toml", "-o", "again.npy"]);
    assert!(message.contains("compact verify ORIGINAL"), "{message}");
}

#[test]
fn a_file_over_budget_replaces_nothing_even_with_force() {
    let desk = desk(|_| ());
    fs::write(desk.path("fine.toml"), "max_abs = 1e-9\n").unwrap();
    fs::write(desk.path("out.npy"), b"kept").unwrap();
    desk.fails(1, &["a.npy", "--f16", "--budget", "fine.toml", "-o", "out.npy", "--force"]);
    assert_eq!(fs::read(desk.path("out.npy")).unwrap(), b"kept");
    let sidecar = ["a.npy", "--f16", "--budget", "fine.toml", "-o", "side.npy", "--sidecar"];
    desk.fails(1, &sidecar);
}

#[test]
fn every_form_is_written_and_none_replaces_a_file_without_leave() {
    let desk = desk(|v| v[5] += 0.001);
    fs::write(desk.path("b.toml"), "note = \"for <all> & sundry\"\nmax_abs = 0.01\n").unwrap();
    let mut args = vec!["report", "a.npy", "b.npy", "--budget", "b.toml", "-q"];
    let names = ["r.html", "r.md", "r.json", "r.csv", "r.xml"];
    names.iter().for_each(|n| args.extend(["-o", n]));
    ends(&desk, 0, &args);
    let text = |name: &str| fs::read_to_string(desk.path(name)).unwrap();
    assert!(text("r.html").contains("for &lt;all&gt; &amp; sundry") && text("r.html").len() < 2_000_000);
    assert!(text("r.md").contains("PASSED"));
    let json: Value = serde_json::from_str(&text("r.json")).unwrap();
    assert_eq!((&json["ndcompact_report"], &json["verdict"]), (&1.into(), &"passed".into()));
    let sha = json["arrays"][0]["sha256"].as_str().unwrap();
    assert_eq!(sha.len(), 64);
    assert!(text("r.xml").contains("<testcase") && text("r.csv").lines().count() == 2);
    // A table grows by a row; every other form is left alone.
    ends(&desk, 0, &["report", "a.npy", "b.npy", "-o", "r.csv", "-q"]);
    assert_eq!(text("r.csv").lines().count(), 3);
    let before = text("r.html");
    let message = desk.fails(2, &["report", "a.npy", "b.npy", "-o", "r.html"]);
    assert!(message.contains("--force"), "{message}");
    assert_eq!(text("r.html"), before);
    fs::write(desk.path("other.csv"), "x,y\n1,2\n").unwrap();
    desk.fails(2, &["report", "a.npy", "b.npy", "-o", "other.csv"]);
    let message = desk.fails(2, &["report", "a.npy", "b.npy", "-o", "r.pdf"]);
    assert!(message.contains(".html") && message.contains(".xml"), "{message}");
}

#[test]
fn a_report_tells_each_step_with_its_bound_and_the_worst_places() {
    let desk = desk(|_| ());
    desk.done(&["a.npy", "--keepbits", "20", "--f16", "-o", "c.npy"]);
    let json = desk.json(&["report", "a.npy", "c.npy", "--json", "--worst", "3"]);
    let array = &json["arrays"][0];
    assert_eq!(array["steps"].as_array().map(Vec::len), Some(2));
    let lost = |k: usize| array["steps"][k]["loss"]["max_abs"].as_f64().unwrap();
    assert!(lost(0) > 0.0 && lost(1) > lost(0));
    let total = array["comparison"]["figures"]["max_abs"].as_f64().unwrap();
    assert!(total <= lost(0) + lost(1));
    assert_eq!(array["comparison"]["worst"].as_array().map(Vec::len), Some(3));
    assert_eq!(array["comparison"]["axes"].as_array().map(Vec::len), Some(3));
    let table = desk.done(&["report", "a.npy", "c.npy"]);
    for part in ["bit-round: error", "cast: error", "SSIM", "worst slice", "distinct values", "PSNR"] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
    // A file that cannot have been made of this original is compared all the same.
    desk.write("asym.npy", "<f8", &[4, 4], &bytes(&(0..16).map(f64::from).collect::<Vec<_>>()));
    desk.write("symm.npy", "<f8", &[4, 4], &bytes(&[1.0; 16]));
    desk.done(&["symm.npy", "--triangle", "-o", "symm.c.npy"]);
    let table = desk.done(&["report", "asym.npy", "symm.c.npy"]);
    assert!(table.contains("the recorded steps refuse this original"), "{table}");
}

#[test]
fn figures_do_not_depend_on_threads_memory_or_the_order_of_axes() {
    let desk = desk(|v| v.iter_mut().enumerate().for_each(|(i, x)| *x += (i % 13) as f64 * 1e-4));
    let run = |threads, memory| {
        let mut json = desk.json(&["report", "a.npy", "b.npy", "--json", "--threads", threads, "--memory", memory]);
        json["seconds"] = Value::Null;
        json["command"] = Value::Null;
        json
    };
    let first = run("1", "256MiB");
    assert_eq!(first, run("3", "16MiB"));
    assert_eq!(first, run("8", "1GB"));
}

#[test]
fn a_budget_begun_from_data_reads_back_and_fits_a_careful_copy() {
    let desk = desk(|v| v.iter_mut().for_each(|x| *x = (*x * 1e5).round() / 1e5));
    let text = desk.done(&["budget", "init", "a.npy"]);
    fs::write(desk.path("b.toml"), &text).unwrap();
    ends(&desk, 0, &["verify", "a.npy", "b.npy", "--budget", "b.toml"]);
    desk.done(&["budget", "init", "a.npy", "-o", "c.toml"]);
    assert_eq!(fs::read_to_string(desk.path("c.toml")).unwrap(), text);
    desk.fails(2, &["budget", "init", "a.npy", "-o", "c.toml"]);
}

#[test]
fn masks_are_judged_by_what_is_true_in_both() {
    let desk = Desk::new();
    let mask: Vec<u8> = (0..200).map(|i| u8::from(i % 3 == 0)).collect();
    desk.write("a.npy", "|b1", &[10, 20], &mask);
    let mut other = mask.clone();
    (other[0], other[1]) = (0, 1);
    desk.write("b.npy", "|b1", &[10, 20], &other);
    let args = [
        "verify",
        "a.npy",
        "b.npy",
        "--iou",
        "0.9",
        "--popcount-shift",
        "0",
        "--allow",
        "nonzero_to_zero,zero_to_nonzero",
    ];
    let text = ends(&desk, 0, &args);
    assert!(text.contains("iou 0.970588 >= 0.9") && text.contains("popcount_shift 0 <= 0"), "{text}");
    ends(&desk, 1, &["verify", "a.npy", "b.npy", "--iou", "0.98", "--allow", "nonzero_to_zero,zero_to_nonzero"]);
}

#[test]
fn arrays_are_paired_by_name_and_none_is_passed_over_without_a_word() {
    let desk = desk(|v| v[5] += 1.0);
    let member = |name: &str| fs::read(desk.path(name)).unwrap();
    let archive = |file: &str, members: &[(&str, &str)]| {
        let mut zip = zip::ZipWriter::new(fs::File::create(desk.path(file)).unwrap());
        for (name, from) in members {
            let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            zip.start_file(format!("{name}.npy"), stored).unwrap();
            std::io::Write::write_all(&mut zip, &member(from)).unwrap();
        }
        zip.finish().unwrap();
    };
    archive("a.npz", &[("x", "a.npy"), ("y", "a.npy"), ("z", "a.npy")]);
    archive("b.npz", &[("z", "a.npy"), ("y", "b.npy"), ("x", "a.npy"), ("extra", "a.npy")]);
    archive("c.npz", &[("x", "a.npy"), ("y", "a.npy")]);
    let text = ends(&desk, 1, &["verify", "a.npz", "b.npz", "--max-abs", "0.5"]);
    assert!(text.contains("FAILED       y: max_abs 1 > 0.5") && text.contains("PASSED       x: max_abs 0"), "{text}");
    assert!(text.contains("not compared  b.npz:extra"), "{text}");
    let message = desk.fails(2, &["verify", "a.npz", "c.npz", "--max-abs", "0.5"]);
    assert!(message.contains("\"z\""), "{message}");
    fs::write(desk.path("x.toml"), "[arrays.x]\nmax_abs = 0\n").unwrap();
    let text = ends(&desk, 0, &["verify", "a.npz", "b.npz", "--budget", "x.toml"]);
    assert!(text.contains("not compared  a.npz:y") && text.contains("not compared  a.npz:z"), "{text}");
    fs::write(desk.path("w.toml"), "[arrays.w]\nmax_abs = 0\n").unwrap();
    assert!(desk.fails(2, &["verify", "a.npz", "b.npz", "--budget", "w.toml"]).contains("\"w\""));
    // Each file against what it says of itself.
    assert!(ends(&desk, 1, &["verify", "a.npz", "b.npz"]).contains("FAILED       y: equal_fraction"));
}

#[test]
fn the_command_line_is_told_as_it_can_be_typed_again() {
    let desk = desk(|_| ());
    fs::copy(desk.path("a.npy"), desk.path("with space.npy")).unwrap();
    let json = desk.json(&["report", "a.npy", "with space.npy", "--json", "--worst", "1"]);
    assert_eq!(json["command"], "compact report a.npy 'with space.npy' --json --worst 1");
    desk.fails(2, &["report", "a.npy", "b.npy", "-o", "r.md", "-o", "r.md"]);
}

#[test]
fn a_file_with_a_fill_value_keeps_what_it_says_of_itself() {
    let desk = Desk::new();
    let values: Vec<f64> = (0..300).map(|i| if i % 5 == 0 { 1e20 } else { f64::from(i) / 7.0 }).collect();
    desk.write("a.npy", "<f8", &[300], &bytes(&values));
    desk.done(&["a.npy", "--scale-offset", "2", "--fill", "1e20", "-o", "b.npy"]);
    ends(&desk, 0, &["verify", "a.npy", "b.npy"]);
}

#[cfg(feature = "hdf5")]
#[test]
fn a_budget_is_held_against_hdf5_outputs_too_and_chunks_are_told() {
    let desk = desk(|_| ());
    fs::write(desk.path("wide.toml"), "max_abs = 0.1\n").unwrap();
    fs::write(desk.path("fine.toml"), "max_abs = 1e-9\n").unwrap();
    for codec in ["none", "zstd"] {
        let args = ["a.npy", "--f16", "--budget", "wide.toml", "-o", "out.h5", "--codec", codec, "--force"];
        assert!(desk.done(&args).contains("PASSED max_abs"));
        let before = fs::read(desk.path("out.h5")).unwrap();
        desk.fails(1, &["a.npy", "--f16", "--budget", "fine.toml", "-o", "out.h5", "--codec", codec, "--force"]);
        assert_eq!(fs::read(desk.path("out.h5")).unwrap(), before);
    }
    desk.done(&["a.npy", "--f16", "--budget", "wide.toml", "-o", "out.h5:/second/place"]);
    let json = desk.json(&["report", "a.npy", "out.h5:/second/place", "--json"]);
    let chunks = &json["arrays"][0]["comparison"]["chunks"];
    assert!(chunks["count"].as_u64().is_some_and(|n| n >= 1), "{chunks}");
    assert_eq!(chunks["shape"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_flag_never_loosens_what_a_budget_file_has_set() {
    let desk = desk(|v| v[5] += 0.001);
    fs::write(desk.path("b.toml"), "max_abs = 0.0001\npsnr = 10\n").unwrap();
    let text = ends(&desk, 1, &["verify", "a.npy", "b.npy", "--budget", "b.toml", "--max-abs", "100", "--psnr", "500"]);
    assert!(text.contains("> 0.0001") && text.contains("< 500") && text.contains("b.toml and flags"), "{text}");
}

#[test]
fn an_input_is_never_an_output_not_even_with_force() {
    let desk = desk(|v| v[5] += 0.001);
    fs::write(desk.path("b.toml"), "max_abs = 1\n").unwrap();
    let before = fs::read(desk.path("a.npy")).unwrap();
    for target in ["a.npy", "b.npy", "b.toml"] {
        let args = ["verify", "a.npy", "b.npy", "--budget", "b.toml", "--junit", target, "--force"];
        assert!(desk.fails(2, &args).contains("one of the inputs"), "{target}");
    }
    desk.fails(2, &["budget", "init", "a.npy", "-o", "a.npy", "--force"]);
    assert_eq!(fs::read(desk.path("a.npy")).unwrap(), before);
    assert!(desk.fails(2, &["verify", "-", "-", "--max-abs", "1"]).contains("standard input"));
}

#[test]
fn figures_at_the_ends_of_the_range_of_floats_are_no_green_zeros() {
    let desk = Desk::new();
    // The range of the original is beyond f64.
    desk.write("a.npy", "<f8", &[4], &bytes(&[1.7e308, -1.7e308, 1.0, 2.0]));
    desk.write("b.npy", "<f8", &[4], &bytes(&[1.7e308, -1.7e308, 1.0, 5.0]));
    let json = desk.json(&["report", "a.npy", "b.npy", "--json"]);
    let figure = |name: &str| json["arrays"][0]["comparison"]["figures"][name].as_f64().unwrap();
    assert!(figure("nrmse") > 0.0 && figure("max_range") > 0.0 && figure("psnr") > 6000.0, "{json}");
    // Squares of these errors vanish, their eigenvalues do not.
    desk.write("c.npy", "<f8", &[2, 2], &bytes(&[1e-200, 2e-200, 2e-200, 3e-200]));
    desk.write("d.npy", "<f8", &[2, 2], &bytes(&[1e-200, 2.002e-200, 2.002e-200, 3e-200]));
    ends(&desk, 1, &["verify", "c.npy", "d.npy", "--eigenvalue-shift", "0"]);
    ends(&desk, 0, &["verify", "c.npy", "d.npy", "--eigenvalue-shift", "1e-202"]);
    // Row sums beyond f64, and mirror images that are no numbers.
    let m = f64::MAX / 1.5;
    desk.write("e.npy", "<f8", &[2, 2], &bytes(&[m, m, -m, -m]));
    desk.write("f.npy", "<f8", &[2, 2], &bytes(&[-m / 4.0, -m / 4.0, m / 4.0, m / 4.0]));
    ends(&desk, 1, &["verify", "e.npy", "f.npy", "--row-sum-shift", "1e308", "--allow", "sign_flip"]);
    desk.write("g.npy", "<f8", &[2, 2], &bytes(&[1.0, f64::NAN, 77.0, 2.0]));
    ends(&desk, 1, &["verify", "g.npy", "g.npy", "--asymmetry", "1e300"]);
    // Integers beyond 2^53: one more than the limit is over it.
    let integers = |values: [i64; 3]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    desk.write("h.npy", "<i8", &[3], &integers([(1 << 53) + 1, 5, 7]));
    desk.write("i.npy", "<i8", &[3], &integers([0, 5, 7]));
    ends(&desk, 1, &["verify", "h.npy", "i.npy", "--max-abs", "9007199254740992", "--allow", "nonzero_to_zero"]);
}

#[test]
fn a_record_that_claims_too_much_allows_nothing() {
    let desk = desk(|_| ());
    desk.done(&["a.npy", "--f16", "-o", "c.npy", "--sidecar"]);
    let sidecar = desk.path("c.npy.compact.json");
    let mut record: Value = serde_json::from_str(&fs::read_to_string(&sidecar).unwrap()).unwrap();
    record["loss"]["max_abs"] = 1e300.into();
    record["loss"]["rmse"] = 1e300.into();
    record["loss"]["classes"] = serde_json::json!({ "finite_to_nan": 594 });
    // The data are not those of the record any more: their checksum would tell.
    record["crc32"] = Value::Null;
    fs::write(&sidecar, record.to_string()).unwrap();
    let mut file = fs::read(desk.path("c.npy")).unwrap();
    let n = file.len();
    file[n - 2..].copy_from_slice(&0x7e00u16.to_le_bytes());
    fs::write(desk.path("c.npy"), file).unwrap();
    let text = ends(&desk, 1, &["verify", "a.npy", "c.npy"]);
    assert!(text.contains("FAILED       finite_to_nan 1 > 0"), "{text}");
    // Made of another array altogether.
    desk.write("odd.npy", "<f8", &[2, 2], &bytes(&[1.0, 2.0, 3.0, 4.0]));
    desk.write("even.npy", "<f8", &[2, 2], &bytes(&[1.0, 2.0, 2.0, 4.0]));
    desk.done(&["even.npy", "--triangle", "-o", "even.c.npy"]);
    assert!(desk.fails(2, &["verify", "odd.npy", "even.c.npy"]).contains("steps refuse"));
}

#[test]
fn what_has_no_error_keeps_what_it_says_of_itself() {
    let desk = desk(|_| ());
    desk.write("empty.npy", "<f8", &[0, 4], &[]);
    desk.write("nan.npy", "<f8", &[40], &bytes(&[f64::NAN; 40]));
    let mut one = [f64::NAN; 40];
    one[3] = f64::INFINITY;
    desk.write("one.npy", "<f8", &[40], &bytes(&one));
    ends(&desk, 0, &["verify", "empty.npy", "empty.npy"]);
    desk.done(&["nan.npy", "--f16", "-o", "n.npy"]);
    ends(&desk, 0, &["verify", "nan.npy", "n.npy"]);
    ends(&desk, 1, &["verify", "one.npy", "n.npy"]);
    ends(&desk, 1, &["verify", "nan.npy", "one.npy"]);
    // With a limit of one's own there is still nothing that it could be held against.
    ends(&desk, 2, &["verify", "empty.npy", "empty.npy", "--max-abs", "0"]);
}

#[cfg(feature = "hdf5")]
#[test]
fn an_array_that_left_its_coding_still_says_what_that_lost() {
    let desk = desk(|v| v[5] += 0.5);
    desk.done(&["a.npy", "--max-abs", "1e-2", "-o", "c.h5"]);
    for plain in ["p.npy", "p.h5"] {
        desk.done(&["c.h5", "-o", plain]);
        let info = desk.json(&["info", plain, "--json"]);
        assert_eq!(info["exact"], false, "{info}");
        assert!(!ends(&desk, 0, &["info", plain]).contains("lossless"));
        assert!(!ends(&desk, 0, &["restore", plain, "-o", "r.npy", "--force"]).contains("lossless"));
        ends(&desk, 0, &["verify", "a.npy", plain]);
        ends(&desk, 1, &["verify", "b.npy", plain]);
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn limits_of_a_named_array_hold_where_it_is_the_only_one() {
    let desk = desk(|_| ());
    desk.done(&["a.npy", "-o", "w.h5:/w"]);
    fs::write(desk.path("b.toml"), "max_abs = 1\n[arrays.w]\nmax_abs = 1e-9\n").unwrap();
    fs::write(desk.path("typo.toml"), "max_abs = 1\n[arrays.ww]\nmax_abs = 1e-9\n").unwrap();
    let said = desk.fails(1, &["w.h5", "--f16", "--budget", "b.toml", "-o", "x.h5"]);
    assert!(said.contains("1e-9"), "{said}");
    for input in ["w.h5", "w.h5:/w", "a.npy"] {
        assert!(desk.fails(2, &[input, "--f16", "--budget", "typo.toml", "-o", "x.h5"]).contains("\"ww\""));
    }
    // Moved to HDF5 without a step: still an array to plan for and to compact.
    desk.done(&["plan", "w.h5"]);
    desk.done(&["w.h5", "--f32", "-o", "f.h5"]);
    fs::write(desk.path("tight.toml"), "max_abs = 1e-3\n").unwrap();
    let said = desk.fails(1, &["a.npy", "--max-abs", "1", "--budget", "tight.toml", "-o", "x.h5"]);
    assert!(said.contains("--max-abs 1e-3"), "{said}");
}
