use super::*;
use crate::coding::{estimate, predict};

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// A smooth field with noise of a few levels.
fn field(dims: &[usize], noise: u64) -> Vec<i32> {
    let mut seed = 1;
    (0..dims.iter().product::<usize>())
        .map(|at| {
            let (mut left, mut sum) = (at, 0i64);
            for (a, n) in dims.iter().enumerate().rev() {
                let x = (left % n % 64) as i64;
                left /= n;
                sum += x * (40 - x) * (a as i64 + 1);
            }
            (sum + (random(&mut seed) % noise) as i64 + (random(&mut seed) % noise) as i64) as i32
        })
        .collect()
}

fn crc(v: &[i32]) -> u32 {
    crc32fast::hash(bytemuck::cast_slice(v))
}

#[test]
fn any_integers_come_back_of_any_shape() {
    let mut seed = 7;
    let shapes: &[&[usize]] = &[
        &[1],
        &[5],
        &[4096],
        &[70_001],
        &[2, 1500],
        &[130, 17],
        &[1, 3000],
        &[3, 40, 50],
        &[40, 3, 33],
        &[2, 2, 700],
        &[3, 4, 20, 24],
        &[2, 2, 2, 400],
        &[5, 1, 9, 64],
        &[7, 3],
    ];
    for dims in shapes {
        let n = dims.iter().product::<usize>();
        let wild: Vec<i32> = (0..n)
            .map(|_| match random(&mut seed) % 4 {
                0 => i32::MIN,
                1 => i32::MAX,
                _ => random(&mut seed) as i32,
            })
            .collect();
        let calm = field(dims, 9);
        let zeros = vec![0; n];
        for v in [wild, calm, zeros] {
            for axes in [0, 1, (1u8 << dims.len()) - 1] {
                let mut model = Model::default();
                if Fitter::default().fit(&v, dims, axes, &mut model).is_none() {
                    assert!(n < 1 << 11 || dims[dims.len() - 1] < 16);
                    continue;
                }
                let mut bytes = Vec::new();
                model.write(dims, &mut bytes);
                let mut reader = Reader::new(&bytes);
                let read = Model::read(&mut reader, dims).unwrap();
                assert!(reader.is_empty());
                assert_eq!(read, model, "{dims:?}");
                let mut scratch = Scratch::default();
                let mut w = v.clone();
                model.forward(&mut w, dims, &mut scratch);
                read.inverse(&mut w, dims, &mut scratch);
                assert_eq!(w, v, "{dims:?} {axes:b}");
            }
        }
    }
}

#[test]
fn forged_factors_give_an_error_or_any_values_that_come_back() {
    let mut seed = 3;
    for dims in [&[50usize][..], &[9, 20], &[4, 5, 21], &[2, 3, 4, 17]] {
        for round in 0..200 {
            let n = (random(&mut seed) % 400) as usize;
            let mut bytes: Vec<u8> = (0..n).map(|_| random(&mut seed) as u8).collect();
            if round % 2 == 0 {
                let mut any = || Factors {
                    each: std::array::from_fn(|_| random(&mut seed) as i32),
                    constant: (random(&mut seed) << 33 | random(&mut seed)) as i64,
                    bits: 20,
                };
                let edges = (0..MASKS).map(|_| any()).collect();
                let blocks = (0..Model::count(dims, 7)).map(|_| any()).collect();
                bytes.clear();
                Model { axes: 0xff, block: 7, edges, blocks }.write(dims, &mut bytes);
            }
            let read = Model::read(&mut Reader::new(&bytes), dims);
            assert!(read.is_ok() || round % 2 == 1);
            let Ok(model) = read else { continue };
            let values: Vec<i32> = (0..dims.iter().product()).map(|_| random(&mut seed) as i32).collect();
            let mut v = values.clone();
            model.inverse(&mut v, dims, &mut Scratch::default());
            model.forward(&mut v, dims, &mut Scratch::default());
            assert_eq!(v, values);
        }
    }
}

#[test]
fn factors_are_the_same_everywhere() {
    let dims = [20, 60, 70];
    let mut v = field(&dims, 50);
    let mut model = Model::default();
    Fitter::default().fit(&v, &dims, 0b111, &mut model).unwrap();
    let mut bytes = Vec::new();
    model.write(&dims, &mut bytes);
    model.forward(&mut v, &dims, &mut Scratch::default());
    assert_eq!(
        (crc32fast::hash(&bytes), crc(&v)),
        (2_881_398_000, 365_276_529),
        "the factors or what they leave over changed"
    );
}

#[test]
fn a_noisy_smooth_field_is_smaller_than_by_differences() {
    for dims in [&[1usize << 16][..], &[250, 260], &[20, 60, 70], &[3, 12, 40, 50]] {
        let v = field(dims, 50);
        let all = (1u8 << dims.len()) - 1;
        let mut model = Model::default();
        let fitted = Fitter::default().fit(&v, dims, all, &mut model).unwrap();
        let mut linear = v.clone();
        model.forward(&mut linear, dims, &mut Scratch::default());
        let linear = estimate::bits(&linear);
        let mut lorenzo = v.clone();
        predict::forward(&mut lorenzo, dims, predict::Differences::along(all));
        let lorenzo = estimate::bits(&lorenzo);
        assert!(linear < lorenzo - 0.3, "{dims:?}: {linear} bits, {lorenzo} by differences");
        assert!((fitted.bits - linear).abs() < 0.15, "{fitted:?} {linear} {lorenzo}");
    }
}
