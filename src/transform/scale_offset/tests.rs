use half::f16;
use proptest::prelude::*;

use super::grid::spacing;
use super::*;
use crate::array::Element;
use crate::transform::{Ask, Asked, Fact, Range, Step};

fn fitted<T: Element>(ask: &ScaleOffsetAsk, values: &[T]) -> Result<ScaleOffset> {
    let buf = Buf::from_slice(values)?;
    let spec = Spec::new(T::DTYPE, [values.len() as u64])?;
    ask.needs(&spec)?;
    let mut range = Range::new(ask.fill);
    range.add(&buf)?;
    match ask.settle(&spec, &Fact::Range(range))? {
        Step::ScaleOffset(step) => Ok(step),
        other => panic!("{other:?}"),
    }
}

fn io<T: Element>(step: &ScaleOffset, count: usize) -> Io {
    let input = Spec::new(T::DTYPE, [count as u64]).unwrap();
    Io { output: step.output(&input).unwrap(), input }
}

fn packed<T: Element>(step: &ScaleOffset, values: &[T]) -> (Buf, Refused) {
    let (mut out, mut refused) = (Buf::new(), Refused::default());
    let at = [Span::new(0, values.len() as u64)];
    step.forward(&io::<T>(step, values.len()), &at, &Buf::from_slice(values).unwrap(), &mut out, &mut refused).unwrap();
    (out, refused)
}

fn restored<T: Element>(step: &ScaleOffset, codes: &Buf) -> Vec<T> {
    let mut back = Buf::new();
    let at = [Span::new(0, codes.len() as u64)];
    step.inverse(&io::<T>(step, codes.len()), &at, codes, &mut back).unwrap();
    back.elements::<T>().unwrap().to_vec()
}

fn words(codes: &Buf) -> Vec<u64> {
    (0..codes.len())
        .map(|i| match codes.scalar(i) {
            Scalar::Int(i) => i as u64,
            other => panic!("{other}"),
        })
        .collect()
}

fn wide<T: Element>(v: T) -> Scalar {
    Buf::from_slice(&[v]).unwrap().scalar(0)
}

/// Whether `|x - y| <= bound` in exact arithmetic.
fn within(x: Scalar, y: Scalar, bound: f64) -> bool {
    match (x, y) {
        (Scalar::Int(x), Scalar::Int(y)) => (x - y).unsigned_abs() as f64 <= bound,
        (Scalar::Float(x), Scalar::Float(y)) => {
            let (x, y) = if x < y { (y, x) } else { (x, y) };
            // Knuth's two-sum: x - y is exactly `d + lost`.
            let d = x - y;
            let back = d - x;
            let lost = (x - (d - back)) - (y + back);
            d < bound || (d == bound && lost <= 0.0) || (!d.is_finite() && x / 2.0 - y / 2.0 <= bound / 2.0)
        }
        _ => false,
    }
}

/// Every law, for one step fitted to `values`; false where the data refuse the step.
fn keeps_all_laws<T: Element + PartialEq>(ask: &ScaleOffsetAsk, values: &[T]) -> bool {
    let step = match fitted(ask, values) {
        Ok(step) => step,
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::Refused | ErrorKind::Recipe), "{e}");
            return false;
        }
    };
    let (codes, refused) = packed(&step, values);
    // Only what would come back as the fill value is refused, and it says so.
    for entry in &refused.entries {
        assert!(entry.first_value.1.is_some() && entry.worst_value.1.is_some(), "{entry:?} {step:?}");
    }
    if !refused.is_empty() {
        return false;
    }
    let back: Vec<T> = restored(&step, &codes);
    let spec = Spec::new(T::DTYPE, [values.len() as u64]).unwrap();
    let bound = match step.fidelity(&spec) {
        Fidelity::Exact => 0.0,
        Fidelity::Lossy { max_abs, .. } => max_abs.unwrap(),
    };
    let fill = step.fill.map(|_| fill_scalar(T::DTYPE, &step.marks(T::DTYPE).unwrap()).unwrap());
    for (x, y) in values.iter().zip(&back) {
        let (x, y) = (wide(*x), wide(*y));
        let special = matches!(x, Scalar::Float(x) if !x.is_finite()) || fill.is_some_and(|f| is_same(f, x));
        match (x, y) {
            (Scalar::Float(x), Scalar::Float(y)) if x.is_nan() => assert_eq!(y.to_bits(), f64::NAN.to_bits()),
            _ if special => assert!(is_same(x, y), "{x} came back as {y}"),
            _ => {
                assert!(within(x, y, bound), "{x} came back as {y}, not within {bound:e} by {step:?}");
                assert!(!fill.is_some_and(|f| is_same(f, y)), "{x} came back as the fill value");
                assert!(!matches!(y, Scalar::Float(y) if y.to_bits() == (-0.0f64).to_bits()), "{x} came back as -0");
            }
        }
    }
    // forward(inverse(forward(x))) = forward(x)
    let (again, refused) = packed(&step, &back);
    assert!(refused.is_empty(), "{refused:?} {step:?}");
    assert_eq!(words(&again), words(&codes), "{step:?}");
    assert!(words(&codes).iter().all(|c| *c <= step.ceiling().unwrap()));
    assert_eq!(step.to, DType::unsigned_for(step.ceiling().unwrap()));
    // The same through JSON.
    let recorded = Step::ScaleOffset(step.clone());
    let json = serde_json::to_string(&recorded).unwrap();
    assert_eq!(serde_json::from_str::<Step>(&json).unwrap(), recorded, "{json}");
    // Blocks and parts.
    let whole = words(&codes);
    for cut in [0, values.len() / 3, values.len()] {
        let (a, b) = values.split_at(cut);
        let joined: Vec<u64> = words(&packed(&step, a).0).into_iter().chain(words(&packed(&step, b).0)).collect();
        assert_eq!(joined, whole);
    }
    let io = io::<T>(&step, values.len());
    let n = values.len() as u64;
    let want = [Span::new(n / 4, n / 4), Span::new(n / 2, n - n / 2)];
    let pick = |s: &Span| s.start as usize..s.end() as usize;
    let (mut need, mut out, mut refused) = (Vec::new(), Buf::new(), Refused::default());
    step.forward_need(&io, &want, &mut need);
    let part: Vec<T> = need.iter().flat_map(|s| values[pick(s)].to_vec()).collect();
    step.forward_part(&io, &want, &need, &Buf::from_slice(&part).unwrap(), &mut out, &mut refused).unwrap();
    let expected: Vec<u64> = want.iter().flat_map(|s| whole[pick(s)].to_vec()).collect();
    assert_eq!(words(&out), expected);
    let part = out.clone();
    step.inverse_part(&io, &want, &want, &part, &mut out).unwrap();
    let expected: Vec<T> = want.iter().flat_map(|s| back[pick(s)].to_vec()).collect();
    assert_eq!(out.bytes(), Buf::from_slice(&expected).unwrap().bytes());
    true
}

fn asks() -> impl Strategy<Value = ScaleOffsetAsk> {
    let resolution = prop_oneof![
        (-30i32..30).prop_map(Resolution::Digits),
        (-12i32..6, 1.0f64..10.0).prop_map(|(e, m)| Resolution::Step(m * 10f64.powi(e))),
        (0i32..40).prop_map(|e| Resolution::Step(2f64.powi(e - 20))),
        (1u64..1000).prop_map(|s| Resolution::Step(s as f64)),
        (1u8..=32).prop_map(Resolution::Bits),
    ];
    let fill = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Fill::Uint(0))),
        1 => Just(Some(Fill::Int(-99))),
        1 => Just(Some(Fill::Float(1e4))),
        1 => Just(Some(Fill::Float(0.1))),
    ];
    (resolution, fill).prop_map(|(resolution, fill)| ScaleOffsetAsk { resolution, fill })
}

/// Floats on one scale with special values strewn in: what arrays look like.
fn floats() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        12 => (-1.0f64..1.0).prop_map(Some),
        1 => prop::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0]).prop_map(Some),
        1 => Just(None),
    ];
    let scale = prop_oneof![6 => -3i32..6, 1 => -320i32..308];
    (scale, -3.0f64..3.0, prop::collection::vec(value, 0..60)).prop_map(|(scale, centre, values)| {
        let unit: f64 = format!("1e{scale}").parse().unwrap();
        values.into_iter().map(|v| v.map_or(1e4, |v| (v + centre) * unit)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn float64_keeps_all_laws(ask in asks(), values in floats()) {
        keeps_all_laws(&ask, &values);
    }

    #[test]
    fn float32_keeps_all_laws(ask in asks(), values in floats()) {
        keeps_all_laws(&ask, &values.iter().map(|v| *v as f32).collect::<Vec<_>>());
    }

    #[test]
    fn float16_keeps_all_laws(ask in asks(), values in floats()) {
        keeps_all_laws(&ask, &values.iter().map(|v| f16::from_f64(*v)).collect::<Vec<_>>());
    }

    #[test]
    fn any_float_bits_keep_all_laws(ask in asks(), bits in prop::collection::vec(any::<u64>(), 0..6)) {
        keeps_all_laws(&ask, &bits.iter().map(|b| f64::from_bits(*b)).collect::<Vec<_>>());
        keeps_all_laws(&ask, &bits.iter().map(|b| f32::from_bits(*b as u32)).collect::<Vec<_>>());
        keeps_all_laws(&ask, &bits.iter().map(|b| f16::from_bits(*b as u16)).collect::<Vec<_>>());
    }

    #[test]
    fn integers_keep_all_laws(ask in asks(), bits in prop::collection::vec(any::<u64>(), 0..40), shift in 0u32..64) {
        macro_rules! each { ($($T:ty),*) => { $( keeps_all_laws(&ask, &bits.iter().map(|b| (*b as i64 >> shift) as $T).collect::<Vec<_>>()); )* } }
        each!(i8, i16, i32, i64, u8, u16, u32, u64);
    }

    // Steps close to the finest that is accepted, where rounding of the value itself nearly reaches half a step.
    #[test]
    fn the_finest_steps_keep_all_laws(values in prop::collection::vec(-1.0f64..1.0, 2..60), above in 0.0f64..1.0, even in any::<bool>()) {
        fn try_with<T: Element + PartialEq>(values: &[T], above: f64, even: bool) -> bool {
            let most = values.iter().map(|v| match wide(*v) { Scalar::Float(x) => x.abs(), _ => 0.0 }).fold(0.0, f64::max);
            let least = spacing(T::DTYPE, most) * if T::DTYPE == DType::F64 { 4.0 } else { 1.000_001 };
            let ask = if even { ScaleOffsetAsk::bits(32 - (above * 31.0) as u8) } else { ScaleOffsetAsk::step(least * (1.0 + above * above * above)) };
            keeps_all_laws(&ask, values)
        }
        prop_assert!(try_with(&values, above, even) || even);
        prop_assert!(try_with(&values.iter().map(|v| *v as f32).collect::<Vec<_>>(), above, even) || even);
        prop_assert!(try_with(&values.iter().map(|v| f16::from_f64(*v)).collect::<Vec<_>>(), above, even) || even);
        let bits = (9..30).rev().find(|n| keeps_all_laws(&ScaleOffsetAsk::bits(*n), &values.iter().map(|v| *v as f32).collect::<Vec<_>>()));
        prop_assert!(bits.is_some());
    }

    #[test]
    fn decimal_data_come_back_bit_identical(digits in 0i32..=11, values in prop::collection::vec(-(1i64 << 22)..1 << 22, 1..50)) {
        let parsed: Vec<f64> = values.iter().map(|k| format!("{k}e-{digits}").parse().unwrap()).collect();
        let positive: Vec<f64> = parsed.iter().map(|x| x + 0.0).collect();
        let step = fitted(&ScaleOffsetAsk::digits(digits), &positive).unwrap();
        prop_assert_eq!(restored::<f64>(&step, &packed(&step, &positive).0), positive);
        let narrow: Vec<f32> = values.iter().map(|k| format!("{k}e-{digits}").parse::<f32>().unwrap() + 0.0).collect();
        if let Ok(step) = fitted(&ScaleOffsetAsk::digits(digits), &narrow) {
            prop_assert_eq!(restored::<f32>(&step, &packed(&step, &narrow).0), narrow);
        }
    }
}

#[test]
fn digits_up_to_22_are_bit_identical() {
    for digits in 0..=22 {
        let values: Vec<f64> = (-500..500).map(|k| format!("{k}e-{digits}").parse::<f64>().unwrap() + 0.0).collect();
        let step = fitted(&ScaleOffsetAsk::digits(digits), &values).unwrap();
        assert_eq!((step.to, step.largest), (DType::U16, 999));
        assert_eq!(restored::<f64>(&step, &packed(&step, &values).0), values);
    }
}

#[test]
fn integers_are_exact_at_both_ends_of_every_dtype() {
    for ask in [ScaleOffsetAsk::digits(0), ScaleOffsetAsk::step(1.0)] {
        for values in [vec![i64::MIN, -1, 0, i64::MAX], vec![i64::MIN, i64::MIN + 255], vec![i64::MAX]] {
            let step = fitted(&ask, &values).unwrap();
            assert_eq!(step.fidelity(&Spec::new(DType::I64, [1]).unwrap()), Fidelity::Exact);
            assert!(keeps_all_laws(&ask, &values));
        }
        assert!(keeps_all_laws(&ask, &[0u64, u64::MAX, 1 << 63]));
        assert!(keeps_all_laws(&ask, &(0..=255).map(|i| i as u8).collect::<Vec<_>>()));
        assert!(keeps_all_laws(&ask, &(0..=255).map(|i| i as u8 as i8).collect::<Vec<_>>()));
    }
    assert_eq!(fitted(&ScaleOffsetAsk::digits(0), &[i64::MIN, i64::MIN + 255]).unwrap().to, DType::U8);
    assert!(keeps_all_laws(&ScaleOffsetAsk::digits(-18), &[i64::MIN, 0, i64::MAX]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::digits(-19), &[i64::MIN, 0, i64::MAX]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::digits(-19), &[u64::MAX, 0, 1 << 62]));
    // A fill value inside the range of an exact grid keeps its ordinary code: uint8 stays uint8.
    let all: Vec<u8> = (0..=255).collect();
    let ask = ScaleOffsetAsk::digits(0).with_fill(Fill::Uint(7));
    assert_eq!(fitted(&ask, &all).unwrap().to, DType::U8);
    assert!(keeps_all_laws(&ask, &all));
}

#[test]
fn integers_round_to_the_nearest_multiple_ties_to_even() {
    let ask = ScaleOffsetAsk::digits(-1);
    let values = [-25i16, -15, -14, -5, 5, 14, 15, 16, 25, 32767];
    let step = fitted(&ask, &values).unwrap();
    assert_eq!(restored::<i16>(&step, &packed(&step, &values).0), [-20, -20, -10, 0, 0, 10, 20, 20, 20, 32767]);
}

#[test]
fn zero_comes_back_positive() {
    for ask in [ScaleOffsetAsk::digits(2), ScaleOffsetAsk::step(0.5), ScaleOffsetAsk::bits(3)] {
        for values in [vec![-0.0f64, 0.0], vec![-0.0], vec![-0.0, 7.0], vec![-7.0, -0.0]] {
            let step = fitted(&ask, &values).unwrap();
            let back: Vec<f64> = restored(&step, &packed(&step, &values).0);
            for (x, y) in values.iter().zip(back).filter(|(x, _)| **x == 0.0) {
                assert!(y != 0.0 || y.is_sign_positive(), "{x} {y} {ask:?}");
            }
        }
    }
}

#[test]
fn reserved_codes_stand_directly_above_and_only_for_what_occurs() {
    let mut values = vec![1.0f64; 3000];
    (values[7], values[1500], values[2999], values[2]) = (f64::NAN, f64::NEG_INFINITY, 1e20, 3.0);
    let ask = ScaleOffsetAsk::digits(1).with_fill(Fill::Float(1e20));
    let step = fitted(&ask, &values).unwrap();
    assert_eq!(step.largest, 20);
    assert_eq!(step.reserved, Reserved { nan: Some(21), pos_inf: None, neg_inf: Some(22), fill: Some(23) });
    assert_eq!(step.describe(), "uint8, step 1e-1 (1 decimal), NaN, -Inf, fill kept");
    assert!(keeps_all_laws(&ask, &values));
    let json = serde_json::to_string(&Step::ScaleOffset(step)).unwrap();
    assert_eq!(
        json,
        r#"{"step":"scale-offset","to":"uint8","grid":{"decimal":{"digits":1,"base":10}},"largest":20,"reserved":{"nan":21,"neg_inf":22,"fill":23},"fill":1e+20}"#
    );
}

#[test]
fn empty_and_all_special_arrays_work() {
    for ask in [ScaleOffsetAsk::digits(4), ScaleOffsetAsk::step(0.1), ScaleOffsetAsk::bits(1)] {
        let step = fitted::<f64>(&ask, &[]).unwrap();
        assert_eq!((step.to, step.ceiling()), (DType::U8, Some(0)));
        assert!(keeps_all_laws(&ask, &[f32::NAN, f32::NAN]));
        assert!(keeps_all_laws::<f64>(&ask, &[]));
    }
    assert!(keeps_all_laws::<i32>(&ScaleOffsetAsk::bits(4), &[]));
}

#[test]
fn constant_arrays_are_exact_with_bits() {
    for x in [0.0, 5.0, -1e300, 1e300, 5e-324, f64::MAX, 0.1] {
        let step = fitted(&ScaleOffsetAsk::bits(8), &[x, x]).unwrap();
        assert_eq!(restored::<f64>(&step, &packed(&step, &[x, x]).0), [x, x]);
        assert!(keeps_all_laws(&ScaleOffsetAsk::bits(8), &[x, f64::NAN]));
    }
}

#[test]
fn extreme_values_keep_all_laws() {
    assert!(keeps_all_laws(&ScaleOffsetAsk::digits(-290), &[1e300, -1e300, 5e-324]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::step(1e308), &[f64::MAX, -f64::MAX, 0.0]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::step(1000.0), &[f16::MAX, f16::MIN]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::step(3e37), &[f32::MAX, f32::MIN]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::digits(308), &[1e-300, -3e-305, 2e-308, 5e-324]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::step(2e-323), &[5e-324, 1e-320, -1e-322]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::bits(3), &[5e-324, 1e-320, -1e-322]));
    assert!(keeps_all_laws(&ScaleOffsetAsk::bits(32), &[-1.0, 1e-30, 1.0]));
    assert!(!keeps_all_laws(&ScaleOffsetAsk::bits(8), &[f64::MAX, f64::MIN]));
}

#[test]
fn a_step_too_fine_is_refused_with_the_finest_that_works() {
    let cases: [(ScaleOffsetAsk, &[f64]); 3] = [
        (ScaleOffsetAsk::digits(14), &[300.0, 250.0]),
        (ScaleOffsetAsk::step(1e-14), &[300.0, 250.0]),
        (ScaleOffsetAsk::bits(32), &[1e9, 1e9 + 1.0]),
    ];
    for (ask, values) in cases {
        let e = fitted(&ask, values).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Refused);
        let text = e.to_string();
        let remedy: ScaleOffsetAsk = text.rsplit("--scale-offset ").next().unwrap().parse().unwrap();
        assert!(keeps_all_laws(&remedy, values), "{text}");
    }
    let text = fitted(&ScaleOffsetAsk::digits(4), &[f16::from_f32(300.0)]).unwrap_err().to_string();
    assert!(text.contains("float16") && text.contains("2.5e-1 apart") && text.ends_with("--scale-offset 0"), "{text}");
    // float32 takes a step of exactly one spacing.
    assert!(keeps_all_laws(&ScaleOffsetAsk::step(f64::powi(2.0, -15)), &[300.25f32, 299.99]));
    assert!(!keeps_all_laws(&ScaleOffsetAsk::step(f64::powi(2.0, -16)), &[300.25f32, 299.99]));
}

#[test]
fn nonsense_is_refused() {
    for text in
        ["step=0", "step=-1", "step=NaN", "step=inf", "400", "-309", "bits=0", "bits=33", "bits=x", "width=3", ""]
    {
        assert!(text.parse::<ScaleOffsetAsk>().is_err(), "{text}");
    }
    for json in ["", r#","digits":1,"bits":3"#, r#","step_size":0"#, r#","digits":1,"x":2"#, r#","fill":3"#] {
        let json = format!(r#"{{"step":"scale-offset"{json}}}"#);
        assert!(serde_json::from_str::<Ask>(&json).is_err(), "{json}");
    }
    for json in [r#""digits":-2"#, r#""step_size":1,"fill":-9999"#, r#""bits":12,"fill":1e20"#] {
        let json = format!(r#"{{"step":"scale-offset",{json}}}"#);
        let ask: Ask = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::from_str::<Ask>(&serde_json::to_string(&ask).unwrap()).unwrap(), ask);
    }
    let e = fitted(&ScaleOffsetAsk::digits(2), &[1i32]).unwrap_err().to_string();
    assert!(e.contains("--scale-offset 0 is exact for integers"), "{e}");
    assert!(fitted(&ScaleOffsetAsk::step(0.5), &[1i32]).is_err());
    assert!(fitted(&ScaleOffsetAsk::digits(2), &[true]).unwrap_err().to_string().contains("float16, float32"));
    assert!(fitted(&ScaleOffsetAsk::digits(2).with_fill(Fill::Float(f64::NAN)), &[1.0]).is_err());
}

#[test]
fn values_outside_the_recorded_range_are_refused_with_their_place_never_wrapped() {
    let values: Vec<f64> = (0..2000).map(|i| f64::from(i) * 0.1).collect();
    for ask in [ScaleOffsetAsk::digits(1), ScaleOffsetAsk::step(0.1), ScaleOffsetAsk::bits(12)] {
        let step = fitted(&ask, &values).unwrap();
        for bad in [-0.2, 201.0, 1e300, -1e300, f64::MAX, 4.6e15, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut other = values.clone();
            (other[1700], other[3]) = (bad, bad);
            let (_, refused) = packed(&step, &other);
            let entry = &refused.entries[0];
            assert_eq!((entry.why, entry.count, entry.first), (Why::OutOfRange, 2, 3), "{bad}");
            let text = step.explain(&io::<f64>(&step, 2000), entry, &[3], &[3]);
            assert!(text.contains("2 values") && text.contains("[3]") && text.contains("199.9"), "{text}");
        }
    }
    let step = fitted(&ScaleOffsetAsk::digits(0), &[-5i8, 100]).unwrap();
    for bad in [-6, 101, -128, 127] {
        assert_eq!(packed(&step, &[bad, 0i8]).1.entries[0].first, 0, "{bad}");
    }
}

#[test]
fn a_value_that_would_come_back_as_the_fill_value_is_refused() {
    let ask = ScaleOffsetAsk::digits(0).with_fill(Fill::Int(-9999));
    let values = [-9999.0, -9998.7, -10000.0, 3.0];
    let step = fitted(&ask, &values).unwrap();
    let (_, refused) = packed(&step, &values);
    assert_eq!((refused.entries[0].count, refused.entries[0].first), (1, 1));
    let text = step.explain(&io::<f64>(&step, 4), &refused.entries[0], &[1], &[1]);
    assert!(text.contains("-9998.7") && text.contains("the fill value -9999"), "{text}");
}

#[test]
fn hostile_parameters_and_codes_do_no_harm() {
    let grids = [
        r#"{"decimal":{"digits":-2147483648,"base":0}}"#,
        r#"{"decimal":{"digits":2,"base":9223372036854775807}}"#,
        r#"{"multiple":{"step_size":0,"base":0}}"#,
        r#"{"even":{"step_size":1,"offset":-1e308}}"#,
        r#"{"whole":{"step_size":0}}"#,
        r#"{"whole":{"step_size":18446744073709551615,"base":18446744073709551615,"offset":-9223372036854775808}}"#,
        r#"{"whole":{"step_size":1,"base":18446744073709551615}}"#,
    ];
    for grid in grids {
        for (largest, reserved) in
            [("18446744073709551615", ""), ("255", r#""reserved":{"nan":3},"#), ("9", r#""reserved":{"fill":10},"#)]
        {
            let json = format!(r#"{{"to":"uint64","grid":{grid},{reserved}"largest":{largest}}}"#);
            let step: ScaleOffset = serde_json::from_str(&json).unwrap();
            for dtype in DType::ALL {
                let input = Spec::new(*dtype, [3]).unwrap();
                let _ = (step.output(&input), step.describe(), step.cf(), step.ceiling(), step.fidelity(&input));
                let io = Io { input: input.clone(), output: input.with_dtype(DType::U64).unwrap() };
                let codes = Buf::from_slice(&[0, 1 << 52, u64::MAX]).unwrap();
                let (mut back, mut out, mut refused) = (Buf::new(), Buf::new(), Refused::default());
                let at = [Span::new(0, 3)];
                if step.inverse(&io, &at, &codes, &mut back).is_ok() {
                    let _ = step.forward(&io, &at, &back, &mut out, &mut refused);
                }
            }
        }
    }
}

#[test]
fn cf_attributes_decode_ordinary_codes() {
    for ask in [ScaleOffsetAsk::digits(2), ScaleOffsetAsk::step(0.25), ScaleOffsetAsk::bits(10)] {
        let values = [-3.25f64, 0.5, 17.75];
        let step = fitted(&ask, &values).unwrap();
        let (scale, offset) = step.cf().unwrap();
        let codes = packed(&step, &values).0;
        for (c, y) in words(&codes).iter().zip(restored::<f64>(&step, &codes)) {
            assert!((*c as f64 * scale + offset - y).abs() < 1e-12);
        }
    }
    assert_eq!(fitted(&ScaleOffsetAsk::digits(0), &[-7i32, 9]).unwrap().cf(), Some((1.0, -7.0)));
}
