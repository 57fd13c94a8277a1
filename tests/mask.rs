//! Packed masks in mapped files, against the naive mask.
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
#[cfg(feature = "hdf5")]
use ndcompact::Reader;
use ndcompact::collect::PackedMask;
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
    assert_eq!((crop.count_ones(), crop.len()), (ones, expected.len() as u64), "{ranges:?}");
    assert_eq!((crop.any(), crop.all()), (ones > 0, ones == crop.len()));
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
        prop_assert_eq!(mask.count_ones(), naive.iter().filter(|b| **b).count() as u64);
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
    assert_eq!((mask.count_ones(), mask.any(), mask.all()), (4, true, false));
    assert!(!mask.crop(1..2, 0..10).unwrap().any() && mask.crop(0..1, 7..10).unwrap().all());
    let mask = PackedMask::from_packed(path, &[2, 10], BitOrder::Little).unwrap();
    assert_eq!(mask.crop(1..2, 8..10).unwrap().count_ones(), 2);
    for shape in [&[2u64, 17][..], &[2, 8], &[3, 10], &[20], &[]] {
        assert_eq!(PackedMask::from_packed(path, shape, BitOrder::Big).unwrap_err().kind(), ErrorKind::Usage);
    }
}

#[test]
fn what_is_no_mappable_mask_is_refused_with_the_remedy() {
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
    #[cfg(feature = "hdf5")]
    {
        ndarray_npy::write_npy(at("b.npy"), &naive).unwrap();
        compact(&place(&at("b.npy")), &Target::Place(place(&at("b.h5"))), &options).unwrap();
        let error = open("b.h5");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("restore"), "{error}");
        let crop = Reader::open(at("b.h5").to_str().unwrap()).unwrap().slice::<bool>("3:5, 0:9").unwrap();
        assert_eq!(crop, naive.slice(ndarray::s![3..5, 0..9]).into_dyn());
    }
}
