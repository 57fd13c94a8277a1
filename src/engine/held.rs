//! Restored matrices that a reader keeps, so that parts of one are not put together from packed values again and again.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::array::{Buf, Span, Spec, total};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Cache, Pipeline, Source, Work};

/// Slices that touch more units than this are not served from here: what they need of each is little.
const MOST_UNITS: usize = 64;

/// Units that are remembered at most.
const MOST_REMEMBERED: u64 = 4096;

/// What a reader keeps.
#[derive(Debug)]
pub(super) struct Units {
    cache: Cache<Buf>,
    /// Elements of a unit, and its bytes.
    unit: u64,
    bytes: u64,
    /// Units that were read lately, one more than their number, each at its place. A unit is kept once it is met again: a pass over an
    /// array that is larger than the cache would only push out one after the other.
    lately: Vec<AtomicU64>,
}

impl Units {
    /// Keeps up to `most` bytes of what `pipeline` restores; `None` where that does not pay. Elementwise steps and bits run about as
    /// fast as memory is copied; the halves of matrices are gathered element by element.
    pub(super) fn new(pipeline: &Pipeline, most: u64) -> Option<Self> {
        let unit = pipeline.unit().input;
        let bytes = unit.saturating_mul(pipeline.input().dtype().size() as u64);
        if !pipeline.has_twins() || bytes == 0 || bytes > most {
            return None;
        }
        let remembered = (2 * (most / bytes)).clamp(1, MOST_REMEMBERED);
        let lately = (0..remembered).map(|_| AtomicU64::new(0)).collect();
        Some(Self { cache: Cache::new(most), unit, bytes, lately })
    }

    /// Whether unit `number` was met lately; it is from now on.
    fn is_known(&self, number: u64) -> bool {
        let place = &self.lately[(number % self.lately.len() as u64) as usize];
        place.swap(number + 1, Ordering::Relaxed) == number + 1
    }
}

/// An array whose units may be kept.
pub(super) struct Held<'a> {
    pub(super) inner: &'a dyn Source,
    pub(super) units: &'a Units,
}

impl Held<'_> {
    /// Whether every unit that `spans` touch is to be kept.
    fn are_wanted(&self, spans: &[Span]) -> bool {
        let mut touched: Vec<u64> = Vec::new();
        for span in spans.iter().filter(|s| s.len > 0) {
            for number in span.start / self.units.unit..=(span.end() - 1) / self.units.unit {
                if touched.last() != Some(&number) && !touched.contains(&number) {
                    if touched.len() == MOST_UNITS {
                        return false;
                    }
                    touched.push(number);
                }
            }
        }
        // All are looked at, so that all are known the next time.
        let unknown = touched.iter().filter(|n| !self.units.is_known(**n)).count();
        unknown == 0
    }

    fn unit(&self, number: u64, work: &mut Work) -> Result<std::sync::Arc<Buf>> {
        let span = Span::new(number * self.units.unit, self.units.unit);
        let made = self.units.cache.get_or_make(number, self.units.bytes, || {
            let mut restored = Buf::new();
            self.inner.read(&[span], &mut restored, work)?;
            Ok(Some(restored))
        })?;
        made.ok_or_else(|| Error::new(ErrorKind::Io, "a matrix is missing; please report this as a bug"))
    }
}

impl Source for Held<'_> {
    fn spec(&self) -> &Spec {
        self.inner.spec()
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        if !work.keep || !self.are_wanted(spans) {
            return self.inner.read(spans, out, work);
        }
        let (dtype, count) = (self.spec().dtype(), self.spec().count());
        if let Some(bad) = spans.iter().find(|s| s.start.checked_add(s.len).is_none_or(|end| end > count)) {
            return refuse!(Usage, "{} elements from {} on are outside {}", bad.len, bad.start, self.spec());
        }
        out.reset(dtype, total(spans))?;
        let (size, mut to) = (dtype.size() as u64, 0usize);
        let mut now = None;
        for span in spans {
            let mut at = span.start;
            while at < span.end() {
                let (number, within) = (at / self.units.unit, at % self.units.unit);
                let unit = match now.take() {
                    Some((n, unit)) if n == number => unit,
                    _ => self.unit(number, work)?,
                };
                let len = (self.units.unit - within).min(span.end() - at);
                let (from, bytes) = ((within * size) as usize, (len * size) as usize);
                out.bytes_mut()[to..to + bytes].copy_from_slice(&unit.bytes()[from..from + bytes]);
                (at, to, now) = (at + len, to + bytes, Some((number, unit)));
            }
        }
        Ok(())
    }
}
