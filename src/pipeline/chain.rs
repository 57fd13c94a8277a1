//! Pulling spans through the stages, forward and back, and measuring what each lossy stage loses on the way.

use std::mem::take;

use super::work::Level;
use super::{Pipeline, Source, Work};
use crate::array::{Buf, Span, Spec};
use crate::error::Result;
use crate::metric::Loss;
use crate::transform::Transform;

/// The packed array, seen through the steps from the original side: reading a part packs just that part.
///
/// Every lossy stage runs its own inverse on what it has just made and compares: the loss is measured with the code that
/// restores, on every element.
pub struct Packing<'a> {
    pipeline: &'a Pipeline,
    inner: &'a dyn Source,
    measured: bool,
}

/// The original array, seen through the steps from the packed side: reading a part restores just that part.
pub struct Restoring<'a> {
    pipeline: &'a Pipeline,
    inner: &'a dyn Source,
}

impl Pipeline {
    /// The packed array made of `inner`, with losses measured.
    pub fn packing<'a>(&'a self, inner: &'a dyn Source) -> Packing<'a> {
        Packing { pipeline: self, inner, measured: true }
    }

    /// The packed array made of `inner`, without measuring: for passes that only look at the data.
    pub fn packing_unmeasured<'a>(&'a self, inner: &'a dyn Source) -> Packing<'a> {
        Packing { pipeline: self, inner, measured: false }
    }

    /// The original array behind packed `inner`.
    pub fn restoring<'a>(&'a self, inner: &'a dyn Source) -> Restoring<'a> {
        Restoring { pipeline: self, inner }
    }
}

/// Whether `want` is one span of whole units.
fn whole(want: &[Span], unit: u64) -> bool {
    matches!(want, [span] if unit > 0 && span.start % unit == 0 && span.len % unit == 0)
}

fn scaled(span: Span, from: u64, to: u64) -> Span {
    Span::new(span.start / from * to, span.len / from * to)
}

impl Source for Packing<'_> {
    fn spec(&self) -> &Spec {
        self.pipeline.output()
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        self.pull(self.pipeline.stages.len(), spans, out, work)
    }
}

impl Packing<'_> {
    /// The output of the first `k` stages at `want`.
    fn pull(&self, k: usize, want: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let Some(k) = k.checked_sub(1) else { return self.inner.read(want, out, work) };
        let mut level = work.levels.get_mut(k).map(take).unwrap_or_default();
        let result = self.stage(k, want, &mut level, out, work);
        if let Some(place) = work.levels.get_mut(k) {
            *place = level;
        }
        result
    }

    fn stage(&self, k: usize, want: &[Span], level: &mut Level, out: &mut Buf, work: &mut Work) -> Result<()> {
        let stage = &self.pipeline.stages[k];
        let (step, io) = (stage.step.transform(), &stage.io);
        let unit = step.unit(&io.input);
        level.need.clear();
        let in_whole_units = whole(want, unit.output);
        if let ([span], true) = (want, in_whole_units) {
            level.need.push(scaled(*span, unit.output, unit.input));
        } else {
            step.forward_need(io, want, &mut level.need);
        }
        self.pull(k, &level.need, &mut level.input, work)?;
        let refused = &mut work.tally.steps[k].refused;
        if in_whole_units {
            step.forward(io, want, &level.input, out, refused)?;
        } else {
            step.forward_part(io, want, &level.need, &level.input, out, refused)?;
        }
        if self.measured && self.pipeline.measure.lossy[k] {
            step.reconstruct(io, want, &level.need, out, &mut level.back)?;
            let tally = &mut work.tally.steps[k];
            tally.loss.add(&level.need, &level.input, &level.back)?;
            self.measure_once(k, &level.need, &level.input, &level.back, &mut tally.once, &mut work.spare)?;
            if self.pipeline.measure.last == Some(k) {
                self.measure_total(k, level, work)?;
            }
        }
        Ok(())
    }

    /// The loss on those elements of stage `k`'s input that stand for one original element, where the others stand for two.
    fn measure_once(
        &self,
        k: usize,
        at: &[Span],
        original: &Buf,
        restored: &Buf,
        once: &mut Loss,
        spare: &mut [Buf; 2],
    ) -> Result<()> {
        let Some(mirror) = self.pipeline.measure.mirrored_by[k] else { return Ok(()) };
        let stage = &self.pipeline.stages[mirror];
        let mut places = Vec::new();
        stage.step.transform().unmirrored(&stage.io, at, &mut |place| places.push(place));
        let size = original.dtype().size();
        for (buf, from) in spare.iter_mut().zip([original, restored]) {
            buf.reset(original.dtype(), places.len() as u64)?;
            for (to, place) in buf.bytes_mut().chunks_exact_mut(size).zip(&places) {
                to.copy_from_slice(&from.bytes()[place * size..(place + 1) * size]);
            }
        }
        // Positions only name a maximum, and that is taken from the loss on all elements.
        once.add(&[Span::new(0, places.len() as u64)], &spare[0], &spare[1])
    }

    /// Runs back from the end of stage `last` to the input of the first lossy one and compares there.
    fn measure_total(&self, last: usize, level: &mut Level, work: &mut Work) -> Result<()> {
        let Some(first) = self.pipeline.measure.total_from else { return Ok(()) };
        for k in (first..last).rev() {
            let mut inner = take(&mut work.levels[k]);
            let above = if k + 1 == last { &*level } else { &work.levels[k + 1] };
            let stage = &self.pipeline.stages[k];
            let result =
                stage.step.transform().reconstruct(&stage.io, &above.need, &inner.need, &above.back, &mut inner.back);
            work.levels[k] = inner;
            result?;
        }
        let mut bottom = take(&mut work.levels[first]);
        let from = if first == last { &*level } else { &bottom };
        work.tally.total.add(&from.need, &from.input, &from.back)?;
        self.measure_once(first, &from.need, &from.input, &from.back, &mut work.tally.total_once, &mut work.spare)?;
        if first != last {
            work.levels[first] = take(&mut bottom);
        }
        Ok(())
    }
}

impl Source for Restoring<'_> {
    fn spec(&self) -> &Spec {
        self.pipeline.input()
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        self.pull(0, spans, out, work)
    }
}

impl Restoring<'_> {
    /// The input of stage `k` at `want`.
    fn pull(&self, k: usize, want: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let Some(stage) = self.pipeline.stages.get(k) else { return self.inner.read(want, out, work) };
        let mut level = work.levels.get_mut(k).map(take).unwrap_or_default();
        let (step, io) = (stage.step.transform(), &stage.io);
        let result = self.unstage(k, step, io, want, &mut level, out, work);
        if let Some(place) = work.levels.get_mut(k) {
            *place = level;
        }
        result
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the borrowed pieces of one stage, split so that the level can be lent"
    )]
    fn unstage(
        &self,
        k: usize,
        step: &dyn Transform,
        io: &crate::transform::Io,
        want: &[Span],
        level: &mut Level,
        out: &mut Buf,
        work: &mut Work,
    ) -> Result<()> {
        let unit = step.unit(&io.input);
        level.need.clear();
        if let ([span], true) = (want, whole(want, unit.input)) {
            level.need.push(scaled(*span, unit.input, unit.output));
            self.pull(k + 1, &level.need, &mut level.input, work)?;
            step.inverse(io, want, &level.input, out)
        } else {
            step.inverse_need(io, want, &mut level.need);
            self.pull(k + 1, &level.need, &mut level.input, work)?;
            step.inverse_part(io, want, &level.need, &level.input, out)
        }
    }
}
