//! The filtered layout: every dtype and shape round by round, the same bytes on any number of threads, damage, other programs' eyes.
#![cfg(all(feature = "hdf5", feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "tests")]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Random;
use desk::{Desk, N, bytes, npy, symmetric};
use ndcompact::array::{Buf, DType, Slice, Spec};
use ndcompact::coding::CodingAsk;
use ndcompact::engine::{CodedOptions, CompactOptions, Resources, RestoreOptions, Target, compact, restore};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::Place;
use ndcompact::store::hdf5::ChunkAsk;
use ndcompact::{ErrorKind, Reader};

fn place(path: &Path) -> Place {
    Place { path: path.to_owned(), member: None }
}

fn coded(chunks: ChunkAsk, threads: usize) -> CompactOptions<'static> {
    CompactOptions {
        coded: Some(CodedOptions { ask: CodingAsk::default(), chunks }),
        resources: Resources { threads: NonZeroUsize::new(threads).unwrap(), ..Resources::default() },
        ..CompactOptions::default()
    }
}

fn within(max_abs: f64) -> CompactOptions<'static> {
    let mut options = coded(ChunkAsk::Auto, 2);
    options.coded.as_mut().unwrap().ask.max_abs = Some(max_abs);
    options
}

/// Bytes of which any is an element of any dtype; every 40th element is of noise, so that NaN of all kinds occur.
fn noise(n: usize, seed: u64, dtype: DType) -> Vec<u8> {
    let mut random = Random(seed);
    (0..n)
        .map(|i| match dtype {
            DType::Bool => (random.next() & 1) as u8,
            _ if (i / dtype.size()).is_multiple_of(40) => (random.next() & 0xff) as u8,
            _ if i % dtype.size() == dtype.size() - 1 => 0x3c,
            _ => ((i / dtype.size() / 5) >> (i % dtype.size())) as u8,
        })
        .collect()
}

fn descr(dtype: DType, order: char) -> String {
    let kind = match dtype.name() {
        "bool" => "b",
        name if name.starts_with('i') => "i",
        name if name.starts_with('u') => "u",
        name if name.starts_with('c') => "c",
        _ => "f",
    };
    let order = if dtype.size() == 1 { '|' } else { order };
    format!("{order}{kind}{}", dtype.size())
}

#[test]
fn every_dtype_and_shape_comes_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let shapes: [&[usize]; 8] = [&[], &[0], &[3, 0, 2], &[1], &[70_001], &[7, 331, 11], &[2, 3, 5, 403], &[40, 41, 1]];
    for dtype in DType::ALL {
        for (i, shape) in shapes.iter().enumerate() {
            let order = if i % 2 == 0 { '<' } else { '>' };
            let count: usize = shape.iter().product();
            let data = noise(count * dtype.size(), i as u64, *dtype);
            let (input, out, back) =
                (dir.path().join("in.npy"), dir.path().join("out.h5"), dir.path().join("back.npy"));
            let mut file = npy(&descr(*dtype, order), shape, &data);
            if i == 5 {
                let text = String::from_utf8_lossy(&file[..200]).into_owned();
                let at =
                    text.find("False").unwrap() - text[..text.find("False").unwrap()].matches('\u{fffd}').count() * 2;
                file[at..at + 5].copy_from_slice(b"True ");
            }
            fs::write(&input, &file).unwrap();
            let options = coded(if i > 4 { ChunkAsk::Bytes(5000) } else { ChunkAsk::Auto }, 3);
            let report = compact(&place(&input), &Target::Place(place(&out)), &options).unwrap();
            assert!(report.exact && report.coding.is_some(), "{dtype} {shape:?}");
            restore(&place(&out), &Target::Place(place(&back)), &RestoreOptions::default()).unwrap();
            let whole = Reader::at(&place(&input)).unwrap();
            let reader = Reader::at(&place(&out)).unwrap();
            assert_eq!(reader.spec(), whole.spec());
            let slice: Slice = if shape.is_empty() { Slice::default() } else { "..., ::-3".parse().unwrap() };
            for slice in [Slice::default(), slice] {
                let (a, b): (Buf, Buf) = (whole.part(&slice).unwrap().1, reader.part(&slice).unwrap().1);
                assert!(a.bytes() == b.bytes(), "{dtype} {shape:?} {order}");
            }
            // Byte and axis order too.
            assert!(fs::read(&back).unwrap().ends_with(&data), "{dtype} {shape:?} {order}");
            for path in [input, out, back] {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_file_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.npy");
    fs::write(&input, npy("<f4", &[61, 67, 71], &noise(61 * 67 * 71 * 4, 1, DType::F32))).unwrap();
    let mut files = Vec::new();
    for (name, threads) in [("1.h5", 1), ("4.h5", 4)] {
        let out = dir.path().join(name);
        let mut options = coded(ChunkAsk::Shape(vec![16, 64, 20]), threads);
        options.coded.as_mut().unwrap().ask.max_abs = Some(1e-3);
        compact(&place(&input), &Target::Place(place(&out)), &options).unwrap();
        files.push(fs::read(out).unwrap());
        // Times of creation, which HDF5 likes to store, are in seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert!(files[0] == files[1]);
}

#[test]
fn steps_run_on_each_chunk_and_refuse_as_in_the_plain_layout() {
    let desk = Desk::new();
    desk.done(&["sym.npy", "--triangle", "--f16", "--layout", "filtered", "--chunks", "7,64,64", "-o", "a.h5"]);
    desk.done(&["restore", "a.h5", "-o", "back.npy"]);
    assert!(fs::read(desk.path("back.npy")).unwrap().ends_with(&bytes(&symmetric())));
    desk.done(&["verify", "sym.npy", "a.h5"]);
    let info = desk.json(&["info", "a.h5", "--json"]);
    assert_eq!(info["stored"]["shape"], serde_json::json!([desk::MATRICES, N, N]));
    assert_eq!(info["steps"].as_array().unwrap().len(), 2);
    assert_eq!(info["recipe_format"], 2);
    assert!(info["stored"]["layout"].as_str().unwrap().contains("chunks (7, 5, 5): ndcompact"));

    let mut values = symmetric();
    values[27 * N * N + 3] += 1.0;
    desk.write("bad.npy", "<f8", &[desk::MATRICES, N, N], &bytes(&values));
    let plain = desk.fails(1, &["bad.npy", "--triangle", "-o", "x.npy"]);
    let filtered = desk.fails(1, &["bad.npy", "--triangle", "--layout", "filtered", "-o", "x.h5"]);
    assert!(plain.contains("27"), "{plain}");
    assert_eq!(plain, filtered);
}

#[test]
fn what_contradicts_itself_is_refused_with_the_remedy() {
    let desk = Desk::new();
    for (args, words) in [
        ("--max-abs 1e-3 -o x.npy", "use -o x.h5"),
        ("--max-abs 1e-3 --f16", "both choose the precision"),
        ("--max-abs 1e-3 --scale-offset 2", "both choose the precision"),
        ("--max-abs 1e-3 --codec zstd", "the coding is the compression"),
        ("--max-abs 1e-3 --layout plain", "leave one of them out"),
        ("--max-abs -1", "cannot be a limit"),
        ("--effort 9", "does nothing without"),
        ("--effort 10 --max-abs 1", "not in 1 to 9"),
        ("--rel-floor 1", "give --max-rel as well"),
        ("--chunks 8,8,8", "add --layout filtered"),
        ("--chunks 8,8 --max-abs 1", "one number an axis"),
        ("--chunks 8,2,5 --max-abs 1 --triangle", "need whole"),
        ("--triangle --symmetry-tol 1e-3 --max-abs 1e-3", "nothing is left"),
        ("--triangle --symmetry-tol 1e-3 --max-rel 1e-3", "give --max-abs"),
    ] {
        let args: Vec<&str> = ["sym.npy"].into_iter().chain(args.split(' ')).collect();
        let message = desk.fails(2, &args);
        assert!(message.contains(words), "{args:?}: {message}");
    }
}

#[test]
fn a_bound_is_kept_recorded_told_and_verified() {
    let desk = Desk::new();
    let report = desk.json(&["sym.npy", "--triangle", "--max-abs", "0.01", "--json"]);
    assert_eq!(report["output"]["place"], "sym.compact.h5:/data");
    assert_eq!(report["coding"]["bound"]["max_abs"], 0.01);
    assert!(report["loss"]["max_abs"].as_f64().unwrap() <= 0.01);
    let text = desk.done(&["verify", "sym.npy", "sym.compact.h5"]);
    assert!(text.contains("PASSED") && text.contains("max_abs"), "{text}");
    let mut other = symmetric();
    other.iter_mut().for_each(|x| *x += 0.5);
    desk.write("other.npy", "<f8", &[desk::MATRICES, N, N], &bytes(&other));
    assert_eq!(desk.run(&["verify", "other.npy", "sym.compact.h5"]).status.code(), Some(1));
    let text = desk.done(&["info", "sym.compact.h5"]);
    assert!(text.contains("max abs 0.01, effort 5") && text.contains("plain.h5"), "{text}");
    let left = desk.json(&["sym.npy", "--triangle", "--symmetry-tol", "0.25", "--max-abs", "1", "--dry-run", "--json"]);
    let bound = left["coding"]["bound"]["max_abs"].as_f64().unwrap();
    assert!(bound <= 0.75 && bound > 0.7499999);
    let range = desk.json(&["sym.npy", "--max-range-rel", "1e-3", "--psnr", "80", "--dry-run", "--json"]);
    assert!(range["coding"]["bound"]["mean_square"].as_f64().unwrap() > 0.0);
    assert!(!desk.path("x.h5").exists());
}

#[test]
fn budgets_reports_slices_and_conversions_work_on_coded_files() {
    let desk = Desk::new();
    fs::write(desk.path("b.toml"), "max_abs = 0.5\n").unwrap();
    desk.done(&["sym.npy", "--max-abs", "0.01", "--budget", "b.toml", "-o", "a.h5"]);
    desk.done(&["report", "sym.npy", "a.h5", "--budget", "b.toml", "-o", "r.html", "-o", "r.json"]);
    desk.done(&["restore", "a.h5", "--slice", "3:5,:,-1", "-o", "s.npy"]);
    desk.done(&["a.h5", "-o", "plain.h5"]);
    desk.done(&["a.h5", "-o", "plain.npy"]);
    let a = Reader::open(desk.path("a.h5").to_str().unwrap()).unwrap();
    for name in ["plain.h5", "plain.npy"] {
        let plain = Reader::open(desk.path(name).to_str().unwrap()).unwrap();
        assert!(plain.record().unwrap().coding.is_none() && plain.record().unwrap().ndcompact == 1);
        assert!(plain.read::<f64>().unwrap() == a.read::<f64>().unwrap(), "{name}");
        desk.done(&["verify", "sym.npy", name, "--max-abs", "0.01"]);
    }
    let message = desk.fails(2, &["a.h5", "--max-abs", "1", "-o", "again.h5"]);
    assert!(message.contains("compacted already"), "{message}");
}

#[test]
fn inputs_of_every_kind_are_coded() {
    let desk = Desk::new();
    let data = noise(50 * 60 * 4, 3, DType::I32);
    desk.write("x.npy", "<i4", &[50, 60], &data);
    desk.done(&["x.npy", "--codec", "deflate", "--chunks", "1kB", "-o", "x.h5"]);
    let mut zip = zip::ZipWriter::new(fs::File::create(desk.path("x.npz")).unwrap());
    zip.start_file("inside.npy", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&fs::read(desk.path("x.npy")).unwrap()).unwrap();
    zip.finish().unwrap();
    desk.done(&["restore", "x.h5", "-o", "bare.h5:/deep/name", "--codec", "deflate"]);
    for (i, input) in ["x.npz:inside", "bare.h5"].iter().enumerate() {
        let out = format!("{i}.h5");
        desk.done(&[input, "--max-abs", "0", "-o", &out]);
        desk.done(&["restore", &out, "-o", &format!("{i}.npy")]);
        assert!(fs::read(desk.path(&format!("{i}.npy"))).unwrap().ends_with(&data), "{input}");
    }
    let mut child = desk.command(&["-", "--max-abs", "0", "-o", "in.h5"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(desk.path("x.npy")).unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    desk.done(&["verify", "x.npy", "in.h5"]);
    // Added to a file that holds something else.
    desk.done(&["x.npy", "--max-abs", "0", "-o", "in.h5:/more"]);
    desk.done(&["verify", "x.npy", "in.h5:/more"]);
}

#[test]
fn a_damaged_chunk_is_named_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in.npy"), dir.path().join("out.h5"));
    fs::write(&input, npy("<f4", &[64, 64], &noise(64 * 64 * 4, 9, DType::F32))).unwrap();
    compact(&place(&input), &Target::Place(place(&out)), &coded(ChunkAsk::Shape(vec![16, 64]), 2)).unwrap();
    let mut file = fs::read(&out).unwrap();
    // The chunks are most of the file: this byte is in the second or third.
    let at = file.len() / 2;
    file[at] ^= 0x20;
    fs::write(&out, &file).unwrap();
    let reader = Reader::at(&place(&out)).unwrap();
    let e = reader.part(&Slice::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Corrupt);
    assert!(e.to_string().contains("chunk ") && e.to_string().contains("damaged"), "{e}");
    assert!(reader.part(&"0:16".parse().unwrap()).is_ok());
}

#[test]
fn small_files_spend_little_on_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in.npy"), dir.path().join("out.h5"));
    fs::write(&input, npy("<f8", &[1], &[0; 8])).unwrap();
    let report = compact(&place(&input), &Target::Place(place(&out)), &within(1e-3)).unwrap();
    let overhead = report.output.unwrap().stored_bytes - report.coding.unwrap().bytes;
    assert!(overhead <= 1200, "{overhead} bytes beside the chunk");
}

#[test]
fn a_huge_symmetric_matrix_is_stored_once_and_seen_whole() {
    const SIDE: usize = 1100;
    let desk = Desk::new();
    let mut values = vec![0.0; SIDE * SIDE];
    for i in 0..SIDE {
        for j in i..SIDE {
            let x = ((i * 7919 + j * 104_729) % 1000) as f64 / 8.0;
            (values[i * SIDE + j], values[j * SIDE + i]) = (x, x);
        }
    }
    desk.write("big.npy", "<f8", &[SIDE, SIDE], &bytes(&values));
    for steps in [&["--max-abs", "0"][..], &["--f16", "--layout", "filtered"]] {
        let mut args = vec!["big.npy", "--triangle", "--force", "--threads", "3", "-o", "big.h5", "--json"];
        args.extend(steps);
        let report = desk.json(&args);
        assert_eq!(report["coding"]["chunks"], 10, "{report}");
        desk.done(&["restore", "big.h5", "-o", "back.npy", "--force"]);
        assert!(fs::read(desk.path("back.npy")).unwrap().ends_with(&bytes(&values)));
    }
    let one = fs::read(desk.path("big.h5")).unwrap();
    desk.done(&["big.npy", "--triangle", "--f16", "--layout", "filtered", "-o", "one.h5", "--threads", "1"]);
    assert!(one == fs::read(desk.path("one.h5")).unwrap());
    let reader = Reader::open(desk.path("big.h5").to_str().unwrap()).unwrap();
    let column = reader.slice::<f64>(":, 3").unwrap();
    assert!((0..SIDE).all(|i| column[[i]] == values[i * SIDE + 3]));
    desk.done(&["verify", "big.npy", "big.h5"]);
    desk.done(&["big.h5", "-o", "plain.h5"]);
    desk.done(&["verify", "big.npy", "plain.h5", "--max-abs", "0"]);
    let info = desk.json(&["info", "big.h5", "--json"]);
    assert!(
        info["stored"]["layout"].as_str().unwrap().starts_with("virtual, mirrors /packed/tiles: chunks (352, 352)")
    );
    // Added to another file, and replaced there.
    for _ in 0..2 {
        desk.done(&["big.npy", "--triangle", "--max-abs", "0", "-o", "plain.h5:/g/m", "--force"]);
        desk.done(&["verify", "big.npy", "plain.h5:/g/m"]);
    }
    values[5 * SIDE + 900] += 1.0;
    desk.write("bad.npy", "<f8", &[SIDE, SIDE], &bytes(&values));
    let message = desk.fails(1, &["bad.npy", "--triangle", "--max-abs", "0"]);
    assert_eq!(message, desk.fails(1, &["bad.npy", "--triangle", "-o", "x.npy"]));
    if let Some(python) = python() {
        let code = "import h5py, sys\nd = h5py.File('big.h5')['data']\nassert d.shape == (1100, 1100) and d.dtype == 'f8'\n\
                    for i in (0, 700):\n    try:\n        d[i]\n    except OSError:\n        continue\n    sys.exit('read without the filter')";
        let ran = Command::new(python).arg("-c").arg(code).current_dir(desk.path("")).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

fn python() -> Option<std::path::PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "{} does not exist", python.display());
    println!("skipped: no Python at {}", python.display());
    None
}

#[test]
fn h5py_sees_the_original_and_says_what_it_needs() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    for dtype in DType::ALL {
        let spec = Spec::new(*dtype, [33, 20]).unwrap();
        let input = dir.path().join("in.npy");
        let data = noise(spec.bytes() as usize, 5, *dtype);
        fs::write(&input, npy(&descr(*dtype, '<'), &[33, 20], &data)).unwrap();
        let out = dir.path().join(format!("{dtype}.h5"));
        let options = CompactOptions {
            asks: if *dtype == DType::Bool { asks_from_json(r#"[{"step":"bitpack"}]"#).unwrap() } else { Vec::new() },
            ..coded(ChunkAsk::Shape(vec![10, 20]), 2)
        };
        compact(&place(&input), &Target::Place(place(&out)), &options).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/filtered_peers.py");
    let ran = Command::new(python).env_remove("HDF5_PLUGIN_PATH").arg(script).arg(dir.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // Files that it forged: parameters that are not the dataset's.
    let mut forged = 0;
    for file in fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("forged") {
            let e = Reader::at(&place(&path)).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Corrupt, "{} {e}", path.display());
            forged += 1;
        }
    }
    assert!(forged >= 4);
}
