//! What a ragged array was made of, end to end as its values are: to be compared with them.

use super::gather::{Input, Takes, each};
use super::open::Ragged;
use crate::array::{Buf, ByteOrder, DType, Span};
use crate::engine::{Phase, Resources};
use crate::error::{Result, refuse};
use crate::pipeline::{Sink, Source, Work};
use crate::store::{NpyWriter, Place, Replace, temporary_npy};

/// Bytes of an item that are in memory at once.
const BLOCK_BYTES: u64 = 4 << 20;

/// The elements of what a ragged array was made of, in a temporary `.npy` file that goes away with this.
#[derive(Debug)]
pub struct Sources {
    file: tempfile::NamedTempFile,
    values: Place,
}

impl Sources {
    /// Puts the items of `inputs` end to end, which must be those of `ragged`: as many, each of its shape. TMPDIR names the folder of the
    /// temporary file.
    ///
    /// # Errors
    /// `Usage` where they are not (the first item that differs is named); as [`Ragged::item`]; as [`crate::Reader::at`].
    pub fn of(inputs: &[Input], ragged: &Ragged, resources: &Resources<'_>) -> Result<Self> {
        let file = temporary_npy(&[])?;
        let (spec, little) = (ragged.values().spec(), ByteOrder::Little);
        let writer = NpyWriter::create(file.path(), spec, false, little, None, false, Replace::Allowed)?;
        let mut all = Comparing { ragged, writer, next: 0, at: 0, buf: Buf::new(), work: Work::new(0) };
        each(inputs, &mut all, resources, Phase::Comparing)?;
        if all.next < ragged.len() {
            return refuse!(
                Usage,
                "{} holds {} items, and the original has {}; give all that it was made of",
                ragged.path(),
                ragged.len(),
                all.next
            );
        }
        all.writer.finish(None, false)?;
        Ok(Self { file, values: ragged.values().opened().place().clone() })
    }

    /// Where they stand.
    pub fn original(&self) -> Place {
        Place { path: self.file.path().to_owned(), member: None }
    }

    /// Where the ragged array's own values stand.
    pub fn values(&self) -> &Place {
        &self.values
    }
}

struct Comparing<'a> {
    ragged: &'a Ragged,
    writer: NpyWriter,
    next: u64,
    at: u64,
    buf: Buf,
    work: Work,
}

impl Takes for Comparing<'_> {
    fn begin(&mut self, place: &Place, kind: (DType, u64)) -> Result<()> {
        let own = (self.ragged.dtype(), self.ragged.axes());
        if kind == own {
            return Ok(());
        }
        refuse!(
            Usage,
            "{place} is {} with {} axes, and the items of {} are {} with {}; they cannot be compared",
            kind.0,
            kind.1,
            self.ragged.path(),
            own.0,
            own.1
        )
    }

    fn item(&mut self, place: &Place, _: Option<&str>, item: &dyn Source) -> Result<()> {
        if self.next == self.ragged.len() {
            return refuse!(
                Usage,
                "{} holds {} items, and the original has more: {place}",
                self.ragged.path(),
                self.ragged.len()
            );
        }
        let (spec, own) = (item.spec(), self.ragged.shape(self.next)?);
        if spec.shape() != own {
            return refuse!(
                Usage,
                "item {} of {} has the shape {own:?}, and the original ({place}) {:?}; they cannot be compared",
                self.next,
                self.ragged.path(),
                spec.shape()
            );
        }
        let most = (BLOCK_BYTES / spec.dtype().size() as u64).max(1);
        let mut at = 0;
        while at < spec.count() {
            let len = most.min(spec.count() - at);
            item.read(&[Span::new(at, len)], &mut self.buf, &mut self.work)?;
            self.writer.write(self.at, &self.buf, &mut self.work)?;
            (at, self.at) = (at + len, self.at + len);
        }
        self.next += 1;
        Ok(())
    }
}
