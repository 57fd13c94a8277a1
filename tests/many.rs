//! All arrays of a file in one run, as people type it: archives in and out, steps by pattern, what is refused and what is left.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Stdio;

use desk::{Desk, bytes, npy};
use serde_json::Value;
use zip::write::SimpleFileOptions;

/// A desk with `a.npz`: two masks, two arrays of floats, whole numbers, and one in Fortran order.
fn desk() -> Desk {
    let desk = Desk::new();
    let floats: Vec<f64> = (0..600).map(|i| f64::from(i) / 7.0).collect();
    let mask: Vec<u8> = (0..600).map(|i| u8::from(i % 3 == 0)).collect();
    let whole: Vec<u8> = (0..200i32).flat_map(i32::to_be_bytes).collect();
    let mut turned = npy("<f8", &[20, 30], &bytes(&floats));
    let at = turned.windows(5).position(|w| w == b"False").unwrap();
    turned[at..at + 5].copy_from_slice(b"True ");
    let members = [
        ("mask_0", npy("|b1", &[20, 30], &mask)),
        ("g/mask_1", npy("|b1", &[600], &mask)),
        ("w", npy("<f8", &[20, 30], &bytes(&floats))),
        ("turned", turned),
        ("ids", npy(">i4", &[200], &whole)),
    ];
    archive(&desk, "a.npz", &members);
    desk
}

fn archive(desk: &Desk, file: &str, members: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(File::create(desk.path(file)).unwrap());
    for (name, bytes) in members {
        let ending = if name.contains('.') { "" } else { ".npy" };
        zip.start_file(format!("{name}{ending}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// The header and elements of a member, as another program reads it.
fn member(desk: &Desk, file: &str, name: &str) -> (String, Vec<u8>) {
    let mut zip = zip::ZipArchive::new(File::open(desk.path(file)).unwrap()).unwrap();
    let mut file = Vec::new();
    zip.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut file).unwrap();
    let end = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    (String::from_utf8(file[10..end].to_vec()).unwrap(), file[end..].to_vec())
}

fn chosen(report: &Value) -> Vec<(String, Option<String>, String)> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let members = report["members"].as_array().unwrap();
    members
        .iter()
        .map(|m| (text(&m["name"]).unwrap(), text(&m["select"]), text(&m["output"]["dtype"]).unwrap()))
        .collect()
}

#[test]
fn each_array_gets_the_steps_of_the_last_pattern_that_it_matches() {
    let desk = desk();
    let line = [
        "a.npz", "--f16", "--select", "*mask_*", "--bits", "--select", "ids", "--select", "g/*", "-o", "b.npz",
        "--json",
    ];
    let report = desk.json(&line);
    let expected = [
        ("mask_0", Some("*mask_*"), "uint8"),
        // Both match; `ids` and `g/*` share that nothing follows them.
        ("g/mask_1", Some("g/*"), "bool"),
        ("w", None, "float16"),
        ("turned", None, "float16"),
        ("ids", Some("ids"), "int32"),
    ];
    let expected = expected.map(|(n, s, d)| (n.to_owned(), s.map(str::to_owned), d.to_owned()));
    assert_eq!(chosen(&report), expected);
    assert_eq!(report["stored_bytes"], fs::metadata(desk.path("b.npz")).unwrap().len());
    // What has no step stays what it was, byte order and all.
    assert_eq!(member(&desk, "b.npz", "ids"), member(&desk, "a.npz", "ids"));
    let table = desk.done(&["a.npz", "--f16", "--select", "*mask_*", "--bits", "--select", "ids", "-o", "c.npz"]);
    assert!(table.contains("5 arrays") && table.contains("*mask_*") && table.contains("restore c.npz"), "{table}");
    let message = desk.fails(2, &["a.npz", "--select", "nask_*", "--bits", "-o", "d.npz"]);
    assert!(message.contains("'nask_*' matches no array") && message.contains("mask_0"), "{message}");
    let message = desk.fails(2, &["a.npz", "--only", "q", "-o", "d.npz"]);
    assert!(message.contains("--only 'q'"), "{message}");
}

#[test]
fn an_archive_comes_back_whole_and_the_same_run_gives_the_same_bytes() {
    let desk = desk();
    for codec in [&["--codec", "none"][..], &["--codec", "deflate", "--level", "9"], &["--codec", "deflate"]] {
        let line = |out| [&["a.npz", "--select", "*mask*", "--bits", "-o", out], codec].concat();
        desk.done(&[&line("b.npz")[..], &["--force"]].concat());
        desk.done(&[&line("c.npz")[..], &["--threads", "1", "--force"]].concat());
        assert!(fs::read(desk.path("b.npz")).unwrap() == fs::read(desk.path("c.npz")).unwrap());
        desk.done(&["restore", "b.npz", "-o", "r.npz", "--force"]);
        for name in ["mask_0", "g/mask_1", "w", "turned", "ids"] {
            let (before, after) = (member(&desk, "a.npz", name), member(&desk, "r.npz", name));
            assert!(before.1 == after.1, "{name}");
            let words = |header: &str| header.split_whitespace().collect::<String>().replace(",)", ")");
            assert_eq!(words(&before.0), words(&after.0));
        }
        desk.done(&["verify", "a.npz", "b.npz"]);
        desk.done(&["restore", "b.npz:mask_0", "-o", "m.npy", "--force"]);
    }
}

#[test]
fn without_a_name_the_output_stands_beside_the_input() {
    let desk = desk();
    let report = desk.json(&["a.npz", "--only", "*mask*", "--bits", "--json"]);
    assert_eq!(report["output"], "a.compact.npz");
    assert_eq!(report["not_taken"], 3);
    let restored = desk.json(&["restore", "a.compact.npz", "--json"]);
    assert_eq!(restored["output"], "a.restored.npz");
    desk.fails(2, &["a.npz", "--only", "*mask*", "--bits"]);
    let dry = desk.json(&["a.npz", "--only", "w", "--f16", "--dry-run", "--json"]);
    assert_eq!((&dry["output"], &dry["stored_bytes"]), (&Value::Null, &Value::from(1200)));
}

#[test]
fn one_array_that_its_steps_cannot_carry_leaves_nothing_of_all() {
    let desk = desk();
    let message = desk.fails(2, &["a.npz", "--only", "w", "--only", "turned", "--triangle", "-o", "b.npz"]);
    assert!(message.contains("array w"), "{message}");
    let wide = bytes(&[1.0, 1e9]);
    archive(&desk, "w.npz", &[("first", npy("<f8", &[2], &bytes(&[1.0, 2.0]))), ("wide", npy("<f8", &[2], &wide))]);
    let message = desk.fails(1, &["w.npz", "--f16", "-o", "b.npz"]);
    assert!(message.contains("w.npz:wide"), "{message}");
    // What stood there before is still there.
    desk.done(&["a.npz", "-o", "b.npz", "--codec", "deflate"]);
    let before = fs::read(desk.path("b.npz")).unwrap();
    desk.fails(1, &["w.npz", "--f16", "-o", "b.npz", "--force"]);
    desk.fails(2, &["a.npz", "-o", "b.npz"]);
    desk.fails(2, &["a.npz", "-o", "a.npz", "--force"]);
    assert!(fs::read(desk.path("b.npz")).unwrap() == before);
}

#[test]
fn members_that_are_no_numbers_are_refused_by_name_or_left_out_and_told() {
    let desk = desk();
    let object = npy("|O", &[1], b"\x80\x04N.");
    let text = npy("<U1", &[1], b"a\0\0\0");
    archive(
        &desk,
        "o.npz",
        &[("x", npy("<f8", &[1], &bytes(&[1.5]))), ("o", object), ("t", text), ("notes.txt", vec![1])],
    );
    let message = desk.fails(2, &["o.npz", "--f16", "-o", "b.npz"]);
    for word in ["member o", "never unpickled", "--skip-others"] {
        assert!(message.contains(word), "{word} is missing in {message}");
    }
    let report = desk.json(&["o.npz", "--f16", "--skip-others", "-o", "b.npz", "--json"]);
    let skipped: Vec<_> = report["skipped"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["o", "t", "notes.txt"]);
    assert_eq!(report["members"].as_array().unwrap().len(), 1);
    desk.done(&["o.npz", "--only", "x", "--f16", "-o", "c.npz"]);
    // Ordinary members come back as they were.
    desk.done(&["restore", "o.npz", "--only", "x", "-o", "d.npz"]);
    assert_eq!(member(&desk, "d.npz", "x"), member(&desk, "o.npz", "x"));
}

#[test]
fn an_archive_that_was_only_packed_is_restored_and_each_member_of_one() {
    let desk = desk();
    desk.done(&["a.npz", "--codec", "zstd", "-o", "z.npz"]);
    desk.done(&["restore", "z.npz", "-o", "back.npz"]);
    desk.done(&["verify", "a.npz", "back.npz"]);
    desk.done(&["restore", "z.npz:w", "-o", "w.npy"]);
    desk.done(&["restore", "z.npz:w", "-o", "w.npz"]);
    desk.done(&["verify", "a.npz:w", "w.npy"]);
    assert_eq!(member(&desk, "w.npz", "w").1, member(&desk, "a.npz", "w").1);
    assert!(desk.fails(2, &["restore", "sym.npy", "-o", "s.npz"]).contains("nothing to undo"));
}

#[test]
fn a_member_without_the_ending_is_an_array_and_nothing_beside_a_lone_one_is_dropped() {
    let desk = desk();
    let one = npy("<f8", &[2], &bytes(&[1.0, 2.0]));
    let file = File::create(desk.path("bare.npz")).unwrap();
    let mut zip = zip::ZipWriter::new(file);
    for (name, bytes) in [("mask", &one), ("e.npy", &one)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    let report = desk.json(&["bare.npz", "--codec", "deflate", "-o", "out.npz", "--json"]);
    assert_eq!(report["members"].as_array().unwrap().len(), 2);
    assert!(one.ends_with(&member(&desk, "out.npz", "mask").1));
    desk.done(&["bare.npz:mask", "-o", "m.npy"]);
    desk.done(&["verify", "bare.npz:e", "m.npy"]);

    archive(&desk, "lone.npz", &[("e", one.clone()), ("notes.txt", vec![1])]);
    let message = desk.fails(2, &["lone.npz", "--codec", "deflate", "-o", "o.npz"]);
    assert!(message.contains("notes.txt") && message.contains("--skip-others"), "{message}");
    let message = desk.fails(2, &["lone.npz", "-o", "o.npy"]);
    assert!(message.contains("notes.txt") && message.contains("lone.npz:e"), "{message}");
    desk.done(&["lone.npz:e", "-o", "o.npy"]);
    desk.done(&["lone.npz", "--skip-others", "-o", "o.npz"]);
    archive(&desk, "none.npz", &[]);
    assert!(desk.fails(2, &["none.npz", "-o", "n.npz"]).contains("none.npz holds no arrays"));
}

#[test]
fn standard_input_and_pipes_say_what_they_cannot_be() {
    let desk = desk();
    let piped = |file: &str| {
        let input = fs::read(desk.path(file)).unwrap();
        let mut command = desk.command(&["-", "-o", "p.npy"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may end before it has read all.
        let _ = child.stdin.take().unwrap().write_all(&input);
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(piped("a.npz").contains("write it to a file"));
    fs::write(desk.path("empty"), b"").unwrap();
    assert!(piped("empty").contains("standard input is empty"));
    assert!(desk.fails(2, &["empty", "-o", "p.npy"]).contains("empty is empty"));
    if cfg!(feature = "hdf5") {
        desk.done(&["sym.npy", "-o", "s.h5"]);
        assert!(piped("s.h5").contains("HDF5 is not read from standard input"));
    }
    archive(&desk, "lone.npz", &[("pz", npy("<f8", &[2], &bytes(&[1.0, 2.0])))]);
    let text = desk.done(&["info", "lone.npz"]);
    assert!(text.contains("np.load('lone.npz')['pz']"), "{text}");
}

#[test]
fn a_lone_array_keeps_its_name_as_it_does_among_others() {
    let desk = desk();
    archive(&desk, "one.npz", &[("temperature", npy("<f8", &[2], &bytes(&[1.0, 2.0])))]);
    desk.done(&["one.npz", "--f16", "-o", "q1.npz"]);
    assert_eq!(desk.json(&["info", "q1.npz:temperature", "--json"])["stored"]["dtype"], "float16");
    desk.done(&["restore", "q1.npz", "-o", "q2.npz"]);
    assert_eq!(member(&desk, "q2.npz", "temperature").1, member(&desk, "one.npz", "temperature").1);
    if cfg!(feature = "hdf5") {
        desk.done(&["one.npz", "-o", "g.h5:/grp/temperature"]);
        desk.done(&["g.h5", "-o", "g.npz"]);
        desk.done(&["verify", "one.npz:temperature", "g.npz:grp/temperature"]);
        // A name that this program gave, since there was none, is not one to keep.
        desk.done(&["sym.npy", "-o", "s.h5"]);
        assert_eq!(desk.json(&["s.h5", "-o", "s2.npz", "--json"])["output"]["place"], "s2.npz:s");
        let message = desk.fails(2, &["g.h5:/grp/temperature", "--f32", "-o", "g.h5:/grp/temperature", "--force"]);
        assert!(message.contains("is the input itself"), "{message}");
    }
}

#[test]
fn one_array_goes_into_an_archive_and_out_of_a_pipe() {
    let desk = desk();
    let report = desk.json(&["sym.npy", "--triangle", "-o", "s.npz", "--codec", "deflate", "--json"]);
    assert_eq!(report["output"]["place"], "s.npz:sym");
    desk.done(&["restore", "s.npz", "-o", "back.npy"]);
    assert!(fs::read(desk.path("back.npy")).unwrap().ends_with(&member_data(&desk)));
    desk.json(&["a.npz:w", "--f16", "-o", "n.npz:other", "--json"]);
    assert_eq!(desk.json(&["info", "n.npz:other", "--json"])["stored"]["dtype"], "float16");
    // A pipe, of which one array is wanted.
    let mut child =
        desk.command(&["-", "--f16", "-o", "p.npy"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(desk.path("s.npz")).unwrap()).unwrap();
    // It was compacted already, which only one who reads the archive can know.
    assert_eq!(child.wait().unwrap().code(), Some(2));
    archive(&desk, "one.npz", &[("x", npy("<f8", &[2], &bytes(&[1.0, 2.0])))]);
    let mut child = desk.command(&["-", "--f16", "-o", "p.npy", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(desk.path("one.npz")).unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn member_data(desk: &Desk) -> Vec<u8> {
    fs::read(desk.path("sym.npy")).unwrap().split_off(128)
}

#[test]
fn flags_that_an_archive_cannot_keep_are_refused_with_the_remedy() {
    let desk = desk();
    for (line, word) in [
        (&["a.npz", "--codec", "lz4", "-o", "b.npz"][..], "deflate"),
        (&["a.npz", "--codec", "deflate", "--level", "12", "-o", "b.npz"], "1 to 9"),
        (&["a.npz", "--max-abs", "1e-3", "-o", "b.npz"], "b.h5"),
        (&["a.npz", "--select", "w", "--max-abs", "1e-3", "-o", "b.npz"], "b.h5"),
        (&["a.npz", "--sidecar", "-o", "b.npz"], "--sidecar"),
        (&["a.npz", "--auto", "--select", "w", "--bits"], "--select"),
        (&["a.npz", "-o", "b.npz:x"], "one array"),
        (&["restore", "a.npz", "--slice", "0", "-o", "b.npz"], "name one"),
        (&["a.npz", "-o", "b.npy"], "name one"),
    ] {
        let message = desk.fails(2, line);
        assert!(message.contains(word), "{line:?}: {message}");
    }
}

#[test]
fn a_budget_is_held_against_every_member_before_the_archive_gets_its_name() {
    let desk = desk();
    fs::write(desk.path("tight.toml"), "max_abs = 1e-9\n").unwrap();
    fs::write(desk.path("wide.toml"), "max_abs = 0.1\n").unwrap();
    let line = |budget, out| ["a.npz", "--only", "w", "--only", "turned", "--f16", "--budget", budget, "-o", out];
    let message = desk.fails(1, &line("tight.toml", "b.npz"));
    assert!(message.contains("max_abs"), "{message}");
    desk.done(&line("wide.toml", "b.npz"));
}

#[test]
fn limits_of_one_array_hold_for_it_alone_and_misspelled_names_are_refused() {
    let desk = desk();
    fs::write(desk.path("of.toml"), "max_abs = 0.1\n[arrays.turned]\nmax_abs = 1e-9\n").unwrap();
    fs::write(desk.path("no.toml"), "[arrays.turnt]\nmax_abs = 1e-9\n").unwrap();
    for out in outputs() {
        let line = |budget, steps: &[&'static str]| {
            [&["a.npz", "--only", "w", "--only", "turned", "--f16", "--budget", budget, "-o", out], steps].concat()
        };
        let message = desk.fails(1, &line("of.toml", &[]));
        assert!(message.contains("turned") && message.contains("over budget"), "{message}");
        assert!(!desk.path(out).exists());
        let message = desk.fails(2, &line("no.toml", &[]));
        assert!(message.contains("turnt"), "{message}");
        let report = desk.json(&line("of.toml", &["--select", "turned", "--json"]));
        let criteria = |i: usize| report["members"][i]["criteria"].as_array().unwrap().len();
        assert!(criteria(0) > 0 && criteria(1) > 0, "{report}");
    }
}

fn outputs() -> &'static [&'static str] {
    if cfg!(feature = "hdf5") { &["l.npz", "l.h5"] } else { &["l.npz"] }
}

#[test]
fn auto_plans_every_array_by_itself_and_the_file_keeps_what_was_asked_for() {
    let desk = desk();
    for out in outputs() {
        let report = desk.json(&["a.npz", "--auto", "-o", out, "--json"]);
        assert_eq!(report["members"].as_array().unwrap().len(), 5);
        assert!(report["chosen"]["mask_0"].as_str().unwrap().starts_with("--"), "{report}");
        desk.done(&["verify", "a.npz", out]);
        desk.done(&["restore", out, "-o", "back.npz", "--force"]);
        assert_eq!(member(&desk, "back.npz", "turned").1, member(&desk, "a.npz", "turned").1);
    }
    let table = desk.done(&["a.npz", "--auto", "--only", "*mask*", "-o", "m.npz"]);
    assert!(table.contains("chosen") && table.contains("--bits"), "{table}");
    #[cfg(feature = "hdf5")]
    {
        let floats = ["--only", "w", "--only", "turned"];
        let report = desk.json(&[&["a.npz", "--auto", "--max-abs", "1e-2", "--json"], &floats[..]].concat());
        assert_eq!(report["output"], "a.compact.h5");
        desk.done(&["verify", "a.npz:w", "a.compact.h5:/w", "--max-abs", "1e-2"]);
        desk.done(&["verify", "a.npz:turned", "a.compact.h5:/turned", "--max-abs", "1e-2"]);
    }
}

#[test]
fn plan_has_a_table_for_each_array_or_for_the_one_named() {
    let desk = desk();
    let told = desk.json(&["plan", "a.npz", "--json"]);
    let arrays = told["arrays"].as_array().unwrap();
    let names: Vec<_> = arrays.iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["mask_0", "g/mask_1", "w", "turned", "ids"]);
    assert!(arrays.iter().all(|a| a["candidates"].as_array().is_some_and(|c| !c.is_empty())));
    assert!(arrays[0]["command"].as_str().unwrap().starts_with("compact a.npz:mask_0 "), "{}", arrays[0]["command"]);
    assert_eq!(desk.json(&["plan", "a.npz:w", "--json"])["best"], arrays[2]["best"]);
    let table = desk.done(&["plan", "a.npz"]);
    assert!(names.iter().all(|name| table.contains(&format!("a.npz:{name}"))), "{table}");
}

#[test]
fn archives_are_compared_array_by_array_and_a_missing_one_is_named() {
    let desk = desk();
    desk.done(&["a.npz", "--f16", "--select", "*mask*", "--bits", "--select", "ids", "-o", "b.npz"]);
    let told = desk.json(&["verify", "a.npz", "b.npz", "--json"]);
    assert_eq!(told["arrays"].as_array().unwrap().len(), 5);
    // A verdict is no error: the limit is broken in some of them, and that is told on standard output.
    let broken = desk.run(&["verify", "a.npz", "b.npz", "--max-abs", "1e-9"]);
    let text = String::from_utf8(broken.stdout).unwrap();
    assert!(broken.status.code() == Some(1) && text.contains("turned"), "{text}");
    desk.done(&["a.npz", "--only", "w", "--only", "ids", "-o", "c.npz"]);
    for command in ["verify", "report"] {
        let message = desk.fails(2, &[command, "a.npz", "c.npz"]);
        assert!(message.contains("mask_0") && message.contains("c.npz"), "{message}");
    }
    // Of what the original does not have, the report tells.
    let told = desk.json(&["verify", "c.npz", "a.npz", "--json"]);
    assert_eq!((told["arrays"].as_array().unwrap().len(), told["not_compared"].as_array().unwrap().len()), (2, 3));
    // One array in an archive is paired by its name, too.
    desk.done(&["a.npz:w", "-o", "w.npz"]);
    let told = desk.json(&["verify", "w.npz", "a.npz", "--json"]);
    assert_eq!((&told["arrays"][0]["name"], told["not_compared"].as_array().unwrap().len()), (&Value::from("w"), 4));
}

#[test]
fn arrays_are_added_to_an_archive_as_if_they_had_been_there_from_the_start() {
    let desk = desk();
    for codec in ["none", "deflate"] {
        desk.done(&["a.npz", "--codec", codec, "-o", "all.npz", "--force"]);
        let four = ["--only", "*mask*", "--only", "w", "--only", "turned"];
        desk.done(&[&["a.npz", "--codec", codec, "-o", "part.npz", "--force"], &four[..]].concat());
        let dry = desk.json(&["append", "part.npz", "a.npz:ids", "--dry-run", "--json"]);
        let told = desk.json(&["append", "part.npz", "a.npz:ids", "--json"]);
        assert_eq!((&dry["arrays"], &told["arrays"], &told["added"][0]["name"]), (&5.into(), &5.into(), &"ids".into()));
        assert_eq!(told["stored_bytes"], fs::metadata(desk.path("part.npz")).unwrap().len());
        assert!(fs::read(desk.path("all.npz")).unwrap() == fs::read(desk.path("part.npz")).unwrap());
    }
    // A whole archive, a compacted file that keeps its record, and a name of one's own.
    desk.done(&["sym.npy", "--triangle", "-o", "s.npy"]);
    desk.done(&["a.npz", "--only", "w", "--f16", "-o", "z.npz"]);
    desk.done(&["append", "z.npz", "s.npy", "--as", "g/sym"]);
    desk.json(&["append", "z.npz", "a.npz", "--force", "--json"]);
    let info = desk.json(&["info", "z.npz", "--json"]);
    let names: Vec<_> = info["arrays"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["g/sym", "mask_0", "g/mask_1", "w", "turned", "ids"]);
    assert!(member(&desk, "z.npz", "w").1 == member(&desk, "a.npz", "w").1);
    desk.done(&["restore", "z.npz:g/sym", "-o", "sym2.npy"]);
    assert_eq!(fs::read(desk.path("sym2.npy")).unwrap().split_off(128), member_data(&desk));
    // With steps on the way; all else in it stays.
    desk.done(&["a.npz:w", "--f16", "-o", "z.npz:half"]);
    assert_eq!(desk.json(&["info", "z.npz:half", "--json"])["stored"]["dtype"], "float16");
    assert_eq!(desk.json(&["info", "z.npz", "--json"])["arrays"].as_array().unwrap().len(), 7);
}

#[test]
fn what_cannot_be_added_leaves_the_archive_as_it_was() {
    let desk = desk();
    let text = b"kept, whatever it is".to_vec();
    archive(&desk, "t.npz", &[("x", npy("<f8", &[1], &bytes(&[1.5]))), ("notes.txt", text.clone())]);
    fs::write(desk.path("cut.npy"), &npy("<f8", &[9], &bytes(&[1.0]))[..130]).unwrap();
    fs::write(desk.path("y.npy"), npy("<f8", &[2], &bytes(&[1.0, 2.0]))).unwrap();
    let before = fs::read(desk.path("t.npz")).unwrap();
    for (line, word) in [
        (&["append", "t.npz", "y.npy", "--as", "x"][..], "--force"),
        (&["append", "t.npz", "y.npy", "--as", "../x"], "../x"),
        (&["append", "t.npz", "y.npy", "cut.npy"], "cut.npy"),
        (&["append", "t.npz", "y.npy", "y.npy"], "both be called y"),
        (&["append", "t.npz", "a.npz", "--as", "q"], "one by one"),
        (&["append", "t.npz", "y.npy", "--refit-chunks"], "--refit-chunks"),
        (&["append", "y.npy", "y.npy", "--as", "q"], "--as"),
        (&["append", "no.npz", "y.npy"], "no.npz"),
        (&["y.npy", "-o", "t.npz:x"], "--force"),
        (&["y.npy", "--triangle", "-o", "t.npz:n"], "triangle"),
    ] {
        let message = desk.fails(2, line);
        assert!(message.contains(word), "{line:?}: {message}");
        assert!(fs::read(desk.path("t.npz")).unwrap() == before, "{line:?}");
    }
    desk.done(&["append", "t.npz", "y.npy", "--as", "x", "--force"]);
    assert_eq!(member(&desk, "t.npz", "x").1, bytes(&[1.0, 2.0]));
    let mut zip = zip::ZipArchive::new(File::open(desk.path("t.npz")).unwrap()).unwrap();
    let mut kept = Vec::new();
    zip.by_name("notes.txt").unwrap().read_to_end(&mut kept).unwrap();
    assert_eq!((kept, zip.len()), (text, 2));
    // Names that lead out of a folder are read, and never written.
    archive(&desk, "evil.npz", &[("../x", npy("<f8", &[1], &bytes(&[1.5])))]);
    let message = desk.fails(2, &["append", "evil.npz", "y.npy"]);
    assert!(message.contains("../x"), "{message}");
}

#[cfg(feature = "hdf5")]
#[test]
fn archives_become_hdf5_files_with_a_record_each_and_archives_again() {
    let desk = desk();
    desk.done(&[
        "a.npz", "--f16", "--select", "*mask*", "--bits", "--select", "ids", "-o", "b.h5", "--codec", "deflate",
    ]);
    let info = desk.json(&["info", "b.h5:/packed/w", "--json"]);
    assert_eq!((&info["compacted"], &info["stored"]["dtype"]), (&Value::Bool(true), &Value::from("float16")));
    desk.done(&["verify", "a.npz", "b.h5"]);
    desk.done(&["restore", "b.h5", "-o", "r.npz"]);
    let info = desk.json(&["info", "r.npz", "--json"]);
    let mut names: Vec<_> = info["arrays"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["g/mask_1", "ids", "mask_0", "turned", "w"]);
    for name in ["mask_0", "g/mask_1", "ids"] {
        assert_eq!(member(&desk, "a.npz", name).1, member(&desk, "r.npz", name).1, "{name}");
    }
    // A packed archive, one array in Fortran order, is moved as it is.
    desk.done(&["a.npz", "--only", "turned", "--only", "w", "--f16", "-o", "p.npz"]);
    desk.done(&["p.npz", "-o", "p.h5"]);
    desk.done(&["verify", "a.npz:turned", "p.h5:/packed/turned"]);
    desk.done(&["verify", "p.npz:turned", "p.h5:/packed/turned"]);
    let restored = desk.json(&["restore", "p.h5", "--json"]);
    assert_eq!(restored["output"], "p.restored.h5");
    // Into a group of a file that exists; bounds for some.
    desk.done(&["a.npz", "--only", "w", "--only", "ids", "--select", "w", "--max-abs", "1e-3", "-o", "b.h5:/more"]);
    let coded = desk.json(&["info", "b.h5:/more/w", "--json"]);
    assert_eq!(coded["coding"]["bound"]["max_abs"], 1e-3);
    desk.done(&["verify", "a.npz:w", "b.h5:/more/w", "--max-abs", "1e-3"]);
    desk.fails(2, &["a.npz", "--only", "w", "--f16", "-o", "b.h5:/more"]).contains("holds");
}
