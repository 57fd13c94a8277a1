//! The same array with its axes in reverse order, in bounded memory: how Fortran order meets steps that need C order.

use crate::array::{Buf, Span, Spec, total, with_word};
use crate::error::Result;
use crate::pipeline::{Grain, Source, Work};

/// The most memory one worker's slab may take. Larger slabs have longer runs, which read faster.
const SLAB_BYTES: u64 = 64 << 20;

/// `inner` with its axes reversed: element `[i, j, k]` of this is element `[k, j, i]` of `inner`.
pub(super) struct Transposed<'a> {
    inner: &'a dyn Source,
    spec: Spec,
    /// The axis that slabs are cut along; the axes before it are fixed in a slab, those after it whole.
    axis: usize,
    /// Most indices along that axis in one slab.
    rows: u64,
    /// Elements of one index along that axis.
    below: u64,
}

/// The slab a worker has at hand.
#[derive(Default)]
struct Slab {
    at: Option<Span>,
    buf: Buf,
    raw: Buf,
    spans: Vec<Span>,
}

impl<'a> Transposed<'a> {
    /// Slabs take at most `budget` bytes each, lists of where their elements stand included.
    pub(super) fn new(inner: &'a dyn Source, budget: u64) -> Result<Self> {
        let mut shape = inner.spec().shape().to_vec();
        shape.reverse();
        let spec = Spec::new(inner.spec().dtype(), shape)?;
        let (mut axis, mut below) = (spec.shape().len(), 1u64);
        let most = (budget.min(SLAB_BYTES) / (2 * spec.dtype().size() + size_of::<Span>()) as u64).max(1);
        while axis > 0 && spec.count() > 0 {
            axis -= 1;
            let d = spec.shape()[axis].max(1);
            if axis == 0 || below.saturating_mul(d) > most {
                break;
            }
            below *= d;
        }
        let axis = if spec.count() == 0 { 0 } else { axis };
        Ok(Self { inner, rows: (most / below).max(1), axis, below, spec })
    }

    /// Elements of one turn of the cut axis.
    fn turn(&self) -> u64 {
        if self.spec.count() == 0 {
            return 1;
        }
        self.below * self.spec.shape().get(self.axis).copied().unwrap_or(1)
    }

    /// The slab that holds position `at`.
    fn slab_at(&self, at: u64) -> Span {
        let turn = self.turn().max(1);
        let base = at / turn * turn;
        let start = base + (at - base) / (self.rows * self.below) * (self.rows * self.below);
        Span::new(start, (self.rows * self.below).min(base + turn - start))
    }

    fn load(&self, span: Span, slab: &mut Slab, work: &mut Work) -> Result<()> {
        let shape = self.spec.shape();
        // Lengths of the slab's axes, and how far apart their neighbours stand in `inner`.
        let mut stride = vec![1u64; shape.len()];
        for a in 1..shape.len() {
            stride[a] = stride[a - 1] * shape[a - 1].max(1);
        }
        let first = crate::array::index_of(shape, span.start);
        let base: u64 = first.iter().zip(&stride).map(|(i, s)| i * s).sum();
        let mut lengths: Vec<u64> = shape.get(self.axis..).unwrap_or(&[]).to_vec();
        if let Some(rows) = lengths.first_mut() {
            *rows = span.len / self.below;
        }
        let strides = stride.get(self.axis..).unwrap_or(&[]);
        // Walk `inner` in its own order: the last axis here varies slowest there.
        slab.spans.clear();
        let mut counter = vec![0u64; lengths.len()];
        for _ in 0..span.len {
            let at = base + counter.iter().zip(strides).map(|(i, s)| i * s).sum::<u64>();
            Span::push(&mut slab.spans, Span::new(at, 1));
            for (i, d) in counter.iter_mut().zip(&lengths) {
                *i += 1;
                if *i < *d {
                    break;
                }
                *i = 0;
            }
        }
        let Slab { buf, raw, spans, .. } = slab;
        self.inner.read(spans, raw, work)?;
        buf.reset(self.spec.dtype(), span.len)?;
        with_word!(self.spec.dtype(), W => reverse_axes::<W>(raw.slice(), &lengths, buf.slice_mut()));
        slab.at = Some(span);
        Ok(())
    }
}

/// Copies an array whose first axis (of `lengths`) varies fastest into one whose last does.
fn reverse_axes<W: Copy>(from: &[W], lengths: &[u64], to: &mut [W]) {
    let (Some((&last, outer)), true) = (lengths.split_last(), !from.is_empty()) else {
        to.copy_from_slice(from);
        return;
    };
    // Steps in `from` of each axis.
    let mut steps = Vec::with_capacity(lengths.len());
    let mut step = 1usize;
    for d in lengths {
        steps.push(step);
        step *= *d as usize;
    }
    let inner_step = steps.last().copied().unwrap_or(1);
    let mut counter = vec![0u64; outer.len()];
    for row in to.chunks_exact_mut(last as usize) {
        let base: usize = counter.iter().zip(&steps).map(|(i, s)| *i as usize * s).sum();
        for (value, source) in row.iter_mut().zip(from[base..].iter().step_by(inner_step)) {
            *value = *source;
        }
        for (i, d) in counter.iter_mut().zip(outer).rev() {
            *i += 1;
            if *i < *d {
                break;
            }
            *i = 0;
        }
    }
}

impl Source for Transposed<'_> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let size = self.spec.dtype().size();
        out.reset(self.spec.dtype(), total(spans))?;
        let key = self as *const Self as usize;
        let mut slab = work.slot::<Slab>(key).map(std::mem::take).unwrap_or_default();
        let mut to = 0;
        let mut result = Ok(());
        for span in spans {
            let mut at = span.start;
            while at < span.end() && result.is_ok() {
                let here = self.slab_at(at);
                if slab.at != Some(here) {
                    slab.at = None;
                    result = self.load(here, &mut slab, work);
                }
                let len = (here.end().min(span.end()) - at) as usize * size;
                if result.is_ok() {
                    let from = (at - here.start) as usize * size;
                    out.bytes_mut()[to..to + len].copy_from_slice(&slab.buf.bytes()[from..from + len]);
                }
                to += len;
                at = here.end().min(span.end());
            }
        }
        if let Some(place) = work.slot::<Slab>(key) {
            *place = slab;
        }
        result
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead() + self.rows * self.below * (2 * self.spec.dtype().size() + size_of::<Span>()) as u64
    }

    fn grain(&self) -> Option<Grain> {
        Some(Grain { period: self.turn().max(1), step: self.rows * self.below })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::pipeline::Memory;

    #[test]
    fn axes_are_reversed_for_any_shape_and_span() {
        for shape in [vec![], vec![5], vec![2, 3], vec![4, 3, 5], vec![2, 1, 3, 4]] {
            let spec = Spec::new(DType::I32, shape.clone()).unwrap();
            let values: Vec<i32> = (0..spec.count() as i32).collect();
            let memory = Memory::new(spec.clone(), Buf::from_slice(&values).unwrap()).unwrap();
            for rows in [1, 2, 1000] {
                let mut t = Transposed::new(&memory, 1 << 20).unwrap();
                t.rows = rows;
                let expected: Vec<i32> = (0..spec.count())
                    .map(|at| {
                        let index = crate::array::index_of(t.spec.shape(), at);
                        index.iter().rev().zip(&shape).fold(0, |n, (i, d)| n * *d as i32 + *i as i32)
                    })
                    .collect();
                let mut out = Buf::new();
                let n = spec.count();
                t.read(&[Span::new(0, n)], &mut out, &mut Work::new(0)).unwrap();
                assert_eq!(out.slice::<i32>(), expected, "{shape:?} {rows}");
                t.read(&[Span::new(n / 2, n - n / 2), Span::new(0, n / 3)], &mut out, &mut Work::new(0)).unwrap();
                let parts = [&expected[(n / 2) as usize..], &expected[..(n / 3) as usize]].concat();
                assert_eq!(out.slice::<i32>(), parts);
            }
        }
    }
}
