//! Both arrays read at the same places, as f64 with their difference.

use super::compare::Ends;
use crate::array::{Buf, Span};
use crate::error::Result;
use crate::metric::{present, triple};
use crate::pipeline::Work;

/// What one worker keeps to read both arrays. After [`Sides::read`], `x`, `y` and `e` are NaN wherever a pair has no error.
pub(super) struct Sides<'a> {
    ends: &'a Ends<'a>,
    fill: Option<u64>,
    works: [Work; 2],
    bufs: [Buf; 2],
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) e: Vec<f64>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(ends: &'a Ends<'a>, fill: Option<u64>) -> Self {
        let works = [Work::new(ends.original_steps), Work::new(ends.restored_steps)];
        Self { ends, fill, works, bufs: Default::default(), x: Vec::new(), y: Vec::new(), e: Vec::new() }
    }

    pub(super) fn read(&mut self, spans: &[Span]) -> Result<()> {
        let ([original, restored], [a, b]) = (&mut self.works, &mut self.bufs);
        self.ends.original.read(spans, a, original)?;
        self.ends.restored.read(spans, b, restored)?;
        triple(a, b, self.fill, &mut self.x, &mut self.y, &mut self.e)
    }

    /// As [`Sides::read`], but `x` and `y` have each side's own values: what the other side lost is no part of its symmetry.
    pub(super) fn read_own(&mut self, spans: &[Span]) -> Result<()> {
        self.read(spans)?;
        let [a, b] = &self.bufs;
        present(a, self.fill, &mut self.x);
        present(b, self.fill, &mut self.y);
        Ok(())
    }
}
