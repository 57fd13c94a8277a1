//! From work to volumes: arrays are read on all cores, then their chunks are coded on all cores, and so on.

use std::sync::{Mutex, PoisonError};

use super::stream::CHUNK_BYTES;
use super::volume::Volume;
use crate::collect::bundle::feed::Feed;
use crate::collect::bundle::make::{How, Made, make};
use crate::collect::bundle::rows::Rows;
use crate::collect::bundle::run::{Count, Run, Skipped};
use crate::collect::bundle::volume::Room;
use crate::engine::in_order_from;
use crate::error::Result;

/// Bytes of arrays that are gathered before their chunks are coded.
const ROUND_BYTES: u64 = 64 << 20;

pub(in crate::collect::bundle) fn run(
    run: &mut Run<'_>,
    feed: &mut Feed<'_>,
    room: Room,
    how: How<'_>,
    mut rows: Rows,
    count: &mut Count<'_>,
) -> Result<(Rows, Skipped)> {
    let round = ROUND_BYTES.min(room.target_size.max(CHUNK_BYTES));
    let mut open: Option<Volume> = None;
    let mut left = true;
    while left {
        let volume = match &mut open {
            Some(volume) => volume,
            none => none.insert(Volume::create(&room, rows.volumes.len(), run.coder)?),
        };
        // A full volume only waits for the end of its last array.
        let is_full = volume.coded >= room.target_size;
        left = gather(run, feed, how, volume, &mut rows, count, if is_full { 0 } else { round })?;
        volume.code(&run.options.resources)?;
        // An array that comes in parts stays in one volume.
        if left && volume.arrays > 0 && !volume.is_inside() && volume.coded >= room.target_size {
            let full = open.take();
            // Whether more arrays follow is known only by looking.
            left = feed.has_more()?;
            if !left {
                run.before_last(feed)?;
            }
            if let Some(volume) = full {
                volume.finish(&room, &mut rows, !left, &run.options.resources)?;
            }
            if left {
                run.save(&rows)?;
            }
        }
    }
    run.before_last(feed)?;
    if let Some(volume) = open
        && volume.arrays > 0
    {
        volume.finish(&room, &mut rows, true, &run.options.resources)?;
    }
    Ok((rows, feed.skipped.clone()))
}

/// Reads arrays on all cores until `round` bytes are there; whether there are more.
fn gather(
    run: &mut Run<'_>,
    feed: &mut Feed<'_>,
    how: How<'_>,
    volume: &mut Volume,
    rows: &mut Rows,
    count: &mut Count<'_>,
    round: u64,
) -> Result<bool> {
    let resources = &run.options.resources;
    let pulled = Mutex::new((feed, 0u64, true));
    let pull = || {
        let (feed, bytes, left) = &mut *pulled.lock().unwrap_or_else(PoisonError::into_inner);
        if *bytes >= ROUND_BYTES || (*bytes >= round && (round > 0 || !feed.is_inside())) {
            return Ok(None);
        }
        let work = feed.pull()?;
        *left = work.is_some();
        *bytes += work.as_ref().map_or(0, |w| w.bytes());
        Ok(work)
    };
    let number = rows.volumes.len() as u32;
    in_order_from(
        resources.threads.get() as u64,
        resources,
        pull,
        || (),
        |work, ()| make(work, how),
        |_, made: Made| {
            run.note(&made)?;
            run.fed += made.ended;
            count.add(made.read);
            volume.take(made, rows, number)
        },
    )?;
    Ok(pulled.into_inner().unwrap_or_else(PoisonError::into_inner).2)
}
