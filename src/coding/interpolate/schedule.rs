//! The order of interpolation: levels of halved axes, and in each level the classes of points by which axes are odd.

/// Axes of a chunk after merging; shorter shapes get leading axes of length 1.
pub(super) const AXES: usize = 4;

/// A shape of [`AXES`] axes, the last one contiguous.
pub(super) type Dims = [usize; AXES];

/// A set of axes, one bit an axis.
pub(super) type Set = u8;

/// Which axes are halved from one level to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) enum Schedule {
    /// All axes at once.
    Isotropic,
    /// One axis (of the chunk's dims) until one point of it is left, then the others at once: for tables whose columns
    /// are unrelated.
    LastAxis(usize),
}

/// All sets of axes by size, then by value: a class is predicted from classes of one axis less.
const BY_SIZE: [Set; 16] = [0, 1, 2, 4, 8, 3, 5, 6, 9, 10, 12, 7, 11, 13, 14, 15];

/// One level: a grid of `dims`, of which `halved` axes lose their odd points in the next, coarser level.
///
/// Its points live in 2^|halved| dense planes, one for each set of axes on which the index is odd, in the order of the
/// sets' values; plane 0 is the next level's grid. Dense planes make every neighbour a neighbour in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) dims: Dims,
    pub(super) halved: Set,
    /// Where each plane begins; for sets that are no class, where the next one begins.
    starts: [usize; 17],
}

impl Level {
    fn new(dims: Dims, halved: Set) -> Self {
        let mut level = Self { dims, halved, starts: [0; 17] };
        let mut start = 0;
        for set in 0..16_u8 {
            level.starts[usize::from(set)] = start;
            if set & !halved == 0 {
                start += level.plane_dims(set).iter().product::<usize>();
            }
        }
        level.starts[16] = start;
        level
    }

    /// The shape of the plane of `set`: half, rounded down on odd axes and up on even ones.
    #[inline(always)]
    pub(super) fn plane_dims(&self, set: Set) -> Dims {
        let mut dims = self.dims;
        for (axis, d) in dims.iter_mut().enumerate() {
            if self.halved >> axis & 1 != 0 {
                *d = if set >> axis & 1 != 0 { *d / 2 } else { d.div_ceil(2) };
            }
        }
        dims
    }

    /// Where the plane of `set` begins among all planes.
    #[inline(always)]
    pub(super) fn start(&self, set: Set) -> usize {
        self.starts[usize::from(set & 15)]
    }

    /// Values of the plane of `set`.
    pub(super) fn range(&self, set: Set) -> std::ops::Range<usize> {
        let start = self.start(set);
        start..start + self.plane_dims(set).iter().product::<usize>()
    }

    /// Points of the level.
    pub(super) fn len(&self) -> usize {
        self.starts[16]
    }

    /// The sets of odd axes but the empty one, those of fewer axes first.
    pub(super) fn classes(&self) -> impl Iterator<Item = Set> {
        let halved = self.halved;
        BY_SIZE.into_iter().skip(1).filter(move |set| set & !halved == 0)
    }
}

/// The levels of a chunk, finest first; empty for a single value. At most 128.
pub(super) fn levels(dims: &[usize], schedule: Schedule) -> Vec<Level> {
    let mut grid = [1; AXES];
    let lead = AXES.saturating_sub(dims.len());
    for (g, d) in grid[lead..].iter_mut().zip(dims) {
        *g = *d;
    }
    let mut levels = Vec::new();
    loop {
        let long: Set = (0..AXES).filter(|&a| grid[a] > 1).map(|a| 1 << a).sum();
        let halved = match schedule {
            Schedule::LastAxis(a) if long >> (lead + a).min(7) & 1 != 0 => 1 << (lead + a),
            _ => long,
        };
        if halved == 0 {
            return levels;
        }
        let level = Level::new(grid, halved);
        levels.push(level);
        grid = level.plane_dims(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_of_a_level_hold_every_point_once_and_end_in_one_point() {
        for dims in [&[1][..], &[2], &[17], &[3, 5], &[4, 1, 6], &[2, 3, 4, 5]] {
            for schedule in [Schedule::Isotropic, Schedule::LastAxis(0), Schedule::LastAxis(dims.len() - 1)] {
                let levels = levels(dims, schedule);
                let mut n: usize = dims.iter().product();
                for level in &levels {
                    assert_eq!(level.len(), n);
                    let odd: usize = level.classes().map(|c| level.range(c).len()).sum();
                    assert!(level.classes().all(|c| !level.range(c).is_empty()));
                    n -= odd;
                    assert_eq!(level.range(0).len(), n);
                }
                assert_eq!(n, 1);
            }
        }
    }
}
