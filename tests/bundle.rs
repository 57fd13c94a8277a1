//! Bundles as people make and read them: every kind of file in and out, what is refused, what is left after a kill, what is deleted.
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

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use desk::{Desk, bytes, npy};
use ndcompact::collect::bundle::{Bundle, BundleOptions, bundle};
use ndcompact::store::{Compression, NpyHead, TAR_END, tar_header, tar_padding};
use zip::write::SimpleFileOptions;

const ARCHIVES: [&str; 6] = ["o.tar", "o.tar.gz", "o.tar.bz2", "o.tar.xz", "o.tar.zst", "o.npz"];

fn outputs() -> Vec<&'static str> {
    let hdf5: &[&str] = if cfg!(feature = "hdf5") { &["o.h5"] } else { &[] };
    ARCHIVES.iter().chain(hdf5).copied().collect()
}

/// Those that are quick to make, one of each way in which blocks are stored.
fn quick() -> Vec<&'static str> {
    let slow = ["o.tar.bz2", "o.tar.xz"];
    outputs().into_iter().filter(|o| !slow.contains(o)).collect()
}

/// Arrays of many kinds below `in/`: small, empty, 0-d, big-endian, Fortran, larger than a block.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("in/deep/er")).unwrap();
    for i in 0..40usize {
        let values: Vec<f64> = (0..i * 50).map(|k| (k as f64 / 9.0).sin() * i as f64).collect();
        desk.write(&format!("in/wave{i:02}.npy"), "<f8", &[i * 5, 10], &bytes(&values));
    }
    let large: Vec<f64> = (0..140_000u32).map(|k| f64::from(k % 977) * 0.25).collect();
    desk.write("in/deep/large.npy", "<f8", &[140_000], &bytes(&large));
    desk.write("in/deep/zero.npy", "<f4", &[], &1.5f32.to_le_bytes());
    let whole: Vec<u8> = (0..280_000i32).flat_map(i32::to_be_bytes).collect();
    desk.write("in/deep/er/big.npy", ">i4", &[2800, 100], &whole);
    let mut turned = npy("<f8", &[20, 30], &bytes(&large[..600]));
    let at = turned.windows(5).position(|w| w == b"False").unwrap();
    turned[at..at + 5].copy_from_slice(b"True ");
    fs::write(desk.path("in/deep/er/turned.npy"), turned).unwrap();
    desk.write("in/mask.npy", "|b1", &[7], &[1, 0, 1, 1, 0, 0, 1]);
    // With headers as NumPy writes them, which are what HDF5 bundles give back.
    for (name, bytes) in files(&desk.path("in")) {
        fs::write(desk.path("in").join(name), canonical(&bytes)).unwrap();
    }
    desk
}

fn canonical(npy: &[u8]) -> Vec<u8> {
    let head = NpyHead::of(npy, npy.len() as u64).unwrap();
    let mut out = NpyHead::write(&head.shown, head.order, head.fortran, None).unwrap();
    out.extend_from_slice(&npy[head.data_at as usize..]);
    out
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, root: &Path, out: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, out);
            } else {
                out.push((path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, folder, &mut out);
    out.sort();
    out
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        tar_header(name, bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
        out.resize(out.len() + tar_padding(bytes.len() as u64), 0);
    }
    out.extend_from_slice(&TAR_END);
    out
}

#[test]
fn every_kind_of_bundle_gives_back_the_same_files_byte_by_byte() {
    let desk = desk();
    let truth = files(&desk.path("in"));
    for out in outputs() {
        let told = desk.json(&["bundle", "in", "-o", out, "--json"]);
        assert_eq!(told["arrays"], 45, "{out}");
        desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
        assert!(files(&desk.path("back/in")) == truth, "{out}");
        fs::remove_dir_all(desk.path("back")).unwrap();
        let one = desk.json(&["list", "o.index.npz", "in/deep/er/turned", "--json"]);
        let entry = &one["arrays"][0];
        assert_eq!((entry["dtype"].as_str(), entry["fortran"].as_bool()), (Some("float64"), Some(true)), "{out}");
        desk.done(&["restore", "o.index.npz:in/wave07", "-o", "one.npy", "-q"]);
        assert_eq!(fs::read(desk.path("one.npy")).unwrap(), fs::read(desk.path("in/wave07.npy")).unwrap());
        desk.done(&["restore", "o.index.npz:in/wave07", "--slice", "3:5, ::2", "-o", "part.npy", "-q"]);
        let head = String::from_utf8_lossy(&fs::read(desk.path("part.npy")).unwrap()).into_owned();
        assert!(head.contains("(2, 5)"), "{out}");
        for name in ["one.npy", "part.npy", "o.index.npz", out] {
            fs::remove_file(desk.path(name)).unwrap();
        }
    }
}

#[test]
fn same_inputs_give_the_same_bytes_whatever_the_threads() {
    let desk = desk();
    for out in quick() {
        let mut all = Vec::new();
        for threads in ["1", "4"] {
            desk.done(&["bundle", "in", "-o", out, "--threads", threads, "--force", "-q"]);
            all.push((fs::read(desk.path(out)).unwrap(), fs::read(desk.path("o.index.npz")).unwrap()));
        }
        assert!(all[0] == all[1], "{out}");
    }
}

#[test]
fn volumes_are_about_the_size_asked_and_one_index_spans_them() {
    let desk = desk();
    for out in ["o.tar", "o.npz"].iter().chain(if cfg!(feature = "hdf5") { &["o.h5"][..] } else { &[] }) {
        let size = if *out == "o.tar" {
            400_000
        } else if *out == "o.npz" {
            20_000
        } else {
            100
        };
        let told = desk.json(&["bundle", "in", "-o", out, "--target-size", &size.to_string(), "--json", "--force"]);
        let volumes = told["volumes"].as_array().unwrap();
        assert!(volumes.len() > 1, "{out}: {volumes:?}");
        assert!(!desk.path(out).exists() && !desk.path("o.partial").exists());
        desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
        assert!(files(&desk.path("back/in")) == files(&desk.path("in")), "{out}");
        fs::remove_dir_all(desk.path("back")).unwrap();
        for volume in volumes {
            fs::remove_file(desk.path(volume.as_str().unwrap())).unwrap();
        }
    }
}

#[test]
fn archives_lists_and_patterns_are_inputs_too() {
    let desk = desk();
    let a = npy("<f8", &[3], &bytes(&[1.0, 2.0, 3.0]));
    let large = fs::read(desk.path("in/deep/large.npy")).unwrap();
    let mut zip = zip::ZipWriter::new(File::create(desk.path("z.npz")).unwrap());
    for (name, content) in [("a.npy", &a), ("g/large.npy", &large)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    let npz = fs::read(desk.path("z.npz")).unwrap();
    let plain = tar(&[("./x/a.npy", &a), ("inner.npz", &npz), ("large.npy", &large), ("note.txt", b"hello")]);
    for (ending, compression) in [
        ("tar", Compression::None),
        ("tar.gz", Compression::Gzip),
        ("tar.bz2", Compression::Bzip2),
        ("tar.xz", Compression::Xz),
        ("tar.zst", Compression::Zstd),
    ] {
        let Ok(level) = compression.level(None) else { continue };
        let mut packed = Vec::new();
        compression.pack(level, &plain, true, &mut packed).unwrap();
        fs::write(desk.path(&format!("t.{ending}")), packed).unwrap();
        let told = desk.json(&["bundle", &format!("t.{ending}"), "z.npz", "-o", "o.tar.gz", "--json", "--force"]);
        assert_eq!((told["arrays"].as_u64(), told["skipped"]["others"].as_u64()), (Some(6), Some(1)), "{ending}");
        desk.done(&["extract", "o.index.npz", "t/inner/*", "t/large", "-o", "back", "--force", "-q"]);
        assert_eq!(fs::read(desk.path("back/t/inner/g/large.npy")).unwrap(), large);
        assert_eq!(fs::read(desk.path("back/t/large.npy")).unwrap(), large);
    }
    let mut child =
        desk.command(&["bundle", "--files-from", "-", "-o", "l.npz", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in/wave01.npy\0in/wave02.npy\0").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(Bundle::open(&desk.path("l.index.npz")).unwrap().len(), 2);
    assert_eq!(desk.json(&["bundle", "in/**/*.npy", "-o", "g.npz", "--json"])["arrays"], 45);
}

#[test]
fn pickles_are_never_opened_and_strict_refuses_them() {
    let desk = desk();
    fs::write(desk.path("in/p.pkl"), b"cos\nsystem\n(S'touch ran'\ntR.").unwrap();
    fs::write(desk.path("in/object.npy"), npy("|O", &[1], b"cos\nsystem\n(S'touch ran'\ntR.")).unwrap();
    let told = desk.json(&["bundle", "in", "-o", "o.tar", "--json"]);
    assert_eq!((told["arrays"].as_u64(), told["skipped"]["pickles"].as_u64()), (Some(45), Some(1)));
    assert_eq!(told["skipped"]["others"], 1);
    assert!(!desk.path("ran").exists());
    desk.fails(2, &["bundle", "in", "-o", "s.tar", "--strict"]);
}

#[test]
fn a_strict_run_that_is_refused_leaves_no_volume() {
    let desk = desk();
    fs::write(desk.path("in/notes.txt"), "no array").unwrap();
    for out in quick() {
        desk.fails(2, &["bundle", "in", "-o", out, "-q", "--strict"]);
        assert!(!desk.names().iter().any(|n| n.starts_with("o.")), "{out}: {:?}", desk.names());
    }
}

#[test]
fn names_that_come_twice_and_outputs_that_exist_are_refused_and_nothing_is_left() {
    let desk = desk();
    desk.fails(2, &["bundle", "in/wave01.npy", "in/wave01.npy", "-o", "o.tar"]);
    desk.done(&["bundle", "in", "-o", "o.tar", "-q"]);
    desk.fails(2, &["bundle", "in", "-o", "o.tar"]);
    desk.fails(2, &["bundle", "in", "-o", "o.zip"]);
    desk.fails(2, &["bundle", "nothing", "-o", "n.tar"]);
    desk.fails(2, &["restore", "o.index.npz:nothing", "-o", "n.npy"]);
    fs::write(desk.path("in/cut.npy"), npy("<f8", &[99], &[0; 80])).unwrap();
    assert!(desk.fails(2, &["bundle", "in", "-o", "c.tar"]).contains("cut.npy"));
}

#[test]
fn sources_go_only_after_all_of_them_is_in_the_bundle() {
    for out in quick() {
        let desk = desk();
        fs::write(desk.path("in/p.pkl"), b"x").unwrap();
        fs::write(
            desk.path("in/mixed.tar"),
            tar(&[("a.npy", &canonical(&npy("<f8", &[1], &[0; 8]))), ("n.txt", b"x")]),
        )
        .unwrap();
        fs::write(desk.path("in/pure.tar"), tar(&[("a.npy", &canonical(&npy("<f8", &[1], &[0; 8])))])).unwrap();
        let truth = files(&desk.path("in"));
        let told = desk.json(&["bundle", "in", "-o", out, "--remove-sources", "--json"]);
        assert_eq!((told["removed"].as_u64(), told["kept"].as_u64()), (Some(46), Some(2)), "{out}");
        let left: Vec<String> = files(&desk.path("in")).into_iter().map(|f| f.0).collect();
        assert_eq!(left, ["mixed.tar", "p.pkl"], "{out}");
        desk.done(&["extract", "o.index.npz", "-o", "back", "-q"]);
        for (name, content) in files(&desk.path("back/in")) {
            if let Some(was) = truth.iter().find(|t| t.0 == name) {
                assert!(was.1 == content, "{out} {name}");
            }
        }
    }
}

#[test]
fn an_interrupted_bundle_goes_on_after_its_finished_volumes() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let outs = if cfg!(feature = "hdf5") { vec!["o.tar.gz", "o.npz", "o.h5"] } else { vec!["o.tar.gz", "o.npz"] };
    for out in outs {
        let desk = desk();
        let (input, output) = (vec![desk.path("in")], desk.path(out));
        // Stopped once a volume has its name.
        let (cancel, journal) = (AtomicBool::new(false), desk.path("o.partial"));
        let tell = |_: ndcompact::engine::Progress| {
            if journal.exists() {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let mut options =
            BundleOptions { target_size: if out == "o.h5" { 100 } else { 5000 }, ..BundleOptions::default() };
        options.resources.progress = Some(&tell);
        options.resources.cancel = Some(&cancel);
        assert!(bundle(&input, &output, &options).is_err(), "{out}");
        assert!(journal.exists(), "{out}");
        let first = fs::read(desk.path(&out.replace("o.", "o-0001."))).unwrap();
        options.resources.cancel = None;
        // Another size is another bundle.
        let other = BundleOptions { target_size: 6000, ..BundleOptions::default() };
        assert!(bundle(&input, &output, &other).unwrap_err().to_string().contains("6000"), "{out}");
        let mask = desk.path("in/mask.npy");
        let was = fs::metadata(&mask).unwrap().modified().unwrap();
        fs::write(&mask, canonical(&npy("|b1", &[7], &[1, 1, 1, 1, 1, 1, 1]))).unwrap();
        let error = bundle(&input, &output, &options).unwrap_err().to_string();
        assert!(error.contains("mask.npy was changed"), "{out}: {error}");
        fs::write(&mask, canonical(&npy("|b1", &[7], &[1, 0, 1, 1, 0, 0, 1]))).unwrap();
        File::options().write(true).open(&mask).unwrap().set_modified(was).unwrap();
        let done = bundle(&input, &output, &options).unwrap();
        assert!(done.resumed > 0 && done.arrays == 45, "{out}: {done:?}");
        assert_eq!(fs::read(desk.path(&out.replace("o.", "o-0001."))).unwrap(), first, "{out}");
        assert!(!journal.exists(), "{out}");
        let whole = Bundle::open(&done.index).unwrap();
        for (name, content) in files(&desk.path("in")) {
            let name = format!("{}/{}", desk.path("in").display().to_string().trim_start_matches('/'), name);
            assert!(whole.get(name.trim_end_matches(".npy")).unwrap().npy() == content, "{out} {name}");
        }
    }
}

fn error_of(inputs: &[PathBuf], output: &Path) -> String {
    bundle(inputs, output, &BundleOptions::default()).unwrap_err().to_string()
}

#[test]
fn hostile_archives_are_errors_and_nothing_is_written_outside() {
    let desk = Desk::new();
    let a = npy("<f8", &[1], &[0; 8]);
    for name in ["../a.npy", "/tmp/a.npy", "x/../../a.npy"] {
        fs::write(desk.path("evil.tar"), tar(&[(name, &a)])).unwrap();
        let error = error_of(&[desk.path("evil.tar")], &desk.path("o.tar"));
        assert!(error.contains("leads out"), "{error}");
        let mut zip = zip::ZipWriter::new(File::create(desk.path("evil.npz")).unwrap());
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(&a).unwrap();
        zip.finish().unwrap();
        let error = error_of(&[desk.path("evil.npz")], &desk.path("o.tar"));
        assert!(error.contains("leads out"), "{error}");
    }
    // A tar that is cut short anywhere.
    let whole = tar(&[("a.npy", &a), ("b.npy", &a)]);
    for cut in [100, 700, 1500, 2500] {
        fs::write(desk.path("cut.tar"), &whole[..cut]).unwrap();
        error_of(&[desk.path("cut.tar")], &desk.path("o.tar"));
    }
    // A large member whose header claims to have no length.
    let mut short = b"\x93NUMPY\x01\x00\x00\x00{}".to_vec();
    short.resize(3 << 20, 0);
    fs::write(desk.path("short.tar"), tar(&[("a.npy", &short)])).unwrap();
    error_of(&[desk.path("short.tar")], &desk.path("o.tar"));
    // A gzip bomb: 2 GB of zeros claimed by one member, 2 kB packed.
    let mut header = Vec::new();
    tar_header("a.npy", 1 << 40, &mut header);
    let mut packed = Vec::new();
    Compression::Gzip.pack(9, &header, true, &mut packed).unwrap();
    fs::write(desk.path("bomb.tar.gz"), packed).unwrap();
    let error = error_of(&[desk.path("bomb.tar.gz")], &desk.path("o.tar"));
    assert!(error.contains("times its size"), "{error}");
    assert!(!desk.names().iter().any(|n| n.starts_with("o.")), "{:?}", desk.names());
}

#[test]
fn an_index_of_another_bundle_and_damage_are_noticed() {
    let desk = desk();
    for out in quick() {
        desk.done(&["bundle", "in", "-o", out, "-q", "--force"]);
        let good = fs::read(desk.path(out)).unwrap();
        // Another bundle under the same name.
        desk.done(&["bundle", "in/mask.npy", "-o", &out.replace("o.", "other."), "-q", "--force"]);
        fs::copy(desk.path(&out.replace("o.", "other.")), desk.path(out)).unwrap();
        let error = desk.fails(2, &["restore", "o.index.npz:in/wave07", "-o", "n.npy"]);
        assert!(error.contains("another bundle"), "{out}: {error}");
        // Cut short.
        fs::write(desk.path(out), &good[..good.len() - 10]).unwrap();
        desk.fails(2, &["restore", "o.index.npz:in/wave07", "-o", "n.npy"]);
        // A flipped bit anywhere outside of the end: an error, or none where the byte belongs to no element asked for.
        let mut noticed = 0;
        let bundle = Bundle::open(&desk.path("o.index.npz")).unwrap();
        let number = bundle.find("in/wave39").unwrap().unwrap();
        let truth = fs::read(desk.path("in/wave39.npy")).unwrap();
        for k in 0..20 {
            let mut bad = good.clone();
            let at = bad.len() * k / 20;
            bad[at] ^= 16;
            fs::write(desk.path(out), &bad).unwrap();
            match Bundle::open(&desk.path("o.index.npz")).unwrap().get(number) {
                Ok(item) => assert!(item.npy() == truth, "{out} {at}"),
                Err(_) => noticed += 1,
            }
        }
        assert!(noticed > 0 || out.ends_with(".tar"), "{out}");
        fs::remove_file(desk.path(out)).unwrap();
    }
}

#[test]
fn no_damaged_index_panics_or_gives_wrong_values() {
    let desk = desk();
    for out in quick() {
        desk.done(&["bundle", "in", "-o", out, "-q", "--force"]);
        let good = fs::read(desk.path("o.index.npz")).unwrap();
        let truth = fs::read(desk.path("in/wave20.npy")).unwrap();
        for at in (0..good.len()).step_by(197) {
            let mut bad = good.clone();
            bad[at] = bad[at].wrapping_add(0x81);
            fs::write(desk.path("o.index.npz"), &bad).unwrap();
            let Ok(bundle) = Bundle::open(&desk.path("o.index.npz")) else { continue };
            if let Ok(item) = bundle.get("in/wave20") {
                assert!(item.npy() == truth, "{out} {at}");
            }
            for number in 0..bundle.len().min(3) {
                let _ = bundle.get(number);
            }
        }
        for cut in (0..good.len()).step_by(2501) {
            fs::write(desk.path("o.index.npz"), &good[..cut]).unwrap();
            assert!(Bundle::open(&desk.path("o.index.npz")).is_err(), "{cut}");
        }
        fs::remove_file(desk.path(out)).unwrap();
    }
}

#[test]
fn pythons_own_tools_read_every_kind_of_bundle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let desk = desk();
    for out in outputs() {
        desk.done(&["bundle", "in", "-o", out, "-q", "--force"]);
        let script = root.join("tests/interop/bundle_peers.py");
        let done =
            std::process::Command::new(&python).arg(script).arg(desk.path(out)).arg(desk.path("in")).output().unwrap();
        let (told, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success() && told.contains("45 arrays read"), "{out}: {told}{err}");
    }
}

#[test]
fn a_slice_is_read_from_under_it_alone_and_any_format_takes_it() {
    let desk = desk();
    let values: Vec<f64> = (0..600_000u32).map(|k| (f64::from(k) * 0.37).sin()).collect();
    desk.write("in/long.npy", "<f8", &[6000, 100], &bytes(&values));
    let outs: &[&[&str]] = &[&["o.tar"], &["o.npz", "--codec", "none"], &["o.tar.gz"], &["o.npz"], &["o.h5"]];
    for out in outs.iter().filter(|o| cfg!(feature = "hdf5") || o[0] != "o.h5") {
        let name = out[0];
        desk.done(&[&["bundle", "in", "-q", "--force", "-o"][..], out].concat());
        let bundle = Bundle::open(&desk.path("o.index.npz")).unwrap();
        for key in ["in/long", "in/deep/er/turned", "in/deep/er/big", "in/deep/zero", "in/wave00"] {
            let (reader, item) = (bundle.reader(key).unwrap(), bundle.get(key).unwrap());
            assert_eq!(*reader.spec(), item.entry().spec().unwrap(), "{name} {key}");
        }
        let turned = bundle.reader("in/deep/er/turned").unwrap().slice::<f64>("3:5, ::-7").unwrap();
        let whole = bundle.get("in/deep/er/turned").unwrap().array::<f64>().unwrap();
        assert_eq!(turned[[1, 2]], whole[[4, 15]], "{name}");
        let rows = bundle.reader("in/long").unwrap().slice::<f64>("5990:, 7").unwrap();
        assert_eq!(rows.as_slice().unwrap()[3], values[599_307], "{name}");
        let args = ["restore", "o.index.npz:in/deep/er/big", "--slice", "2799, 98:", "-o", "part.npy", "--force", "-q"];
        desk.done(&args);
        let part = fs::read(desk.path("part.npy")).unwrap();
        assert_eq!(part[part.len() - 8..], [279_998i32.to_be_bytes(), 279_999i32.to_be_bytes()].concat(), "{name}");
        // A damaged byte far from the slice is not met by it, and by nothing that reads all.
        let in_place = !["o.tar.gz"].contains(&name) && (name != "o.npz" || out.len() > 1);
        let good = fs::read(desk.path(name)).unwrap();
        let entry = bundle.entry("in/long").unwrap();
        let mut bad = good.clone();
        let at = match name {
            // Its first coded chunk: the noise of its mantissas is what most of the file is.
            "o.h5" => bad.len() / 4,
            _ => {
                let first = bad.windows(8).position(|w| w == values[777].to_le_bytes());
                first.unwrap_or(bad.len() / 2)
            }
        };
        bad[at] ^= 0x40;
        fs::write(desk.path(name), &bad).unwrap();
        let again = Bundle::open(&desk.path("o.index.npz")).unwrap();
        assert!(again.get(entry.number).is_err(), "{name} {at}");
        let rows = again.reader(entry.number).and_then(|r| r.slice::<f64>("5990:, 7"));
        assert_eq!(rows.is_ok(), in_place, "{name}: {rows:?}");
        // Whole, in a bound of memory that it does not fit into: its checksum is compared all the same.
        let whole = ["restore", "o.index.npz:in/long", "--memory", "16MiB", "-o", "n.npy"];
        desk.fails(2, &whole);
        fs::write(desk.path(name), &good).unwrap();
        desk.done(&[&whole[..], &["-q"]].concat());
        assert_eq!(fs::read(desk.path("n.npy")).unwrap()[128..], bytes(&values)[..], "{name}");
        fs::remove_file(desk.path("n.npy")).unwrap();
        #[cfg(feature = "hdf5")]
        {
            desk.done(&["restore", "o.index.npz:in/wave07", "-o", "wave.h5", "--force", "-q"]);
            let wave = ndcompact::Reader::open(desk.path("wave.h5").to_str().unwrap()).unwrap();
            assert_eq!(wave.read::<f64>().unwrap(), bundle.get("in/wave07").unwrap().array::<f64>().unwrap());
        }
        desk.fails(2, &["restore", "o.index.npz:in/wave07", "-o", "wave.npz"]);
        desk.fails(2, &["restore", "o.index.npz:in/wave07", "--slice", "99999", "-o", "wave.npy"]);
        fs::remove_file(desk.path(name)).unwrap();
    }
}

#[test]
fn a_dry_run_says_what_would_be_bundled_and_writes_nothing() {
    let desk = desk();
    fs::write(desk.path("in/notes.txt"), "no array").unwrap();
    let before = desk.names();
    for out in quick() {
        let told = desk.json(&["bundle", "in", "-o", out, "--dry-run", "--json", "--select", "*mask", "--bits"]);
        assert_eq!((told["arrays"].as_u64(), told["dry_run"].as_bool()), (Some(45), Some(true)));
        assert_eq!((&told["skipped"]["others"], told["packed"].as_array().unwrap().len()), (&1.into(), 1));
        let written: u64 = told["array_bytes"].as_u64().unwrap();
        assert!(written > 2_000_000 && told["stored_bytes"].as_u64().unwrap() > written, "{told}");
        assert!(desk.done(&["bundle", "in", "-o", out, "--dry-run"]).contains("nothing written"));
        desk.fails(2, &["bundle", "in", "in/mask.npy", "-o", out, "--dry-run"]);
        desk.fails(2, &["bundle", "in", "-o", out, "--dry-run", "--strict"]);
        assert_eq!(desk.names(), before, "{out}");
    }
}

#[test]
fn force_takes_away_the_volumes_of_the_bundle_it_replaces_and_nothing_else() {
    let desk = desk();
    desk.done(&["bundle", "in", "-o", "o.tar", "--target-size", "100kB", "-q"]);
    let old: Vec<String> = desk.names().into_iter().filter(|n| n.starts_with("o-0")).collect();
    assert!(old.len() >= 4, "{old:?}");
    // One that is no longer what the index says is left alone, and so is one that no index names.
    fs::write(desk.path(&old[3]), "mine").unwrap();
    fs::write(desk.path("o-9999.tar"), "mine").unwrap();
    let told = desk.json(&["bundle", "in/mask.npy", &old[1], "-o", "o.npz", "--force", "--json"]);
    assert_eq!(told["replaced"].as_array().unwrap().len(), old.len() - 2);
    let left: Vec<String> = desk.names().into_iter().filter(|n| n.starts_with("o-")).collect();
    assert_eq!(left, [old[1].as_str(), old[3].as_str(), "o-9999.tar"]);
    assert_eq!(Bundle::open(&desk.path("o.index.npz")).unwrap().format().name(), "npz");
    // What an interrupted run has left goes too, if it is begun anew.
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let journal = desk.path("i.partial");
    let tell = |_: ndcompact::engine::Progress| {
        cancel.store(journal.exists(), std::sync::atomic::Ordering::Relaxed);
    };
    let mut options = BundleOptions { target_size: 100_000, ..BundleOptions::default() };
    options.resources.progress = Some(&tell);
    options.resources.cancel = Some(&cancel);
    assert!(bundle(&[desk.path("in")], &desk.path("i.tar"), &options).is_err());
    assert!(desk.path("i-0001.tar").exists());
    let told = desk.json(&["bundle", "in", "-o", "i.tar", "--force", "--json"]);
    assert!(!told["replaced"].as_array().unwrap().is_empty() && !desk.path("i-0001.tar").exists(), "{told}");
}

#[test]
fn members_stand_below_their_archives_name_which_is_said_once() {
    let desk = desk();
    let a = npy("<f8", &[3], &bytes(&[1.0, 2.0, 3.0]));
    fs::create_dir_all(desk.path("d")).unwrap();
    fs::write(desk.path("d/runs.tar"), tar(&[("runs/0/a.npy", &a), ("./runs/0/b.npy", &a), ("c.npy", &a)])).unwrap();
    desk.done(&["bundle", "d", "-o", "o.tar.gz", "-q"]);
    let bundle = Bundle::open(&desk.path("o.index.npz")).unwrap();
    let names: Vec<String> = (0..3).map(|i| bundle.name(i).unwrap()).collect();
    assert_eq!(names, ["d/runs/0/a", "d/runs/0/b", "d/runs/c"]);
}
