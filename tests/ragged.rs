//! Ragged arrays: what is pushed comes back, whatever the shapes, the recipe and the order of writing; forged files are errors.
#![cfg(feature = "hdf5")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array1, ArrayD, IxDyn};
use ndcompact::array::Buf;
use ndcompact::coding::CodingAsk;
use ndcompact::collect::ragged::{MARK, Ragged, RaggedOptions, RaggedWriter, Range, ScatterOptions, scatter};
use ndcompact::engine::{CodedOptions, Resources, WriterOptions};
use ndcompact::error::ErrorKind;
use ndcompact::pipeline::{Sink, Work};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::hdf5::{AttributeValue, ChunkAsk, Container, Dataset, Options, Overhead, Writer};
use ndcompact::store::{Archive, NpzCodec, Place, Replace};
use ndcompact::{DType, Reader, Spec};
use proptest::prelude::*;

/// An item of `shape` whose values tell which it is.
fn item(i: u64, shape: &[usize]) -> ArrayD<i32> {
    let mut next = i as i32 * 1000;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        next += 7;
        next
    })
}

fn write(mut to: RaggedWriter<'_>, items: &[ArrayD<i32>]) {
    for item in items {
        to.push(item.view()).unwrap();
    }
    to.finish().unwrap();
}

fn all(path: &Path) -> Vec<ArrayD<i32>> {
    Ragged::open(path).unwrap().iter::<i32>().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_pushed_comes_back_however_it_was_appended(
        axes in 0usize..4,
        lengths in prop::collection::vec(prop::array::uniform3(0usize..7), 0..60),
        cuts in prop::collection::vec(0usize..60, 0..3),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.h5");
        let items: Vec<_> = lengths.iter().enumerate().map(|(i, l)| item(i as u64, &l[..axes])).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(items.len())).collect();
        cuts.sort_unstable();
        cuts.push(items.len());
        let options = RaggedOptions::default();
        let mut from = 0;
        for (k, to) in cuts.into_iter().enumerate() {
            let writer = match k {
                0 => Ragged::create(&path, DType::I32, axes as u64, &options),
                _ => Ragged::append(&path, &options),
            };
            write(writer.unwrap(), &items[from..to]);
            from = to;
        }
        let found = Ragged::open(&path).unwrap();
        prop_assert_eq!(found.len(), items.len() as u64);
        prop_assert_eq!(all(&path), items.clone());
        for (i, item) in items.iter().enumerate().rev() {
            prop_assert_eq!(&found.get::<i32>(i as u64).unwrap(), item);
            let shape: Vec<u64> = item.shape().iter().map(|d| *d as u64).collect();
            prop_assert_eq!(found.shape(i as u64).unwrap(), shape);
        }
        if items.len() > 4 {
            prop_assert_eq!(found.slice::<i32>(1..4).unwrap(), items[1..4].to_vec());
        }
        prop_assert!(found.get::<i32>(items.len() as u64).is_err());
    }
}

#[test]
fn thousands_of_items_are_found_through_the_index_and_go_on_when_it_begins_late() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.h5");
    let options = RaggedOptions::default();
    let items: Vec<_> = (0..5000_u64).map(|i| item(i, &[(i * 7919 % 13) as usize, (i % 3) as usize])).collect();
    write(Ragged::create(&path, DType::I32, 2, &options).unwrap(), &items[..1024]);
    assert_eq!(all(&path), items[..1024]);
    write(Ragged::append(&path, &options).unwrap(), &items[1024..1025]);
    assert_eq!(all(&path), items[..1025]);
    write(Ragged::append(&path, &options).unwrap(), &items[1025..]);
    let found = Ragged::open(&path).unwrap();
    for i in [4999, 0, 1023, 1024, 2048, 2047, 4096] {
        assert_eq!(found.get::<i32>(i).unwrap(), items[i as usize]);
    }
    assert_eq!(all(&path), items);
}

#[test]
fn values_pass_the_recipe_and_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let items: Vec<Array1<f64>> =
        (0..300).map(|i| Array1::from_shape_fn(i * 5 % 37, |k| ((i * k) as f64 * 0.37).sin())).collect();
    let coded =
        CodedOptions { ask: CodingAsk { max_abs: Some(1e-3), ..CodingAsk::default() }, chunks: ChunkAsk::Bytes(8192) };
    let half = asks_from_json(r#"[{"step": "cast", "to": "float16"}]"#).unwrap();
    let ways = [
        (WriterOptions { asks: half, ..RaggedOptions::default().values }, 2f64.powi(-11)),
        (WriterOptions { coded: Some(coded), ..RaggedOptions::default().values }, 1e-3),
    ];
    for (k, (values, bound)) in ways.into_iter().enumerate() {
        let path = dir.path().join(format!("{k}.h5"));
        let options = RaggedOptions { values, ..RaggedOptions::default() };
        let mut writer = Ragged::create(&path, DType::F64, 1, &options).unwrap();
        items[..200].iter().for_each(|i| writer.push(i.view().into_dyn()).unwrap());
        assert!(!writer.finish().unwrap().exact);
        let mut writer = Ragged::append(&path, &RaggedOptions::default()).unwrap();
        items[200..].iter().for_each(|i| writer.push(i.view().into_dyn()).unwrap());
        let report = writer.finish().unwrap();
        assert!(!report.exact && report.items == 300 && report.added == 100);
        let found = Ragged::open(&path).unwrap();
        for (i, item) in items.iter().enumerate() {
            let back = found.get::<f64>(i as u64).unwrap();
            assert!(back.iter().zip(item).all(|(a, b)| (a - b).abs() <= bound), "way {k}, item {i}");
        }
    }
    let bits = RaggedOptions {
        values: WriterOptions {
            asks: asks_from_json(r#"[{"step": "triangle"}]"#).unwrap(),
            ..WriterOptions::default()
        },
        ..RaggedOptions::default()
    };
    let path = dir.path().join("refused.h5");
    let mut writer = Ragged::create(&path, DType::F64, 1, &bits).unwrap();
    writer.push(items[3].view().into_dyn()).unwrap();
    assert!(writer.finish().is_err() && !path.exists());
}

#[test]
fn names_come_back_numbered_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.h5");
    let options = RaggedOptions { name_bytes: 12, ..RaggedOptions::default() };
    let one = Array1::from_vec(vec![1i32]).into_dyn();
    let names = |path: &Path| -> Vec<String> {
        let found = Ragged::open(path).unwrap();
        (0..found.len()).map(|i| found.name(i).unwrap().unwrap_or_default()).collect()
    };
    let mut expected: Vec<String> = (8..20).map(|n| format!("img{n:03}")).collect();
    let mut writer = Ragged::create(&path, DType::I32, 1, &options).unwrap();
    expected.iter().for_each(|n| writer.push_named(n, one.view()).unwrap());
    writer.finish().unwrap();
    assert_eq!(names(&path), expected);
    for more in [vec!["img020", "img021"], vec!["other", "img3"], vec!["x"]] {
        let mut writer = Ragged::append(&path, &options).unwrap();
        more.iter().for_each(|n| writer.push_named(n, one.view()).unwrap());
        writer.finish().unwrap();
        expected.extend(more.into_iter().map(str::to_owned));
        assert_eq!(names(&path), expected);
    }
    let mut writer = Ragged::append(&path, &options).unwrap();
    let e = writer.push_named("a name that is longer than all", one.view()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Usage);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_other_items_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.h5");
    let mut writer = Ragged::create(&path, DType::I32, 2, &RaggedOptions::default()).unwrap();
    writer.push(item(0, &[3, 3]).view()).unwrap();
    assert_eq!(writer.push(item(0, &[3]).view()).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(writer.push(ArrayD::<f32>::zeros(IxDyn(&[3, 3])).view()).unwrap_err().kind(), ErrorKind::Usage);
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    write(Ragged::create(&path, DType::I32, 2, &RaggedOptions::default()).unwrap(), &[item(0, &[3, 3])]);
    let before = std::fs::read(&path).unwrap();
    let mut writer = Ragged::append(&path, &RaggedOptions::default()).unwrap();
    writer.push(item(1, &[900, 300]).view()).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let e = Ragged::create(&path, DType::I32, 2, &RaggedOptions::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Exists);
}

#[test]
fn items_are_restored_on_any_number_of_threads_into_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.h5");
    // Small ones, none at all, and ones that are read in parts.
    let sizes = [3, 0, 1_300_000, 7, 1_048_577, 20_000].into_iter().cycle().take(14);
    let items: Vec<_> =
        sizes.chain(std::iter::repeat_n(5, 3000)).enumerate().map(|(i, n)| item(i as u64, &[n])).collect();
    write(Ragged::create(&path, DType::I32, 1, &RaggedOptions::default()).unwrap(), &items);
    let ragged = Ragged::open(&path).unwrap();
    let mut archives = Vec::new();
    for threads in [1, 3] {
        for (codec, memory) in [(NpzCodec::None, 1 << 20), (NpzCodec::Deflate, 1 << 30), (NpzCodec::Zstd, 1 << 30)] {
            let resources = Resources { threads: threads.try_into().unwrap(), memory, ..Resources::default() };
            let options = ScatterOptions { packing: codec.with(None).unwrap(), resources, ..ScatterOptions::default() };
            let to = dir.path().join(format!("{threads}.{}.npz", codec.name()));
            let done = scatter(&ragged, Range::ALL, false, &to, &options).unwrap();
            assert_eq!((done.items, done.bytes), (items.len() as u64, ragged.values_count() * 4));
            let archive = Archive::open(&to).unwrap();
            assert!(archive.names().eq((0..items.len()).map(|i| format!("item_{i:06}"))));
            for i in [0, 1, 2, 4, 8, 2000] {
                let member = Place { path: to.clone(), member: Some(format!("item_{i:06}")) };
                assert_eq!(Reader::at(&member).unwrap().read::<i32>().unwrap(), items[i]);
            }
            archives.push(std::fs::read(&to).unwrap());
        }
        let options = ScatterOptions {
            resources: Resources { threads: threads.try_into().unwrap(), ..Resources::default() },
            ..ScatterOptions::default()
        };
        let to = dir.path().join(format!("{threads}"));
        scatter(&ragged, "::-1".parse().unwrap(), false, &to, &options).unwrap();
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), items.len());
        for (i, item) in items.iter().enumerate() {
            let file = Place { path: to.join(format!("item_{i:06}.npy")), member: None };
            assert_eq!(&Reader::at(&file).unwrap().read::<i32>().unwrap(), item);
        }
    }
    assert!((0..3).all(|i| archives[i] == archives[i + 3]), "other bytes on more threads");
}

fn put<T: ndcompact::array::Element>(to: &Arc<Container>, name: &str, shape: &[u64], values: &[T]) {
    let spec = Spec::new(T::DTYPE, shape).unwrap();
    let writer = Writer::create_in(to, name, &spec, &Options::default(), 1).unwrap();
    writer.write(0, &Buf::from_slice(values).unwrap(), &mut Work::new(0)).unwrap();
    writer.finish(None, &[], false).unwrap();
}

/// A file of ten values that says `sizes` and `shapes` of its items.
fn forged(path: &Path, sizes: &[i64], shapes: &[i64], mark: &str) -> PathBuf {
    let file = Arc::new(Container::create(path, Overhead::Usual, Replace::Allowed).unwrap());
    put(&file, "/values", &[10], &[0i32, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    put(&file, "/row_size", &[sizes.len() as u64], sizes);
    put(&file, "/shape", &[shapes.len() as u64 / 2, 2], shapes);
    file.describe("/", &[(MARK, AttributeValue::Text(mark.to_owned()))]).unwrap();
    Arc::into_inner(file).unwrap().finish(false).unwrap();
    path.to_owned()
}

#[test]
fn forged_files_are_errors_and_nothing_is_made_of_what_they_claim() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.h5");
    let good = r#"{"version":1,"axes":2,"values":"/values","row_size":"/row_size","shape":"/shape","every":1024}"#;
    let open = |sizes: &[i64], shapes: &[i64], mark: &str| {
        let found = Ragged::open(&forged(&path, sizes, shapes, mark))?;
        (0..found.len()).try_for_each(|i| found.get::<i32>(i).map(drop))
    };
    open(&[4, 6], &[2, 2, 3, 2], good).unwrap();
    let large = i64::MAX;
    for (sizes, shapes) in [
        (vec![4, 7], vec![2, 2, 7, 1]),
        (vec![4, 5], vec![2, 2, 5, 1]),
        (vec![-4, 14], vec![2, 2, 7, 2]),
        (vec![14, -4], vec![7, 2, 2, 2]),
        (vec![large, large], vec![large, 1, large, 1]),
        (vec![4, 6], vec![2, 2, 2, 2]),
        (vec![4, 6], vec![-2, -2, 3, 2]),
        (vec![4, 6], vec![1 << 32, 1 << 32, 3, 2]),
        (vec![4, 6], vec![0, large, 3, 2]),
        (vec![4, 6], vec![2, 2]),
        (vec![4, 6], vec![2, 2, 3, 2, 1, 1]),
    ] {
        let e = open(&sizes, &shapes, good).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Corrupt, "{sizes:?} {shapes:?}: {e}");
    }
    for mark in ["", "{}", "[1]", &good.replace("\"axes\":2", "\"axes\":1"), &good.replace("1024", "0")] {
        assert_eq!(open(&[4, 6], &[2, 2, 3, 2], mark).unwrap_err().kind(), ErrorKind::Corrupt, "{mark}");
    }
    let newer = good.replace("\"version\":1", "\"version\":2");
    assert_eq!(open(&[4, 6], &[2, 2, 3, 2], &newer).unwrap_err().kind(), ErrorKind::Unsupported);
    let elsewhere = good.replace("/row_size", "/nowhere");
    assert!(open(&[4, 6], &[2, 2, 3, 2], &elsewhere).is_err());
    // Many items without an index.
    let sizes = vec![0; 2000];
    let mut many = sizes.clone();
    many[0] = 10;
    assert!(open(&many, &[0; 4000], good).is_err());
    // Numbers of another kind, and a file that is none.
    assert!(Ragged::open(&dir.path().join("none.h5")).is_err());
    let plain = Arc::new(Container::create(&path, Overhead::Usual, Replace::Allowed).unwrap());
    put(&plain, "/x", &[1], &[1i32]);
    Arc::into_inner(plain).unwrap().finish(false).unwrap();
    assert_eq!(Ragged::open(&path).unwrap_err().kind(), ErrorKind::Usage);
    assert!(!Ragged::is_one(&path));
}

#[test]
fn values_are_a_dataset_like_any() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.h5");
    write(Ragged::create(&path, DType::I32, 1, &RaggedOptions::default()).unwrap(), &[item(0, &[3]), item(5, &[2])]);
    let values = Reader::at(&Place { path: path.clone(), member: Some("/values".to_owned()) }).unwrap();
    assert_eq!(values.read::<i32>().unwrap().as_slice().unwrap(), [7, 14, 21, 5007, 5014]);
    assert!(Dataset::open(&path, Some("/row_size")).unwrap().can_grow());
}

#[cfg(feature = "cli")]
#[test]
fn h5py_pytables_and_xarray_make_the_sources_and_read_what_comes_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "{} does not exist", python.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = root.join("tests/interop/ragged.py");
    let mut command = std::process::Command::new(python);
    let done = command.arg(script).arg(env!("CARGO_BIN_EXE_compact")).arg(dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}\n{told}", String::from_utf8_lossy(&done.stdout));
}

#[cfg(feature = "cli")]
#[test]
fn a_run_that_fails_or_is_killed_leaves_no_file_and_no_folder() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compact"));
        command.current_dir(dir.path()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let path = dir.path().join("r.h5");
    let items: Vec<_> = (0..3000).map(|i| item(i, &[700])).collect();
    write(Ragged::create(&path, DType::I32, 1, &RaggedOptions::default()).unwrap(), &items);
    let mut killed = 0;
    for delay in [5, 10, 20, 40] {
        let mut child = run(&["ragged", "r.h5:/values", "r.h5:/row_size", "-o", "out.h5"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let _ = std::fs::remove_file(dir.path().join("out.h5"));
        assert_eq!(names(), ["r.h5"]);
    }
    assert!(killed > 0, "every run was over before it could be killed");
    // Items of two dtypes.
    assert_eq!(run(&["ragged", "r.h5:/values", "r.h5:/row_size", "-o", "out.h5"]).status().unwrap().code(), Some(2));
    assert_eq!(run(&["restore", "r.h5", "--item", "3000"]).status().unwrap().code(), Some(2));
    assert_eq!(names(), ["r.h5"]);
}
