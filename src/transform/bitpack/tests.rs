//! The promises of the bitpack step, against the definition and against vectors made with `numpy.packbits`.

use proptest::prelude::*;

use super::*;
use crate::transform::{Ask, Range};

/// Masks of two rows, the row's length, `packbits(axis=-1)`, `packbits(axis=-1, bitorder="little")`. NumPy 2.
#[expect(clippy::type_complexity, reason = "a table")]
const NUMPY: &[(&[u8], u64, &[u8], &[u8])] = &[
    (&[0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0], 7, &[104, 248], &[22, 31]),
    (&[0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1], 8, &[13, 163], &[176, 197]),
    (&[1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], 9, &[221, 128, 4, 0], &[187, 1, 32, 0]),
    (
        &[1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0],
        13,
        &[189, 0, 250, 144],
        &[189, 0, 95, 9],
    ),
    (
        &[
            0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0,
            1, 0, 1, 0, 0, 1,
        ],
        21,
        &[25, 30, 168, 228, 145, 72],
        &[152, 120, 21, 39, 137, 18],
    ),
];

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    seed.rotate_left(32)
}

/// Rows packed by definition, bit by bit.
fn by_definition(values: &[i128], len: usize, bits: usize, order: BitOrder) -> Vec<u8> {
    values
        .chunks(len.max(1))
        .flat_map(|row| {
            let mut bytes = vec![0u8; (row.len() * bits).div_ceil(8)];
            for (k, v) in row.iter().enumerate() {
                for b in 0..bits {
                    let at = k * bits + b;
                    let (from, to) = match order {
                        BitOrder::Big => (bits - 1 - b, 7 - at % 8),
                        BitOrder::Little => (b, at % 8),
                    };
                    bytes[at / 8] |= ((v >> from & 1) as u8) << to;
                }
            }
            bytes
        })
        .collect()
}

/// An array of values that fit, as values and in its dtype.
fn example(dtype: DType, bits: u32, signed: bool, shape: [u64; 2], seed: &mut u64) -> (Spec, Vec<i128>, Buf) {
    let spec = Spec::new(dtype, shape).unwrap();
    let held = bits.min(dtype.size() as u32 * 8);
    let values: Vec<i128> = (0..spec.count())
        .map(|_| {
            let low = i128::from(random(seed) & (u64::MAX >> (64 - held)));
            match dtype {
                DType::Bool => low & 1,
                _ if signed => low - (1 << (held - 1)),
                _ if dtype.kind() == DTypeKind::Int && held == dtype.size() as u32 * 8 => low >> 1,
                _ => low,
            }
        })
        .collect();
    let mut buf = Buf::new();
    buf.reset(dtype, spec.count()).unwrap();
    with_integer!(dtype, T => {
        buf.slice_mut::<T>().iter_mut().zip(&values).for_each(|(to, v)| *to = *v as T);
    }, else unreachable!());
    (spec, values, buf)
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

fn spans(seed: &mut u64, count: u64) -> Vec<Span> {
    if count == 0 {
        return vec![];
    }
    (0..1 + random(seed) % 4)
        .map(|_| {
            let start = random(seed) % count;
            Span::new(start, 1 + random(seed) % (count - start))
        })
        .collect()
}

fn forward(step: &BitPack, io: &Io, input: &Buf) -> (Buf, Refused) {
    let (mut out, mut refused) = (Buf::new(), Refused::default());
    step.forward(io, &[Span::new(0, io.output.count())], input, &mut out, &mut refused).unwrap();
    (out, refused)
}

/// Whole, by blocks of units, and by any spans, both ways.
fn check_all(dtype: DType, bits: u32, order: BitOrder, signed: bool, shape: [u64; 2], seed: &mut u64) {
    let (input, values, wide) = example(dtype, bits, signed, shape, seed);
    let step = BitPack { bits, order, signed };
    let io = Io { output: step.output(&input).unwrap(), input };
    let packed = by_definition(&values, shape[1] as usize, bits as usize, order);
    let what = format!("{} {step:?}", io.input);
    let (out, refused) = forward(&step, &io, &wide);
    assert!(refused.is_empty(), "{what} {refused:?}");
    assert_eq!(out.bytes(), packed, "{what}");
    let mut back = Buf::new();
    step.inverse(&io, &[Span::new(0, io.input.count())], &out, &mut back).unwrap();
    assert_eq!((back.dtype(), back.bytes()), (dtype, wide.bytes()), "{what}");

    let unit = step.unit(&io.input);
    if io.output.count() > 0 {
        let units = io.output.count() / unit.output;
        assert_eq!((units * unit.output, units * unit.input), (io.output.count(), io.input.count()), "{what}");
        let cut = random(seed) % (units + 1);
        for (from, to) in [(0, cut), (cut, units)] {
            let at = [Span::new(from * unit.output, (to - from) * unit.output)];
            let need = [Span::new(from * unit.input, (to - from) * unit.input)];
            let (mut block, mut refused) = (Buf::new(), Refused::default());
            step.forward(&io, &at, &gather(&wide, &need), &mut block, &mut refused).unwrap();
            assert_eq!(block.bytes(), gather(&out, &at).bytes(), "{what}");
            step.inverse(&io, &need, &block, &mut back).unwrap();
            assert_eq!(back.bytes(), gather(&wide, &need).bytes(), "{what}");
            step.reconstruct(&io, &at, &need, &block, &mut back).unwrap();
            assert_eq!(back.bytes(), gather(&wide, &need).bytes(), "{what}");
        }
    }

    let (mut need, mut part, mut refused) = (Vec::new(), Buf::new(), Refused::default());
    let want = spans(seed, io.output.count());
    step.forward_need(&io, &want, &mut need);
    step.forward_part(&io, &want, &need, &gather(&wide, &need), &mut part, &mut refused).unwrap();
    assert!(refused.is_empty());
    assert_eq!(part.bytes(), gather(&out, &want).bytes(), "{what} {want:?}");
    need.clear();
    let want = spans(seed, io.input.count());
    step.inverse_need(&io, &want, &mut need);
    step.inverse_part(&io, &want, &need, &gather(&out, &need), &mut part).unwrap();
    assert_eq!(part.bytes(), gather(&wide, &want).bytes(), "{what} {want:?}");
}

fn integers() -> impl Iterator<Item = DType> {
    DType::ALL.iter().copied().filter(|d| !matches!(d.kind(), DTypeKind::Float | DTypeKind::Complex))
}

#[test]
fn one_bit_is_numpys_packbits() {
    for (mask, len, big, little) in NUMPY {
        let mut input = Buf::new();
        input.reset(DType::Bool, mask.len() as u64).unwrap();
        input.bytes_mut().copy_from_slice(mask);
        let spec = Spec::new(DType::Bool, [2, *len]).unwrap();
        for (order, bytes) in [(BitOrder::Big, big), (BitOrder::Little, little)] {
            let Step::BitPack(step) = BitPackAsk { bits: None, order }.settle(&spec, &Fact::Nothing).unwrap() else {
                unreachable!()
            };
            let io = Io { output: step.output(&spec).unwrap(), input: spec.clone() };
            let (out, refused) = forward(&step, &io, &input);
            assert!(refused.is_empty());
            assert_eq!(out.bytes(), *bytes);
            let row = &out.bytes()[..io.output.last_axis() as usize];
            let ones: Vec<bool> = match order {
                BitOrder::Big => bits_big(row, *len as usize).iter().by_vals().collect(),
                BitOrder::Little => bits_little(row, *len as usize).iter().by_vals().collect(),
            };
            assert_eq!(ones, mask[..*len as usize].iter().map(|b| *b == 1).collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_width_dtype_and_order_keeps_the_laws() {
    let mut seed = 11;
    for dtype in integers() {
        for bits in 1..=MAX_BITS {
            for order in [BitOrder::Big, BitOrder::Little] {
                for signed in [false, true].into_iter().take(if dtype.kind() == DTypeKind::Int { 2 } else { 1 }) {
                    for len in [0, 1, 7, 8, 19, 64, 300] {
                        check_all(dtype, bits, order, signed, [3, len], &mut seed);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn random_shapes_keep_the_laws(dtype in 0..9usize, bits in 1..=MAX_BITS, little: bool, signed: bool, rows in 0..5u64, len in 0..1200u64, seed: u64) {
        let dtype = integers().nth(dtype).unwrap();
        let order = if little { BitOrder::Little } else { BitOrder::Big };
        let mut seed = seed;
        check_all(dtype, bits, order, signed && dtype.kind() == DTypeKind::Int, [rows, len], &mut seed);
    }
}

#[test]
fn values_that_do_not_fit_are_refused_once_whole_or_in_parts() {
    let mut seed = 3;
    for bits in [1, 3, 8, 12, 17, 31, 32] {
        let (input, _, mut wide) = example(DType::I64, bits, false, [4, 37], &mut seed);
        for (at, value) in [(5, -1i64), (40, 1 << bits), (41, i64::MAX), (147, 1 << bits)] {
            wide.slice_mut::<i64>()[at] = value;
        }
        let step = BitPack { bits, order: BitOrder::Big, signed: false };
        let io = Io { output: step.output(&input).unwrap(), input };
        let (_, whole) = forward(&step, &io, &wide);
        let refusal = &whole.entries[0];
        assert_eq!((refusal.why, refusal.count, refusal.first, refusal.worst_at), (Why::OutOfRange, 4, 5, 41));
        let mut refused = Refused::default();
        let mut cuts = vec![0, io.output.count()];
        (0..6).for_each(|_| cuts.push(random(&mut seed) % io.output.count()));
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            let want = [Span::new(cut[0], cut[1] - cut[0])];
            let (mut need, mut out) = (Vec::new(), Buf::new());
            step.forward_need(&io, &want, &mut need);
            step.forward_part(&io, &want, &need, &gather(&wide, &need), &mut out, &mut refused).unwrap();
        }
        assert_eq!(refused, whole, "{bits} bits cut at {cuts:?}");
    }
}

fn settle(values: &[i16], bits: Option<u32>) -> Result<BitPack> {
    let buf = Buf::from_slice(values)?;
    let spec = Spec::new(DType::I16, [values.len() as u64])?;
    let ask = BitPackAsk { bits, order: BitOrder::Big };
    let mut range = Range::new(None);
    range.add(&buf)?;
    assert_eq!(ask.needs(&spec)?, FactNeeded::Range { fill: None });
    match ask.settle(&spec, &Fact::Range(range))? {
        Step::BitPack(step) => Ok(step),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_fewest_bits_that_fit_are_chosen() {
    for (values, bits, signed) in [
        (&[0i16, 1][..], 1, false),
        (&[0, 0], 1, false),
        (&[], 1, false),
        (&[5, 4095], 12, false),
        (&[0, 4096], 13, false),
        (&[-1, 0], 1, true),
        (&[-128, 127], 8, true),
        (&[-1, 128], 9, true),
        (&[i16::MIN, 0], 16, true),
    ] {
        let step = settle(values, None).unwrap();
        assert_eq!((step.bits, step.signed), (bits, signed), "{values:?}");
    }
    assert_eq!(settle(&[-3, 2], Some(7)).unwrap(), BitPack { bits: 7, order: BitOrder::Big, signed: true });
    let spec = Spec::new(DType::U64, [1]).unwrap();
    let error = BitPackAsk::default().settle(&spec, &Fact::Range(Range::up_to(1 << 40))).unwrap_err();
    assert!(error.to_string().contains("takes 41 bits"), "{error}");
    let step = BitPackAsk::default().settle(&spec, &Fact::Range(Range::up_to(1000))).unwrap();
    assert_eq!(step.transform().describe(), "10 bits a value, big-endian");
}

#[test]
fn the_message_names_a_width_that_works() {
    let values = [1i16, 4000, -1, 2047];
    let io = |step: &BitPack, dtype, n| {
        let input = Spec::new(dtype, [n]).unwrap();
        Io { output: step.output(&input).unwrap(), input }
    };
    let text = |step: &BitPack, io: &Io, buf: &Buf| {
        let (_, refused) = forward(step, io, buf);
        let refusal = refused.entries.into_iter().next().unwrap();
        step.explain(io, &refusal, &io.input.index(refusal.first), &io.input.index(refusal.worst_at))
    };
    let step = settle(&values, Some(11)).unwrap();
    let buf = Buf::from_slice(&values).unwrap();
    let message = text(&step, &io(&step, DType::I16, 4), &buf);
    assert_eq!(
        message,
        "2 values do not fit 11 signed bits: the first, 4000, at [1], the widest, 4000, at [1]; give --bits=N with N >= 13, the widest \
         value needs 13 bits"
    );
    let step = settle(&values, Some(13)).unwrap();
    assert!(forward(&step, &io(&step, DType::I16, 4), &buf).1.is_empty());
    let step = BitPack { bits: 1, order: BitOrder::Big, signed: false };
    let mut mask = Buf::new();
    mask.reset(DType::Bool, 3).unwrap();
    mask.bytes_mut().copy_from_slice(&[0, 1, 7]);
    let message = text(&step, &io(&step, DType::Bool, 3), &mask);
    assert!(message.contains("neither 0 nor 1, the first, 7, at [2]"), "{message}");
}

#[test]
fn what_does_not_fit_is_refused_with_what_would() {
    let refuse = |dtype, shape: &[u64], bits| {
        let input = Spec::new(dtype, shape).unwrap();
        BitPackAsk { bits, order: BitOrder::Big }.needs(&input).unwrap_err().to_string()
    };
    assert!(refuse(DType::F32, &[3], None).contains("--scale-offset"));
    assert!(refuse(DType::U8, &[], None).contains("at least one axis"));
    assert!(refuse(DType::U8, &[3], Some(0)).contains("1 to 32"));
    assert!(refuse(DType::U8, &[3], Some(33)).contains("1 to 32"));
    let input = Spec::new(DType::U8, [3]).unwrap();
    assert!(BitPack { bits: 3, order: BitOrder::Big, signed: true }.output(&input).is_err());
    let huge = Spec::new(DType::U8, [i64::MAX as u64]).unwrap();
    assert!(BitPack { bits: 32, order: BitOrder::Big, signed: false }.output(&huge).is_err());
}

#[test]
fn steps_and_requests_survive_json_and_unknown_fields_do_not() {
    let json = r#"{"step":"bitpack","bits":12,"order":"little","signed":true}"#;
    let step: Step = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&step).unwrap(), json);
    let ask: Ask = serde_json::from_str(r#"{"step":"bitpack","bits":null,"order":"big"}"#).unwrap();
    assert_eq!(ask, Ask::BitPack(BitPackAsk::default()));
    assert!(serde_json::from_str::<Ask>(r#"{"step":"bitpack","width":3}"#).is_err());
    assert!(serde_json::from_str::<Step>(r#"{"step":"bitpack","order":"big"}"#).is_err());
}
