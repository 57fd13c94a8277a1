//! Packed masks in mapped files, in chunks and in archives, against the naive mask.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test that fails should say where"
)]

mod common;

use std::ops::Range;
use std::path::Path;

use common::Random;
use ndarray::{ArrayD, IxDyn, SliceInfoElem};
use ndcompact::ErrorKind;
use ndcompact::collect::PackedMask;
#[cfg(feature = "hdf5")]
use ndcompact::engine::ReadOptions;
use ndcompact::engine::{CompactOptions, Target, compact};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::Place;
use ndcompact::transform::BitOrder;
use proptest::prelude::*;

fn place(path: &Path) -> Place {
    Place { path: path.to_owned(), member: None }
}

fn packed(mask: &ArrayD<bool>, order: &str, path: &Path) {
    let plain = path.with_extension("plain.npy");
    ndarray_npy::write_npy(&plain, mask).unwrap();
    let recipe = format!(r#"[{{"step": "bitpack", "order": "{order}"}}]"#);
    let options = CompactOptions { asks: asks_from_json(&recipe).unwrap(), ..CompactOptions::default() };
    compact(&place(&plain), &Target::Place(place(path)), &options).unwrap();
}

fn check(mask: &PackedMask, naive: &ArrayD<bool>, ranges: &[Range<u64>]) {
    let crop = mask.crop_nd(ranges).unwrap();
    let elems: Vec<SliceInfoElem> = ranges
        .iter()
        .map(|r| SliceInfoElem::Slice { start: r.start as isize, end: Some(r.end as isize), step: 1 })
        .collect();
    let expected = naive.slice(elems.as_slice());
    assert_eq!(crop.to_array().unwrap(), expected, "{ranges:?}");
    let bits = crop.to_bits().unwrap();
    assert_eq!(bits.len(), expected.len());
    assert!(bits.iter().by_vals().eq(expected.iter().copied()), "{ranges:?}");
    let ones = expected.iter().filter(|b| **b).count() as u64;
    assert_eq!((crop.count_ones().unwrap(), crop.len()), (ones, expected.len() as u64), "{ranges:?}");
    assert_eq!((crop.any().unwrap(), crop.all().unwrap()), (ones > 0, ones == crop.len()));
    assert_eq!(bits.count_ones() as u64, ones);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_crop_is_that_of_the_unpacked_mask(
        shape in prop::collection::vec(0usize..7, 0..3), last in 0usize..300, seed: u64, density in 0u64..5, little: bool
    ) {
        let mut random = Random(seed);
        let shape: Vec<usize> = shape.into_iter().chain([last]).collect();
        let naive = ArrayD::from_shape_fn(IxDyn(&shape), |_| random.below(4) < density);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.npy");
        packed(&naive, if little { "little" } else { "big" }, &path);
        let mask = PackedMask::open(path.to_str().unwrap()).unwrap();
        prop_assert_eq!(mask.shape(), shape.iter().map(|d| *d as u64).collect::<Vec<_>>());
        prop_assert_eq!(mask.order() == BitOrder::Little, little);
        check(&mask, &naive, &shape.iter().map(|d| 0..*d as u64).collect::<Vec<_>>());
        prop_assert_eq!(mask.count_ones().unwrap(), naive.iter().filter(|b| **b).count() as u64);
        for _ in 0..10 {
            let ranges: Vec<Range<u64>> = shape.iter().map(|d| {
                let a = random.below(*d as u64 + 1);
                a..a + random.below(*d as u64 - a + 1)
            }).collect();
            check(&mask, &naive, &ranges);
        }
        if naive.is_empty() { return Ok(()) }
        let index: Vec<u64> = shape.iter().map(|d| random.below(*d as u64)).collect();
        let at: Vec<usize> = index.iter().map(|i| *i as usize).collect();
        prop_assert_eq!(mask.get(&index).unwrap(), naive[IxDyn(&at)]);
    }
}

#[test]
fn bytes_of_packbits_are_a_mask_once_its_shape_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bits.npy");
    // Padding bits that are set count for nothing.
    ndarray_npy::write_npy(&path, &ndarray::arr2(&[[0b1000_0001u8, 0b1111_1111], [0, 0b0011_1111]])).unwrap();
    let path = path.to_str().unwrap();
    let mask = PackedMask::from_packed(path, &[2, 10], BitOrder::Big).unwrap();
    assert_eq!((mask.count_ones().unwrap(), mask.any().unwrap(), mask.all().unwrap()), (4, true, false));
    assert!(!mask.crop(1..2, 0..10).unwrap().any().unwrap() && mask.crop(0..1, 7..10).unwrap().all().unwrap());
    let mask = PackedMask::from_packed(path, &[2, 10], BitOrder::Little).unwrap();
    assert_eq!(mask.crop(1..2, 8..10).unwrap().count_ones().unwrap(), 2);
    for shape in [&[2u64, 17][..], &[2, 8], &[3, 10], &[20], &[]] {
        assert_eq!(PackedMask::from_packed(path, shape, BitOrder::Big).unwrap_err().kind(), ErrorKind::Usage);
    }
}

#[test]
fn what_is_no_mask_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let open = |name: &str| PackedMask::open(at(name).to_str().unwrap()).unwrap_err();
    ndarray_npy::write_npy(at("counts.npy"), &ndarray::arr1(&[1u8, 2, 3])).unwrap();
    assert!(open("counts.npy").to_string().contains("--bits"));
    let asks = asks_from_json(r#"[{"step": "bitpack"}]"#).unwrap();
    let options = CompactOptions { asks, ..CompactOptions::default() };
    compact(&place(&at("counts.npy")), &Target::Place(place(&at("two.npy"))), &options).unwrap();
    assert!(open("two.npy").to_string().contains("Reader::slice"));
    let naive = ArrayD::from_shape_fn(IxDyn(&[20, 30]), |i| i[0] > i[1]);
    packed(&naive, "big", &at("m.npy"));
    let mask = PackedMask::open(at("m.npy").to_str().unwrap()).unwrap();
    assert!(mask.crop(0..21, 0..1).is_err() && mask.crop_nd(std::slice::from_ref(&(0..1))).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let reversed = mask.crop(3..2, 0..1);
    assert!(reversed.is_err());
    // Packed along its first axis, of which no row lies together.
    let mut fortran = ndarray::Array2::from_elem(ndarray::ShapeBuilder::f((20, 30)), false);
    fortran.assign(&naive.view().into_dimensionality::<ndarray::Ix2>().unwrap());
    ndarray_npy::write_npy(at("f.npy"), &fortran).unwrap();
    compact(&place(&at("f.npy")), &Target::Place(place(&at("g.npy"))), &options).unwrap();
    match PackedMask::open(at("g.npy").to_str().unwrap()) {
        Ok(mask) => check(&mask, &naive, &[3..9, 2..29]),
        Err(error) => assert!(error.to_string().contains("Reader::slice"), "{error}"),
    }
}

/// The mask packed into `path` through its file's ending, read in whatever way suits that.
fn in_file(naive: &ArrayD<bool>, path: &Path, options: CompactOptions<'_>) -> PackedMask {
    let plain = path.with_extension("b.npy");
    ndarray_npy::write_npy(&plain, naive).unwrap();
    let asks = asks_from_json(r#"[{"step": "bitpack"}]"#).unwrap();
    let options = CompactOptions { asks, ..options };
    compact(&place(&plain), &Target::Place(place(path)), &options).unwrap();
    PackedMask::open(path.to_str().unwrap()).unwrap()
}

fn crops(mask: &PackedMask, naive: &ArrayD<bool>, count: u64) {
    let mut random = Random(5);
    for _ in 0..count {
        let ranges: Vec<Range<u64>> = naive
            .shape()
            .iter()
            .map(|d| {
                let a = random.below(*d as u64 + 1);
                a..a + random.below(*d as u64 - a + 1)
            })
            .collect();
        check(mask, naive, &ranges);
    }
    check(mask, naive, &naive.shape().iter().map(|d| 0..*d as u64).collect::<Vec<_>>());
}

#[test]
fn a_deflated_member_is_a_mask_as_any() {
    let folder = tempfile::tempdir().unwrap();
    let naive = ArrayD::from_shape_fn(IxDyn(&[9, 40, 77]), |i| (i[0] + i[1] * i[2]) % 5 == 0);
    let npz = ndcompact::store::NpzCodec::Deflate.with(None).unwrap();
    let mask = in_file(&naive, &folder.path().join("m.npz"), CompactOptions { npz, ..CompactOptions::default() });
    crops(&mask, &naive, 60);
}

#[cfg(feature = "hdf5")]
#[test]
fn a_mask_in_chunks_is_cropped_and_counted_as_one_in_one_piece() {
    use ndcompact::store::hdf5::{Codec, Options};
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(3);
    let naive = ArrayD::from_shape_fn(IxDyn(&[9, 40, 777]), |_| random.below(3) == 0);
    for (codec, chunk_bytes) in [(Codec::None, 98), (Codec::Zstd, 300), (Codec::Deflate, 2000), (Codec::Lz4, 1 << 20)] {
        let path = folder.path().join(format!("{codec:?}{chunk_bytes}.h5"));
        let hdf5 = Options { codec, chunk_bytes, ..Options::default() };
        let mask = in_file(&naive, &path, CompactOptions { hdf5, ..CompactOptions::default() });
        crops(&mask, &naive, 60);
        let none = ReadOptions { cache_bytes: 0, ..ReadOptions::default() };
        crops(&PackedMask::open_with(path.to_str().unwrap(), none).unwrap(), &naive, 20);
    }
    // More rows than are read together.
    let tall = ArrayD::from_shape_fn(IxDyn(&[70_000, 100]), |i| i[0] == 69_999 && i[1] == 99);
    let mask = in_file(&tall, &folder.path().join("tall.h5"), CompactOptions::default());
    assert_eq!((mask.count_ones().unwrap(), mask.any().unwrap(), mask.all().unwrap()), (1, true, false));
    assert!(!mask.crop(0..70_000, 0..99).unwrap().any().unwrap());
    assert_eq!(mask.whole().to_array().unwrap(), tall);
}

#[cfg(feature = "hdf5")]
#[test]
fn a_damaged_chunk_is_an_error_and_no_count() {
    use ndcompact::store::hdf5::{Codec, Options};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.h5");
    let naive = ArrayD::from_shape_fn(IxDyn(&[200, 4000]), |i| (i[0] * i[1]) % 7 == 1);
    let hdf5 = Options { codec: Codec::Zstd, chunk_bytes: 5000, ..Options::default() };
    in_file(&naive, &path, CompactOptions { hdf5, ..CompactOptions::default() });
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].iter_mut().for_each(|b| *b ^= 0x55);
    std::fs::write(&path, bytes).unwrap();
    let mask = PackedMask::open(path.to_str().unwrap()).unwrap();
    let failed = [mask.count_ones().map(drop), mask.whole().to_array().map(drop), mask.whole().to_bits().map(drop)];
    for error in failed.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("chunk"), "{error}");
    }
}
