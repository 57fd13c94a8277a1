//! HDF5 datasets round by round: all dtypes, codecs and shapes; damage; other programs' files, and ours in their hands.
#![cfg(feature = "hdf5")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use ndcompact::array::{Buf, ByteOrder, Span};
use ndcompact::pipeline::{Sink, Source, Work};
use ndcompact::store::Replace;
use ndcompact::store::hdf5::{AttributeValue, Codec, Dataset, Options, Writer, list};
use ndcompact::transform::Fill;
use ndcompact::{DType, Error, ErrorKind, Spec};

const RECORD: &str = "{\"käse\": 1}";

/// A smooth array whose every byte is used; booleans are 0 and 1.
fn sample(spec: &Spec) -> Buf {
    let mut buf = Buf::new();
    buf.reset(spec.dtype(), spec.count()).unwrap();
    let size = spec.dtype().size();
    for (i, b) in buf.bytes_mut().iter_mut().enumerate() {
        let element = (i / size) as u64 / 3;
        *b = match spec.dtype() {
            DType::Bool => (element % 2) as u8,
            // The top bytes of floats stay clear of infinities, so that NumPy compares them by value as well.
            _ if i % size == size - 1 => 0x3c,
            _ => (element >> (i % size)) as u8,
        };
    }
    buf
}

fn part(buf: &Buf, at: u64, len: u64) -> Buf {
    let size = buf.dtype().size();
    let mut out = Buf::new();
    out.reset(buf.dtype(), len).unwrap();
    out.bytes_mut().copy_from_slice(&buf.bytes()[at as usize * size..(at + len) as usize * size]);
    out
}

/// Writes `buf` from two threads, a chunk or three at a time.
fn fill(writer: &Writer, spec: &Spec, buf: &Buf) {
    let mut cuts = vec![0];
    while *cuts.last().unwrap() < spec.count() {
        let mut at = *cuts.last().unwrap();
        for _ in 0..=cuts.len() % 3 {
            at = match writer.grain() {
                Some(g) => (at + g.step.min(g.period - at % g.period)).min(spec.count()),
                None => spec.count(),
            };
        }
        cuts.push(at);
    }
    let next = AtomicU64::new(0);
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                let mut work = Work::default();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let (Some(a), Some(b)) = (cuts.get(i), cuts.get(i + 1)) else { break };
                    writer.write(*a, &part(buf, *a, b - a), &mut work).unwrap();
                }
            });
        }
    });
}

fn attributes() -> Vec<(String, AttributeValue)> {
    vec![
        ("scale_factor".into(), AttributeValue::F64(0.5)),
        ("count".into(), AttributeValue::U64(7)),
        ("offset".into(), AttributeValue::I64(-3)),
        ("units".into(), AttributeValue::Text("°C".into())),
        ("nothing".into(), AttributeValue::Text(String::new())),
    ]
}

fn save(path: &Path, name: Option<&str>, spec: &Spec, buf: &Buf, options: &Options) -> u64 {
    let writer = Writer::create(path, name, spec, options, Replace::Never, 1).unwrap();
    fill(&writer, spec, buf);
    writer.finish(Some(RECORD), &attributes(), false).unwrap()
}

fn load(dataset: &Dataset) -> Result<Buf, Error> {
    let mut out = Buf::new();
    dataset.read(&[Span::new(0, dataset.spec().count())], &mut out, &mut Work::default())?;
    Ok(out)
}

fn shapes() -> Vec<Vec<u64>> {
    vec![vec![], vec![0], vec![3, 0, 2], vec![1], vec![70_001], vec![7, 331, 11], vec![2, 3, 5, 4003], vec![1000, 41]]
}

fn small(codec: Codec, byte_order: ByteOrder) -> Options {
    Options { codec, byte_order, chunk_bytes: 20_000, ..Options::default() }
}

fn random_spans(count: u64, seed: u64) -> Vec<Span> {
    let mut state = seed;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n.max(1)
    };
    (0..40)
        .map(|i| {
            let start = next(count + 1);
            Span::new(start, next((count - start).min(if i % 2 == 0 { 40 } else { count }) + 1))
        })
        .collect()
}

fn check_slices(dataset: &Dataset, whole: &Buf) {
    let size = whole.dtype().size();
    let mut work = Work::default();
    let mut out = Buf::new();
    for seed in 0..3 {
        let spans = random_spans(dataset.spec().count(), seed);
        dataset.read(&spans, &mut out, &mut work).unwrap();
        let wanted: Vec<u8> = spans
            .iter()
            .flat_map(|s| whole.bytes()[s.start as usize * size..s.end() as usize * size].to_vec())
            .collect();
        assert!(out.bytes() == wanted, "{} {}", dataset.name(), dataset.spec());
    }
}

#[test]
fn what_is_written_is_read_again_whole_and_in_slices() {
    let dir = tempfile::tempdir().unwrap();
    for dtype in DType::ALL {
        for codec in Codec::ALL {
            for (i, shape) in shapes().into_iter().enumerate() {
                let order = if i % 2 == 0 { ByteOrder::Little } else { ByteOrder::Big };
                let spec = Spec::new(*dtype, shape).unwrap();
                let buf = sample(&spec);
                let path = dir.path().join(format!("{dtype}-{codec}-{i}.h5"));
                let bytes = save(&path, None, &spec, &buf, &small(*codec, order));
                assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
                let dataset = Dataset::open(&path, None).unwrap();
                assert_eq!(dataset.spec(), &spec);
                assert!(load(&dataset).unwrap().bytes() == buf.bytes(), "{dtype} {codec} {spec}");
                check_slices(&dataset, &buf);
                assert_eq!(dataset.record().unwrap().as_deref(), Some(RECORD));
                if dtype.word() > 1 {
                    assert_eq!(dataset.byte_order(), order, "{dtype} {spec}");
                }
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_any_chunk_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec::new(DType::F32, [50, 2000]).unwrap();
    let buf = sample(&spec);
    for codec in Codec::ALL {
        let path = dir.path().join(format!("{codec}.h5"));
        save(&path, None, &spec, &buf, &small(*codec, ByteOrder::Little));
        let good = std::fs::read(&path).unwrap();
        let (mut refused, mut tried) = (0, 0);
        for at in (0..good.len()).step_by(good.len() / 60) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let path = dir.path().join("bad.h5");
            std::fs::write(&path, &bad).unwrap();
            tried += 1;
            match Dataset::open(&path, Some("/data")).and_then(|d| load(&d)) {
                Err(_) => refused += 1,
                // Only bytes that no element comes from may change without being seen.
                Ok(read) => assert!(read.bytes() == buf.bytes(), "{codec}: silent damage at {at}"),
            }
        }
        assert!(refused * 4 > tried, "{codec}: {refused} of {tried}");
        for len in (0..good.len()).step_by(good.len() / 40) {
            let path = dir.path().join("short.h5");
            std::fs::write(&path, &good[..len]).unwrap();
            assert!(Dataset::open(&path, Some("/data")).and_then(|d| load(&d)).is_err(), "{codec} cut at {len}");
        }
    }
}

#[test]
fn an_unfinished_writer_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let spec = Spec::new(DType::U16, [100, 100]).unwrap();
    let writer = Writer::create(&path, None, &spec, &Options::default(), Replace::Never, 1).unwrap();
    fill(&writer, &spec, &sample(&spec));
    drop(writer);
    let writer = Writer::create(&path, None, &spec, &Options::default(), Replace::Never, 1).unwrap();
    assert_eq!(writer.finish(Some(RECORD), &[], false).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_dataset_is_added_and_all_else_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let (one, two) = (Spec::new(DType::I32, [300]).unwrap(), Spec::new(DType::F16, [20, 30]).unwrap());
    save(&path, Some("first"), &one, &sample(&one), &Options::default());
    save(&path, Some("/group/deep/second"), &two, &sample(&two), &small(Codec::Zstd, ByteOrder::Little));
    let names: Vec<String> = list(&path).unwrap().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["/first", "/group/deep/second"]);
    let open = |name| Dataset::open(&path, Some(name)).and_then(|d| load(&d)).unwrap();
    assert!(open("/first").bytes() == sample(&one).bytes());
    assert!(open("group/deep/second").bytes() == sample(&two).bytes());
    assert_eq!(Dataset::open(&path, None).unwrap_err().kind(), ErrorKind::Usage);

    let create = |name, spec, replace| Writer::create(&path, name, spec, &Options::default(), replace, 1);
    assert_eq!(create(Some("/first"), &one, Replace::Never).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(create(None, &one, Replace::Never).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(create(Some("/group"), &one, Replace::Allowed).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(create(Some("/half"), &two, Replace::Never).unwrap_err().kind(), ErrorKind::Usage);
    let writer = create(Some("/first"), &two.with_dtype(DType::F32).unwrap(), Replace::Allowed).unwrap();
    let spec = two.with_dtype(DType::F32).unwrap();
    fill(&writer, &spec, &sample(&spec));
    writer.finish(Some(RECORD), &[], false).unwrap();
    assert!(open("/first").bytes() == sample(&spec).bytes());
    assert!(open("/group/deep/second").bytes() == sample(&two).bytes());

    let other = dir.path().join("text");
    std::fs::write(&other, "not HDF5").unwrap();
    let e = Writer::create(&other, Some("/x"), &one, &Options::default(), Replace::Allowed, 1).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Corrupt);
    assert_eq!(std::fs::read(&other).unwrap(), b"not HDF5");
    assert_eq!(Dataset::open(&other, None).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn fill_values_are_written_in_the_datasets_own_dtype_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    for (dtype, fill) in
        [(DType::U16, Fill::Uint(65535)), (DType::I8, Fill::Int(-9)), (DType::F32, Fill::Float(f64::from(1e20f32)))]
    {
        let path = dir.path().join(format!("{dtype}.h5"));
        let spec = Spec::new(dtype, [5]).unwrap();
        let writer = Writer::create(&path, None, &spec, &Options::default(), Replace::Never, 1).unwrap();
        writer.write(0, &sample(&spec), &mut Work::default()).unwrap();
        writer.finish(Some(RECORD), &[("_FillValue".into(), AttributeValue::Own(fill))], true).unwrap();
        assert_eq!(Dataset::open(&path, None).unwrap().fill().unwrap(), Some(fill));
        let writer = Writer::create(&path, None, &spec, &Options::default(), Replace::Allowed, 1).unwrap();
        writer.write(0, &sample(&spec), &mut Work::default()).unwrap();
        let long = "x".repeat(60_001);
        assert_eq!(writer.finish(Some(&long), &[], false).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

/// The project's Python, or nothing (said aloud) where there is none and none is required.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "{} does not exist", python.display());
    println!("skipped: no Python at {}; `make setup` puts it there", python.display());
    None
}

fn run(python: &Path, what: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/hdf5_peers.py");
    let out = Command::new(python).env_remove("HDF5_PLUGIN_PATH").arg(script).arg(what).arg(folder).output().unwrap();
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn other_programs_read_our_files() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut index = Vec::new();
    for dtype in DType::ALL {
        for codec in Codec::ALL {
            for (i, shape) in shapes().into_iter().enumerate() {
                let order = if i == 5 { ByteOrder::Big } else { ByteOrder::Little };
                let spec = Spec::new(*dtype, shape).unwrap();
                let mut buf = sample(&spec);
                if i == 4 && *dtype != DType::Bool {
                    // Noise: chunks that are stored without the codec.
                    let mut state = 1u32;
                    for b in buf.bytes_mut() {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        *b = (state >> 24) as u8;
                    }
                }
                let file = format!("{dtype}-{codec}-{i}.h5");
                let raw = format!("{file}.raw");
                save(&dir.path().join(&file), None, &spec, &buf, &small(*codec, order));
                std::fs::write(dir.path().join(&raw), buf.bytes()).unwrap();
                let name = ndcompact::store::hdf5::default_name(*dtype);
                index.push(serde_json::json!({
                    "file": file, "name": name, "dtype": dtype.name(), "shape": spec.shape(), "raw": raw,
                    "order": if order == ByteOrder::Big { "big" } else { "little" },
                }));
            }
        }
    }
    std::fs::write(dir.path().join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    run(&python, "check", dir.path());
}

#[test]
fn files_of_other_programs_are_read() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    run(&python, "write", dir.path());
    let index: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(dir.path().join("index.json")).unwrap()).unwrap();
    assert!(index.len() > 150);
    for entry in &index {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let path = dir.path().join(text("file"));
        let opened = Dataset::open(&path, Some(&text("name")));
        if entry["refused"] == true || entry["plugin"] == true {
            let e = opened.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{entry} {e}");
            continue;
        }
        let dataset = opened.unwrap_or_else(|e| panic!("{entry}: {e}"));
        let whole = load(&dataset).unwrap_or_else(|e| panic!("{entry}: {e}"));
        assert_eq!(dataset.spec().dtype().name(), text("dtype"), "{entry}");
        assert_eq!(serde_json::json!(dataset.spec().shape()), entry["shape"], "{entry}");
        assert!(whole.bytes() == std::fs::read(dir.path().join(text("raw"))).unwrap(), "{entry} {}", dataset.layout());
        if whole.dtype().word() > 1 {
            let order = if text("order") == "big" { ByteOrder::Big } else { ByteOrder::Little };
            assert_eq!(dataset.byte_order(), order, "{entry}");
        }
        check_slices(&dataset, &whole);
        if let Some(fill) = entry["fill"].as_f64() {
            assert_eq!(dataset.fill().unwrap(), Some(Fill::Float(fill)));
        }
        if entry["only"] == true {
            assert_eq!(Dataset::open(&path, None).unwrap().name(), text("name"));
        }
    }
}
