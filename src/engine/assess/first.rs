//! The first pass: every pair once, in whatever blocks suit the files.

use super::compare::{CompareOptions, Ends};
use super::idle::Idle;
use crate::array::{Buf, Span};
use crate::engine::{Flow, Phase, Visit, run};
use crate::error::Result;
use crate::metric::{Describe, DescribeOptions, Effort, PairOptions, PairScratch, Pairs, PlaneRanges};
use crate::pipeline::Work;

/// Everything that one pass adds up.
pub(super) struct First {
    pub(super) pairs: Pairs,
    /// Of both arrays.
    pub(super) describes: [Describe; 2],
    /// Where planes are to be looked at one by one later.
    pub(super) planes: Option<PlaneRanges>,
}

impl First {
    fn new(ends: &Ends<'_>, options: &CompareOptions<'_>) -> Result<Self> {
        let spec = ends.original.spec();
        let (dtype, total) = (spec.dtype(), spec.count());
        let all = options.effort >= Effort::Pairs;
        let pair = PairOptions {
            fill: options.fill,
            rel_floor: options.rel_floor,
            spatial_tol: options.spatial_tol,
            worst: options.worst,
            all,
        };
        let describe = || {
            Describe::new(dtype, total, DescribeOptions { fill: options.fill, deep: options.deep || options.distances })
        };
        let planes = options.effort >= Effort::Tiles;
        Ok(Self {
            pairs: Pairs::new(dtype, total, pair)?,
            describes: [describe(), describe()],
            planes: if planes { PlaneRanges::new(spec.shape(), options.fill) } else { None },
        })
    }

    fn add(&mut self, at: &[Span], original: &Buf, restored: &Buf, scratch: &mut PairScratch) -> Result<()> {
        self.pairs.add(at, original, restored, scratch)?;
        let [x, y] = &mut self.describes;
        x.add(at, original)?;
        y.add(at, restored)?;
        if let Some(planes) = &mut self.planes {
            planes.add(at, original, restored);
        }
        Ok(())
    }

    fn merge(&mut self, other: First) {
        self.pairs.merge(other.pairs);
        self.describes.iter_mut().zip(other.describes).for_each(|(mine, theirs)| mine.merge(theirs));
        if let (Some(mine), Some(theirs)) = (&mut self.planes, other.planes) {
            mine.merge(theirs);
        }
    }
}

/// What a worker keeps for the other side.
#[derive(Default)]
struct Other {
    work: Option<Work>,
    buf: Buf,
    scratch: PairScratch,
}

/// Compares parts of the restored array with the same parts of the original.
struct Compare<'a> {
    ends: &'a Ends<'a>,
    options: &'a CompareOptions<'a>,
    idle: Idle<First>,
}

impl Visit for Compare<'_> {
    fn visit(&self, at: Span, part: &Buf, work: &mut Work) -> Result<()> {
        let key = self as *const Self as usize;
        let mut other = work.slot::<Other>(key).map(std::mem::take).unwrap_or_default();
        let result = self.visit_with(at, part, &mut other);
        if let Some(place) = work.slot::<Other>(key) {
            *place = other;
        }
        result
    }
}

impl Compare<'_> {
    fn visit_with(&self, at: Span, part: &Buf, other: &mut Other) -> Result<()> {
        let work = other.work.get_or_insert_with(|| Work::new(self.ends.original_steps));
        self.ends.original.read(&[at], &mut other.buf, work)?;
        let Other { buf, scratch, .. } = other;
        self.idle.with(|| First::new(self.ends, self.options), |first| first.add(&[at], buf, part, scratch))
    }
}

/// Reads both arrays once.
pub(super) fn first(ends: &Ends<'_>, options: &CompareOptions<'_>) -> Result<First> {
    let compare = Compare { ends, options, idle: Idle::new() };
    let restored = ends.restored;
    let size = restored.spec().dtype().size() as u64;
    let flow = Flow {
        source: restored,
        steps: ends.restored_steps,
        unit: ends.unit,
        // Both sides of a block, and the packed side of the restored.
        unit_bytes: ends.unit_bytes.max(2 * size * ends.unit),
        cut: None,
        prefer: restored.grain().or(ends.original.grain()).map(|g| g.step),
        phase: Phase::Comparing,
        original_bytes: restored.spec().bytes(),
    };
    run(&flow, &compare, None, options.resources)?;
    let mut all = First::new(ends, options)?;
    compare.idle.into_all().into_iter().for_each(|f| all.merge(f));
    Ok(all)
}
