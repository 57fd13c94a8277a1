//! Consecutive elements of a dataset of one axis, seen as an array of their own.

use crate::array::{Buf, ByteOrder, Span, Spec};
use crate::error::{Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::hdf5::Dataset;
use crate::store::npy::reversed;

/// Elements read at a time to sum them up.
const SUM_ELEMENTS: u64 = 1 << 18;

/// What is known of an array that stands among others.
#[derive(Debug)]
pub(crate) struct WindowOf {
    /// Its first element in the dataset.
    pub(crate) start: u64,
    /// Dtype and shape as NumPy shows them.
    pub(crate) shown: Spec,
    /// Whether its elements stand in Fortran order.
    pub(crate) fortran: bool,
    /// The byte order of the file that it came from.
    pub(crate) order: ByteOrder,
    /// How it was compacted, JSON.
    pub(crate) record: Option<String>,
}

/// An array among others that stand end to end in a dataset.
#[derive(Debug)]
pub(crate) struct Window {
    pub(super) dataset: Dataset,
    pub(super) of: WindowOf,
    /// Axes in the order of the elements.
    spec: Spec,
    expected: Option<u32>,
}

impl Window {
    /// The array `of` in `dataset`.
    ///
    /// # Errors
    /// `Corrupt` where it lies outside, or the dataset is of another dtype.
    pub(crate) fn new(dataset: Dataset, of: WindowOf) -> Result<Self> {
        let (there, count) = (dataset.spec(), of.shown.count());
        if there.shape().len() != 1
            || there.dtype() != of.shown.dtype()
            || of.start.checked_add(count).is_none_or(|end| end > there.count())
        {
            return refuse!(
                Corrupt,
                "{count} {} elements from {} on lie outside of {there}",
                of.shown.dtype(),
                of.start
            );
        }
        let spec = if of.fortran { reversed(&of.shown)? } else { of.shown.clone() };
        Ok(Self { dataset, of, spec, expected: None })
    }

    /// Has the CRC-32 of all elements, little-endian, compared by [`Window::verify`].
    pub(super) fn expect(&mut self, crc32: u32) {
        self.expected = Some(crc32);
    }

    /// Reads all once more, if their sum is expected.
    pub(super) fn verify(&self) -> Result<()> {
        let Some(expected) = self.expected else { return Ok(()) };
        let (mut sum, mut part, mut work) = (crc32fast::Hasher::new(), Buf::new(), Work::new(0));
        let mut at = 0;
        while at < self.spec.count() {
            let len = SUM_ELEMENTS.min(self.spec.count() - at);
            self.read(&[Span::new(at, len)], &mut part, &mut work)?;
            // Turning bytes around is its own inverse.
            ByteOrder::Little.to_native(part.dtype(), part.bytes_mut());
            sum.update(part.bytes());
            at += len;
        }
        let found = sum.finalize();
        if found != expected {
            return refuse!(
                Corrupt,
                "its elements have checksum {found:08x}, {expected:08x} is recorded; the file is damaged"
            );
        }
        Ok(())
    }
}

impl Source for Window {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        if let Some(bad) = spans.iter().find(|s| s.end() > self.spec.count()) {
            return refuse!(Usage, "elements {}..{} are outside of {}", bad.start, bad.end(), self.spec);
        }
        let there: Vec<Span> = spans.iter().map(|s| Span::new(self.of.start + s.start, s.len)).collect();
        self.dataset.read(&there, out, work)
    }

    fn overhead(&self) -> u64 {
        self.dataset.overhead()
    }
}
