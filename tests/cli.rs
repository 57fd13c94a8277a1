//! The command `compact`, run as people run it: files in, files out, exit codes, and what it says.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use desk::{Desk, MATRICES, N, bytes, npy, symmetric};
use serde_json::Value;

/// The header and the elements of a `.npy` file.
fn parts(path: &Path) -> (String, Vec<u8>) {
    let file = fs::read(path).unwrap();
    assert_eq!(&file[..6], b"\x93NUMPY");
    let (start, len) = match file[6] {
        1 => (10, u16::from_le_bytes([file[8], file[9]]) as usize),
        _ => (12, u32::from_le_bytes([file[8], file[9], file[10], file[11]]) as usize),
    };
    (String::from_utf8(file[start..start + len].to_vec()).unwrap(), file[start + len..].to_vec())
}

#[test]
fn the_main_job_makes_a_small_file_and_gives_the_same_bits_back() {
    let desk = Desk::new();
    let table = desk.done(&["sym.npy", "--f16", "--triangle"]);
    for part in ["sym.npy -> sym.compact.npy", "triangle", "float16", "smaller", "compact restore sym.compact.npy"] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
    assert!(table.lines().all(|l| l.chars().count() <= 80), "wider than 80 columns:\n{table}");
    assert!(!table.contains('\u{1b}'), "colour in a pipe:\n{table}");
    let (header, data) = parts(&desk.path("sym.compact.npy"));
    assert!(header.contains("'<f2'"), "{header}");
    assert_eq!(data.len(), MATRICES * N * (N + 1) / 2 * 2);
    desk.done(&["restore", "sym.compact.npy"]);
    let (header, data) = parts(&desk.path("sym.restored.npy"));
    assert!(header.contains("'<f8'"), "{header}");
    assert_eq!(data, bytes(&symmetric()));
}

#[test]
fn exact_steps_bring_every_bit_back_and_say_so() {
    let desk = Desk::new();
    let table = desk.done(&["sym.npy", "--triangle=lower", "-o", "small.npy"]);
    assert!(table.contains("lossless"), "{table}");
    desk.done(&["restore", "small.npy", "-o", "back.npy"]);
    assert_eq!(parts(&desk.path("back.npy")).1, bytes(&symmetric()));
}

#[test]
fn a_lossy_run_tells_the_largest_error_and_every_change_of_class() {
    let desk = Desk::new();
    desk.write("x.npy", "<f8", &[4], &bytes(&[1e-12, 1e9, f64::NAN, 0.1]));
    let table = desk.done(&["x.npy", "--f16", "--overflow", "inf"]);
    assert!(table.contains("finite values became infinite: 1"), "{table}");
    assert!(table.contains("nonzero values became zero: 1"), "{table}");
    desk.write("y.npy", "<f8", &[2], &bytes(&[0.1, 3.0]));
    let table = desk.done(&["y.npy", "--f16"]);
    assert!(table.contains("none changed") && table.contains("at [0]") && table.contains("1 of 2 values"), "{table}");
}

#[test]
fn nothing_is_overwritten_without_force_and_with_it_the_output_is_new() {
    let desk = Desk::new();
    fs::write(desk.path("sym.compact.npy"), b"mine").unwrap();
    let message = desk.fails(2, &["sym.npy", "--triangle"]);
    assert!(message.contains("--force"), "{message}");
    assert_eq!(fs::read(desk.path("sym.compact.npy")).unwrap(), b"mine");
    desk.done(&["sym.npy", "--triangle", "--force"]);
    assert!(desk.json(&["info", "sym.compact.npy", "--json"])["compacted"].as_bool().unwrap());
}

#[test]
fn a_restore_finds_names_that_collide_with_nothing() {
    let desk = Desk::new();
    desk.done(&["sym.npy", "--triangle", "-q"]);
    for expected in ["sym.restored.npy", "sym.restored-2.npy"] {
        assert_eq!(desk.json(&["restore", "sym.compact.npy", "--json"])["output"]["place"], expected);
    }
    fs::remove_file(desk.path("sym.npy")).unwrap();
    assert_eq!(desk.json(&["restore", "sym.compact.npy", "--json"])["output"]["place"], "sym.npy");
    assert_eq!(
        desk.json(&["restore", "sym.compact.npy", "--slice", "0", "--json"])["output"]["place"],
        "sym.slice.npy"
    );
}

#[test]
fn a_dry_run_tells_everything_and_writes_nothing() {
    let desk = Desk::new();
    let before = desk.names();
    let report = desk.json(&["sym.npy", "--triangle", "--f16", "--dry-run", "--json"]);
    assert_eq!(report["output"], Value::Null);
    assert_eq!(report["packed_bytes"], MATRICES * N * (N + 1) / 2 * 2);
    assert!(desk.done(&["sym.npy", "--triangle", "--dry-run"]).contains("nothing written"));
    assert_eq!(desk.names(), before);
    desk.done(&["sym.npy", "--triangle", "-q"]);
    let before = desk.names();
    assert!(desk.done(&["restore", "sym.compact.npy", "--dry-run"]).contains("nothing written"));
    let note = desk.done(&["sym.npy", "--triangle", "--dry-run"]);
    assert!(note.contains("sym.compact.npy exists"), "{note}");
    assert_eq!(desk.names(), before);
}

#[test]
fn data_that_refuse_end_with_1_and_leave_nothing() {
    let desk = Desk::new();
    let mut values = symmetric();
    values[1] += 0.5;
    desk.write("asym.npy", "<f8", &[MATRICES, N, N], &bytes(&values));
    let message = desk.fails(1, &["asym.npy", "--triangle"]);
    assert!(message.contains("asym.npy") && message.contains("--symmetry-tol"), "{message}");
    desk.done(&["asym.npy", "--triangle", "--symmetry-tol", "0.5", "-q", "-o", "ok.npy"]);
    desk.write("big.npy", "<f8", &[2], &bytes(&[1.0, 1e6]));
    let message = desk.fails(1, &["big.npy", "--f16"]);
    assert!(message.contains("[1]") && message.contains("65504"), "{message}");
    let output = desk.run(&["big.npy", "--f16", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&error["status"], &error["kind"]), (&"error".into(), &"refused".into()));
    assert!(error["message"].as_str().unwrap().contains("big.npy"));
}

#[test]
fn all_other_errors_end_with_2_and_say_what_to_do() {
    let desk = Desk::new();
    desk.write("x.npy", "<f8", &[3], &bytes(&[1.0, 2.0, 3.0]));
    fs::write(desk.path("text.txt"), b"no array").unwrap();
    fs::write(desk.path("cut.npy"), npy("<f8", &[100], &[0; 8])).unwrap();
    fs::write(desk.path("object.npy"), npy("|O", &[1], &[0; 8])).unwrap();
    for (args, says) in [
        (&["nope.npy"][..], "nope.npy"),
        (&["text.txt"], "text.txt"),
        (&["cut.npy"], "cut short"),
        (&["object.npy"], "object"),
        (&["."], "folder"),
        (&["sym.npy", "--f16", "--f32"], "--f32"),
        (&["sym.npy", "--f16", "--scale-offset", "2"], "--scale-offset"),
        (&["sym.npy", "--overflow", "inf"], "--f16"),
        (&["sym.npy", "--symmetry-tol", "1"], "--triangle"),
        (&["sym.npy", "--fill", "-9999"], "--scale-offset"),
        (&["sym.npy", "--threads", "0"], "1 or more"),
        (&["sym.npy", "--memory", "1MiB"], "16MiB"),
        (&["sym.npy", "--memory", "lots"], "256MiB"),
        (&["sym.npy", "--scale-offset", "fine"], "step=0.5"),
        (&["sym.npy", "--bits=40"], "1 to 32"),
        (&["sym.npy", "--codec", "zstd"], "sym.compact.h5"),
        (&["sym.npy", "--level", "3"], "--codec"),
        (&["sym.npy", "--nonsense"], "--nonsense"),
        (&["sym.npy", "-o", "-"], "-o"),
        (&["sym.npy", "-o", "out.xyz"], "out.xyz"),
        (&["sym.npy", "-o", "nowhere/out.npy"], "nowhere"),
        (&["sym.npy", "-o", "sym.npy/out.npy"], "sym.npy"),
        (&["sym.npy", "-o", "/proc/out.npy"], "/proc"),
        (&["x.npy", "--triangle"], "axes"),
        (&["sym.npy", "--recipe", "nope.json"], "nope.json"),
        (&["restore", "sym.npy"], "no recipe"),
        (&["restore", "nope.npy"], "nope.npy"),
        (&["info", "nope.npy"], "nope.npy"),
    ] {
        let message = desk.fails(2, args);
        assert!(message.contains(says), "{args:?} does not say {says:?}: {message}");
    }
    let output = desk.run(&["nope.npy", "--json"]);
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&error["status"], &error["kind"]), (&"error".into(), &"io".into()));
    let output = desk.run(&["sym.npy", "--nonsense", "--json"]);
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&error["status"], &error["kind"]), (&"error".into(), &"usage".into()));
}

#[test]
fn the_input_is_never_the_output_not_even_with_force() {
    let desk = Desk::new();
    let before = fs::read(desk.path("sym.npy")).unwrap();
    desk.fails(2, &["sym.npy", "--f16", "-o", "sym.npy", "--force"]);
    desk.fails(2, &["sym.npy", "--f16", "-o", "./sym.npy", "--force"]);
    std::os::unix::fs::symlink("sym.npy", desk.path("link.npy")).unwrap();
    desk.fails(2, &["sym.npy", "--f16", "-o", "link.npy", "--force"]);
    assert_eq!(fs::read(desk.path("sym.npy")).unwrap(), before);
    desk.done(&["sym.npy", "--triangle", "-q"]);
    desk.fails(2, &["restore", "sym.compact.npy", "-o", "sym.compact.npy", "--force"]);
}

#[test]
fn json_has_the_same_keys_in_every_version() {
    let desk = Desk::new();
    let report = desk.json(&["sym.npy", "--triangle", "--f16", "--json"]);
    for key in ["input", "output", "packed_bytes", "ratio", "exact", "steps", "loss", "seconds"] {
        assert!(report.get(key).is_some(), "{key}");
    }
    for key in ["place", "format", "dtype", "shape", "array_bytes", "stored_bytes"] {
        assert!(report["input"].get(key).is_some() && report["output"].get(key).is_some(), "{key}");
    }
    assert_eq!(report["steps"][0]["step"], "triangle");
    assert_eq!(report["steps"][1]["step"], "cast");
    assert_eq!(report["output"]["stored_bytes"], fs::metadata(desk.path("sym.compact.npy")).unwrap().len());
    let info = desk.json(&["info", "sym.compact.npy", "--json"]);
    for key in ["place", "format", "compacted", "stored", "original", "steps", "stages", "loss", "tool", "readers"] {
        assert!(info.get(key).is_some(), "{key}");
    }
    assert_eq!(info["original"]["dtype"], "float64");
    assert_eq!(info["loss"], report["loss"]);
    let restored = desk.json(&["restore", "sym.compact.npy", "--json"]);
    assert_eq!(restored["shape"], serde_json::json!([MATRICES, N, N]));
}

#[test]
fn info_tells_what_a_file_is_and_how_to_open_it() {
    let desk = Desk::new();
    let ordinary = desk.done(&["info", "sym.npy"]);
    assert!(ordinary.contains("ordinary array") && ordinary.contains("float64 (60, 5, 5)"), "{ordinary}");
    desk.done(&["sym.npy", "--triangle", "-q"]);
    let compacted = desk.done(&["info", "sym.compact.npy"]);
    for part in ["compacted by ndcompact", "np.load('sym.compact.npy')", "np.triu_indices(5)", "CRC-32", "lossless"] {
        assert!(compacted.contains(part), "{part} is missing in\n{compacted}");
    }
    assert!(compacted.lines().all(|l| l.chars().count() <= 80), "wider than 80 columns:\n{compacted}");
}

#[test]
fn a_slice_is_the_slice_of_the_original() {
    let desk = Desk::new();
    desk.done(&["sym.npy", "--triangle", "-q"]);
    desk.done(&["restore", "sym.compact.npy", "--slice", "-2:,::2,3", "-o", "part.npy"]);
    let all = symmetric();
    let mut expected = Vec::new();
    for m in MATRICES - 2..MATRICES {
        expected.extend([0, 2, 4].map(|i| all[(m * N + i) * N + 3]));
    }
    let (header, data) = parts(&desk.path("part.npy"));
    assert!(header.contains("(2, 3)"), "{header}");
    assert_eq!(data, bytes(&expected));
    let message = desk.fails(2, &["restore", "sym.compact.npy", "--slice", "60"]);
    assert!(message.contains("60"), "{message}");
}

#[test]
fn standard_input_may_be_a_pipe_or_a_file() {
    let desk = Desk::new();
    let mut child = desk.command(&["-", "--triangle", "-o", "piped.npy"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(desk.path("sym.npy")).unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    let file = File::open(desk.path("sym.npy")).unwrap();
    let status = desk.command(&["-", "--triangle", "-o", "redirected.npy"]).stdin(file).status().unwrap();
    assert!(status.success());
    assert_eq!(parts(&desk.path("piped.npy")), parts(&desk.path("redirected.npy")));
    let file = File::open(desk.path("sym.npy")).unwrap();
    let output = desk.command(&["-", "--triangle"]).stdin(file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("-o"));
    let file = File::open(desk.path("piped.npy")).unwrap();
    let status = desk.command(&["restore", "-", "-o", "back.npy", "-q"]).stdin(file).status().unwrap();
    assert!(status.success());
    assert_eq!(parts(&desk.path("back.npy")).1, bytes(&symmetric()));
}

#[test]
fn a_recipe_file_gives_the_order_and_info_prints_one() {
    let desk = Desk::new();
    fs::write(desk.path("r.json"), r#"[{"step": "cast", "to": "float16"}, {"step": "triangle"}]"#).unwrap();
    let report = desk.json(&["sym.npy", "--recipe", "r.json", "--json"]);
    assert_eq!((&report["steps"][0]["step"], &report["steps"][1]["step"]), (&"cast".into(), &"triangle".into()));
    fs::write(desk.path("again.json"), desk.done(&["info", "sym.compact.npy", "--json"])).unwrap();
    desk.done(&["sym.npy", "--recipe", "again.json", "-o", "again.npy", "-q"]);
    assert_eq!(parts(&desk.path("again.npy")).1, parts(&desk.path("sym.compact.npy")).1);
    desk.fails(2, &["sym.npy", "--recipe", "r.json", "--f16"]);
    fs::write(desk.path("wrong.json"), r#"[{"step": "shrink"}]"#).unwrap();
    let message = desk.fails(2, &["sym.npy", "--recipe", "wrong.json"]);
    assert!(message.contains("wrong.json"), "{message}");
}

#[test]
fn quiet_says_nothing_on_success() {
    let desk = Desk::new();
    for args in [&["sym.npy", "--triangle", "--quiet"][..], &["restore", "sym.compact.npy", "-q"]] {
        let output = desk.run(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_folder_as_output_gets_the_default_name() {
    let desk = Desk::new();
    fs::create_dir(desk.path("out")).unwrap();
    desk.done(&["sym.npy", "--triangle", "-o", "out"]);
    desk.done(&["restore", "out/sym.compact.npy", "-o", "out/"]);
    assert!(desk.path("out/sym.compact.npy").exists() && desk.path("out/sym.npy").exists());
}

#[test]
fn an_input_called_like_a_subcommand_is_given_with_its_folder() {
    let desk = Desk::new();
    fs::copy(desk.path("sym.npy"), desk.path("info")).unwrap();
    assert!(desk.done(&["--triangle", "./info"]).contains("info.compact.npy"));
}

#[test]
fn threads_and_memory_change_nothing_in_the_file() {
    let desk = Desk::new();
    desk.done(&["sym.npy", "--scale-offset", "1", "-o", "a.npy", "-q"]);
    desk.done(&["sym.npy", "--scale-offset", "1", "-o", "b.npy", "-q", "--threads", "1", "--memory", "16MiB"]);
    assert_eq!(fs::read(desk.path("a.npy")).unwrap(), fs::read(desk.path("b.npy")).unwrap());
}

#[test]
fn a_sidecar_holds_the_recipe_when_asked_to() {
    let desk = Desk::new();
    desk.done(&["sym.npy", "--triangle", "--sidecar", "-q"]);
    assert!(desk.path("sym.compact.npy.compact.json").exists());
    desk.done(&["restore", "sym.compact.npy", "-o", "back.npy", "-q"]);
    assert_eq!(parts(&desk.path("back.npy")).1, bytes(&symmetric()));
}

#[test]
fn no_step_at_all_is_a_conversion() {
    let desk = Desk::new();
    let table = desk.done(&["sym.npy", "-o", "copy.npy"]);
    assert!(table.contains("lossless"), "{table}");
    assert_eq!(parts(&desk.path("copy.npy")).1, bytes(&symmetric()));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let desk = Desk::new();
    for args in [&["info", "sym.npy"][..], &["sym.npy", "--triangle"], &["man"], &["--help"]] {
        let mut child = desk.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
    assert!(desk.path("sym.compact.npy").exists());
}

#[test]
fn help_completions_and_man_page_are_generated() {
    let desk = Desk::new();
    let short = desk.done(&["-h"]);
    let long = desk.done(&["--help"]);
    for part in ["Examples:", "--triangle", "--scale-offset", "Steps:", "Output:", "restore"] {
        assert!(short.contains(part) && long.contains(part), "{part}");
    }
    assert!(long.contains("Exit codes:") && !short.contains("Exit codes:"));
    assert!(desk.done(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
    for subcommand in ["restore", "info"] {
        assert!(desk.done(&[subcommand, "--help"]).contains("--json"));
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(desk.done(&["completions", shell]).contains("scale-offset"), "{shell}");
    }
    assert!(desk.done(&["man"]).contains("compact"));
    fs::create_dir(desk.path("man")).unwrap();
    desk.done(&["man", "-o", "man"]);
    assert!(desk.path("man/compact.1").exists() && desk.path("man/compact-restore.1").exists());
    assert_eq!(desk.run(&[]).status.code(), Some(2));
}

#[test]
fn masks_and_small_integers_become_bits_in_either_order() {
    let desk = Desk::new();
    desk.write("mask.npy", "|b1", &[2, 3], &[1, 0, 1, 0, 1, 1]);
    let table = desk.done(&["mask.npy", "--bits"]);
    assert!(table.contains("np.unpackbits(a, axis=-1, count=3)"), "{table}");
    assert_eq!(parts(&desk.path("mask.compact.npy")).1, [0b1010_0000, 0b0110_0000]);
    desk.done(&["mask.npy", "--bits=order=little", "-o", "little.npy", "-q"]);
    assert_eq!(parts(&desk.path("little.npy")).1, [0b101, 0b110]);
    desk.write("int.npy", "|u1", &[4], &[3, 0, 1, 2]);
    desk.done(&["int.npy", "--bits=2", "-q"]);
    for (packed, original) in
        [("mask.compact.npy", "mask.npy"), ("little.npy", "mask.npy"), ("int.compact.npy", "int.npy")]
    {
        desk.done(&["restore", packed, "-o", "back.npy", "-q", "--force"]);
        assert_eq!(parts(&desk.path("back.npy")).1, parts(&desk.path(original)).1, "{packed}");
    }
    desk.fails(1, &["int.npy", "--bits=1", "--force"]);
}
