use super::*;
use crate::array::DType;
use crate::coding::bound::Numbers;
use crate::coding::bytes::Reader;

fn holes_of(values: &Buf, is_hole: impl Fn(usize) -> bool) -> Holes {
    let mut holes = Holes::default();
    holes.clear(values.len()).unwrap();
    let flags: Vec<u8> = (0..values.len()).map(|i| u8::from(is_hole(i))).collect();
    holes.mark(0, &flags);
    holes
}

/// Writes the holes, reads them and puts them into zeros; gives the bytes they took.
fn round_trip(values: &Buf, holes: &Holes, dims: &[usize]) -> usize {
    let mut bytes = Vec::new();
    holes.write(dims, values, &mut bytes);
    let mut reader = Reader::new(&bytes);
    let patches = Patches::read(&mut reader, dims, values.dtype()).unwrap();
    assert!(reader.is_empty());
    let mut out = Buf::new();
    out.reset(values.dtype(), values.len() as u64).unwrap();
    out.bytes_mut().fill(0);
    let mut want = out.clone();
    holes.keep(values, &mut want);
    patches.apply(&mut out);
    assert_eq!(out.bytes(), want.bytes());
    assert_eq!(patches.is_empty(), holes.count() == 0);
    bytes.len()
}

#[test]
fn every_pattern_of_holes_comes_back() {
    let mut numbers = Numbers(3);
    for dims in [
        vec![1],
        vec![63],
        vec![64],
        vec![65],
        vec![7, 9],
        vec![2, 3, 70],
        vec![3, 2, 5, 31],
        vec![5000],
        vec![40, 200],
        vec![3, 50, 100],
    ] {
        let n: usize = dims.iter().product();
        for chance in [0, 1, 20, 128, 250, 256] {
            let kinds = [f32::NAN.to_bits(), 1e20f32.to_bits(), f32::INFINITY.to_bits(), 7, 8];
            let values: Vec<f32> = (0..n)
                .map(|_| {
                    f32::from_bits(if numbers.below(8) == 0 {
                        numbers.next() as u32
                    } else {
                        kinds[numbers.below(5) as usize]
                    })
                })
                .collect();
            let values = Buf::from_slice(&values).unwrap();
            let marks: Vec<bool> = (0..n).map(|_| numbers.below(256) < chance).collect();
            round_trip(&values, &holes_of(&values, |i| marks[i]), &dims);
        }
    }
    for dtype in DType::ALL.iter().filter(|d| d.part() == **d) {
        let mut values = Buf::new();
        values.reset(*dtype, 1000).unwrap();
        values.bytes_mut().iter_mut().for_each(|b| *b = numbers.below(2) as u8);
        round_trip(&values, &holes_of(&values, |i| i % 3 == 0), &[10, 100]);
    }
}

#[test]
fn a_mask_that_repeats_from_plane_to_plane_costs_one_plane() {
    let dims = [30, 60, 200];
    let round = |i: usize| {
        let (y, x) = ((i / 200 % 60) as f64 - 30.0, (i % 200) as f64 - 90.0);
        y * y * 4.0 + x * x < 3000.0
    };
    let values = Buf::from_slice(&vec![f64::NAN; 30 * 60 * 200]).unwrap();
    let all = round_trip(&values, &holes_of(&values, round), &dims);
    let one = Buf::from_slice(&vec![f64::NAN; 60 * 200]).unwrap();
    let first = round_trip(&one, &holes_of(&one, round), &dims[1..]);
    assert!(all < first + 60, "{all} {first}");
    assert!(first < 130, "{first}");
    assert!(round_trip(&values, &holes_of(&values, |_| true), &dims) < 40);
}

#[test]
fn any_bytes_give_an_error_or_patches() {
    let mut numbers = Numbers(5);
    let values: Vec<f32> = (0..6000).map(|i| if i % 7 < 3 { f32::NAN } else { i as f32 }).collect();
    let values = Buf::from_slice(&values).unwrap();
    let holes = holes_of(&values, |i| i % 7 < 3 || i % 500 == 0);
    let mut bytes = Vec::new();
    holes.write(&[60, 100], &values, &mut bytes);
    let mut out = values.clone();
    for round in 0..4000 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + round % 4 {
            let at = numbers.below(damaged.len() as u64) as usize;
            damaged[at] = numbers.next() as u8;
        }
        damaged.truncate(damaged.len() - numbers.below(damaged.len() as u64 / 2) as usize);
        if let Ok(patches) = Patches::read(&mut Reader::new(&damaged), &[60, 100], DType::F32) {
            patches.apply(&mut out);
        }
        let noise: Vec<u8> = (0..40).map(|_| numbers.next() as u8).collect();
        if let Ok(patches) = Patches::read(&mut Reader::new(&noise), &[60, 100], DType::F32) {
            patches.apply(&mut out);
        }
    }
}
