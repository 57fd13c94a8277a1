//! The second pass of a comparison: figures that need means and ranges first, or neighbours.
//!
//! [`Tiling`] cuts an array into tiles with a halo; [`TileSums::measure`] measures one [`Tile`], knowing what the first
//! pass found ([`Known`]); [`Totals::add`] adds tiles up, [`Totals::finish`] gives the figures ([`Neighbours`]).
//!
//! The tiling follows from the shape alone and tiles are added in their order, so the figures are the same whatever the
//! number of threads that measure tiles. Sums are taken from known means, scaled by powers of two, in lanes of at most a
//! row, and compensated across rows and tiles: they neither overflow nor lose digits with the size of the array.

mod compensated;
mod distribution;
mod gaussian;
mod histogram;
mod known;
mod location;
mod moments;
mod sums;
#[cfg(test)]
mod tests;
mod tile_box;
mod tiling;
mod uniform;

pub use distribution::{KsDistance, ks_p};
pub use known::Known;
pub use sums::{Neighbours, Scratch, TileSums, Totals};
pub use tile_box::TileBox;
pub use tiling::Tiling;

use crate::error::{Result, refuse};

/// The values of one tile with its halo, in C order. A position that is missing (NaN, infinite or a fill value on
/// either side) is NaN in all three.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    place: &'a TileBox,
    x: &'a [f64],
    y: &'a [f64],
    e: &'a [f64],
}

impl<'a> Tile<'a> {
    /// The tile at `place` with originals `x`, restored values `y` and errors `e = x − y`; for complex numbers moduli
    /// and the modulus of the difference ([`Known::moduli`]). Refused if a slice has not [`TileBox::len`] elements.
    pub fn new(place: &'a TileBox, x: &'a [f64], y: &'a [f64], e: &'a [f64]) -> Result<Self> {
        if [x, y, e].iter().any(|v| v.len() as u64 != place.len()) {
            return refuse!(
                Usage,
                "a tile of {} elements was given {}, {} and {} values",
                place.len(),
                x.len(),
                y.len(),
                e.len()
            );
        }
        Ok(Self { place, x, y, e })
    }

    fn place(&self) -> &'a TileBox {
        self.place
    }

    fn x(&self) -> &'a [f64] {
        self.x
    }

    fn y(&self) -> &'a [f64] {
        self.y
    }

    fn e(&self) -> &'a [f64] {
        self.e
    }
}
