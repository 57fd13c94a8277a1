use half::f16;

use super::*;
use crate::array::{Element, Scalar};
use crate::coding::bound::{Numbers, judge};

/// Codes `values` with every candidate, checks each element by the independent judge, and that maps come back from their bytes.
fn keeps(values: &Buf, bound: &Bound, fill: Option<u64>) -> Vec<(Map, Stats)> {
    let mut survey = Survey::default();
    survey.of(values, fill);
    let mut maps = candidates(values, &survey, bound, fill, true);
    assert!(!maps.is_empty());
    maps.extend(Map::fine(values.dtype(), &survey, bound, 255));
    let (mut ints, mut holes) = (Ints::default(), Holes::default());
    let mut tried = Vec::new();
    for map in maps {
        let stats = map.forward(values, &survey, bound, fill, &mut ints, &mut holes).unwrap();
        assert_eq!(stats.holes, holes.count());
        let mut bytes = Vec::new();
        map.write(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let read = Map::read(&mut reader, values.dtype()).unwrap();
        assert!(reader.is_empty() && read == map);
        let mut out = Buf::new();
        out.reset(values.dtype(), values.len() as u64).unwrap();
        read.inverse(ints.view(), &mut out);
        let (low, high) = match ints.view() {
            IntsRef::Narrow(k) => (k.iter().min().map(|k| i64::from(*k)), k.iter().max().map(|k| i64::from(*k))),
            IntsRef::Wide(k) => (k.iter().min().copied(), k.iter().max().copied()),
        };
        assert_eq!((stats.min, stats.max), (low.unwrap(), high.unwrap()), "{map:?}");
        let size = values.dtype().size();
        for i in 0..values.len() {
            let same = values.bytes()[i * size..(i + 1) * size] == out.bytes()[i * size..(i + 1) * size];
            let (x, y) = (values.scalar(i), out.scalar(i));
            let good = match (x, y) {
                (Scalar::Float(x), Scalar::Float(y)) if bound.is_lossless() || !x.is_finite() => {
                    same && x.is_finite() && y.is_finite()
                }
                (Scalar::Float(x), Scalar::Float(y)) => judge(bound, x, y),
                (Scalar::Int(x), Scalar::Int(y)) if bound.max_rel.is_none() => {
                    let limit = if bound.is_lossless() { 0 } else { bound.max_abs.map_or(u128::MAX, |e| e as u128) };
                    x.abs_diff(y) <= limit
                }
                (Scalar::Int(x), Scalar::Int(y)) => judge(bound, x as f64, y as f64) || x == y,
                (x, y) => x == y,
            };
            assert!(holes.contains(i) || good, "{map:?}: {x} came back as {y} within {bound:?}");
        }
        let mut found = Vec::new();
        bound.violations(values, &out, &mut found).unwrap();
        assert!(found.iter().all(|i| holes.contains(*i)));
        holes.keep(values, &mut out);
        found.clear();
        bound.violations(values, &out, &mut found).unwrap();
        assert!(found.is_empty());
        if map.fineness() > 1 {
            shifted_integers_keep(&map, values, bound, &ints, &holes);
        }
        tried.push((map, stats));
    }
    tried
}

/// A predictor may give back any integer of a sub-grid within (q − 1)/2.
fn shifted_integers_keep(map: &Map, values: &Buf, bound: &Bound, ints: &Ints, holes: &Holes) {
    let mut numbers = Numbers(41);
    let half = i32::try_from(map.fineness() / 2).unwrap();
    let IntsRef::Narrow(k) = ints.view() else { panic!("a sub-grid fits 22 bits") };
    let shifts = [-half, half, 0];
    let near: Vec<i32> = k.iter().map(|k| k + shifts[numbers.below(3) as usize]).collect();
    let mut out = Buf::new();
    out.reset(values.dtype(), values.len() as u64).unwrap();
    map.inverse(IntsRef::Narrow(&near), &mut out);
    let mut found = Vec::new();
    let each = Bound { mean_square: None, ..*bound };
    if !each.is_lossless() {
        each.violations(values, &out, &mut found).unwrap();
    }
    assert!(found.iter().all(|i| holes.contains(*i)), "{map:?} within {bound:?}");
}

fn bounds(scale: f64) -> Vec<Bound> {
    let abs = |e: f64| Bound { max_abs: Some(e), ..Bound::default() };
    let rel = |r: f64, floor: f64| Bound { max_rel: Some(r), rel_floor: floor, ..Bound::default() };
    vec![
        Bound::default(),
        abs(scale * 1e-2),
        abs(scale * 1e-5),
        abs(scale * 1e-9),
        abs(scale * 3.0),
        abs(5e-324),
        abs(f64::MAX),
        rel(1e-2, 0.0),
        rel(1e-4, scale * 1e-3),
        rel(0.9, 0.0),
        rel(1e-7, 0.0),
        rel(1e-12, 0.0),
        Bound { max_abs: Some(scale * 1e-3), ..rel(1e-2, 0.0) },
        Bound { max_abs: Some(scale * 1e-3), ..rel(1e-2, scale * 1e-2) },
        Bound { mean_square: Some(scale * scale * 1e-6), ..Bound::default() },
    ]
}

fn fields(numbers: &mut Numbers) -> Vec<(Vec<f64>, f64)> {
    let n = 3000;
    let mut walk = 0.0;
    vec![
        ((0..n).map(|_| numbers.unit()).collect(), 1.0),
        (
            (0..n)
                .map(|_| {
                    walk += numbers.unit() - 0.5;
                    280.0 + walk
                })
                .collect(),
            30.0,
        ),
        ((0..n).map(|_| f64::from_bits(numbers.next())).collect(), 1e300),
        ((0..n).map(|_| f64::from_bits(numbers.next() >> 12)).collect(), 1e-308),
        ((0..n).map(|i| [0.0, -0.0, 5e-324, -1e-320, 1e308, -1e308, 1.5, f64::NAN][i % 8]).collect(), 1.0),
        ((0..n).map(|i| f64::from(f32::from_bits((i as u32) << 20))).collect(), 1.0),
        // Half steps of the grids of 1e-2.
        ((0..n).map(|i| i as f64 * 0.01).collect(), 1.0),
        (
            (0..n)
                .map(|_| {
                    let e = numbers.below(60) as i32 - 30;
                    (numbers.unit() - 0.5) * 2f64.powi(e)
                })
                .collect(),
            1.0,
        ),
        (vec![3.25; 100], 1.0),
        (vec![f64::NAN; 70], 1.0),
        (vec![-0.0], 1.0),
        (vec![f64::MAX, f64::MIN, f64::MAX], 1e307),
    ]
}

#[test]
fn floats_of_every_width_keep_every_bound() {
    let mut numbers = Numbers(11);
    for (field, scale) in fields(&mut numbers) {
        for bound in bounds(scale) {
            let f32s: Vec<f32> = field.iter().map(|x| *x as f32).collect();
            let f16s: Vec<f16> = field.iter().map(|x| f16::from_f64(*x)).collect();
            for fill in [None, Some(field[field.len() / 2])] {
                keeps(&Buf::from_slice(&field).unwrap(), &bound, fill.map(f64::to_bits));
                keeps(&Buf::from_slice(&f32s).unwrap(), &bound, fill.map(|f| u64::from((f as f32).to_bits())));
                keeps(&Buf::from_slice(&f16s).unwrap(), &bound, fill.map(|f| u64::from(f16::from_f64(f).to_bits())));
            }
        }
    }
}

fn whole<T: Element + Copy>(make: impl Fn(u64) -> T, fill: u64) {
    let mut numbers = Numbers(13);
    for bits in [1, 3, 7, 12, 31, 50, 64] {
        let values: Vec<T> = (0..2000).map(|_| make(numbers.next() >> (64 - bits))).collect();
        let signed: Vec<T> = (0..2000).map(|_| make((numbers.next() as i64 >> (64 - bits)) as u64)).collect();
        for values in [values, signed] {
            let values = Buf::from_slice(&values).unwrap();
            for e in [0.0, 0.5, 1.0, 2.7, 100.0, 1e10, 1e18, 1e30] {
                for fill in [None, Some(fill)] {
                    let tried = keeps(&values, &Bound { max_abs: Some(e), ..Bound::default() }, fill);
                    assert!(fill.is_some() || tried[0].1.holes == 0, "{:?} {e}", tried[0]);
                }
            }
            keeps(&values, &Bound { max_rel: Some(0.01), rel_floor: 200.0, ..Bound::default() }, None);
            keeps(&values, &Bound { mean_square: Some(10.0), ..Bound::default() }, None);
        }
    }
}

#[test]
fn integers_of_every_width_keep_every_bound_and_need_no_holes() {
    whole(|b| b as u8, 3);
    whole(|b| b as i8, 3);
    whole(|b| b as u16, 5);
    whole(|b| b as i16, 5);
    whole(|b| b as u32, 5);
    whole(|b| b as i32, 5);
    whole(|b| b, 5);
    whole(|b| b as i64, 5);
    whole(|b| b & 1 != 0, 1);
    let ends = [i64::MIN, i64::MAX, 0, -1, 1].repeat(100);
    assert_eq!(keeps(&Buf::from_slice(&ends).unwrap(), &Bound::default(), None)[0].1.holes, 0);
    let ends = [u64::MAX, 0, 1, u64::MAX / 2].repeat(100);
    assert_eq!(keeps(&Buf::from_slice(&ends).unwrap(), &Bound::default(), None)[0].1.holes, 0);
}

fn lattice_of<T: Element>(values: &[T]) -> Option<(Lattice, Stats)> {
    let tried = keeps(&Buf::from_slice(values).unwrap(), &Bound::default(), None);
    tried.into_iter().find_map(|(m, s)| if let Map::Lattice(l) = m { Some((l, s)) } else { None })
}

#[test]
fn values_computed_from_integers_are_found_bit_for_bit() {
    let mut numbers = Numbers(17);
    let ints: Vec<i32> = (0..20_000).map(|_| numbers.below(30_000) as i32 - 9000).collect();
    let bytes: Vec<u8> = (0..20_000).map(|_| numbers.next() as u8).collect();
    let found = |v: &[f32]| lattice_of(v).filter(|l| l.1.max - l.1.min <= 30_000 && l.1.holes == 0).is_some();
    assert!(found(&ints.iter().map(|k| (f64::from(*k) / 100.0) as f32).collect::<Vec<_>>()), "two decimals");
    assert!(
        found(&ints.iter().map(|k| (f64::from(*k) * 0.01 + 273.15) as f32).collect::<Vec<_>>()),
        "unpacked in float64"
    );
    assert!(found(&ints.iter().map(|k| *k as f32 * 0.01 + 273.15).collect::<Vec<_>>()), "unpacked in float32");
    assert!(found(&ints.iter().map(|k| *k as f32 * 0.0025).collect::<Vec<_>>()), "multiples in float32");
    assert!(found(&bytes.iter().map(|k| f32::from(*k) / 255.0).collect::<Vec<_>>()), "grey values");
    assert!(found(&ints.iter().map(|k| *k as f32).collect::<Vec<_>>()), "integers");
    assert!(found(&ints.iter().map(|k| *k as f32 * 250.0).collect::<Vec<_>>()), "integers in steps");
    assert!(found(&ints.iter().map(|k| *k as f32 * 0.125 + 280.0).collect::<Vec<_>>()), "eighths");
    // More than one offset fits nearly all, and a sample does not tell them apart.
    let found = |v: &[f64]| lattice_of(v).filter(|l| l.1.max - l.1.min <= 30_000 && l.1.holes < 40).is_some();
    assert!(found(&ints.iter().map(|k| f64::from(*k) / 100.0).collect::<Vec<_>>()), "two decimals");
    assert!(found(&ints.iter().map(|k| f64::from(*k) * 0.01 + 273.15).collect::<Vec<_>>()), "unpacked");
    assert!(found(&ints.iter().map(|k| f64::from(*k) * 0.0003).collect::<Vec<_>>()), "multiples");
    let noise: Vec<f32> = (0..20_000).map(|_| numbers.unit() as f32).collect();
    assert!(lattice_of(&noise).is_none());
}

#[test]
fn float64_that_holds_less_is_mapped_to_fewer_integers() {
    let mut numbers = Numbers(19);
    let values: Vec<f64> = (0..5000).map(|_| f64::from((numbers.unit() - 0.5) as f32)).collect();
    let tried = keeps(&Buf::from_slice(&values).unwrap(), &Bound::default(), None);
    let (Some((Map::Ordered(o), stats)), true) = (tried.last(), true) else { panic!("{tried:?}") };
    assert!(o.single && stats.holes == 0 && stats.max < i64::from(i32::MAX));
    let values: Vec<f64> = (0..5000).map(|_| f16::from_f64(numbers.unit()).to_f64()).collect();
    let tried = keeps(&Buf::from_slice(&values).unwrap(), &Bound::default(), None);
    assert!(tried.last().unwrap().1.max - tried.last().unwrap().1.min < 1 << 16, "{tried:?}");
}

#[test]
fn a_relative_grid_has_about_as_many_integers_as_a_logarithm_would() {
    let mut numbers = Numbers(23);
    let values: Vec<f64> = (0..50_000).map(|_| (0.5 + numbers.unit()) * 2f64.powi(numbers.below(20) as i32)).collect();
    let bound = Bound { max_rel: Some(1e-3), ..Bound::default() };
    let tried = keeps(&Buf::from_slice(&values).unwrap(), &bound, None);
    let (_, stats) = tried.iter().find(|(m, _)| matches!(m, Map::Relative(_))).unwrap();
    let ideal = 20.6 * std::f64::consts::LN_2 / (2.0 * 1e-3);
    let ratio = (stats.max - stats.min) as f64 / ideal;
    assert!(stats.holes == 0 && ratio < 1.06, "{ratio}");
}

#[test]
fn any_bytes_give_an_error_or_a_map() {
    let mut numbers = Numbers(29);
    let field: Vec<f64> = (0..2000).map(|i| (i / 7) as f64 * 0.01).collect();
    let values = Buf::from_slice(&field).unwrap();
    let mut written = Vec::new();
    for bound in bounds(1.0) {
        for (map, _) in keeps(&values, &bound, None) {
            let mut bytes = Vec::new();
            map.write(&mut bytes);
            written.push(bytes);
        }
    }
    let whole = Map::Whole(Whole { base: 5, step: 3 });
    let mut bytes = Vec::new();
    whole.write(&mut bytes);
    written.push(bytes);
    let narrow: Vec<i32> = (0..2000).map(|i| if i % 3 == 0 { numbers.next() as i32 } else { i }).collect();
    let wide: Vec<i64> = (0..2000).map(|i| if i % 3 == 0 { numbers.next() as i64 } else { i }).collect();
    let mut out = Buf::new();
    for round in 0..3000 {
        let mut bytes = written[round % written.len()].clone();
        for _ in 0..1 + round % 5 {
            let at = numbers.below(bytes.len() as u64) as usize;
            bytes[at] = numbers.next() as u8;
        }
        if round % 11 == 0 {
            bytes.truncate(bytes.len() / 2);
        }
        for dtype in DType::ALL.iter().filter(|d| d.part() == **d) {
            if let Ok(map) = Map::read(&mut Reader::new(&bytes), *dtype) {
                out.reset(*dtype, 2000).unwrap();
                map.inverse(IntsRef::Narrow(&narrow), &mut out);
                map.inverse(IntsRef::Wide(&wide), &mut out);
                assert!(*dtype != DType::Bool || out.bytes().iter().all(|b| *b < 2));
            }
        }
    }
}
