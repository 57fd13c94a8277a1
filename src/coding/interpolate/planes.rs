//! Grid to planes and back.

use super::schedule::{Dims, Level};

/// Calls `row` with each row of `dims` (index of the three outer axes), in C order.
#[inline(always)]
pub(super) fn rows(dims: Dims, mut row: impl FnMut([usize; 3])) {
    for i in 0..dims[0] {
        for j in 0..dims[1] {
            for k in 0..dims[2] {
                row([i, j, k]);
            }
        }
    }
}

/// Which plane a row of the grid belongs to (last axis even), and which of its rows it is.
#[inline(always)]
fn target(level: &Level, at: [usize; 3]) -> (u8, usize) {
    let mut set = 0;
    let mut index = at;
    for (axis, i) in index.iter_mut().enumerate() {
        if level.halved >> axis & 1 != 0 {
            set |= ((*i & 1) as u8) << axis;
            *i /= 2;
        }
    }
    let dims = level.plane_dims(set);
    (set, (index[0] * dims[1] + index[1]) * dims[2] + index[2])
}

/// Grid to planes.
#[inline(always)]
pub(super) fn split<T: Copy>(level: &Level, grid: &[T], planes: &mut [T]) {
    let w = level.dims[3];
    let mut from = grid.chunks_exact(w);
    rows(
        level.dims,
        #[inline(always)]
        |at| {
            let Some(row) = from.next() else { return };
            let (set, r) = target(level, at);
            if level.halved & 8 != 0 {
                let (we, wo) = (w.div_ceil(2), w / 2);
                let (even, odd) = planes.split_at_mut(level.start(set | 8));
                let even = &mut even[level.start(set) + r * we..][..we];
                let odd = &mut odd[r * wo..][..wo];
                for ((pair, e), o) in row.as_chunks::<2>().0.iter().zip(&mut *even).zip(odd) {
                    *e = pair[0];
                    *o = pair[1];
                }
                if w % 2 == 1 {
                    even[we - 1] = row[w - 1];
                }
            } else {
                planes[level.start(set) + r * w..][..w].copy_from_slice(row);
            }
        },
    );
}

/// Planes to grid.
#[inline(always)]
pub(super) fn join<T: Copy>(level: &Level, planes: &[T], grid: &mut [T]) {
    let w = level.dims[3];
    let mut to = grid.chunks_exact_mut(w);
    rows(
        level.dims,
        #[inline(always)]
        |at| {
            let Some(row) = to.next() else { return };
            let (set, r) = target(level, at);
            if level.halved & 8 != 0 {
                let (we, wo) = (w.div_ceil(2), w / 2);
                let even = &planes[level.start(set) + r * we..][..we];
                let odd = &planes[level.start(set | 8) + r * wo..][..wo];
                for ((pair, e), o) in row.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd) {
                    *pair = [*e, *o];
                }
                if w % 2 == 1 {
                    row[w - 1] = even[we - 1];
                }
            } else {
                row.copy_from_slice(&planes[level.start(set) + r * w..][..w]);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Schedule, levels};
    use super::*;

    #[test]
    fn join_undoes_split() {
        for dims in [&[2][..], &[17], &[3, 5], &[4, 6], &[2, 3, 4, 5], &[5, 1, 7, 2]] {
            for schedule in [Schedule::Isotropic, Schedule::LastAxis(0)] {
                for level in levels(dims, schedule) {
                    let grid: Vec<usize> = (0..level.len()).collect();
                    let mut planes = vec![0; level.len()];
                    let mut back = vec![0; level.len()];
                    split(&level, &grid, &mut planes);
                    join(&level, &planes, &mut back);
                    assert_eq!(grid, back);
                }
            }
        }
    }
}
