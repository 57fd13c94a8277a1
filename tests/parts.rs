//! Parts of arrays on every container: slices, caches, blocks, minibatches, files in memory, bytes read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test that fails should say where"
)]

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use common::Random;
use ndarray::{Array3, ArrayD};
use ndcompact::array::{AxisSlice, Buf};
use ndcompact::engine::{Batch, BatchOptions, CompactOptions, Mixing, ReadOptions, Target, compact};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::Place;
use ndcompact::{Reader, Slice};
use tempfile::TempDir;

const TRIANGLE: &str = r#"[{"step": "triangle"}]"#;
const HALF: &str = r#"[{"step": "triangle"}, {"step": "cast", "to": "float16"}]"#;

fn place(path: &Path) -> Place {
    Place { path: path.to_owned(), member: None }
}

/// Symmetric matrices that float16 holds exactly.
fn grids(count: usize, n: usize) -> Array3<f64> {
    Array3::from_shape_fn((count, n, n), |(k, i, j)| ((k * 7 + i * j + i + j) % 1000) as f64)
}

fn options(recipe: &str) -> CompactOptions<'static> {
    CompactOptions { asks: asks_from_json(recipe).unwrap(), ..CompactOptions::default() }
}

#[cfg(feature = "hdf5")]
fn chunked(recipe: &str, codec: ndcompact::store::hdf5::Codec, chunk_bytes: u64) -> CompactOptions<'static> {
    let hdf5 = ndcompact::store::hdf5::Options { codec, chunk_bytes, ..Default::default() };
    CompactOptions { hdf5, ..options(recipe) }
}

#[cfg(feature = "hdf5")]
fn coded(chunk: &[u64]) -> CompactOptions<'static> {
    use ndcompact::engine::CodedOptions;
    use ndcompact::store::hdf5::ChunkAsk;
    let coded = CodedOptions { chunks: ChunkAsk::Shape(chunk.to_vec()), ..CodedOptions::default() };
    CompactOptions { coded: Some(coded), ..CompactOptions::default() }
}

/// The same array in all containers: ordinary, compacted, in Fortran order, with few chunks and with many.
fn files(folder: &TempDir, array: &Array3<f64>) -> Vec<PathBuf> {
    let at = |name: &str| folder.path().join(name);
    ndarray_npy::write_npy(at("plain.npy"), array).unwrap();
    let mut fortran = Array3::from_elem(ndarray::ShapeBuilder::f(array.raw_dim()), 0.0);
    fortran.assign(array);
    ndarray_npy::write_npy(at("fortran.npy"), &fortran).unwrap();
    let mut all = vec![at("plain.npy"), at("fortran.npy")];
    let mut make = |from: &str, to: &str, options: CompactOptions<'_>| {
        compact(&place(&at(from)), &Target::Place(place(&at(to))), &options).unwrap();
        all.push(at(to));
    };
    make("plain.npy", "triangle.npy", options(TRIANGLE));
    make("fortran.npy", "half.npy", options(HALF));
    #[cfg(feature = "hdf5")]
    {
        use ndcompact::store::hdf5::Codec;
        make("plain.npy", "zstd.h5", chunked("[]", Codec::Zstd, 1 << 14));
        make("plain.npy", "none.h5", chunked("[]", Codec::None, 600));
        // More chunks than are listed at once.
        make("plain.npy", "many.h5", chunked("[]", Codec::Deflate, 80));
        make("fortran.npy", "triangle.h5", chunked(TRIANGLE, Codec::Lz4, 500));
        make("plain.npy", "coded.h5", coded(&[7, 5, 9]));
        make("plain.npy", "coded_many.h5", coded(&[1, 4, 4]));
    }
    all
}

fn any_slice(random: &mut Random, shape: &[usize]) -> Slice {
    let end = |random: &mut Random, d: i64| match random.below(4) {
        0 => None,
        _ => Some(random.below(2 * d as u64 + 5) as i64 - d - 2),
    };
    let axes = shape.iter().take(random.below(shape.len() as u64 + 1) as usize).map(|d| {
        let d = *d as i64;
        match random.below(4) {
            0 => AxisSlice::At(random.below(2 * d as u64) as i64 - d),
            _ => AxisSlice::Range {
                start: end(random, d),
                stop: end(random, d),
                step: [1, 1, 1, 2, 5, -1, -3][random.below(7) as usize],
            },
        }
    });
    let mut axes: Vec<AxisSlice> = axes.collect();
    if random.below(3) == 0 {
        // The axes named behind it count from the last one.
        let at = random.below(axes.len() as u64 + 1) as usize;
        axes.truncate(at);
        axes.push(AxisSlice::Ellipsis);
        let left = shape.len() - at;
        for d in &shape[shape.len() - random.below(left as u64 + 1) as usize..] {
            axes.push(AxisSlice::Range { start: end(random, *d as i64), stop: end(random, *d as i64), step: -2 });
        }
    }
    Slice(axes)
}

fn caches() -> [ReadOptions; 3] {
    let with = |cache_bytes| ReadOptions { cache_bytes, ..ReadOptions::default() };
    [with(0), with(1000), with(32 << 20)]
}

#[test]
fn any_slice_of_any_container_is_the_slice_of_the_whole_with_any_cache() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11).into_dyn();
    let shape = array.shape().to_vec();
    for path in files(&folder, &grids(61, 11)) {
        let name = path.display().to_string();
        let bytes = fs::read(&path).unwrap();
        let mut readers: Vec<Reader> = caches().iter().map(|o| Reader::open_with(&name, *o).unwrap()).collect();
        readers.push(Reader::from_bytes(bytes, None).unwrap());
        let mut random = Random(7);
        for round in 0..150 {
            let slice = any_slice(&mut random, &shape);
            let whole = ndcompact::array::from_ndarray(&array.view()).unwrap();
            let memory = ndcompact::pipeline::Memory::new(whole.0, whole.1).unwrap();
            let (spec, expected) = common::take(&memory, &slice);
            for reader in &readers {
                let (is, part) = reader.part(&slice).unwrap();
                assert_eq!(is, spec, "{name} {slice}");
                assert_eq!(part.bytes(), expected.bytes(), "{name} {slice} round {round}");
            }
        }
        for reader in &readers {
            assert_eq!(reader.read::<f64>().unwrap(), array, "{name}");
        }
    }
}

#[test]
fn slices_of_matrices_met_again_are_the_same_whether_matrices_are_kept_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11);
    for path in files(&folder, &array) {
        // Nothing kept; room for seven matrices beside the chunks; for all.
        for cache_bytes in [0, 15_000, 1 << 20] {
            let options = ReadOptions { cache_bytes, ..ReadOptions::default() };
            let reader = Reader::open_with(&path.display().to_string(), options).unwrap();
            let mut random = Random(11);
            let mut near = 0;
            for round in 0..300 {
                if random.below(4) == 0 {
                    near = random.below(61);
                }
                let k = (near + random.below(3)).min(60) as usize;
                let (i, j) = (random.below(11) as usize, random.below(11) as usize);
                let name = format!("{} {cache_bytes} round {round}", path.display());
                let matrix = array.index_axis(ndarray::Axis(0), k);
                match random.below(4) {
                    0 => assert_eq!(reader.slice::<f64>(&k.to_string()).unwrap(), matrix.into_dyn(), "{name}"),
                    1 => {
                        let row = reader.slice::<f64>(&format!("{k}, {i}")).unwrap();
                        assert_eq!(row, matrix.row(i).into_dyn(), "{name}");
                    }
                    2 => {
                        let column = reader.slice::<f64>(&format!("{k}, ::-1, {j}")).unwrap();
                        assert_eq!(column, matrix.slice(ndarray::s![..;-1, j]).into_dyn(), "{name}");
                    }
                    _ => {
                        let some = reader.slice::<f64>(&format!("{k}::-1, {i}, {j}")).unwrap();
                        let end = k as isize + 1;
                        assert_eq!(some, array.slice(ndarray::s![..end;-1, i, j]).into_dyn(), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_reader_serves_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11);
    for path in files(&folder, &array) {
        for options in caches() {
            let reader = Reader::open_with(&path.display().to_string(), options).unwrap();
            std::thread::scope(|scope| {
                for t in 0..4 {
                    let (reader, array) = (reader.clone(), &array);
                    scope.spawn(move || {
                        let mut random = Random(t);
                        for _ in 0..60 {
                            let k = random.below(61) as usize;
                            let one: ArrayD<f64> = reader.slice(&k.to_string()).unwrap();
                            assert_eq!(one, array.index_axis(ndarray::Axis(0), k).into_dyn());
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn blocks_are_the_whole_in_order_whatever_the_threads_memory_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11);
    for path in files(&folder, &array) {
        for (rows, threads, memory, read_ahead) in [
            (1, 3, 1 << 20, Some(0)),
            (7, 4, 1 << 20, Some(5)),
            (10, 1, 1 << 20, None),
            (61, 2, 1 << 20, Some(1)),
            (1000, 2, 1 << 20, Some(1)),
            // Blocks too large for one a thread.
            (20, 4, 20_000, Some(2)),
        ] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let options = ReadOptions { threads, memory, read_ahead, ..ReadOptions::default() };
            let reader = Reader::open_with(&path.display().to_string(), options).unwrap();
            let mut next = 0;
            for block in reader.blocks::<f64>(rows).unwrap() {
                let (range, values) = block.unwrap();
                assert_eq!(range, next..(next + rows).min(61));
                next = range.end;
                let expected = array.slice(ndarray::s![range.start as usize..range.end as usize, .., ..]);
                assert_eq!(values, expected.into_dyn(), "{} {range:?}", path.display());
            }
            assert_eq!(next, 61);
        }
    }
}

fn batches(reader: &Reader, options: BatchOptions) -> Vec<Batch<f64>> {
    reader.batches(options).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_hold_every_row_once_and_follow_from_the_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11);
    for path in files(&folder, &array) {
        let open = |threads, read_ahead| {
            let threads = NonZeroUsize::new(threads).unwrap();
            let options = ReadOptions { threads, read_ahead, ..ReadOptions::default() };
            Reader::open_with(&path.display().to_string(), options).unwrap()
        };
        for (shuffle, mixing) in [
            (None, Mixing::Rows),
            (Some(1), Mixing::Rows),
            (Some(1), Mixing::Chunks(None)),
            (Some(1), Mixing::Chunks(Some(1))),
            (Some(2), Mixing::Chunks(Some(3))),
        ] {
            for size in [1, 8, 13, 60, 61, 100] {
                let options = BatchOptions { size, shuffle, mixing, drop_last: false };
                let all = batches(&open(4, Some(2)), options);
                assert_eq!(all.len() as u64, 61u64.div_ceil(size.min(61)), "{options:?}");
                let mut rows: Vec<u64> = all.iter().flat_map(|b| b.rows.clone()).collect();
                assert_eq!(rows.is_sorted(), shuffle.is_none(), "{} {options:?}", path.display());
                rows.sort_unstable();
                assert_eq!(rows, (0..61).collect::<Vec<_>>());
                for batch in &all {
                    for (row, values) in batch.rows.iter().zip(batch.values.outer_iter()) {
                        assert_eq!(values, array.index_axis(ndarray::Axis(0), *row as usize).into_dyn());
                    }
                }
                assert_eq!(batches(&open(1, None), options), all, "{} {options:?}", path.display());
                let full = batches(&open(2, Some(0)), BatchOptions { drop_last: true, ..options });
                assert_eq!(full.len() as u64, 61 / size);
                assert_eq!(full[..], all[..full.len()]);
            }
        }
        let seeded = |seed| batches(&open(2, Some(1)), BatchOptions { shuffle: Some(seed), ..Default::default() });
        assert_ne!(seeded(1), seeded(2));
    }
}

#[test]
fn an_iterator_that_is_dropped_early_ends_and_wrong_uses_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = &files(&folder, &grids(61, 11))[2];
    let reader = Reader::open(&path.display().to_string()).unwrap();
    let mut blocks = reader.blocks::<f64>(2).unwrap();
    blocks.next().unwrap().unwrap();
    drop(blocks);
    assert!(reader.blocks::<f32>(2).is_err() && reader.blocks::<f64>(0).is_err());
    assert!(reader.batches::<f64>(BatchOptions { size: 0, ..Default::default() }).is_err());
    let scalar = folder.path().join("scalar.npy");
    ndarray_npy::write_npy(&scalar, &ndarray::arr0(1.0)).unwrap();
    let scalar = Reader::open(&scalar.display().to_string()).unwrap();
    assert!(scalar.blocks::<f64>(1).is_err());
    assert_eq!(scalar.slice::<f64>("").unwrap(), ndarray::arr0(1.0).into_dyn());
    let empty = folder.path().join("empty.npy");
    ndarray_npy::write_npy(&empty, &ndarray::Array2::<f64>::zeros((0, 4))).unwrap();
    let empty = Reader::open(&empty.display().to_string()).unwrap();
    assert_eq!(empty.blocks::<f64>(3).unwrap().count(), 0);
    assert_eq!(batches(&empty, BatchOptions { shuffle: Some(1), ..Default::default() }).len(), 0);
}

/// Bytes that this thread asked the system for so far.
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap();
    text.lines().find_map(|l| l.strip_prefix("rchar: ")).unwrap().trim().parse().unwrap()
}

#[test]
fn a_slice_reads_what_it_needs() {
    if fs::read_to_string("/proc/thread-self/io").is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (count, n) = (300usize, 24usize);
    let matrix = (n * n * 8) as u64;
    for path in files(&folder, &grids(count, n)) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let options = ReadOptions { cache_bytes: 0, threads: NonZeroUsize::MIN, ..ReadOptions::default() };
        let reader = Reader::open_with(&path.display().to_string(), options).unwrap();
        let whole = count as u64 * matrix;
        let cost = |slice: &str| {
            let before = bytes_read();
            reader.slice::<f64>(slice).unwrap();
            // Reading the counter is counted as well.
            (bytes_read() - before).saturating_sub(300)
        };
        // A system call's worth between pieces that lie close together is read along.
        let (one, stride) = (cost("70"), cost("0:300:100, 3:5"));
        let limit = match name.as_str() {
            "plain.npy" => matrix,
            "triangle.npy" => matrix / 2 + 400,
            // Every element of a matrix in Fortran order lies by itself.
            "fortran.npy" | "half.npy" => whole,
            // Chunks that are touched, and the index.
            _ => 100_000,
        };
        assert!(one <= limit, "{name}: {one} bytes read for a matrix of {matrix}");
        assert!(stride <= limit.max(3 * matrix), "{name}: {stride} bytes");
    }
}

#[test]
fn a_crop_of_packed_bits_reads_the_bytes_under_it_and_a_row_of_a_huge_triangle_its_elements() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mask = ndarray::Array2::from_shape_fn((2000, 100_000), |(i, j)| (i * j) % 7 == 0);
    ndarray_npy::write_npy(at("m.npy"), &mask).unwrap();
    compact(&place(&at("m.npy")), &Target::Place(place(&at("p.npy"))), &options(r#"[{"step": "bitpack"}]"#)).unwrap();
    let reader = Reader::open(&at("p.npy").display().to_string()).unwrap();
    let before = bytes_read();
    let crop = reader.slice::<bool>("100:356, 4000:4256").unwrap();
    let cost = bytes_read() - before;
    assert_eq!(crop, mask.slice(ndarray::s![100..356, 4000..4256]).into_dyn());
    assert!(cost <= 256 * 33 + 300, "{cost} bytes");

    let n = 2500;
    let matrix = ndarray::Array2::from_shape_fn((n, n), |(i, j)| (i * j) as f64);
    ndarray_npy::write_npy(at("t.npy"), &matrix).unwrap();
    compact(&place(&at("t.npy")), &Target::Place(place(&at("u.npy"))), &options(TRIANGLE)).unwrap();
    let reader = Reader::open(&at("u.npy").display().to_string()).unwrap();
    let before = bytes_read();
    let row = reader.slice::<f64>("1200").unwrap();
    let cost = bytes_read() - before;
    assert_eq!(row, matrix.row(1200).into_dyn());
    assert!(cost <= 8 * n as u64 + 300, "{cost} bytes");
}

#[test]
fn ordinary_arrays_are_mapped_where_they_lie_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(61, 11);
    for path in files(&folder, &array) {
        let reader = Reader::open(&path.display().to_string()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        match reader.mapped::<f64>().unwrap() {
            Some(mapped) => {
                assert!(["plain.npy", "fortran.npy"].contains(&name), "{name}");
                assert_eq!(mapped.view().unwrap(), array.view().into_dyn(), "{name}");
            }
            None => assert!(!["plain.npy", "fortran.npy"].contains(&name), "{name}"),
        }
        assert!(reader.mapped::<f32>().is_err());
    }
}

#[test]
fn damaged_files_in_memory_are_refused_without_naming_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for path in files(&folder, &grids(31, 5)) {
        let bytes = fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by((bytes.len() / 60).max(1)) {
            let read = Reader::from_bytes(bytes[..len].to_vec(), None).and_then(|r| r.read::<f64>());
            let error = read.expect_err("cut short").to_string();
            assert!(!error.contains("/proc/"), "{error}");
        }
        let mut random = Random(3);
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            let at = random.below(bytes.len() as u64) as usize;
            damaged[at] ^= 1 << random.below(8);
            // An error or other values, never a panic.
            let _ = Reader::from_bytes(damaged, None).and_then(|r| r.slice::<f64>("3:20:4"));
        }
    }
    assert!(Reader::from_bytes(b"", None).is_err());
    assert!(Reader::from_bytes(b"PK\x03\x04", Some("x")).is_err());
}

#[test]
fn clones_read_the_same_file_after_its_name_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = files(&folder, &grids(31, 5)).pop().unwrap();
    let reader = Reader::open(&path.display().to_string()).unwrap();
    let clone = reader.clone();
    drop(reader);
    fs::remove_file(path).unwrap();
    let (spec, part): (_, Buf) = clone.part(&"4".parse().unwrap()).unwrap();
    assert_eq!((spec.shape(), part.len()), (&[5u64, 5][..], 25));
}

#[test]
fn a_file_in_memory_is_read_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let array = grids(31, 5);
    for path in files(&folder, &array) {
        let name = path.display();
        let bytes: std::sync::Arc<[u8]> = fs::read(&path).unwrap().into();
        // Others of the same kind are open at the same time, each with its own values.
        let other = fs::read(&path).unwrap();
        let readers = [
            Reader::from_bytes(std::sync::Arc::clone(&bytes), None).unwrap(),
            Reader::from_bytes(other, None).unwrap(),
        ];
        for reader in &readers {
            assert_eq!(reader.read::<f64>().unwrap(), array.view().into_dyn(), "{name}");
        }
        let held = std::sync::Arc::clone(&bytes);
        if let Some(mapped) = readers[0].mapped::<f64>().unwrap() {
            let view = mapped.view().unwrap();
            let range = bytes.as_ptr_range();
            assert!(range.contains(&view.as_ptr().cast::<u8>()), "{name}: copied");
            assert_eq!(view, array.view().into_dyn(), "{name}");
        }
        drop(bytes);
        let part = readers[0].slice::<f64>("4, 1:, ::2").unwrap();
        assert_eq!(part, array.slice(ndarray::s![4, 1.., ..;2]).into_dyn(), "{name}");
        drop(readers);
        // Nothing of it is kept once nobody reads it.
        assert_eq!(std::sync::Arc::strong_count(&held), 1, "{name}");
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn several_images_of_one_name_are_several_files() {
    let mut readers = Vec::new();
    for k in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let array = grids(4, 6) + f64::from(k);
        let path = files(&folder, &array).pop().unwrap();
        readers.push((array, Reader::from_bytes(fs::read(path).unwrap(), None).unwrap()));
    }
    for (array, reader) in &readers {
        assert_eq!(reader.read::<f64>().unwrap(), array.view().into_dyn());
    }
}
