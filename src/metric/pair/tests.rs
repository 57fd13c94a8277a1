//! Figures of pairs against their definitions, and against themselves in other cuts.

use super::*;
use proptest::prelude::*;

fn of(x: &Buf, y: &Buf, cuts: &[usize], options: PairOptions) -> Pairs {
    let mut all: Option<Pairs> = None;
    let (mut from, size) = (0, x.dtype().size());
    for to in cuts.iter().copied().chain([x.len()]) {
        let to = to.clamp(from, x.len());
        let part = |b: &Buf| {
            let mut out = Buf::new();
            out.reset(b.dtype(), (to - from) as u64).unwrap();
            out.bytes_mut().copy_from_slice(&b.bytes()[from * size..to * size]);
            out
        };
        let mut pairs = Pairs::new(x.dtype(), x.len() as u64, options).unwrap();
        let at = [Span::new(from as u64, (to - from) as u64)];
        pairs.add(&at, &part(x), &part(y), &mut PairScratch::default()).unwrap();
        match &mut all {
            // The later part first: the order of merging must not matter.
            Some(all) => {
                let mut pairs = pairs;
                pairs.merge(all.clone());
                *all = pairs;
            }
            None => all = Some(pairs),
        }
        from = to;
    }
    all.unwrap()
}

fn figures(mut pairs: Pairs) -> Figures {
    let (mut figures, mut accuracy) = (Figures::default(), BTreeMap::new());
    pairs.figures(&mut figures, &mut accuracy, 5.0);
    figures
}

#[test]
fn figures_follow_their_definitions() {
    let x = Buf::from_slice(&[1.0, 2.0, 0.0, -4.0, f64::NAN]).unwrap();
    let y = Buf::from_slice(&[1.5, 2.25, 0.5, -3.0, f64::NAN]).unwrap();
    let pairs = of(&x, &y, &[2], PairOptions::default());
    assert_eq!((pairs.pairs(), pairs.rel_skipped()), (4, 1));
    let f = figures(pairs);
    let expected = [
        (Figure::MaxAbs, 1.0),
        (Figure::MaxError, -0.25),
        (Figure::MinError, -1.0),
        (Figure::MeanError, -0.5625),
        (Figure::MeanAbs, 0.5625),
        (Figure::P50Abs, 0.5),
        (Figure::MaxRel, 0.5),
        (Figure::MeanRel, (0.5 + 0.125 + 0.25) / 3.0),
        (Figure::SpatialRel, 1.0),
        (Figure::EqualFraction, 0.2),
        (Figure::MaxRange, 0.1),
    ];
    for (figure, value) in expected {
        assert_eq!(f.get(figure), value, "{figure}");
    }
    assert_eq!(f.get(Figure::MaxUlp), (0.5f64).to_bits() as f64);
}

#[test]
fn nothing_to_compare_leaves_every_error_undefined() {
    for x in [Buf::from_slice::<f64>(&[]).unwrap(), Buf::from_slice(&[f64::NAN; 3]).unwrap()] {
        let f = figures(of(&x, &x, &[], PairOptions::default()));
        assert!(f.iter().all(|(figure, _)| figure == Figure::EqualFraction), "{f:?}");
    }
}

#[test]
fn fill_values_are_told_apart_and_enter_no_error() {
    let options = PairOptions { fill: Some(1e20f64.to_bits()), ..PairOptions::default() };
    let x = Buf::from_slice(&[1e20, 1.0, 1e20, 2.0, 1e20]).unwrap();
    let y = Buf::from_slice(&[1e20, 1.25, 7.0, 1e20, 1e20]).unwrap();
    let pairs = of(&x, &y, &[3], options);
    assert_eq!(
        (pairs.loss().class(Class::FillToOther).first, pairs.loss().class(Class::OtherToFill).first),
        (Some(2), Some(3))
    );
    assert_eq!((pairs.loss().count(), pairs.pairs(), pairs.loss().changed()), (5, 1, 3));
    assert_eq!(figures(pairs).get(Figure::MaxAbs), 0.25);
    let options = PairOptions { fill: Some(0xff), ..PairOptions::default() };
    let (x, y) = (Buf::from_slice(&[-1i8, 5, 6, -1]).unwrap(), Buf::from_slice(&[-1i8, 5, -1, 3]).unwrap());
    let pairs = of(&x, &y, &[1], options);
    assert_eq!((pairs.loss().count(), pairs.pairs(), pairs.loss().changed()), (4, 1, 2));
    assert_eq!(pairs.loss().class(Class::FillToOther).first, Some(3));
    assert_eq!(pairs.loss().class(Class::OtherToFill).first, Some(2));
    assert!(Pairs::new(DType::C64, 1, options).is_err());
}

proptest! {
    #[test]
    fn any_cut_and_any_order_give_the_same(
        bits in prop::collection::vec((any::<u64>(), 0u64..40), 1..3000),
        cuts in prop::collection::vec(0usize..3000, 0..4),
    ) {
        let x: Vec<f64> = bits.iter().map(|(b, _)| f64::from_bits(*b)).collect();
        let y: Vec<f64> = bits.iter().map(|(b, change)| f64::from_bits(b.wrapping_add(*change))).collect();
        let (x, y) = (Buf::from_slice(&x).unwrap(), Buf::from_slice(&y).unwrap());
        let mut cuts = cuts;
        cuts.sort_unstable();
        let options = PairOptions { fill: Some(bits[0].0), ..PairOptions::default() };
        let (mut a, mut b) = (of(&x, &y, &[], options), of(&x, &y, &cuts, options));
        let shape = [x.len() as u64];
        // As text: NaN equals NaN there.
        prop_assert_eq!(format!("{:?}", a.places(&shape)), format!("{:?}", b.places(&shape)));
        prop_assert_eq!(format!("{:?}", a.worst(&shape)), format!("{:?}", b.worst(&shape)));
        let (mut f, mut g, mut accuracy) = (Figures::default(), Figures::default(), BTreeMap::new());
        a.figures(&mut f, &mut accuracy, 0.5);
        b.figures(&mut g, &mut accuracy, 0.5);
        prop_assert_eq!(format!("{f:?}"), format!("{g:?}"));
        prop_assert_eq!(a.loss(), b.loss());
    }
}
