//! The promises of the triangle step, against brute force.

use half::f16;
use num_complex::Complex;
use proptest::prelude::*;

use super::*;
use crate::array::{DType, Element, Scalar, total};
use crate::transform::{Ask, Why};

const KINDS: [TriangleKind; 5] =
    [TriangleKind::Upper, TriangleKind::Lower, TriangleKind::Strict, TriangleKind::Skew, TriangleKind::Hermitian];

/// Pseudo-random bits; every test is repeatable.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    seed.rotate_left(32)
}

fn image(kind: TriangleKind, dtype: DType, element: &[u8]) -> Vec<u8> {
    with_image!(kind, dtype, W, I => {
        let word: W = bytemuck::pod_read_unaligned(element);
        bytemuck::bytes_of(&<I as image::Image<W>>::of(word)).to_vec()
    })
}

/// The kept pairs of one matrix, in packed order.
fn kept(kind: TriangleKind, n: u64) -> Vec<(u64, u64)> {
    let all = (0..n).flat_map(|r| (0..n).map(move |c| (r, c)));
    match kind {
        TriangleKind::Upper | TriangleKind::Hermitian => all.filter(|(r, c)| r <= c).collect(),
        TriangleKind::Strict | TriangleKind::Skew => all.filter(|(r, c)| r < c).collect(),
        TriangleKind::Lower => all.filter(|(r, c)| r >= c).collect(),
    }
}

/// A stack of `stack` matrices of `kind` with random bits, and its packed form by definition.
fn example(kind: TriangleKind, dtype: DType, stack: u64, n: u64, seed: u64) -> (Io, Step, Buf, Buf) {
    let mut seed = seed;
    let input = Spec::new(dtype, vec![stack, n, n]).unwrap();
    let (mut wide, mut packed) = (Buf::new(), Buf::new());
    wide.reset(dtype, input.count()).unwrap();
    let size = dtype.size();
    let pairs = kept(kind, n);
    packed.reset(dtype, stack * pairs.len() as u64).unwrap();
    let constant: Vec<u8> =
        (0..size).map(|_| if kind == TriangleKind::Strict { random(&mut seed) as u8 } else { 0 }).collect();
    let mut at = 0;
    for m in 0..stack {
        for i in 0..n {
            let place = ((m * n + i) * n + i) as usize * size;
            wide.bytes_mut()[place..place + size].copy_from_slice(&constant);
        }
        for (r, c) in &pairs {
            let element: Vec<u8> = (0..size)
                .map(|_| if random(&mut seed).is_multiple_of(5) { 0 } else { random(&mut seed) as u8 })
                .collect();
            packed.bytes_mut()[at..at + size].copy_from_slice(&element);
            at += size;
            let (near, far) = (((m * n + r) * n + c) as usize * size, ((m * n + c) * n + r) as usize * size);
            wide.bytes_mut()[far..far + size].copy_from_slice(&image(kind, dtype, &element));
            wide.bytes_mut()[near..near + size].copy_from_slice(&element);
        }
    }
    let step = settle(kind, None, &input, &wide).unwrap();
    let output = step.transform().output(&input).unwrap();
    (Io { input, output }, step, wide, packed)
}

fn settle(kind: TriangleKind, tolerance: Option<f64>, input: &Spec, wide: &Buf) -> Result<Step> {
    let ask = TriangleAsk { kind, tolerance };
    let fact = match ask.needs(input)? {
        FactNeeded::First => Fact::First(gather(wide, &[Span::new(0, wide.len().min(1) as u64)])),
        _ => Fact::Nothing,
    };
    ask.settle(input, &fact)
}

fn gather(buf: &Buf, spans: &[Span]) -> Buf {
    let size = buf.dtype().size();
    let mut out = Buf::new();
    out.reset(buf.dtype(), total(spans)).unwrap();
    let mut at = 0;
    for span in spans {
        let (from, len) = (span.start as usize * size, span.len as usize * size);
        out.bytes_mut()[at..at + len].copy_from_slice(&buf.bytes()[from..from + len]);
        at += len;
    }
    out
}

fn takes(kind: TriangleKind, dtype: DType) -> bool {
    match kind {
        TriangleKind::Skew => !matches!(dtype.kind(), DTypeKind::Bool | DTypeKind::Uint),
        TriangleKind::Hermitian => dtype.kind() == DTypeKind::Complex,
        _ => true,
    }
}

/// Kinds, dtypes and sizes that fit each other.
fn cases(most: u64) -> Vec<(TriangleKind, DType, u64, u64)> {
    let mut list = Vec::new();
    for kind in KINDS {
        for dtype in DType::ALL.iter().copied().filter(|d| takes(kind, *d)) {
            for n in 0..=most {
                for stack in [0, 1, 3] {
                    if !(kind.keeps_diagonal_once() && n == 1 && stack > 0) {
                        list.push((kind, dtype, stack, n));
                    }
                }
            }
        }
    }
    list
}

/// Up to three spans anywhere, overlapping or not, in any order.
fn spans(seed: &mut u64, count: u64) -> Vec<Span> {
    if count == 0 {
        return vec![];
    }
    (0..1 + random(seed) % 3)
        .map(|_| {
            let start = random(seed) % count;
            Span::new(start, 1 + random(seed) % (count - start))
        })
        .collect()
}

fn forward_whole(step: &Step, io: &Io, wide: &Buf) -> (Buf, Refused) {
    let (mut out, mut refused) = (Buf::new(), Refused::default());
    step.transform().forward(io, &[Span::new(0, io.output.count())], wide, &mut out, &mut refused).unwrap();
    (out, refused)
}

#[test]
fn whole_units_pack_in_numpys_order_and_come_back_bit_for_bit() {
    for (i, (kind, dtype, stack, n)) in cases(12).into_iter().enumerate() {
        let (io, step, wide, packed) = example(kind, dtype, stack, n, i as u64);
        let (out, refused) = forward_whole(&step, &io, &wide);
        assert!(refused.is_empty(), "{kind:?} {} {refused:?}", io.input);
        assert_eq!(out.bytes(), packed.bytes(), "{kind:?} {}", io.input);
        let mut back = Buf::new();
        step.transform().inverse(&io, &[Span::new(0, io.input.count())], &out, &mut back).unwrap();
        assert_eq!(back.bytes(), wide.bytes(), "{kind:?} {}", io.input);
        let unit = step.transform().unit(&io.input);
        assert_eq!(io.input.count() / unit.input * unit.output, io.output.count());
    }
}

#[test]
fn matrices_of_several_tiles_and_panels_come_back() {
    for kind in KINDS {
        for dtype in DType::ALL.iter().copied().filter(|d| takes(kind, *d)) {
            for n in [63, 64, 65, 129, 141] {
                let (io, step, wide, packed) = example(kind, dtype, 1, n, n);
                let (out, refused) = forward_whole(&step, &io, &wide);
                assert!(refused.is_empty() && out.bytes() == packed.bytes(), "{kind:?} {}", io.input);
                let mut back = Buf::new();
                step.transform().inverse(&io, &[Span::new(0, io.input.count())], &out, &mut back).unwrap();
                assert!(back.bytes() == wide.bytes(), "{kind:?} {}", io.input);
            }
        }
    }
}

/// Both directions, and the reconstruction, of any spans against the same spans of the whole.
fn check_parts(kind: TriangleKind, dtype: DType, stack: u64, n: u64, seed: u64) {
    let (io, step, wide, packed) = example(kind, dtype, stack, n, seed);
    let step = step.transform();
    let mut seed = seed;
    let (mut need, mut out, mut refused) = (Vec::new(), Buf::new(), Refused::default());
    let want = spans(&mut seed, io.output.count());
    step.forward_need(&io, &want, &mut need);
    let input = gather(&wide, &need);
    step.forward_part(&io, &want, &need, &input, &mut out, &mut refused).unwrap();
    assert!(refused.is_empty(), "{kind:?} {} {want:?} {refused:?}", io.input);
    assert_eq!(out.bytes(), gather(&packed, &want).bytes(), "{kind:?} {} {want:?}", io.input);
    let mut back = Buf::new();
    step.reconstruct(&io, &want, &need, &out, &mut back).unwrap();
    assert_eq!(back.bytes(), input.bytes(), "{kind:?} {} {want:?}", io.input);

    let want = spans(&mut seed, io.input.count());
    need.clear();
    step.inverse_need(&io, &want, &mut need);
    step.inverse_part(&io, &want, &need, &gather(&packed, &need), &mut out).unwrap();
    assert_eq!(out.bytes(), gather(&wide, &want).bytes(), "{kind:?} {} {want:?}", io.input);
}

#[test]
fn any_part_of_small_matrices_equals_the_part_of_the_whole() {
    for (i, (kind, dtype, stack, n)) in cases(12).into_iter().enumerate() {
        for round in 0..4 {
            check_parts(kind, dtype, stack, n, (i * 4 + round) as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_part_of_larger_matrices_equals_the_part_of_the_whole(
        kind in 0..5usize, dtype in 0..DType::ALL.len(), n in 2..150u64, seed: u64,
    ) {
        let (kind, dtype) = (KINDS[kind], DType::ALL[dtype]);
        if takes(kind, dtype) {
            check_parts(kind, dtype, 2, n, seed);
        }
    }
}

/// The refusals by definition, for all elements of the array.
fn expected_refusals(step: &Triangle, io: &Io, wide: &Buf) -> Refused {
    let n = io.input.last_axis();
    let size = wide.dtype().size();
    let element = |at: u64| &wide.bytes()[at as usize * size..(at as usize + 1) * size];
    let mut refused = Refused::default();
    for m in 0..io.input.count() / (n * n).max(1) {
        let flat = |r: u64, c: u64| (m * n + r) * n + c;
        for (r, c) in kept(step.kind, n).into_iter().filter(|(r, c)| r != c) {
            let expected = image(step.kind, wide.dtype(), element(flat(r, c)));
            if expected != element(flat(c, r)) {
                let expected = scalar_of(wide.dtype(), &expected);
                let found = wide.scalar(flat(c, r) as usize);
                let badness = difference::distance(expected, found);
                if !step.tolerance.is_some_and(|t| difference::within(expected, found, t)) {
                    refused.add(Why::Asymmetric, flat(c, r), wide.scalar(flat(r, c) as usize), Some(found), badness);
                }
            }
        }
        if let Some(bits) = step.diagonal {
            let constant = bits.scalar(wide.dtype()).unwrap();
            for i in 0..n {
                let at = flat(i, i);
                let bytes = with_image!(step.kind, wide.dtype(), W, _I => bytemuck::bytes_of(&bits.word::<W>(wide.dtype())).to_vec());
                if bytes != element(at) {
                    let found = wide.scalar(at as usize);
                    refused.add(Why::Diagonal, at, found, Some(constant), difference::distance(found, constant));
                }
            }
        }
    }
    refused
}

fn scalar_of(dtype: DType, bytes: &[u8]) -> Scalar {
    crate::array::scalar(dtype, bytes)
}

/// NaN differs from itself, so refusals are compared as text.
fn text(refused: &Refused) -> String {
    format!("{refused:?}")
}

#[test]
fn every_bit_of_asymmetry_is_refused_once_whole_or_in_parts() {
    let mut seed = 5;
    for (i, (kind, dtype, stack, n)) in cases(12).into_iter().enumerate() {
        let (io, step, mut wide, _) = example(kind, dtype, stack, n, i as u64);
        if wide.is_empty() {
            continue;
        }
        for _ in 0..1 + random(&mut seed) % 4 {
            let bytes = wide.bytes_mut();
            let at = random(&mut seed) as usize % bytes.len();
            bytes[at] ^= 1 << (random(&mut seed) % 8);
        }
        // The step as settled before the damage: the first element may differ from its diagonal as well.
        for tolerance in [None, Some(0.0), Some(1.5), Some(1e30)] {
            let Step::Triangle(triangle) = &step else { unreachable!() };
            let triangle = Triangle { tolerance, ..triangle.clone() };
            let expected = expected_refusals(&triangle, &io, &wide);
            let (_, refused) = forward_whole(&Step::Triangle(triangle.clone()), &io, &wide);
            assert_eq!(text(&refused), text(&expected), "{kind:?} {}", io.input);
            // Cut anywhere, the parts together refuse the same.
            let mut cuts = vec![0, io.output.count()];
            (0..3).for_each(|_| cuts.push(random(&mut seed) % (io.output.count() + 1)));
            cuts.sort_unstable();
            let (mut need, mut out, mut refused) = (Vec::new(), Buf::new(), Refused::default());
            for cut in cuts.windows(2) {
                let want = [Span::new(cut[0], cut[1] - cut[0])];
                need.clear();
                triangle.forward_need(&io, &want, &mut need);
                triangle.forward_part(&io, &want, &need, &gather(&wide, &need), &mut out, &mut refused).unwrap();
            }
            assert_eq!(text(&refused), text(&expected), "{kind:?} {} cut at {cuts:?}", io.input);
        }
    }
}

#[test]
fn large_parts_refuse_the_pair_that_differs() {
    for kind in KINDS {
        let dtype = DType::C64;
        let (io, step, mut wide, _) = example(kind, dtype, 1, 141, 3);
        let at = (140 * 141 + 77) * 8;
        wide.bytes_mut()[at] ^= 0x10;
        let Step::Triangle(triangle) = &step else { unreachable!() };
        let expected = expected_refusals(triangle, &io, &wide);
        assert_eq!(expected.entries.len(), 1);
        assert_eq!(text(&forward_whole(&step, &io, &wide).1), text(&expected));
        let mut refused = Refused::default();
        for want in [Span::new(0, 5000), Span::new(5000, io.output.count() - 5000)] {
            let (mut need, mut out) = (Vec::new(), Buf::new());
            triangle.forward_need(&io, &[want], &mut need);
            triangle.forward_part(&io, &[want], &need, &gather(&wide, &need), &mut out, &mut refused).unwrap();
        }
        assert_eq!(text(&refused), text(&expected));
    }
}

fn one<T: Element>(kind: TriangleKind, tolerance: Option<f64>, values: &[T], n: u64) -> (Io, Step, Buf, Refused) {
    let wide = Buf::from_slice(values).unwrap();
    let input = Spec::new(T::DTYPE, [n, n]).unwrap();
    let step = settle(kind, tolerance, &input, &wide).unwrap();
    let io = Io { output: step.transform().output(&input).unwrap(), input };
    let (out, refused) = forward_whole(&step, &io, &wide);
    (io, step, out, refused)
}

fn message(io: &Io, step: &Step, refused: &Refused) -> String {
    let refusal = &refused.entries[0];
    step.transform().explain(io, refusal, &io.input.index(refusal.first), &io.input.index(refusal.worst_at))
}

#[test]
fn the_message_names_a_tolerance_that_works() {
    let values = [1.0, 0.1, 2.0, 0.100_000_000_000_000_02, 1.0, 3.0, 2.5, 3.0, 1.0];
    let (io, step, _, refused) = one(TriangleKind::Upper, None, &values, 3);
    let text = message(&io, &step, &refused);
    assert_eq!(
        text,
        "not symmetric: 2 pairs differ; largest difference 5.0e-1 at [2, 0] (2 against 2.5); use --symmetry-tol 5.1e-1 to keep \
         the upper values"
    );
    let (_, step, out, refused) = one(TriangleKind::Upper, Some(5.1e-1), &values, 3);
    assert!(refused.is_empty());
    assert_eq!(out.slice::<f64>(), [1.0, 0.1, 2.0, 1.0, 3.0, 1.0]);
    assert_eq!(step.transform().fidelity(&io.input), Fidelity::Lossy { max_abs: Some(0.51), max_rel: None });
    let (io, step, _, refused) = one(TriangleKind::Upper, None, &[0.0f32, 0.0, -0.0, 0.0], 2);
    assert!(message(&io, &step, &refused).contains("--symmetry-tol 0 "));
    assert!(one(TriangleKind::Upper, Some(0.0), &[0.0f32, 0.0, -0.0, 0.0], 2).3.is_empty());
    let (io, step, _, refused) = one(TriangleKind::Lower, Some(1e300), &[0.0, f64::NAN, 1.0, 0.0], 2);
    assert!(message(&io, &step, &refused).contains("no tolerance covers the difference at [0, 1] (1 against NaN)"));
    let (io, step, _, refused) = one(TriangleKind::Strict, None, &[1.0, 5.0, 5.0, 1.5], 2);
    let text = message(&io, &step, &refused);
    assert!(text.contains("[1, 1] (1.5 against 1)") && text.contains("--triangle=upper"), "{text}");
    let (_, _, _, refused) = one(TriangleKind::Skew, None, &[1.0, 5.0, -5.0, 1.0], 2);
    assert_eq!((refused.entries[0].why, refused.entries[0].count), (Why::Diagonal, 2));
}

#[test]
fn skew_and_hermitian_zeros_mirror_to_plus_zero() {
    assert!(one(TriangleKind::Skew, None, &[0.0f32, -0.0, 0.0, 0.0], 2).3.is_empty());
    assert!(!one(TriangleKind::Skew, None, &[0.0f32, 0.0, -0.0, 0.0], 2).3.is_empty());
    assert!(one(TriangleKind::Skew, None, &[0i8, -128, -128, 0], 2).3.is_empty());
    let minus = f16::from_f64(-2.5);
    assert!(one(TriangleKind::Skew, None, &[f16::ZERO, -minus, minus, f16::ZERO], 2).3.is_empty());
    let c = |re: f64, im: f64| Complex::new(re, im);
    let hermitian = [c(1.0, 7.0), c(-0.0, 2.0), c(-0.0, -2.0), c(3.0, 0.0)];
    let (_, _, out, refused) = one(TriangleKind::Hermitian, None, &hermitian, 2);
    assert!(refused.is_empty());
    assert_eq!(out.slice::<f64>(), [1.0, 7.0, -0.0, 2.0, 3.0, 0.0]);
}

#[test]
fn restoring_within_a_tolerance_keeps_the_bound_and_packs_the_same_again() {
    let mut seed = 9;
    for kind in KINDS {
        let (io, step, mut wide, _) = example(kind, DType::C128, 2, 9, 4);
        for part in wide.slice_mut::<f64>() {
            // Tame values, so that the noise below is not lost in them; the symmetry stays.
            *part = part.to_bits().count_ones() as f64 * if *part == 0.0 { 0.0 } else { part.signum() };
            if part.is_nan() {
                *part = 1.0;
            }
        }
        let Step::Triangle(triangle) = step else { unreachable!() };
        let triangle = Triangle {
            tolerance: Some(1e3),
            diagonal: triangle.diagonal.map(|_| ElementBits::first_of(&wide)),
            ..triangle
        };
        for (i, part) in wide.slice_mut::<f64>().iter_mut().enumerate() {
            let (r, c) = (i / 2 / 9 % 9, i / 2 % 9);
            if r != c {
                *part += (random(&mut seed) % 1000) as f64 / 1000.0;
            }
        }
        let step = Step::Triangle(triangle);
        let (out, refused) = forward_whole(&step, &io, &wide);
        assert!(refused.entries.iter().all(|e| e.why == Why::Diagonal), "{kind:?} {refused:?}");
        let (mut back, whole) = (Buf::new(), [Span::new(0, io.input.count())]);
        step.transform().inverse(&io, &whole, &out, &mut back).unwrap();
        for (a, b) in wide.slice::<f64>().iter().zip(back.slice::<f64>()) {
            assert!((a - b).abs() <= 1e3);
        }
        let (again, refused) = forward_whole(&step, &io, &back);
        assert!(refused.is_empty());
        assert_eq!(again.bytes(), out.bytes());
    }
}

#[test]
fn each_packed_element_knows_its_origin_and_whether_it_stands_alone() {
    for (kind, dtype, stack, n) in cases(12).into_iter().filter(|c| c.1 == DType::C64) {
        let (io, step, wide, packed) = example(kind, dtype, stack, n, 1);
        let step = step.transform();
        let mut seed = n;
        for at in 0..io.output.count() {
            let origin = step.origin(&io, at);
            assert_eq!(wide.scalar(origin as usize).to_string(), packed.scalar(at as usize).to_string());
            let index = io.input.index(origin);
            assert_eq!((index[1], index[2]), kept(kind, n)[at as usize % kept(kind, n).len()]);
        }
        let want = spans(&mut seed, io.output.count());
        let mut found = Vec::new();
        step.unmirrored(&io, &want, &mut |place| found.push(place));
        let alone: Vec<usize> = want
            .iter()
            .flat_map(|s| s.start..s.end())
            .enumerate()
            .filter(|(_, at)| io.input.index(step.origin(&io, *at)).windows(2).last().is_some_and(|w| w[0] == w[1]))
            .map(|(place, _)| place)
            .collect();
        assert_eq!(found, if kind.keeps_diagonal_once() { vec![] } else { alone });
    }
}

#[test]
fn a_band_of_rows_needs_few_long_spans() {
    let n = 32768;
    let input = Spec::new(DType::F64, [n, n]).unwrap();
    for kind in [TriangleKind::Upper, TriangleKind::Lower] {
        let step = Triangle { kind, tolerance: None, diagonal: None };
        let io = Io { output: step.output(&input).unwrap(), input: input.clone() };
        let mut need = Vec::new();
        step.inverse_need(&io, &[Span::new(5000 * n, 256 * n)], &mut need);
        assert!(need.len() as u64 <= n + 256);
        assert!(total(&need) <= 256 * n);
        need.clear();
        let start = step.layout(&input).row_start(5000);
        step.forward_need(&io, &[Span::new(start, step.layout(&input).row_start(5256) - start)], &mut need);
        assert!(need.len() as u64 <= n + 256);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_what_would() {
    let refuse = |kind, dtype, shape: &[u64]| {
        let input = Spec::new(dtype, shape).unwrap();
        TriangleAsk { kind, tolerance: None }.needs(&input).unwrap_err().to_string()
    };
    assert!(refuse(TriangleKind::Upper, DType::F64, &[3]).contains("(..., n, n)"));
    let text = refuse(TriangleKind::Upper, DType::F64, &[2, 3, 4]);
    assert!(text.contains("float64 (2, 3, 4)") && text.contains("not 3 and 4"), "{text}");
    assert!(refuse(TriangleKind::Skew, DType::U8, &[2, 2]).contains("signed integers"));
    assert!(refuse(TriangleKind::Hermitian, DType::F32, &[2, 2]).contains("--triangle=upper"));
    assert!(refuse(TriangleKind::Strict, DType::F32, &[4, 1, 1]).contains("1 x 1"));
    // A stack of no matrices may have sides whose square overflows.
    let input = Spec::new(DType::F64, [0, u64::MAX, u64::MAX]).unwrap();
    let step = TriangleAsk::default().settle(&input, &Fact::Nothing).unwrap();
    assert_eq!(step.transform().output(&input).unwrap().count(), 0);
    step.transform().unit(&input);
}

#[test]
fn steps_and_requests_survive_json_and_unknown_fields_do_not() {
    for kind in KINDS {
        let (_, step, ..) = example(kind, DType::C128, 1, 3, 77);
        let json = serde_json::to_string(&step).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&json).unwrap(), step, "{json}");
    }
    let ask: Ask = serde_json::from_str(r#"{"step":"triangle","kind":"strict","tolerance":null}"#).unwrap();
    assert_eq!(ask, Ask::Triangle(TriangleAsk { kind: TriangleKind::Strict, tolerance: None }));
    let ask: Ask = serde_json::from_str(r#"{"step":"triangle"}"#).unwrap();
    assert_eq!(ask, Ask::Triangle(TriangleAsk::default()));
    for bad in [
        r#"{"step":"triangle","kind":"upper","tol":1}"#,
        r#"{"step":"triangle","kind":"upper","tolerance":-1}"#,
        r#"{"step":"triangle","kind":"diagonal"}"#,
    ] {
        assert!(serde_json::from_str::<Ask>(bad).is_err() && serde_json::from_str::<Step>(bad).is_err(), "{bad}");
    }
    // A recorded step that contradicts itself is refused before data move.
    let input = Spec::new(DType::F32, [2, 2]).unwrap();
    for bad in [
        r#"{"step":"triangle","kind":"strict"}"#,
        r#"{"step":"triangle","kind":"upper","diagonal":"00000000"}"#,
        r#"{"step":"triangle","kind":"strict","diagonal":"00"}"#,
        r#"{"step":"triangle","kind":"skew","diagonal":"3f800000"}"#,
    ] {
        assert!(serde_json::from_str::<Step>(bad).unwrap().transform().output(&input).is_err(), "{bad}");
    }
}

#[test]
fn a_step_describes_itself() {
    let text = |json: &str| serde_json::from_str::<Step>(json).unwrap().transform().describe();
    assert_eq!(text(r#"{"step":"triangle","kind":"upper"}"#), "upper triangle");
    assert_eq!(text(r#"{"step":"triangle","kind":"strict","diagonal":"0000"}"#), "strict upper triangle, diagonal 0");
    assert_eq!(text(r#"{"step":"triangle","kind":"lower","tolerance":0.5}"#), "lower triangle, symmetric within 5e-1");
}
