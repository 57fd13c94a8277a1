use super::*;
use crate::array::DType;
use crate::coding::bound::Numbers;

/// Writes and reads the values; gives the bytes they took.
fn round_trip(values: &Buf, dims: &[usize]) -> usize {
    let mut bytes = Vec::new();
    Classes::of(values, dims).unwrap().unwrap().write(values.dtype().size(), &mut bytes);
    let mut reader = Reader::new(&bytes);
    let mut out = Buf::new();
    out.reset(values.dtype(), values.len() as u64).unwrap();
    read(&mut reader, dims, &mut out).unwrap();
    assert!(reader.is_empty());
    assert_eq!(out.bytes(), values.bytes(), "{dims:?}");
    bytes.len()
}

/// The nearest of some points in a plane, told by their numbers.
fn cells(rows: i64, columns: i64, points: u64, numbers: &mut Numbers) -> Vec<u8> {
    let points: Vec<(i64, i64)> =
        (0..points).map(|_| (numbers.below(rows as u64) as i64, numbers.below(columns as u64) as i64)).collect();
    let nearest =
        |y: i64, x: i64| (0..points.len()).min_by_key(|i| (points[*i].0 - y).pow(2) + (points[*i].1 - x).pow(2));
    (0..rows * columns).map(|i| nearest(i / columns, i % columns).unwrap() as u8).collect()
}

const SHAPES: &[&[usize]] = &[
    &[1],
    &[2],
    &[31],
    &[32],
    &[33],
    &[5000],
    &[700, 2],
    &[900, 3],
    &[2, 900],
    &[30, 31],
    &[20, 32],
    &[21, 33],
    &[2, 2, 2],
    &[9, 2, 2],
    &[9, 2, 3],
    &[2, 3, 70],
    &[3, 2, 5, 31],
    &[3, 50, 100],
    &[4, 5, 6, 7],
];

#[test]
fn every_map_of_classes_comes_back() {
    let mut numbers = Numbers(11);
    for dims in SHAPES {
        let n: usize = dims.iter().product();
        for count in [1, 2, 3, 15, 16, 17, 40, 256] {
            for stay in [0, 30, 100, 128] {
                // A class stays for a while, is that of the row above, or is any.
                let row = dims[dims.len() - 1];
                let mut values: Vec<u8> = Vec::new();
                for i in 0..n {
                    let last = values.last().copied().unwrap_or(0);
                    let other = values.get(i.wrapping_sub(row)).copied().unwrap_or(0);
                    let any = numbers.below(count) as u8;
                    values.push(match numbers.below(128) {
                        at if at >= stay => any,
                        at if at % 2 == 0 => last,
                        _ => other,
                    });
                }
                round_trip(&Buf::from_slice(&values).unwrap(), dims);
            }
        }
    }
}

#[test]
fn elements_of_every_width_come_back_whatever_their_bits_are() {
    let mut numbers = Numbers(12);
    for dtype in DType::ALL.iter().filter(|d| d.part() == **d) {
        let size = dtype.size();
        let kinds: Vec<u64> = (0..200).map(|i| if i == 0 { 0 } else { numbers.next() }).collect();
        let mut values = Buf::new();
        values.reset(*dtype, 3000).unwrap();
        for to in values.bytes_mut().chunks_exact_mut(size) {
            let word = if *dtype == DType::Bool { numbers.below(2) } else { kinds[numbers.below(200) as usize] };
            to.copy_from_slice(&word.to_le_bytes()[..size]);
        }
        round_trip(&values, &[30, 100]);
    }
}

#[test]
fn more_than_256_values_are_no_classes() {
    let values: Vec<u16> = (0..1000).map(|i| i % 257).collect();
    assert!(Classes::of(&Buf::from_slice(&values).unwrap(), &[1000]).unwrap().is_none());
    let values: Vec<u16> = (0..1000).map(|i| i % 256).collect();
    round_trip(&Buf::from_slice(&values).unwrap(), &[1000]);
}

#[test]
fn borders_are_what_costs_and_what_repeats_costs_nothing() {
    let mut numbers = Numbers(13);
    let one = cells(120, 200, 12, &mut numbers);
    let plane = round_trip(&Buf::from_slice(&one).unwrap(), &[120, 200]);
    assert!(plane < 520, "{plane}");
    let many = round_trip(&Buf::from_slice(&one.repeat(20)).unwrap(), &[20, 120, 200]);
    assert!(many < plane + 150, "{many} {plane}");
    // As numbers that say nothing of each other, wider elements take the table alone.
    let wide: Vec<f64> = one.iter().map(|c| f64::from(*c).sqrt() - 1.0).collect();
    assert!(round_trip(&Buf::from_slice(&wide).unwrap(), &[120, 200]) < plane + 12 * 8 + 2);
    assert!(round_trip(&Buf::from_slice(&vec![false; 1 << 20]).unwrap(), &[1 << 10, 1 << 10]) < 16);
}

#[test]
fn any_bytes_give_an_error_or_values() {
    let mut numbers = Numbers(14);
    let mut good = Vec::new();
    let dims = [5, 12, 100];
    for count in [1, 2, 12, 200] {
        let mut values = cells(60, 100, count, &mut numbers);
        values.iter_mut().step_by(97).for_each(|v| *v = numbers.below(count) as u8);
        let mut bytes = Vec::new();
        Classes::of(&Buf::from_slice(&values).unwrap(), &dims).unwrap().unwrap().write(1, &mut bytes);
        good.push(bytes);
    }
    let (mut out, mut decoded) = (Buf::new(), 0);
    for round in 0..4000 {
        let mut bytes = good[round % good.len()].clone();
        for _ in 0..1 + round % 3 {
            let at = numbers.below(bytes.len() as u64) as usize;
            bytes[at] = numbers.next() as u8;
        }
        let dims: &[usize] = if round % 5 == 0 { SHAPES[numbers.below(SHAPES.len() as u64) as usize] } else { &dims };
        out.reset(DType::U8, dims.iter().product::<usize>() as u64).unwrap();
        decoded += usize::from(read(&mut Reader::new(&bytes), dims, &mut out).is_ok());
        let noise: Vec<u8> = [0, 3, 1, 2, 3, 0, 60].into_iter().chain((0..60).map(|_| numbers.next() as u8)).collect();
        assert!(read(&mut Reader::new(&noise), dims, &mut out).is_ok(), "bytes of the coder are never wrong");
    }
    assert!(decoded > 1000, "{decoded}");
    assert!(read(&mut Reader::new(&[0, 0, 0, 0]), &dims, &mut out).is_err(), "no class");
    assert!(read(&mut Reader::new(&[0, 1, 7, 2, 0]), &dims, &mut out).is_err(), "no such way");
}

#[test]
fn bytes_are_the_same_on_every_machine() {
    const GOLDEN: (usize, u32) = (1273, 4_249_974_001);
    let mut numbers = Numbers(15);
    let mut all = Vec::new();
    for (count, dims) in [(2, [1, 60, 90]), (9, [3, 20, 90]), (40, [6, 30, 30])] {
        let mut values = cells(60, 90, count, &mut numbers);
        values.iter_mut().step_by(61).for_each(|v| *v = numbers.below(count) as u8);
        Classes::of(&Buf::from_slice(&values).unwrap(), &dims).unwrap().unwrap().write(1, &mut all);
    }
    assert_eq!((all.len(), crc32fast::hash(&all)), GOLDEN);
}
