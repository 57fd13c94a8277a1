//! Bundles whose arrays go through steps and bounds by their names: what comes back, what is told, what is refused.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails should say where"
)]

#[path = "common/desk.rs"]
mod desk;

use std::fs;
use std::path::Path;

use desk::{Desk, bytes, npy};
use ndcompact::collect::bundle::{Bundle, BundleGroup, BundleOptions, BundleSteps, bundle};
use ndcompact::engine::{Pattern, Progress};
use ndcompact::store::NpyHead;
use ndcompact::transform::{Ask, Cast, CastTo, Overflow};

/// One of each way in which arrays are stored.
fn outputs() -> Vec<&'static str> {
    let hdf5: &[&str] = if cfg!(feature = "hdf5") { &["o.h5"] } else { &[] };
    ["o.tar", "o.tar.gz", "o.npz"].iter().chain(hdf5).copied().collect()
}

const STEPS: [&str; 10] =
    ["--f32", "--select", "*/mask*", "--bits", "--select", "*/grid", "--triangle", "--f16", "--select", "*/ids"];

fn wave(n: u32) -> Vec<f64> {
    (0..n).map(|k| (f64::from(k) / 70.0).sin() * 3.0 + f64::from(k % 11) * 0.001).collect()
}

/// Masks, symmetric grids, waves and numbers, below `runs/`; one wave, one mask and one grid are larger than a piece of work.
fn desk() -> Desk {
    let desk = Desk::new();
    for r in 0..6usize {
        fs::create_dir_all(desk.path(&format!("runs/{r}"))).unwrap();
        let (n, large) = if r == 4 { (420, 170_000) } else { (10 + r, 500 + 7 * r) };
        let grid: Vec<f64> = (0..n * n).map(|k| ((k / n + k % n) % 97) as f64 * 0.5).collect();
        desk.write(&format!("runs/{r}/grid.npy"), "<f8", &[n, n], &bytes(&grid));
        let (rows, width) = if r == 4 { (1300, 1001) } else { (9, 13) };
        let mask: Vec<u8> = (0..rows * width).map(|k| u8::from(k % 3 == r % 3)).collect();
        desk.write(&format!("runs/{r}/mask.npy"), "|b1", &[rows, width], &mask);
        desk.write(&format!("runs/{r}/wave.npy"), "<f8", &[large], &bytes(&wave(large as u32)));
        let ids: Vec<u8> = (0..r as i32 * 5).flat_map(i32::to_be_bytes).collect();
        desk.write(&format!("runs/{r}/ids.npy"), ">i4", &[r * 5], &ids);
    }
    let mut turned = npy("<f8", &[20, 30], &bytes(&wave(600)));
    let at = turned.windows(5).position(|w| w == b"False").unwrap();
    turned[at..at + 5].copy_from_slice(b"True ");
    fs::write(desk.path("runs/turned.npy"), &turned).unwrap();
    fs::write(desk.path("runs/mask_turned.npy"), {
        let mut mask = npy("|b1", &[9, 16], &[1, 0, 0].repeat(48));
        mask[at..at + 5].copy_from_slice(b"True ");
        mask
    })
    .unwrap();
    desk
}

fn all(desk: &Desk) -> Vec<String> {
    let mut names: Vec<String> = ["turned", "mask_turned"].map(|n| format!("runs/{n}")).to_vec();
    for r in 0..6 {
        names.extend(["grid", "mask", "wave", "ids"].map(|n| format!("runs/{r}/{n}")));
    }
    assert!(names.iter().all(|n| desk.path(&format!("{n}.npy")).exists()));
    names
}

/// The elements of a file as float64, with dtype and shape.
fn values(npy: &[u8]) -> (NpyHead, Vec<f64>) {
    use ndcompact::array::Buf;
    let head = NpyHead::of(npy, npy.len() as u64).unwrap();
    let mut buf = Buf::new();
    buf.reset(head.shown.dtype(), head.shown.count()).unwrap();
    buf.bytes_mut().copy_from_slice(&npy[head.data_at as usize..]);
    head.order.to_native(head.shown.dtype(), buf.bytes_mut());
    let values = (0..buf.len()).map(|i| match buf.scalar(i) {
        ndcompact::array::Scalar::Bool(b) => f64::from(u8::from(b)),
        ndcompact::array::Scalar::Int(i) => i as f64,
        ndcompact::array::Scalar::Float(x) => x,
        ndcompact::array::Scalar::Complex(re, _) => re,
    });
    (head, values.collect())
}

/// The largest difference of the two files' arrays, which have the same dtype, shape, byte and axis order.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let ((head, x), (other, y)) = (values(a), values(b));
    let turned = |h: &NpyHead| h.fortran && h.shown.shape().len() > 1;
    assert_eq!((&head.shown, turned(&head)), (&other.shown, turned(&other)));
    assert!(head.order == other.order || head.shown.dtype().word() == 1);
    x.iter().zip(&y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

#[test]
fn steps_by_pattern_come_back_as_the_originals_dtype_and_shape() {
    let desk = desk();
    for out in outputs() {
        let told = desk.json(&[&["bundle", "runs", "-o", out, "--json"][..], &STEPS].concat());
        let packed = told["packed"].as_array().unwrap();
        // All but the ids, which a group without steps leaves as they are.
        assert_eq!((told["arrays"].as_u64(), packed.len()), (Some(26), 20), "{out}");
        let grid = packed.iter().find(|p| p["name"] == "runs/4/grid").unwrap();
        assert_eq!((&grid["select"], &grid["packed_dtype"]), (&"*/grid".into(), &"float16".into()), "{out}");
        assert_eq!(grid["packed_shape"], serde_json::json!([420 * 421 / 2]), "{out}");
        assert_eq!((&grid["exact"], &grid["loss"]["changed"]), (&false.into(), &0.into()), "{out}");
        desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
        desk.done(&["extract", "o.index.npz", "--packed", "-o", "packed", "-q"]);
        for name in all(&desk) {
            let was = fs::read(desk.path(&format!("{name}.npy"))).unwrap();
            let most = if name.contains("wave") || name == "runs/turned" { 3e-7 } else { 0.0 };
            let off = difference(&was, &fs::read(desk.path(&format!("back/{name}.npy"))).unwrap());
            assert!(off <= most, "{out} {name}: {off}");
            // What the bundle holds is what compacting the file alone gives.
            let held = fs::read(desk.path(&format!("packed/{name}.npy"))).unwrap();
            let steps: &[&str] = match name.rsplit('/').next().unwrap() {
                "ids" => &[],
                "grid" => &["--triangle", "--f16"],
                "wave" | "turned" => &["--f32"],
                _ => &["--bits"],
            };
            if !steps.is_empty() {
                let file = format!("{name}.npy");
                desk.done(&[&[file.as_str(), "-o", "alone.npy", "--force", "-q"], steps].concat());
                let alone = fs::read(desk.path("alone.npy")).unwrap();
                let (mine, theirs) = (values(&held).0, values(&alone).0);
                assert_eq!((&mine.shown, mine.record.is_some()), (&theirs.shown, true), "{out} {name}");
                assert_eq!(mine.record, theirs.record, "{out} {name}");
                assert!(held[mine.data_at as usize..] == alone[theirs.data_at as usize..], "{out} {name}");
                desk.done(&["restore", &format!("packed/{name}.npy"), "-o", "undone.npy", "--force", "-q"]);
                assert!(difference(&was, &fs::read(desk.path("undone.npy")).unwrap()) <= most, "{out} {name}");
            } else {
                assert_eq!(difference(&was, &held), 0.0, "{out} {name}");
            }
        }
        let listed = desk.json(&["list", "o.index.npz", "runs/2/grid", "--json"]);
        let entry = &listed["arrays"][0];
        assert_eq!((&entry["dtype"], &entry["shape"]), (&"float64".into(), &serde_json::json!([12, 12])), "{out}");
        assert_eq!(
            (&entry["packed"]["dtype"], &entry["packed"]["steps"]),
            (&"float16".into(), &"triangle, cast".into())
        );
        assert!(desk.done(&["list", "o.index.npz", "runs/2/grid", "--long"]).contains("triangle, cast"), "{out}");
        desk.done(&["restore", "o.index.npz:runs/2/grid", "--slice", "3, 2:", "-o", "part.npy", "-q"]);
        let part = values(&fs::read(desk.path("part.npy")).unwrap());
        assert_eq!(part.0.shown.to_string(), "float64 (10,)", "{out}");
        assert_eq!(part.1[0], 2.5, "{out}");
        let of = Bundle::open(&desk.path("o.index.npz")).unwrap();
        assert_eq!(of.get("runs/4/mask").unwrap().array::<bool>().unwrap().shape(), [1300, 1001], "{out}");
        assert_eq!(of.get("runs/turned").unwrap().array::<f64>().unwrap()[[19, 0]], wave(600)[19] as f32 as f64);
        for name in ["back", "packed"] {
            fs::remove_dir_all(desk.path(name)).unwrap();
        }
        for name in ["part.npy", "alone.npy", "undone.npy", "o.index.npz", out] {
            fs::remove_file(desk.path(name)).unwrap();
        }
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn bounds_hold_in_every_array_and_what_was_lost_is_told() {
    let desk = desk();
    let args =
        ["--max-abs", "1e-3", "--select", "*/mask*", "--bits", "--select", "*/grid", "--triangle", "--max-range-rel"];
    let more = ["1e-4", "--select", "runs/[0-2]/wave", "--psnr", "50", "--effort", "3", "--select", "*/ids"];
    let line = [&["bundle", "runs", "-o", "o.h5", "--json"][..], &args, &more].concat();
    let told = desk.json(&line);
    let packed = told["packed"].as_array().unwrap();
    assert_eq!(packed.len(), 20);
    desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
    for one in packed {
        let name = one["name"].as_str().unwrap();
        let was = fs::read(desk.path(&format!("{name}.npy"))).unwrap();
        let is = fs::read(desk.path(&format!("back/{name}.npy"))).unwrap();
        let off = difference(&was, &is);
        let (x, y) = (values(&was).1, values(&is).1);
        let range = x.iter().copied().fold(f64::MIN, f64::max) - x.iter().copied().fold(f64::MAX, f64::min);
        assert_eq!(off, one["loss"]["max_abs"].as_f64().unwrap(), "{name}");
        match one["select"].as_str() {
            None => assert!(off <= 1e-3 && off > 0.0, "{name}: {off}"),
            Some("*/mask*") => assert_eq!((off, &one["exact"]), (0.0, &true.into()), "{name}"),
            Some("*/grid") => assert!(off <= 1e-4 * range, "{name}: {off}"),
            Some(_) => {
                let mean = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / x.len() as f64;
                let db = 20.0 * (range / mean.sqrt()).log10();
                assert!((50.0..70.0).contains(&db), "{name}: {db} dB");
            }
        }
    }
    // The file says so by itself.
    let of = Bundle::open(&desk.path("o.index.npz")).unwrap();
    let entry = of.entry("runs/3/wave").unwrap();
    assert_eq!(entry.packed.unwrap().steps, "max abs 0.001");
    let wave = of.get("runs/3/wave").unwrap();
    let record = wave.record().unwrap().unwrap();
    assert!(record.loss.as_ref().unwrap().changed > 0 && !record.is_exact().unwrap());
    // Twice the same bytes, and again what decoding gave.
    let first = (fs::read(desk.path("o.h5")).unwrap(), fs::read(desk.path("o.index.npz")).unwrap());
    desk.json(&[&line[..], &["--force", "--threads", "1"]].concat());
    assert!(first == (fs::read(desk.path("o.h5")).unwrap(), fs::read(desk.path("o.index.npz")).unwrap()));
    for output in ["b.tar", "b.npz"] {
        let error = desk.fails(2, &["bundle", "runs", "-o", output, "--max-abs", "1"]);
        assert!(error.contains("coded chunks") && error.contains("b.h5"), "{error}");
    }
    desk.fails(2, &["bundle", "runs", "-o", "b.h5", "--max-abs", "1", "--codec", "deflate"]);
    desk.fails(2, &["bundle", "runs/1/wave.npy", "-o", "b.h5", "--max-abs", "1", "--f16"]);
    desk.fails(2, &["bundle", "runs/1/wave.npy", "-o", "b.h5", "--select", "*", "--chunks", "64,"]);
    let both = ["--triangle", "--symmetry-tol", "1e-4", "--max-abs", "1e-2"];
    let error = desk.fails(2, &[&["bundle", "runs/1/grid.npy", "-o", "b.h5"][..], &both].concat());
    assert!(error.contains("--symmetry-tol"), "{error}");
}

#[test]
fn arrays_that_their_steps_refuse_are_named_and_nothing_is_left() {
    let desk = desk();
    desk.write("runs/5/huge.npy", "<f8", &[3], &bytes(&[1.0, 1e9, 2.0]));
    let mut grid: Vec<f64> = vec![1.0; 400 * 400];
    grid[7] = 2.0;
    desk.write("runs/5/askew.npy", "<f8", &[400, 400], &bytes(&grid));
    for out in outputs() {
        let error = desk.fails(1, &["bundle", "runs", "-o", out, "--select", "*/huge", "--f16"]);
        assert!(error.contains("runs/5/huge") && error.contains("--overflow") && error.contains("[1]"), "{error}");
        let error = desk.fails(1, &["bundle", "runs", "-o", out, "--select", "*/askew", "--triangle"]);
        assert!(error.contains("runs/5/askew") && error.contains("--symmetry-tol"), "{error}");
        let error = desk.fails(2, &["bundle", "runs", "-o", out, "--triangle"]);
        assert!(error.contains("--select 'runs/"), "{error}");
        let error = desk.fails(2, &["bundle", "runs", "-o", out, "--select", "*/waves", "--f16"]);
        assert!(error.contains("matches no array"), "{error}");
        // What is compacted already is not compacted twice, but taken as it is.
        desk.done(&["runs/1/grid.npy", "--triangle", "-o", "once.npy", "--force", "-q"]);
        let error = desk.fails(2, &["bundle", "once.npy", "-o", out, "--f16"]);
        assert!(error.contains("once") && error.contains("compacted already"), "{error}");
        desk.done(&["bundle", "once.npy", "runs/1/mask.npy", "-o", out, "--select", "*mask", "--bits", "-q"]);
        desk.done(&["extract", "o.index.npz", "once", "-o", "back", "-q"]);
        desk.done(&["extract", "o.index.npz", "once", "--packed", "-o", "same", "-q"]);
        let was = fs::read(desk.path("runs/1/grid.npy")).unwrap();
        assert_eq!(difference(&was, &fs::read(desk.path("back/once.npy")).unwrap()), 0.0, "{out}");
        let (once, same) = (fs::read(desk.path("once.npy")).unwrap(), fs::read(desk.path("same/once.npy")).unwrap());
        assert_eq!(values(&once).0.record, values(&same).0.record, "{out}");
        fs::remove_dir_all(desk.path("back")).unwrap();
        fs::remove_dir_all(desk.path("same")).unwrap();
        fs::remove_file(desk.path(out)).unwrap();
        fs::remove_file(desk.path("o.index.npz")).unwrap();
    }
}

#[test]
fn sources_go_only_if_no_more_is_lost_than_the_recipes_say() {
    for out in outputs() {
        let desk = desk();
        let told = desk.json(&[&["bundle", "runs", "-o", out, "--json", "--remove-sources"][..], &STEPS].concat());
        assert_eq!((told["removed"].as_u64(), told["kept"].as_u64()), (Some(26), Some(0)), "{out}");
    }
}

#[test]
fn patterns_reach_into_archives_and_one_that_matches_nothing_leaves_nothing() {
    let desk = desk();
    desk.done(&["bundle", "runs", "-o", "first.tar.gz", "-q"]);
    let told = desk.json(&["bundle", "first.tar.gz", "-o", "o.npz", "--json", "--select", "first/*/wave", "--f32"]);
    assert_eq!(told["packed"].as_array().unwrap().len(), 6);
    fs::remove_file(desk.path("o.npz")).unwrap();
    fs::remove_file(desk.path("o.index.npz")).unwrap();
    for out in outputs() {
        let error = desk.fails(2, &["bundle", "first.tar.gz", "-o", out, "--select", "runs/*/wave", "--f32"]);
        assert!(error.contains("matches no array"), "{error}");
    }
}

#[test]
fn an_interrupted_bundle_goes_on_with_the_same_steps_only() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let to = |to| Ask::Cast(Cast { to, overflow: Overflow::Error });
    let steps = |to_what| BundleSteps { asks: vec![to(to_what)], ..BundleSteps::default() };
    let group = |pattern: &str, steps| BundleGroup { patterns: vec![pattern.parse::<Pattern>().unwrap()], steps };
    for out in outputs() {
        let desk = desk();
        let (input, output, journal) = (vec![desk.path("runs")], desk.path(out), desk.path("o.partial"));
        let cancel = AtomicBool::new(false);
        let tell = |_: Progress| cancel.store(journal.exists(), Ordering::Relaxed);
        let plain = BundleOptions {
            target_size: if out == "o.h5" { 100 } else { 5000 },
            groups: vec![group("*wave", steps(CastTo::Float32))],
            ..BundleOptions::default()
        };
        let mut options = plain.clone();
        options.resources.progress = Some(&tell);
        options.resources.cancel = Some(&cancel);
        assert!(bundle(&input, &output, &options).is_err(), "{out}");
        assert!(journal.exists(), "{out}");
        for other in [
            BundleOptions { groups: vec![group("*wave", steps(CastTo::Float16))], ..plain.clone() },
            BundleOptions { groups: vec![group("*/wave", steps(CastTo::Float32))], ..plain.clone() },
            BundleOptions { groups: Vec::new(), ..plain.clone() },
        ] {
            let error = bundle(&input, &output, &other).unwrap_err().to_string();
            assert!(error.contains("other steps"), "{out}: {error}");
        }
        let done = bundle(&input, &output, &plain).unwrap();
        assert!(done.resumed > 0 && done.arrays == 26 && done.packed.len() == 6, "{out}: {done:?}");
        let whole = Bundle::open(&done.index).unwrap();
        for number in 0..whole.len() {
            let item = whole.get(number).unwrap();
            let is_wave = item.entry().name.ends_with("wave");
            assert_eq!(item.entry().packed.is_some(), is_wave, "{out} {}", item.entry().name);
            let was = fs::read(Path::new("/").join(format!("{}.npy", item.entry().name))).unwrap();
            assert!(difference(&was, &item.original_npy().unwrap()) < 1e-6, "{out}");
        }
    }
}

#[test]
fn no_damaged_index_of_compacted_arrays_panics_or_gives_wrong_values() {
    let desk = desk();
    for out in outputs() {
        desk.done(&[&["bundle", "runs", "-o", out, "-q", "--force"][..], &STEPS].concat());
        let good = fs::read(desk.path("o.index.npz")).unwrap();
        let truth = Bundle::open(&desk.path("o.index.npz")).unwrap().get("runs/3/grid").unwrap().npy().to_vec();
        for at in (0..good.len()).step_by(131) {
            let mut bad = good.clone();
            bad[at] = bad[at].wrapping_add(0x81);
            fs::write(desk.path("o.index.npz"), &bad).unwrap();
            let Ok(bundle) = Bundle::open(&desk.path("o.index.npz")) else { continue };
            if let Ok(item) = bundle.get("runs/3/grid") {
                assert!(item.npy() == truth, "{out} {at}");
                let _ = item.original_npy();
            }
        }
        fs::remove_file(desk.path(out)).unwrap();
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn h5py_reads_the_values_of_bundles_with_a_codec_of_other_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let desk = desk();
    let mut sizes = Vec::new();
    for codec in [&["--codec", "none"][..], &["--codec", "deflate", "--level", "9"], &["--codec", "zstd"], &[]] {
        let steps = ["--select", "*/wave", "--f32", "--select", "runs/[0-5]/mask", "--bits"];
        desk.done(&[&["bundle", "runs", "-o", "o.h5", "-q", "--force"][..], codec, &steps].concat());
        let script = root.join("tests/interop/bundle_peers.py");
        let done = std::process::Command::new(&python)
            .arg(script)
            .args([desk.path("o.h5"), desk.path("runs")])
            .output()
            .unwrap();
        let (told, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success() && told.contains("26 arrays read"), "{codec:?}: {told}{err}");
        desk.done(&["extract", "o.index.npz", "runs/turned", "runs/2/ids", "-o", "back", "--force", "-q"]);
        for name in ["runs/turned.npy", "runs/2/ids.npy"] {
            let was = fs::read(desk.path(name)).unwrap();
            assert_eq!(difference(&was, &fs::read(desk.path(&format!("back/{name}"))).unwrap()), 0.0);
        }
        sizes.push(fs::metadata(desk.path("o.h5")).unwrap().len());
    }
    assert!(sizes[0] > sizes[1] && sizes[2] > sizes[3] && sizes[1] > sizes[3], "{sizes:?}");
    for bad in [&["--codec", "zstd", "--level", "30"][..], &["--codec", "none", "--level", "1"], &["--level", "3"]] {
        desk.fails(2, &[&["bundle", "runs", "-o", "b.h5"][..], bad].concat());
    }
}

#[test]
fn members_of_npz_bundles_can_be_left_as_they_are() {
    let desk = desk();
    desk.done(&["bundle", "runs", "-o", "o.npz", "--codec", "none", "-q"]);
    desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
    for name in all(&desk) {
        let (was, is) = (format!("{name}.npy"), format!("back/{name}.npy"));
        assert!(fs::read(desk.path(&was)).unwrap() == fs::read(desk.path(&is)).unwrap(), "{name}");
    }
    let zip = zip::ZipArchive::new(fs::File::open(desk.path("o.npz")).unwrap()).unwrap();
    assert_eq!(zip.len(), 26);
    desk.fails(2, &["bundle", "runs", "-o", "b.npz", "--codec", "zstd"]);
    desk.fails(2, &["bundle", "runs", "-o", "b.tar.gz", "--codec", "deflate"]);
}
