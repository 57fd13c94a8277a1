//! Anything that hands over parts of an array, and anything that takes them.

use super::Work;
use crate::array::{Buf, Slice, Span, Spec, total};
use crate::error::{Result, refuse};

/// Where parts are best cut: `p * period + min(q * step, period)` for whole `p`, `q`. Chunks of a chunked store lie so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grain {
    /// Elements after which the pattern starts again.
    pub period: u64,
    /// Elements between cuts inside a period.
    pub step: u64,
}

/// An array that can be read in parts, by several threads at once.
pub trait Source: Send + Sync {
    /// Dtype and shape.
    fn spec(&self) -> &Spec;

    /// Reads the elements of `spans`, one span after the other, into `out` (dtype and length are set here).
    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()>;

    /// Where reads are best cut, if anywhere in particular.
    fn grain(&self) -> Option<Grain> {
        None
    }

    /// Bytes that each worker keeps in memory for this source besides what it reads into: decoded chunks.
    fn overhead(&self) -> u64 {
        0
    }

    /// How many pieces the array is stored in, where they lie across C order so that reading in that order would decode each
    /// one many times; 0 for all other sources.
    fn pieces(&self) -> u64 {
        0
    }

    /// The spans of piece `i`, in order, appended to `spans`.
    fn piece(&self, _i: u64, _spans: &mut Vec<Span>) {}
}

/// A place for an array, written in parts by several threads at once, each part once, in any order.
pub trait Sink: Send + Sync {
    /// Takes the elements from flat position `at` on. Parts begin and end where [`Sink::grain`] cuts, or at the end.
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()>;

    /// Where parts must be cut, if anywhere in particular.
    fn grain(&self) -> Option<Grain> {
        None
    }
}

/// An array in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    spec: Spec,
    buf: Buf,
}

impl Memory {
    /// The array of `spec` whose elements are `buf`.
    pub fn new(spec: Spec, buf: Buf) -> Result<Self> {
        if spec.dtype() != buf.dtype() || spec.count() != buf.len() as u64 {
            return refuse!(Usage, "{} {} elements cannot be an array of {spec}", buf.len(), buf.dtype());
        }
        Ok(Self { spec, buf })
    }

    /// The elements.
    pub fn buf(&self) -> &Buf {
        &self.buf
    }
}

impl Source for Memory {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, _work: &mut Work) -> Result<()> {
        out.reset(self.spec.dtype(), total(spans))?;
        let size = self.spec.dtype().size();
        let mut to = 0;
        for span in spans {
            let (from, len) = (span.start as usize * size, span.len as usize * size);
            let Some(bytes) = self.buf.bytes().get(from..from + len) else {
                return refuse!(Usage, "elements {}..{} are outside an array of {}", span.start, span.end(), self.spec);
            };
            out.bytes_mut()[to..to + len].copy_from_slice(bytes);
            to += len;
        }
        Ok(())
    }
}

/// A slice of another source: reads only what the slice needs.
pub struct Sliced<'a> {
    inner: &'a dyn Source,
    spec: Spec,
    resolved: crate::array::Resolved,
}

impl<'a> Sliced<'a> {
    /// `slice` of `inner`.
    pub fn new(inner: &'a dyn Source, slice: &Slice) -> Result<Self> {
        Ok(Self { spec: slice.of(inner.spec())?, resolved: slice.resolve(inner.spec())?, inner })
    }

    /// Elements of the longest run that is consecutive in the array behind.
    pub(crate) fn run(&self) -> u64 {
        self.resolved.run()
    }
}

impl Source for Sliced<'_> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let mut need = std::mem::take(&mut work.slice_need);
        need.clear();
        for span in spans {
            self.resolved.spans(*span, &mut need);
        }
        let result = self.inner.read(&need, out, work);
        work.slice_need = need;
        result
    }
}
