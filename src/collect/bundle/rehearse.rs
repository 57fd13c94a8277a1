//! A dry run: everything is read and goes through its steps, nothing is compressed or written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::choice::Packed;
use super::feed::{Feed, UNIT_BYTES};
use super::index::Format;
use super::make::{How, Made, make};
use super::rows::Rows;
use super::run::{BundleOptions, Bundled, Count, Skipped, refuse_none};
use crate::engine::{Phase, in_order_from};
use crate::error::Result;
use crate::store::{Compression, Found};

/// What a run would come to, without compressing or writing anything.
pub(super) fn rehearse(
    found: &[Found],
    index: PathBuf,
    how: How<'_>,
    options: &BundleOptions<'_>,
    start: Instant,
) -> Result<Bundled> {
    let (resources, choice) = (&options.resources, how.choice);
    let total = found.iter().map(|f| f.size).sum();
    let mut count = Count { resources, total, done: 0, phase: Phase::Compacting };
    let mut feed = Feed::new(found, UNIT_BYTES);
    feed.packing(choice, *resources);
    let feed = Mutex::new(feed);
    let lock = || feed.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut rows, mut passed, mut array_bytes, mut stored_bytes) = (Rows::default(), Skipped::default(), 0, 0);
    // As a plain tar, which costs nothing to make.
    let how = How { format: Format::Tar(Compression::None), ..how };
    in_order_from(
        resources.threads.get() as u64,
        resources,
        || lock().pull(),
        || (),
        |work, ()| make(work, how),
        |_, made: Made| {
            for (name, why) in &made.passed {
                passed.other(name, Some(why));
            }
            for piece in &made.pieces {
                stored_bytes += piece.size;
                if piece.last {
                    rows.push(&piece.name, &piece.about, 0, 0, 0, 0)?;
                    array_bytes += piece.about.shown.bytes();
                    // What a bound loses is known once chunks are coded.
                    let measured = |p: &&Arc<Packed>| p.report.coding.is_none_or(|c| c.bound.is_lossless());
                    let report = piece.packed.as_ref().filter(measured).map(|p| p.report.clone());
                    rows.reports.extend(report.map(|r| (rows.dtype.len() as u64, r)));
                }
            }
            count.add(made.read);
            Ok(())
        },
    )?;
    passed.merge(&lock().skipped);
    if options.strict {
        passed.refuse()?;
    }
    choice.each_matches()?;
    refuse_none(&rows, &passed)?;
    Ok(Bundled {
        index,
        volumes: Vec::new(),
        arrays: rows.len(),
        resumed: 0,
        input_bytes: total,
        array_bytes,
        stored_bytes,
        index_bytes: 0,
        skipped: passed,
        packed: rows.reports.into_values().collect(),
        dry_run: true,
        replaced: Vec::new(),
        removed: 0,
        kept: 0,
        seconds: start.elapsed().as_secs_f64(),
    })
}
