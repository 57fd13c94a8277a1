//! Arrays seen as rows behind other rows.

use crate::array::{Buf, Span, Spec, total};
use crate::error::Result;
use crate::pipeline::{Grain, Sink, Source, Work};

/// The elements of one row of `spec`.
pub(super) fn row_of(spec: &Spec) -> u64 {
    spec.shape().iter().skip(1).product()
}

/// `spec` with so many rows.
pub(super) fn with_rows(spec: &Spec, rows: u64) -> Result<Spec> {
    let mut shape = spec.shape().to_vec();
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    Spec::new(spec.dtype(), shape)
}

/// Several arrays, one behind the other along the first axis.
pub(super) struct Chain<'a> {
    parts: &'a [&'a dyn Source],
    spec: Spec,
}

impl<'a> Chain<'a> {
    /// `spec` is that of all of them together.
    pub(super) fn new(parts: &'a [&'a dyn Source], spec: Spec) -> Self {
        Self { parts, spec }
    }
}

impl Source for Chain<'_> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        if let [only] = self.parts {
            return only.read(spans, out, work);
        }
        out.reset(self.spec.dtype(), total(spans))?;
        let size = self.spec.dtype().size();
        let (mut part, mut to) = (Buf::new(), 0);
        for span in spans {
            let mut start = 0;
            for source in self.parts {
                let end = start + source.spec().count();
                let (from, until) = (span.start.max(start), span.end().min(end));
                if from < until {
                    source.read(&[Span::new(from - start, until - from)], &mut part, work)?;
                    out.bytes_mut()[to * size..][..part.bytes().len()].copy_from_slice(part.bytes());
                    to += part.len();
                }
                start = end;
            }
        }
        Ok(())
    }

    fn grain(&self) -> Option<Grain> {
        if let [only] = self.parts { only.grain() } else { None }
    }

    fn overhead(&self) -> u64 {
        self.parts.iter().map(|p| p.overhead()).max().unwrap_or(0)
    }
}

/// An array behind elements that nobody asks for.
pub(super) struct Behind<'a> {
    pub(super) inner: &'a dyn Source,
    /// The whole, what stands before included.
    pub(super) spec: Spec,
    /// Elements before.
    pub(super) before: u64,
}

impl Source for Behind<'_> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        if self.before == 0 {
            return self.inner.read(spans, out, work);
        }
        let moved: Vec<Span> = spans.iter().map(|s| Span::new(s.start.saturating_sub(self.before), s.len)).collect();
        self.inner.read(&moved, out, work)
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }
}

/// What stands behind the first elements of an array.
pub(super) struct Tail<'a> {
    pub(super) inner: &'a dyn Source,
    pub(super) spec: Spec,
    /// Elements left out.
    pub(super) from: u64,
}

impl Source for Tail<'_> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        if let [span] = spans {
            return self.inner.read(&[Span::new(span.start + self.from, span.len)], out, work);
        }
        let moved: Vec<Span> = spans.iter().map(|s| Span::new(s.start + self.from, s.len)).collect();
        self.inner.read(&moved, out, work)
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }
}

/// A place for elements behind those of another array.
pub(super) struct SinkBehind<'a> {
    pub(super) inner: &'a dyn Sink,
    pub(super) before: u64,
}

impl Sink for SinkBehind<'_> {
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()> {
        self.inner.write(self.before + at, part, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::pipeline::Memory;

    #[test]
    fn arrays_one_behind_the_other_are_read_as_one() {
        let part = |from: i32, rows: i32| {
            let values: Vec<i32> = (3 * from..3 * (from + rows)).collect();
            Memory::new(Spec::new(DType::I32, [rows as u64, 3]).unwrap(), Buf::from_slice(&values).unwrap()).unwrap()
        };
        let (a, b, c, d) = (part(0, 2), part(2, 0), part(2, 1), part(3, 4));
        let parts: [&dyn Source; 4] = [&a, &b, &c, &d];
        let chain = Chain::new(&parts, Spec::new(DType::I32, [7, 3]).unwrap());
        let behind = Behind { inner: &chain, spec: Spec::new(DType::I32, [9, 3]).unwrap(), before: 6 };
        let tail = Tail { inner: &behind, spec: chain.spec().clone(), from: 6 };
        let mut out = Buf::new();
        tail.read(&[Span::new(0, 8), Span::new(19, 2), Span::new(4, 0)], &mut out, &mut Work::new(0)).unwrap();
        assert_eq!(out.elements::<i32>().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 19, 20]);
    }
}
