//! Cutting an array into tiles that do not depend on anything but its shape.

use super::tile_box::TileBox;

/// Elements of a tile's core, at most: three arrays of f64 and the work space of one tile stay near 16 MiB.
const CORE: u64 = 1 << 19;

/// Elements of a tile with its halo, at most.
const WHOLE: u64 = 1 << 21;

/// Rows longer than this read no faster; they are cut first.
const LONG_ROW: u64 = 4096;

/// Rows are not cut shorter than this to save halo: reading many short pieces costs more than the halo.
const SHORT_ROW: u64 = 64;

/// Elements read for each element of a core that are accepted for the sake of long rows.
const OVERHEAD: f64 = 1.3;

/// As [`OVERHEAD`], for arrays of many short axes, before neighbours along leading axes are given up.
const MOST_OVERHEAD: f64 = 8.0;

/// Reach of the 11-wide window of DSSIM.
pub(super) const GAUSSIAN_REACH: u64 = 5;

/// Reach of the 7-wide window of SSIM.
pub(super) const UNIFORM_REACH: u64 = 3;

/// How one axis is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    len: u64,
    pieces: u64,
    before: u64,
    after: u64,
}

impl Cut {
    /// First index of piece `i`; pieces differ by at most one index.
    fn start(self, i: u64) -> u64 {
        (u128::from(i) * u128::from(self.len) / u128::from(self.pieces.max(1))) as u64
    }

    fn core(self) -> u64 {
        self.len.div_ceil(self.pieces.max(1))
    }

    fn whole(self) -> u64 {
        self.len.min(self.core() + self.before + self.after)
    }

    /// Indices read for each index of a core, on average, when there are `pieces`.
    fn overhead(self, pieces: u64) -> f64 {
        let cut = Cut { pieces, ..self };
        let mean = 1.0 + (pieces - 1) as f64 * (self.before + self.after) as f64 / self.len.max(1) as f64;
        mean.min(cut.whole() as f64 / cut.core().max(1) as f64)
    }
}

/// The windows of neighbours that a shape has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    /// Axes of SSIM's window: the last 2 or 3; 0 where there is no room.
    pub(super) uniform: usize,
    /// Whether planes of the last two axes have room for the window of DSSIM.
    pub(super) gaussian: bool,
}

impl Windows {
    pub(super) fn of(shape: &[u64]) -> Self {
        let room = |axes: usize, reach: u64| {
            let tail = shape.len().checked_sub(axes).and_then(|from| shape.get(from..));
            tail.is_some_and(|t| t.iter().all(|d| *d > 2 * reach))
        };
        let uniform = if room(3, UNIFORM_REACH) {
            3
        } else if room(2, UNIFORM_REACH) {
            2
        } else {
            0
        };
        Self { uniform, gaussian: room(2, GAUSSIAN_REACH) }
    }
}

/// An array cut into rectangular tiles, each read with a halo of the neighbours that its figures need.
///
/// Every element lies in the core of exactly one tile. The halo is 5 on each side of the last two axes (the window of
/// DSSIM), 3 on each side of the third-last (the window of SSIM), 1 after on every other axis (the neighbour at lag 1),
/// less where the shape has no room for such a window, and clipped at the ends of the array.
///
/// A core has at most 2^18 elements, a tile with halo at most 2^21, whatever the shape. Large arrays of two and three
/// axes are read at most about 1.5 times. Only arrays of a dozen short axes and more can need so much halo that
/// neighbours along leading axes are given up ([`Tiling::has_neighbours`]).
///
/// ```
/// use ndcompact::metric::Tiling;
/// let tiling = Tiling::new(&[1000, 141, 141]);
/// let cores: u64 = (0..tiling.count()).map(|i| tiling.tile(i).core().iter().product::<u64>()).sum();
/// let read: u64 = (0..tiling.count()).map(|i| tiling.tile(i).len()).sum();
/// assert_eq!(cores, 1000 * 141 * 141);
/// assert!(read as f64 <= 1.5 * cores as f64);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiling {
    cuts: Vec<Cut>,
    /// Axes of the array; an array without axes is cut as one of one element.
    axes: usize,
    /// Leading axes whose tiles have no halo.
    blind: usize,
}

impl Tiling {
    /// Cuts an array of `shape` into tiles in C order.
    pub fn new(shape: &[u64]) -> Self {
        let padded = if shape.is_empty() { &[1] } else { shape };
        // Each leading axis given up makes the halo smaller; without any there is none left to be too large.
        let (cuts, blind) = (0..padded.len())
            .map(|blind| (plan(&uncut(padded, blind)), blind))
            .find(|(cuts, _)| fits(cuts) && overhead(cuts) <= MOST_OVERHEAD)
            .unwrap_or_else(|| (plan(&uncut(padded, padded.len())), padded.len()));
        Self { cuts, axes: shape.len(), blind }
    }

    /// Tiles of at most `core` indices along each axis: to show that figures do not depend on the tiling.
    #[cfg(test)]
    pub(super) fn with_core(shape: &[u64], core: &[u64]) -> Self {
        let padded = if shape.is_empty() { &[1] } else { shape };
        let mut cuts = uncut(padded, 0);
        for (cut, core) in cuts.iter_mut().zip(core) {
            cut.pieces = cut.len.div_ceil(*core).max(1);
        }
        Self { cuts, axes: shape.len(), blind: 0 }
    }

    /// Number of tiles; 0 for an array without elements.
    pub fn count(&self) -> u64 {
        if self.cuts.iter().any(|c| c.len == 0) { 0 } else { self.cuts.iter().map(|c| c.pieces).product() }
    }

    /// Elements of the largest tile with its halo.
    pub fn largest(&self) -> u64 {
        volume(&self.cuts, Cut::whole)
    }

    /// Axes of the array.
    pub(super) fn axes(&self) -> usize {
        self.axes
    }

    /// Lengths of the axes; one axis of length 1 for an array without axes.
    pub(super) fn shape(&self) -> impl Iterator<Item = u64> + '_ {
        self.cuts.iter().map(|c| c.len)
    }

    /// Whether tiles hold the next neighbour along `axis`, so that the autocorrelation along it can be known.
    pub fn has_neighbours(&self, axis: usize) -> bool {
        axis >= self.blind
    }

    /// Tile `i` of [`Tiling::count`], counted in C order; an index past the end gives the last tile.
    pub fn tile(&self, i: u64) -> TileBox {
        let mut rest = i.min(self.count().saturating_sub(1));
        let mut tile = TileBox::with_axes(self.cuts.len());
        for (axis, cut) in self.cuts.iter().enumerate().rev() {
            let piece = rest % cut.pieces.max(1);
            rest /= cut.pieces.max(1);
            let (from, to) = (cut.start(piece), cut.start(piece + 1));
            tile.set(axis, cut.len, from, to, cut.before, cut.after);
        }
        tile
    }
}

/// Axes in one piece, with the halo that each needs once it is cut; the first `blind` have none.
fn uncut(shape: &[u64], blind: usize) -> Vec<Cut> {
    let windows = Windows::of(shape);
    let axes = shape.len();
    let reach = |axis: usize| match axes - axis {
        1 | 2 if windows.gaussian => GAUSSIAN_REACH,
        from_end if from_end <= windows.uniform => UNIFORM_REACH,
        _ => 0,
    };
    let cut = |(axis, len): (usize, &u64)| {
        let before = if axis < blind { 0 } else { reach(axis) };
        let after = if axis < blind { 0 } else { reach(axis).max(1) };
        Cut { len: *len, pieces: 1, before, after }
    };
    shape.iter().enumerate().map(cut).collect()
}

fn volume(cuts: &[Cut], side: impl Fn(Cut) -> u64) -> u64 {
    cuts.iter().fold(1, |n, c| n.saturating_mul(side(*c)))
}

fn fits(cuts: &[Cut]) -> bool {
    volume(cuts, Cut::core) <= CORE && volume(cuts, Cut::whole) <= WHOLE
}

fn overhead(cuts: &[Cut]) -> f64 {
    cuts.iter().map(|c| c.overhead(c.pieces)).product()
}

/// The cuts with the longest rows among those that read little, else those that read least.
fn plan(uncut: &[Cut]) -> Vec<Cut> {
    let Some((last, leading)) = uncut.split_last() else { return Vec::new() };
    let longest = LONG_ROW.max(CORE / volume(leading, |c| c.len).max(1));
    let mut pieces = last.len.div_ceil(longest).max(1);
    let mut best: Option<Vec<Cut>> = None;
    loop {
        let mut cuts = uncut.to_vec();
        if let Some(last) = cuts.last_mut() {
            last.pieces = pieces;
        }
        cut_leading(&mut cuts);
        let good = fits(&cuts) && overhead(&cuts) <= OVERHEAD;
        if good || best.as_ref().is_none_or(|b| (!fits(b), overhead(b)) > (!fits(&cuts), overhead(&cuts))) {
            best = Some(cuts);
        }
        if good || last.len.div_ceil(pieces) <= SHORT_ROW {
            return best.unwrap_or_default();
        }
        pieces *= 2;
    }
}

/// Halves pieces of leading axes until the tile fits, each time along the axis where that adds least to what is read.
///
/// The logarithm of the overhead is convex in the logarithm of the number of pieces, so the greedy choice is the best
/// one, but for rounding to powers of two.
fn cut_leading(cuts: &mut [Cut]) {
    while !fits(cuts) {
        let last = cuts.len() - 1;
        let halved = |c: &Cut| (2 * c.pieces).min(c.len);
        let cost = |c: &Cut| c.overhead(halved(c)) / c.overhead(c.pieces);
        let next = cuts.iter_mut().take(last).filter(|c| c.pieces < c.len).min_by(|a, b| cost(a).total_cmp(&cost(b)));
        match next {
            Some(cut) => cut.pieces = halved(cut),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Span, total};

    const LARGE: &[&[u64]] = &[
        &[1_000_000_000],
        &[1_000_000_000_000],
        &[3, 100_000_000],
        &[100_000_000, 3],
        &[32768, 32768],
        &[1000, 141, 141],
        &[1000, 4096, 4096],
        &[1000, 30, 192, 288],
        &[4; 12],
        &[2; 40],
        &[1, 1, 1 << 20, 1],
        &[9, 1_000_000, 11],
        &[1_000_000; 2],
    ];

    #[test]
    fn memory_of_a_tile_is_bounded_whatever_the_shape() {
        for shape in LARGE {
            let tiling = Tiling::new(shape);
            assert!(tiling.count() > 0);
            let last = tiling.count() - 1;
            for i in [0, last / 3, last / 2, last] {
                let tile = tiling.tile(i);
                assert!(tile.core().iter().product::<u64>() <= CORE, "{shape:?}");
                assert!(tile.len() <= WHOLE, "{shape:?}: {}", tile.len());
            }
        }
    }

    #[test]
    fn large_arrays_of_up_to_three_axes_are_read_about_one_and_a_half_times_at_most() {
        for shape in LARGE {
            let tiling = Tiling::new(shape);
            let limit = match shape.len() {
                1..=3 => 1.55,
                4 => 2.5,
                _ => MOST_OVERHEAD,
            };
            assert!(overhead(&tiling.cuts) <= limit, "{shape:?}: {}", overhead(&tiling.cuts));
            assert!(volume(&tiling.cuts, Cut::core) >= 1 << 15, "{shape:?}: {:?}", tiling.tile(0).core());
            let blind = (0..shape.len()).filter(|a| !tiling.has_neighbours(*a)).count();
            assert!(blind == 0 || shape.len() > 20, "{shape:?}: {blind}");
        }
    }

    #[test]
    fn every_element_lies_in_the_core_of_one_tile_and_in_the_order_of_the_array() {
        for (shape, core) in [(vec![13, 29], vec![4, 7]), (vec![5, 8, 9], vec![2, 8, 3]), (vec![], vec![1])] {
            let tiling = Tiling::with_core(&shape, &core);
            let all: u64 = shape.iter().product();
            let mut seen = vec![0; all as usize];
            for i in 0..tiling.count() {
                let tile = tiling.tile(i);
                let mut spans = Vec::new();
                tile.spans(&mut spans);
                assert_eq!(total(&spans), tile.len());
                assert!(spans.windows(2).all(|w| w[0].end() < w[1].start));
                let strides: Vec<u64> =
                    (0..tile.core().len()).map(|a| shape.iter().skip(a + 1).product::<u64>()).collect();
                for flat in spans.iter().flat_map(|s: &Span| s.start..s.end()) {
                    let inside = strides.iter().enumerate().all(|(a, stride)| {
                        let index = flat / stride % shape.get(a).copied().unwrap_or(1);
                        (tile.start()[a]..tile.start()[a] + tile.core()[a]).contains(&index)
                    });
                    seen[flat as usize] += u32::from(inside);
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{shape:?}");
        }
    }

    #[test]
    fn an_array_without_elements_has_no_tile_and_one_without_axes_has_one() {
        assert_eq!(Tiling::new(&[0]).count(), 0);
        assert_eq!(Tiling::new(&[1 << 40, 0, 7]).count(), 0);
        assert_eq!((Tiling::new(&[]).count(), Tiling::new(&[]).tile(0).len()), (1, 1));
    }
}
