//! Appending is compacting the whole: the same values come back, the loss is that of all rows, and what is refused leaves no trace.
#![cfg(all(feature = "cli", feature = "hdf5"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails should say where"
)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Random, any_case};
use desk::{Desk, bytes, symmetric};
use ndcompact::array::{Buf, DType, Spec};
use ndcompact::coding::CodingAsk;
use ndcompact::engine::{CodedOptions, Resources, WriterOptions};
use ndcompact::store::hdf5::{ChunkAsk, Codec, Options};
use ndcompact::store::{Place, Replace};
use ndcompact::{ArrayWriter, Ask, ErrorKind, Reader, Slice};
use proptest::prelude::*;

fn place(folder: &Path, name: &str) -> Place {
    Place { path: folder.join(name), member: None }
}

/// Rows `from..to` of an array.
fn rows(spec: &Spec, buf: &Buf, from: u64, to: u64) -> (Spec, Buf) {
    let mut shape = spec.shape().to_vec();
    shape[0] = to - from;
    let row = spec.bytes() / spec.shape()[0];
    let part = Spec::new(spec.dtype(), shape).unwrap();
    let mut out = Buf::new();
    out.reset(spec.dtype(), part.count()).unwrap();
    out.bytes_mut().copy_from_slice(&buf.bytes()[(from * row) as usize..(to * row) as usize]);
    (part, out)
}

fn whole(place: &Place) -> (Spec, Buf) {
    Reader::at(place).unwrap().part(&Slice::default()).unwrap()
}

/// Writes the array in several sessions of several pushes each.
fn in_sessions(
    place: &Place,
    spec: &Spec,
    buf: &Buf,
    options: &WriterOptions<'_>,
    random: &mut Random,
    mut after: impl FnMut(u64),
) -> Result<(), ndcompact::Error> {
    let all = spec.shape()[0];
    let (mut at, mut is_new) = (0, true);
    while is_new || at < all {
        let mut writer = match is_new {
            true => ArrayWriter::create(place, spec.dtype(), &spec.shape()[1..], options)?,
            false => ArrayWriter::open(place, options)?,
        };
        let end = if random.below(3) == 0 { all } else { at + random.below(all - at + 1) };
        while at < end {
            let to = at + 1 + random.below(end - at);
            let (part, values) = rows(spec, buf, at, to);
            writer.push_buf(&part, &values)?;
            at = to;
        }
        let done = writer.finish()?;
        assert_eq!(done.shape[0], at);
        is_new = false;
        after(at);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn appending_restores_what_compacting_the_whole_restores(case in any_case(), seed in any::<u64>()) {
        let (spec, buf) = (case.spec(), case.buf());
        if spec.shape().is_empty() || spec.count() == 0 {
            return Ok(());
        }
        let packed = case.compact(&Resources::default());
        let expected = case.restore(&packed);
        let asks: Vec<Ask> = packed.record().steps.iter().cloned().map(Ask::Settled).collect();
        let dir = tempfile::tempdir().unwrap();
        let codecs = [Codec::None, Codec::Deflate, Codec::Zstd, Codec::Lz4];
        for (name, codec) in [("a.npy", Codec::None), ("a.h5", codecs[seed as usize % 4])] {
            let place = place(dir.path(), name);
            let chunk_bytes = [16, 100, 1000][seed as usize % 3];
            let hdf5 = Options { codec, chunk_bytes, ..Options::default() };
            let options = WriterOptions { asks: asks.clone(), hdf5, ..WriterOptions::default() };
            let written = in_sessions(&place, spec, buf, &options, &mut Random(seed), |_| {});
            if let Err(e) = &written
                && (e.to_string().contains("need the first axis whole") || e.to_string().contains("does not fit"))
                && (spec.shape().len() == 1 || spec.shape().len() == 2 && e.to_string().contains("triangle"))
            {
                continue;
            }
            written.unwrap_or_else(|e| panic!("{e}: {case}"));
            let (found, values) = whole(&place);
            prop_assert_eq!(&found, spec, "{}", case);
            prop_assert_eq!(values.bytes(), expected.bytes(), "{} {}", name, case);
            let reader = Reader::at(&place).unwrap();
            let Some(record) = reader.record() else {
                prop_assert!(asks.is_empty());
                continue;
            };
            let (mut loss, all) = (record.loss.clone().unwrap(), packed.loss().clone());
            prop_assert!((loss.rmse - all.rmse).abs() <= 1e-12 * all.rmse, "{} {} {}", loss.rmse, all.rmse, case);
            let off = (loss.mean_error - all.mean_error).abs();
            prop_assert!(off <= 1e-12 * all.rmse + 1e-300, "{} {} {}", loss.mean_error, all.mean_error, case);
            (loss.rmse, loss.mean_error, loss.mean_error_imag) = (all.rmse, all.mean_error, all.mean_error_imag);
            prop_assert_eq!(&loss, &all, "{}", case);
            if name == "a.npy" {
                let opened = fs::read(&place.path).unwrap();
                let data = packed.packed().buf().bytes();
                prop_assert_eq!(&opened[opened.len() - data.len()..], data, "{}", case);
                prop_assert_eq!(record.crc32, Some(crc32fast::hash(data)), "{}", case);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn coded_rows_keep_the_bound_and_old_ones_their_bits(seed in any::<u64>()) {
        let mut random = Random(seed);
        let shape = [1 + random.below(40), 1 + random.below(9), 1 + random.below(9)];
        let smooth = random.below(2) == 0;
        let mut walk = 0.0;
        let n: u64 = shape.iter().product();
        let values: Vec<f64> = (0..n)
            .map(|i| {
                let noise = random.below(2001) as f64 / 1000.0 - 1.0;
                walk += noise * 0.1;
                match random.below(60) {
                    0 => f64::NAN,
                    1 => 0.0,
                    _ if smooth => (i as f64 / 10.0).sin() * 3.0 + noise * 0.01,
                    _ => walk * 10.0,
                }
            })
            .collect();
        let spec = Spec::new(DType::F64, shape).unwrap();
        let buf = Buf::from_slice(&values).unwrap();
        let ask = match random.below(4) {
            0 => CodingAsk::default(),
            1 => CodingAsk { max_abs: Some(1e-3), ..CodingAsk::default() },
            2 => CodingAsk { max_rel: Some(1e-3), rel_floor: Some(0.1), ..CodingAsk::default() },
            _ => CodingAsk { max_abs: Some(0.05), max_rel: Some(0.01), ..CodingAsk::default() },
        };
        let chunks = ChunkAsk::Shape(shape.iter().map(|d| 1 + random.below(*d + 3)).collect());
        let options = WriterOptions { coded: Some(CodedOptions { ask, chunks }), ..WriterOptions::default() };
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "a.h5");
        let mut before: Vec<u8> = Vec::new();
        in_sessions(&place, &spec, &buf, &options, &mut random, |_| {
            let (_, back) = whole(&place);
            assert_eq!(&back.bytes()[..before.len()], &before[..], "old rows changed");
            before = back.bytes().to_vec();
        })
        .unwrap();
        let (_, back) = whole(&place);
        let back = back.elements::<f64>().unwrap();
        let (mut max, mut changed) = (0.0f64, 0);
        for (x, y) in values.iter().zip(back) {
            let limit = [
                ask.max_abs,
                ask.max_rel.map(|r| r * x.abs().max(ask.rel_floor.unwrap_or(0.0))),
            ];
            let limit = limit.into_iter().flatten().fold(f64::INFINITY, f64::min);
            let limit = if limit.is_finite() { limit } else { 0.0 };
            prop_assert!(x.is_nan() && y.is_nan() || (x - y).abs() <= limit, "{} {} {}", x, y, limit);
            max = max.max((x - y).abs());
            changed += u64::from(x.to_bits() != y.to_bits() && !x.is_nan());
        }
        let loss = Reader::at(&place).unwrap().record().unwrap().loss.clone().unwrap();
        prop_assert_eq!((loss.count, loss.changed, loss.max_abs), (n, changed, max));
        if let Some(at) = &loss.max_abs_at {
            let at = at.iter().zip(shape).fold(0, |n, (i, d)| n * d + i) as usize;
            prop_assert_eq!((values[at] - back[at]).abs(), max);
        }
    }
}

/// `sym.npy` cut in two, the first part compacted to `name`.
fn begun(desk: &Desk, name: &str, flags: &[&str]) {
    let all = symmetric();
    desk.write("one.npy", "<f8", &[20, 5, 5], &bytes(&all[..500]));
    desk.write("two.npy", "<f8", &[40, 5, 5], &bytes(&all[500..]));
    desk.done(&[&["one.npy", "-o", name], flags].concat());
}

const WAYS: &[(&str, &[&str])] = &[
    ("a.npy", &["--triangle", "--f16"]),
    ("a.h5", &["--triangle", "--f16"]),
    ("a.h5", &["--triangle", "--codec", "deflate"]),
    ("a.h5", &["--max-abs", "1e-3"]),
    ("a.h5", &["--triangle", "--max-abs", "0"]),
    ("a.npy", &[]),
];

#[test]
fn what_is_refused_leaves_the_file_byte_for_byte() {
    for (name, flags) in WAYS {
        let desk = Desk::new();
        begun(&desk, name, flags);
        let mut crooked = symmetric();
        crooked[501] += 1.0;
        desk.write("crooked.npy", "<f8", &[60, 5, 5], &bytes(&crooked));
        desk.write("large.npy", "<f8", &[1, 5, 5], &bytes(&[1e6; 25]));
        desk.write("wide.npy", "<f8", &[4, 5, 6], &bytes(&[1.0; 120]));
        desk.write("single.npy", "<f4", &[4, 5, 5], &[0; 400]);
        let before = fs::read(desk.path(name)).unwrap();
        let left = |args: &[&str], code: i32, says: &[&str]| {
            let message = desk.fails(code, args);
            assert!(says.iter().all(|s| message.contains(s)), "{message}");
            assert!(fs::read(desk.path(name)).unwrap() == before, "{args:?} left {name} changed");
        };
        if flags.contains(&"--triangle") {
            left(&["append", name, "two.npy", "crooked.npy"], 1, &["not symmetric", "[60, "]);
            left(&["append", name, "crooked.npy", "--dry-run"], 1, &["not symmetric"]);
        }
        if flags.contains(&"--f16") {
            left(&["append", name, "large.npy"], 1, &["float16", "index counts from the first"]);
        }
        left(&["append", name, "wide.npy"], 2, &["float64 (4, 5, 6)", "(N, 5, 5)"]);
        left(&["append", name, "two.npy", "single.npy"], 2, &["float32 (4, 5, 5)", "float64"]);
        left(&["append", name, "nothing.npy"], 2, &["nothing.npy"]);
        left(&["append", name, name], 2, &["itself"].map(|_| "copy it first"));
        desk.done(&["append", name, "two.npy", "--dry-run"]);
        assert!(fs::read(desk.path(name)).unwrap() == before);
        let done = desk.json(&["append", name, "two.npy", "--json"]);
        assert_eq!((&done["rows"], &done["shape"][0]), (&40.into(), &60.into()));
        if flags.is_empty() {
            assert!(fs::read(desk.path(name)).unwrap().ends_with(&bytes(&symmetric())));
        } else {
            desk.done(&["verify", "sym.npy", name]);
        }
    }
}

#[test]
fn rows_come_from_files_archives_datasets_and_standard_input_in_their_order() {
    let desk = Desk::new();
    begun(&desk, "a.npy", &["--triangle"]);
    let all = symmetric();
    let part = |name: &str, from: usize, to: usize| {
        desk.write(name, "<f8", &[to - from, 5, 5], &bytes(&all[25 * from..25 * to]));
    };
    part("p0.npy", 20, 30);
    part("p1.npy", 30, 31);
    part("p2.npy", 31, 45);
    // One row by itself, without the first axis.
    desk.write("p3.npy", "<f8", &[5, 5], &bytes(&all[25 * 45..25 * 46]));
    part("p4.npy", 46, 60);
    desk.done(&["p1.npy", "-o", "p1.h5:/some/rows"]);
    desk.done(&["p2.npy", "--triangle", "-o", "p2.compact.npy"]);
    let mut child = desk
        .command(&["append", "a.npy", "p0.npy", "p1.h5:/some/rows", "p2.compact.npy", "p3.npy", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(desk.path("p4.npy")).unwrap()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.starts_with("appended 40 rows to a.npy: now (60, 5, 5); exact"), "{said}");
    desk.done(&["verify", "sym.npy", "a.npy"]);
    desk.done(&["sym.npy", "--triangle", "-o", "whole.npy"]);
    let open = |f: &str| Reader::at(&Place { path: desk.path(f), member: None }).unwrap();
    assert_eq!(open("a.npy").record(), open("whole.npy").record(), "checksum and loss included");
    let info = desk.json(&["info", "a.npy", "--json"]);
    assert_eq!((&info["stored"]["can_grow"], &info["stored"]["left_over"]), (&true.into(), &0.into()));
}

#[test]
fn values_beyond_a_fitted_range_are_refused_or_get_parameters_of_their_own() {
    let desk = Desk::new();
    let values = |from: u32, n: u32| (from..from + n).map(|i| f64::from(i) / 100.0).collect::<Vec<f64>>();
    desk.write("one.npy", "<f8", &[50, 4], &bytes(&values(0, 200)));
    desk.write("two.npy", "<f8", &[50, 4], &bytes(&values(200, 200)));
    desk.write("far.npy", "<f8", &[50, 4], &bytes(&values(900_000, 200)));
    desk.write("all.npy", "<f8", &[150, 4], &bytes(&[values(0, 200), values(200, 200), values(900_000, 200)].concat()));
    for (name, flags) in [
        ("plain.npy", &[][..]),
        ("plain.h5", &[]),
        ("coded.h5", &["--layout", "filtered"]),
        ("small.h5", &["--layout", "filtered", "--chunks", "20,3"]),
    ] {
        desk.done(&[&["one.npy", "--scale-offset", "2", "-o", name], flags].concat());
        let coded = !flags.is_empty();
        let message = desk.fails(1, &["append", name, "two.npy"]);
        assert_eq!(message.contains("--refit-chunks"), coded, "{message}");
        let more = ["append", name, "two.npy", "far.npy", "--refit-chunks", "--json"];
        if !coded {
            assert!(desk.fails(2, &more).contains("filtered layout"));
            continue;
        }
        let done = desk.json(&more);
        assert!(done["refitted"].as_u64().unwrap() > 0);
        desk.done(&["restore", name, "-o", "back.npy", "--force"]);
        let back = Reader::open(desk.path("back.npy").to_str().unwrap()).unwrap().read::<f64>().unwrap();
        let all = Reader::open(desk.path("all.npy").to_str().unwrap()).unwrap().read::<f64>().unwrap();
        assert_eq!(back, all);
        assert_eq!(done["loss"]["count"], 600);
        // Each chunk's own parameters are told. Where all rows are in one chunk, old and new ones have no parameters in common.
        let info = desk.json(&["info", name, "--json"]);
        let kinds = info["chunk_steps"].as_array().unwrap();
        let is_one = name == "coded.h5";
        assert!(kinds.iter().any(|k| k["steps"] == info["steps"]) != is_one && !kinds.is_empty(), "{info}");
        assert!(
            kinds.iter().any(|k| k["steps"] != info["steps"] && k["steps"][0]["step"] == "scale-offset") != is_one,
            "{info}"
        );
        let all: u64 = kinds.iter().map(|k| k["chunks"].as_u64().unwrap()).sum();
        assert_eq!(all, if is_one { 1 } else { 8 * 2 }, "{info}");
        let text = desk.done(&["info", name]);
        assert_eq!(text.matches(", from number").count(), kinds.len().min(8), "{text}");
    }
}

#[test]
fn rows_that_wait_for_their_chunks_fit_the_memory_that_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let to = place(dir.path(), "wide.h5");
    // Chunks of 2 MiB would be 64 rows thick and more, 64 rows of this 32 MiB.
    let row = [256, 256];
    let resources = Resources { memory: 8 << 20, ..Resources::default() };
    let options = WriterOptions { coded: Some(CodedOptions::default()), resources, ..WriterOptions::default() };
    let mut writer = ArrayWriter::create(&to, DType::F64, &row, &options).unwrap();
    let values: Vec<f64> = (0..256 * 256).map(|i| f64::from(i % 512)).collect();
    let (spec, buf) = (Spec::new(DType::F64, row).unwrap(), Buf::from_slice(&values).unwrap());
    for _ in 0..21 {
        writer.push_buf(&spec, &buf).unwrap();
    }
    assert_eq!(writer.finish().unwrap().shape, [21, 256, 256]);
    let reader = Reader::at(&to).unwrap();
    let chunk = reader.opened().chunk().unwrap().to_vec();
    assert!(chunk[0] * spec.bytes() <= resources.memory / 4, "{chunk:?}");
    assert!(reader.read::<f64>().unwrap().iter().eq(values.iter().cycle().take(21 * 65536)));
    let chunks = ChunkAsk::Shape(vec![64, 16, 16]);
    let coded = Some(CodedOptions { chunks, ..CodedOptions::default() });
    let mut writer =
        ArrayWriter::create(&place(dir.path(), "no.h5"), DType::F64, &row, &WriterOptions { coded, ..options })
            .unwrap();
    let refused = (0..100).find_map(|_| writer.push_buf(&spec, &buf).err()).unwrap();
    assert!(refused.kind() == ErrorKind::Usage && refused.to_string().contains("give 4 along"), "{refused}");
}

#[test]
fn what_cannot_grow_says_why() {
    let desk = Desk::new();
    desk.write("m.npy", "<f8", &[5, 5], &bytes(&symmetric()[..25]));
    desk.write("mask.npy", "|b1", &[9], &[1, 0, 1, 0, 0, 1, 1, 1, 0]);
    desk.write("scalar.npy", "<f8", &[], &bytes(&[1.0]));
    desk.done(&["m.npy", "--triangle", "-o", "t.npy"]);
    desk.done(&["mask.npy", "--bits", "-o", "b.h5"]);
    assert!(desk.fails(2, &["append", "t.npy", "m.npy"]).contains("need the first axis whole"));
    assert!(desk.fails(2, &["append", "b.h5", "mask.npy"]).contains("need the first axis whole"));
    assert!(desk.fails(2, &["append", "scalar.npy", "m.npy"]).contains("none to append along"));
    assert!(desk.fails(2, &["append", "-", "m.npy"]).contains("standard input"));
    assert!(desk.fails(2, &["append", "m.npy", "-", "-"]).contains("once"));
    let place = Place { path: desk.path("new.npy"), member: None };
    let coded = Some(CodedOptions::default());
    let options = WriterOptions { coded, ..WriterOptions::default() };
    assert!(ArrayWriter::create(&place, DType::F64, &[3], &options).is_err());
    let ask = CodingAsk { max_range_rel: Some(1e-3), ..CodingAsk::default() };
    let options = WriterOptions { coded: Some(CodedOptions { ask, ..CodedOptions::default() }), ..options };
    let place = Place { path: desk.path("new.h5"), member: None };
    let refused = ArrayWriter::create(&place, DType::F64, &[3], &options).unwrap_err();
    assert!(refused.to_string().contains("range"), "{refused}");
}

#[test]
fn bits_along_the_only_axis_fill_up_the_last_byte() {
    let desk = Desk::new();
    let values: Vec<u8> = (0..41u32).map(|i| (i * i % 7 > 3) as u8).collect();
    for (dtype, flag, scale) in [("|b1", "--bits", 1), ("|u1", "--bits=3", 5), ("|u1", "--bits=5", 27)] {
        let values: Vec<u8> = values.iter().map(|v| v * scale).collect();
        let write = |name: &str, part: &[u8]| desk.write(name, dtype, &[part.len()], part);
        for cuts in [[0, 3, 11], [8, 16, 24], [1, 1, 40], [13, 29, 41]] {
            for (name, part) in ["p0.npy", "p1.npy", "p2.npy", "p3.npy"].iter().zip([
                &values[..cuts[0]],
                &values[cuts[0]..cuts[1]],
                &values[cuts[1]..cuts[2]],
                &values[cuts[2]..],
            ]) {
                write(name, part);
            }
            write("all.npy", &values);
            desk.done(&["p0.npy", flag, "-o", "b.npy", "--force"]);
            desk.done(&["append", "b.npy", "p1.npy"]);
            desk.done(&["append", "b.npy", "p2.npy", "p3.npy", "--dry-run"]);
            let done = desk.json(&["append", "b.npy", "p2.npy", "p3.npy", "--json"]);
            assert_eq!(
                (&done["shape"][0], &done["made_anew"], &done["exact"]),
                (&41.into(), &true.into(), &true.into())
            );
            desk.done(&["verify", "all.npy", "b.npy"]);
            desk.done(&["all.npy", flag, "-o", "whole.npy", "--force"]);
            assert!(fs::read(desk.path("whole.npy")).unwrap() == fs::read(desk.path("b.npy")).unwrap());
        }
        let before = fs::read(desk.path("b.npy")).unwrap();
        let left = |args: &[&str], code: i32, says: &str| {
            let message = desk.fails(code, args);
            assert!(message.contains(says), "{message}");
            assert!(fs::read(desk.path("b.npy")).unwrap() == before);
        };
        desk.write("large.npy", dtype, &[3], &[1, 200, 1]);
        let bad = if dtype == "|b1" { "neither 0 nor 1" } else { "does not fit" };
        left(&["append", "b.npy", "large.npy"], 1, bad);
        desk.write("wide.npy", dtype, &[3, 2], &[0; 6]);
        left(&["append", "b.npy", "wide.npy"], 2, "(3, 2)");
        desk.write("float.npy", "<f4", &[3], &[0; 12]);
        left(&["append", "b.npy", "float.npy"], 2, "float32");
    }
    desk.write("f.npy", "<f8", &[5], &bytes(&[0.0, 1.001, 2.0, 3.0, 1.0]));
    desk.done(&["f.npy", "--scale-offset", "1", "--bits", "-o", "lossy.npy"]);
    assert!(desk.fails(2, &["append", "lossy.npy", "f.npy"]).contains("restore it"));
}

#[test]
fn a_record_beside_the_file_moves_into_the_header() {
    let desk = Desk::new();
    begun(&desk, "a.npy", &["--triangle", "--sidecar"]);
    assert!(desk.names().contains(&"a.npy.compact.json".to_owned()));
    let done = desk.json(&["append", "a.npy", "two.npy", "--json"]);
    assert_eq!((&done["in_place"], &done["made_anew"]), (&false.into(), &true.into()));
    assert!(!desk.names().contains(&"a.npy.compact.json".to_owned()));
    desk.done(&["verify", "sym.npy", "a.npy"]);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_old_files_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.h5"] {
        let place = place(dir.path(), name);
        let row = Spec::new(DType::F64, [3]).unwrap();
        let values = Buf::from_slice(&[1.0, 2.0, 3.0]).unwrap();
        let mut writer = ArrayWriter::create(&place, DType::F64, &[3], &WriterOptions::default()).unwrap();
        writer.push_buf(&row, &values).unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut writer = ArrayWriter::create(&place, DType::F64, &[3], &WriterOptions::default()).unwrap();
        writer.push_buf(&row, &values).unwrap();
        writer.finish().unwrap();
        let before = fs::read(&place.path).unwrap();
        let again = ArrayWriter::create(&place, DType::F64, &[3], &WriterOptions::default());
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Exists);
        let mut writer = ArrayWriter::open(&place, &WriterOptions::default()).unwrap();
        writer.push_buf(&row, &values).unwrap();
        drop(writer);
        assert!(fs::read(&place.path).unwrap() == before);
        let options = WriterOptions { replace: Replace::Allowed, ..WriterOptions::default() };
        let writer = ArrayWriter::create(&place, DType::F64, &[2, 2], &options).unwrap();
        assert_eq!(writer.finish().unwrap().shape, [0, 2, 2]);
        assert_eq!(Reader::at(&place).unwrap().spec().shape(), [0, 2, 2]);
        fs::remove_file(&place.path).unwrap();
    }
}

#[test]
fn a_process_killed_while_it_appends_leaves_the_old_array_or_the_new_one() {
    let desk = Desk::new();
    let row: Vec<f64> = (0..20_000).map(|i| f64::from(i % 977) / 8.0).collect();
    let rows = |n: usize| bytes(&row).repeat(n);
    desk.write("one.npy", "<f8", &[30, 20_000], &rows(30));
    desk.write("more.npy", "<f8", &[600, 20_000], &rows(600));
    for (name, flags) in [("a.npy", &["--f16"][..]), ("a.h5", &["--f16"]), ("c.h5", &["--max-abs", "0"])] {
        desk.done(&[&["one.npy", "-o", name], flags].concat());
        let before = fs::read(desk.path(name)).unwrap();
        let names = desk.names();
        let (mut killed, mut marked) = (0, 0);
        for delay in [1, 3, 8, 15, 25, 40, 60, 90, 130, 200, 400, 2000] {
            let mut child = desk
                .command(&["append", name, "more.npy"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            let finished = child.wait().unwrap().success();
            assert_eq!(desk.names(), names, "after {delay} ms");
            let reader = Reader::at(&Place { path: desk.path(name), member: None }).unwrap();
            let shape = reader.spec().shape().to_vec();
            assert!(shape == [30, 20_000] || shape == [630, 20_000], "{shape:?} after {delay} ms");
            assert!(!finished || shape[0] == 630);
            let last = reader.slice::<f64>("-1").unwrap();
            assert!(last.iter().eq(row.iter()), "after {delay} ms");
            marked += u64::from(reader.opened().left_over() > 0);
            killed += u64::from(!finished);
            if shape[0] == 630 {
                desk.done(&["restore", name, "--dry-run"]);
                fs::write(desk.path(name), &before).unwrap();
            }
        }
        assert!(killed > 0, "every run was over before it could be killed");
        eprintln!("{name}: {killed} killed, {marked} left rows behind the array");
        let done = desk.json(&["append", name, "more.npy", "--json"]);
        assert_eq!(done["shape"][0], 630);
        desk.done(&["restore", name, "--dry-run"]);
    }
}

#[test]
fn numpy_h5py_and_xarray_read_the_file_after_each_append() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("NDCOMPACT_PYTHON").map_or_else(|| root.join(".venv/bin/python"), Into::into);
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let script = root.join("tests/interop/append_peers.py");
    let done = Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_compact")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert!(out.contains("appends read by their peers"), "{out}");
}
