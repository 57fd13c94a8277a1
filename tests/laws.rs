//! The laws every recipe keeps, over all steps, dtypes, shapes, block sizes and thread counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

mod common;

use std::num::NonZeroUsize;

use common::{Case, any_case, bits};
use ndcompact::array::{Buf, Span};
use ndcompact::engine::Resources;
use ndcompact::pipeline::{Memory, Pipeline, Source, Work};
use ndcompact::recipe::Record;
use ndcompact::{Compacted, Slice};
use proptest::prelude::*;

fn resources(threads: usize, memory: u64) -> Resources<'static> {
    Resources { threads: NonZeroUsize::new(threads).unwrap(), memory, ..Resources::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn exact_recipes_give_the_same_bits_back_and_lossy_ones_repeat_themselves(case in any_case()) {
        let packed = case.compact(&Resources::default());
        let restored = case.restore(&packed);
        if packed.steps().iter().all(|s| s.loss.is_none()) {
            prop_assert_eq!(bits(&restored), bits(case.buf()), "{}", case);
            prop_assert_eq!(packed.loss().changed, 0);
        } else {
            // Packed again with the recorded parameters, the restored array gives the same packed array.
            let pipeline = Pipeline::bind(case.spec(), &packed.record().steps).unwrap();
            let memory = Memory::new(case.spec().clone(), restored.clone()).unwrap();
            let mut again = Buf::new();
            let all = [Span::new(0, pipeline.output().count())];
            let mut work = Work::new(pipeline.stages().len());
            pipeline.packing(&memory).read(&all, &mut again, &mut work).unwrap();
            prop_assert!(!work.tally.is_refused(), "{}", case);
            prop_assert_eq!(bits(&again), bits(packed.packed().buf()), "{}", case);
        }
    }

    #[test]
    fn the_measured_loss_is_the_true_loss_and_within_every_bound(case in any_case()) {
        let packed = case.compact(&Resources::default());
        let restored = case.restore(&packed);
        let (max_abs, changed) = case.true_loss(&restored);
        prop_assert_eq!(packed.loss().count, case.spec().count(), "{}", case);
        prop_assert_eq!(packed.loss().changed, changed, "{}", case);
        // The modulus of a complex difference is rounded in more than one way.
        prop_assert!((packed.loss().max_abs - max_abs).abs() <= 1e-15 * max_abs, "{} {} {}", packed.loss().max_abs, max_abs, case);
        for step in packed.steps() {
            if let (Some(bound), Some(loss)) = (step.bound, &step.loss) {
                prop_assert!(loss.max_abs <= bound, "{}: {} over {}", case, loss.max_abs, bound);
            }
        }
    }

    #[test]
    fn neither_blocks_nor_threads_nor_parts_of_units_change_a_bit(case in any_case(), memory in 1u64..4096, threads in 1usize..5) {
        let whole = case.compact(&resources(1, 1 << 30));
        let parts = case.compact(&resources(threads, memory));
        prop_assert_eq!(bits(whole.packed().buf()), bits(parts.packed().buf()), "{}", case);
        prop_assert_eq!(whole.record(), parts.record(), "{}", case);
        prop_assert_eq!(whole.steps(), parts.steps(), "{}", case);
    }

    #[test]
    fn any_slice_is_the_slice_of_the_whole(case in any_case(), picks in prop::collection::vec((any::<u64>(), any::<u64>(), -3i64..4, any::<bool>()), 0..6)) {
        let packed = case.compact(&Resources::default());
        let restored = case.restore(&packed);
        let slice = common::slice_for(case.spec(), &picks);
        let pipeline = packed.record().pipeline().unwrap();
        let restoring = pipeline.restoring(packed.packed());
        let (spec, part) = common::take(&restoring, &slice);
        let whole = Memory::new(case.spec().clone(), restored).unwrap();
        let (expected_spec, expected) = common::take(&whole, &slice);
        prop_assert_eq!(spec, expected_spec);
        prop_assert_eq!(bits(&part), bits(&expected), "{} {}", case, slice);
    }

    #[test]
    fn any_spans_of_either_side_equal_those_of_the_whole(case in any_case(), cuts in prop::collection::vec((any::<u64>(), any::<u64>()), 1..5)) {
        let packed = case.compact(&Resources::default());
        let pipeline = packed.record().pipeline().unwrap();
        let original = Memory::new(case.spec().clone(), case.buf().clone()).unwrap();
        let restored = Memory::new(case.spec().clone(), case.restore(&packed)).unwrap();
        for (source, whole) in [
            (&pipeline.packing(&original) as &dyn Source, packed.packed()),
            (&pipeline.restoring(packed.packed()), &restored),
        ] {
            let n = source.spec().count();
            let spans: Vec<Span> = cuts
                .iter()
                .map(|(a, b)| { let start = a % (n + 1); Span::new(start, b % (n - start + 1)) })
                .collect();
            let (mut part, mut expected) = (Buf::new(), Buf::new());
            source.read(&spans, &mut part, &mut Work::new(pipeline.stages().len())).unwrap();
            whole.read(&spans, &mut expected, &mut Work::new(0)).unwrap();
            prop_assert_eq!(bits(&part), bits(&expected), "{} {:?}", case, spans);
        }
    }

    #[test]
    fn a_record_survives_json_exactly(case in any_case()) {
        let packed = case.compact(&Resources::default());
        let json = packed.record().to_json().unwrap();
        prop_assert_eq!(&Record::from_json(&json).unwrap(), packed.record(), "{}", json);
    }
}

#[test]
fn a_record_of_another_version_or_with_unknown_steps_or_fields_is_refused() {
    let json = Case::example().compact(&Resources::default()).record().to_json().unwrap();
    assert!(Record::from_json(&json).is_ok());
    for (from, to) in [
        ("\"ndcompact\":1", "\"ndcompact\":2"),
        ("\"step\":\"cast\"", "\"step\":\"cart\""),
        ("\"to\":\"float16\"", "\"to\":\"float16\",\"extra\":1"),
        ("\"axes\":\"C\"", "\"axes\":\"D\""),
    ] {
        assert!(json.contains(from), "{from} in {json}");
        assert!(Record::from_json(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
}

#[test]
fn the_array_of_a_slice_has_numpys_shape() {
    let case = Case::example();
    let packed = case.compact(&Resources::default());
    let part = packed.slice::<f64>(&"1:, 0, ::-1".parse::<Slice>().unwrap()).unwrap();
    let whole: ndarray::ArrayD<f64> = Compacted::restore(&packed).unwrap();
    assert_eq!(part, whole.slice(ndarray::s![1.., 0, ..;-1]).into_dyn());
}
