//! Values behind those of a `.npy` file that are packed to bits along their only axis: the last byte is filled up.
//!
//! That byte belongs to the old array as well as to the new one, and its checksum, so that it cannot be written in place before the header
//! is: the file is made anew, and takes the old one's name when it is whole.

use std::time::Instant;

use super::Appended;
use super::append::{AppendOptions, with_all};
use super::rows::{Chain, with_rows};
use crate::array::{Buf, Span, Spec};
use crate::engine::compact::{CompactOptions, Target, compact};
use crate::engine::tallied::nothing_lost;
use crate::engine::{Phase, Progress, Reader, Resources};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Sink, Source, Work};
use crate::recipe::Record;
use crate::store::{Format, NpyWriter, Place, Replace, file_bytes, temporary_npy};
use crate::transform::{Ask, Step};

/// Bytes of values that are in memory at once.
const BLOCK_BYTES: u64 = 4 << 20;

/// An array of one axis whose values are packed to bits.
pub(super) struct Bits {
    old: Reader,
    record: Record,
}

impl Bits {
    /// The array at `to`, if it is one in a `.npy` file.
    ///
    /// # Errors
    /// `Unsupported` where steps before the packing lose something: what they lost stands in the record and cannot be carried on.
    pub(super) fn of(to: &Place) -> Result<Option<Self>> {
        let old = Reader::at(to)?;
        let record = match old.record() {
            Some(record) if record.original.shape.len() == 1 => record.clone(),
            _ => return Ok(None),
        };
        let is_packed = record.steps.iter().any(|step| matches!(step, Step::BitPack(_)));
        if !is_packed || old.opened().format() != Format::Npy || to.path.as_os_str() == "-" {
            return Ok(None);
        }
        if !old.is_exact() {
            return refuse!(
                Unsupported,
                "{to}: values are rounded and then packed to bits along the only axis, where nothing can be appended; restore it, append to \
                 that, and compact the whole"
            );
        }
        Ok(Some(Self { old, record }))
    }

    /// Makes the file anew, with the values of `readers` behind those it has.
    pub(super) fn with(self, to: &Place, readers: &[Reader], options: &AppendOptions<'_>) -> Result<Appended> {
        let (start, had) = (Instant::now(), self.old.spec().count());
        let (dtype, order) = (self.record.original.dtype, self.record.original.byte_order);
        let mut rows = 0;
        for reader in readers {
            let spec = reader.spec();
            if spec.dtype() != dtype || spec.shape().len() > 1 {
                return refuse!(
                    Usage,
                    "{to} takes single values of {dtype} (N,), and {} is {spec}; convert it first",
                    reader.opened().place()
                );
            }
            rows += spec.count();
        }
        let spec = Spec::new(dtype, [had + rows])?;
        let whole = temporary_npy(&[])?;
        let writer = NpyWriter::create(whole.path(), &spec, false, order, None, false, Replace::Allowed)?;
        let resources = &options.resources;
        let old = std::slice::from_ref(&self.old);
        // What was restored is held against its checksum before it is packed anew.
        self.old.opened().verify()?;
        let quiet = Resources { progress: None, ..*resources };
        with_all(old, &[], &quiet, &mut |before| {
            with_all(readers, before, &quiet, &mut |parts| copy(&Chain::new(parts, spec.clone()), &writer, resources))
        })?;
        readers.iter().try_for_each(|reader| reader.opened().verify())?;
        writer.finish(None, false)?;
        let settings = CompactOptions {
            asks: self.record.steps.iter().cloned().map(Ask::Settled).collect(),
            fill: self.record.original.fill,
            replace: Replace::Allowed,
            sync: options.sync,
            resources: *resources,
            ..CompactOptions::default()
        };
        // What a symbolic link points at is replaced, not the link.
        let path = std::fs::canonicalize(&to.path).map_err(|e| Error::io(format!("opening {to}"), e))?;
        let target = Target::Place(Place { path, member: None });
        let report =
            compact(&Place { path: whole.path().to_owned(), member: None }, &target, &settings).map_err(|e| {
                Error::new(
                    e.kind(),
                    format!("values to append to {to} (their index counts from its first, it has {had}): {e}"),
                )
            })?;
        Ok(Appended {
            place: to.to_string(),
            format: Format::Npy.name(),
            dtype,
            rows,
            shape: spec.shape().to_vec(),
            stored_bytes: file_bytes(&to.path)?,
            compacted: true,
            exact: report.exact,
            steps: report.steps,
            added: Some(nothing_lost(&with_rows(&spec, rows)?)),
            loss: Some(report.loss),
            in_place: false,
            made_anew: true,
            left_over: 0,
            refitted: 0,
            dry_run: false,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// All elements of one into the other.
fn copy(from: &dyn Source, to: &NpyWriter, resources: &Resources<'_>) -> Result<()> {
    let (spec, mut buf, mut work) = (from.spec(), Buf::new(), Work::new(0));
    let (most, mut at) = ((BLOCK_BYTES / spec.dtype().size() as u64).max(1), 0);
    while at < spec.count() {
        let len = most.min(spec.count() - at);
        from.read(&[Span::new(at, len)], &mut buf, &mut work)?;
        to.write(at, &buf, &mut work)?;
        at += len;
        if resources.cancel.is_some_and(|c| c.load(std::sync::atomic::Ordering::Relaxed)) {
            return refuse!(Interrupted, "interrupted; nothing was written");
        }
        if let Some(tell) = resources.progress {
            tell(Progress { phase: Phase::Checking, done: at, total: spec.count() });
        }
    }
    Ok(())
}
