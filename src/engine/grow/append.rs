//! Rows of files behind those of a file.

use std::time::Instant;

use super::bits::Bits;
use super::rows::{Behind, Chain, with_rows};
use super::store::{self, Batch};
use super::{Appended, ArrayWriter, WriterOptions};
use crate::array::{Slice, Spec};
use crate::engine::tallied::{nothing_lost, refuse_broken_bounds, refuse_if_refused, summarise};
use crate::engine::{Phase, Reader, Resources};
use crate::error::{Result, refuse};
use crate::pipeline::{Pipeline, Source};
use crate::recipe::Axes;
use crate::store::{Place, same_file};

/// How rows are appended.
#[derive(Debug, Clone, Default)]
pub struct AppendOptions<'a> {
    /// In the `filtered` layout: chunks that the steps refuse get parameters of their own, fitted to their values.
    pub refit_chunks: bool,
    /// Only try: what would be refused and lost.
    pub dry_run: bool,
    /// Have a new file on disk before it gets its name, even where it replaces nothing.
    pub sync: bool,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// Appends the arrays at `more`, in their order, to the array at `to` along its first axis. The file keeps its recipe.
///
/// All rows are appended or none: after an error the file is as it was. An array of the shape of one row is one row.
///
/// # Errors
/// As [`ArrayWriter::open`] and [`ArrayWriter::push`]; `Usage` where one of `more` has another dtype or shape than the rows, or is the
/// file itself, and where `to` is a part of a ragged array.
pub fn append(to: &Place, more: &[Place], options: &AppendOptions<'_>) -> Result<Appended> {
    #[cfg(feature = "hdf5")]
    if crate::store::is_hdf5(&to.path)? {
        crate::store::hdf5::refuse_ragged_rows(to)?;
    }
    let mut readers = Vec::with_capacity(more.len());
    for place in more {
        if same_file(place, to) {
            return refuse!(Usage, "{place} is the file that is appended to; copy it first");
        }
        let mut reader = Reader::at(place)?;
        reader.expect_recorded()?;
        readers.push(reader);
    }
    let settings = WriterOptions {
        refit_chunks: options.refit_chunks,
        sync: options.sync,
        resources: options.resources,
        ..WriterOptions::default()
    };
    let packed = Bits::of(to)?;
    if options.dry_run {
        return tried(to, &readers, &settings, packed.is_some());
    }
    if let Some(packed) = packed {
        return packed.with(to, &readers, options);
    }
    let mut writer = ArrayWriter::open(to, &settings)?;
    let mut rows = 0;
    for reader in &readers {
        rows += writer.rows_in(reader.spec()).map_err(|e| e.at(reader.opened().place()).at(to))?;
    }
    let spec = with_rows(&writer.row, rows)?;
    with_all(&readers, &[], &options.resources, &mut |parts| {
        writer.take(&Chain::new(parts, spec.clone()))?;
        readers.iter().try_for_each(|reader| reader.opened().verify())
    })?;
    writer.end()
}

/// Runs `with` on all arrays in C order.
pub(super) fn with_all(
    readers: &[Reader],
    before: &[&dyn Source],
    resources: &Resources<'_>,
    with: &mut dyn FnMut(&[&dyn Source]) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = readers.split_first() else { return with(before) };
    first.with_view(Axes::C, None::<&Slice>, resources, |view, _| {
        let mut all: Vec<&dyn Source> = before.to_vec();
        all.push(view);
        with_all(rest, &all, resources, with)
    })
}

/// What appending would refuse and lose.
fn tried(to: &Place, readers: &[Reader], options: &WriterOptions<'_>, is_bits: bool) -> Result<Appended> {
    let start = Instant::now();
    let old = Reader::at(to)?;
    let record = old.record().cloned();
    let shown = old.spec().clone();
    let Some(had) = shown.shape().first().copied() else {
        return refuse!(Usage, "{to} is {shown}: without axes there is none to append along");
    };
    let row: Spec = with_rows(&shown, 1)?;
    let steps = record.as_ref().map(|r| r.steps.clone()).unwrap_or_default();
    if !is_bits {
        store::check_rows(&row, &steps).map_err(|e| e.at(to))?;
    }
    let exact = old.is_exact();
    // Only to say what kinds of rows it takes.
    let writer = ArrayWriter::of(to.clone(), options.clone(), row.clone(), had, record.clone(), None);
    let mut rows = 0;
    for reader in readers {
        rows += writer.rows_in(reader.spec()).map_err(|e| e.at(reader.opened().place()).at(to))?;
    }
    let spec = with_rows(&row, rows)?;
    let pipeline = Pipeline::bind(&spec, &steps)?;
    let mut result = None;
    with_all(readers, &[], &options.resources, &mut |parts| {
        let chain = Chain::new(parts, spec.clone());
        let behind = Behind { inner: &chain, spec: spec.clone(), before: 0 };
        let (source, phase) = (&chain as &dyn Source, Phase::Fitting);
        let batch = Batch { source, behind: &behind, pipeline: &pipeline, before: 0, rows, phase };
        let tally = batch.tried(options)?;
        if !options.refit_chunks {
            refuse_if_refused(&pipeline, &tally).map_err(|e| e.at(format!("rows to append to {to}")))?;
            refuse_broken_bounds(&pipeline, &tally)?;
        }
        readers.iter().try_for_each(|reader| reader.opened().verify())?;
        result = Some(summarise(&pipeline, &tally));
        Ok(())
    })?;
    let (steps, added) = result.unwrap_or_else(|| (Vec::new(), nothing_lost(&spec)));
    Ok(Appended {
        place: to.to_string(),
        format: old.opened().format().name(),
        dtype: shown.dtype(),
        rows,
        shape: with_rows(&row, had + rows)?.shape().to_vec(),
        stored_bytes: old.opened().stored_bytes(),
        compacted: record.is_some(),
        exact,
        steps,
        added: record.as_ref().map(|_| added),
        loss: None,
        in_place: false,
        made_anew: !old.opened().can_grow(),
        left_over: old.opened().left_over(),
        refitted: 0,
        dry_run: true,
        seconds: start.elapsed().as_secs_f64(),
    })
}
