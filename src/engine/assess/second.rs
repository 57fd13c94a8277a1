//! The second pass: tiles with their neighbours, when means and ranges are known.

use std::sync::atomic::{AtomicU64, Ordering};

use super::compare::{CompareOptions, Ends};
use super::sides::Sides;
use crate::array::{DTypeKind, Span};
use crate::engine::ordered::in_order;
use crate::engine::{Phase, Progress};
use crate::error::Result;
use crate::metric::{Describe, Known, Neighbours, Pairs, PlaneRanges, Scratch, Tile, TileSums, Tiling, Totals};

/// Bytes in flight for one element of a tile: both sides as stored, as f64, their difference, and what is made of them.
const BYTES_AN_ELEMENT: u64 = 64;

/// What one worker keeps from tile to tile.
struct State<'a> {
    sides: Sides<'a>,
    spans: Vec<Span>,
    scratch: Scratch,
}

/// Reads both arrays once more, tile by tile.
pub(super) fn second(
    ends: &Ends<'_>,
    options: &CompareOptions<'_>,
    pairs: &Pairs,
    x: &Describe,
    y: &Describe,
    planes: Option<&PlaneRanges>,
) -> Result<Neighbours> {
    let spec = ends.original.spec();
    let known = Known {
        mean_x: x.mean(),
        mean_y: y.mean(),
        mean_e: pairs.loss().mean_error(),
        range_x: x.range(),
        range_y: y.range(),
        max_abs: pairs.loss().max_abs(),
        pairs: pairs.pairs(),
        planes: planes.map_or(&[], PlaneRanges::ranges),
        chunk: options.chunk.as_deref(),
        moduli: spec.dtype().kind() == DTypeKind::Complex,
    };
    let tiling = Tiling::new(spec.shape());
    let mut totals = Totals::new(&tiling, &known);
    let resources = options.resources;
    let overhead = ends.original.overhead() + ends.restored.overhead();
    let tile_bytes = tiling.largest().saturating_mul(BYTES_AN_ELEMENT).saturating_add(overhead).max(1);
    let workers = (resources.threads.get() as u64).min(resources.memory / tile_bytes).max(1);
    let state = || State { sides: Sides::new(ends, options.fill), spans: Vec::new(), scratch: Scratch::default() };
    let done = AtomicU64::new(0);
    let make = |i: u64, state: &mut State<'_>| -> Result<TileSums> {
        let place = tiling.tile(i);
        state.spans.clear();
        place.spans(&mut state.spans);
        let sides = &mut state.sides;
        sides.read(&state.spans)?;
        let tile = Tile::new(&place, &sides.x, &sides.y, &sides.e)?;
        let sums = TileSums::measure(&tile, &known, &mut state.scratch);
        if let Some(tell) = resources.progress {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let bytes = (u128::from(spec.bytes()) * u128::from(done) / u128::from(tiling.count().max(1))) as u64;
            tell(Progress { phase: Phase::Comparing, done: bytes, total: spec.bytes() });
        }
        Ok(sums)
    };
    in_order(tiling.count(), workers, resources, state, make, |_, sums| {
        totals.add(&sums);
        Ok(())
    })?;
    Ok(totals.finish(&known))
}
