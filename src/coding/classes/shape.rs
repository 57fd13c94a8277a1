//! How elements of a chunk lie beside each other, and what an element's neighbours tell.

/// Elements that are expected together.
pub(super) const BLOCK: usize = 32;

/// Classes that contexts of neighbours tell apart: the most frequent ones; all others count as the last.
const TOLD: usize = 4;
/// Answers about neighbours in a context.
const ANSWERS: usize = 11;
/// Contexts of a decision about an element.
pub(super) const CONTEXTS: usize = TOLD << ANSWERS;

/// A row shorter than this has no neighbours beside its elements' own: elements are told by those some steps before.
const SHORTEST_ROW: usize = 3;
const NO_ROW: usize = 4;

/// Distances in the flat chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// To the element above.
    pub(super) row: usize,
    /// To the one in the plane before; 0 where there are no planes.
    pub(super) plane: usize,
}

/// An element's neighbours: west, north, and what stands near.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) w: u8,
    pub(super) n: u8,
    /// Classes that are guessed after west and north, in this order.
    pub(super) others: [u8; 3],
    /// Which neighbours are of the same class.
    answers: usize,
}

impl Near {
    /// The context of a guess that it is of `class`.
    #[inline(always)]
    pub(super) fn context(&self, class: u8) -> usize {
        self.answers * TOLD + usize::from(class).min(TOLD - 1)
    }
}

impl Shape {
    pub(super) fn of(dims: &[usize]) -> Self {
        let (before, row) = match dims {
            [before @ .., row] if dims.len() > 1 && *row >= SHORTEST_ROW => (before, *row),
            [before @ .., _] => (before, NO_ROW),
            [] => (dims, NO_ROW),
        };
        let plane = match before {
            [_, .., rows] => rows * dims.last().copied().unwrap_or(1),
            _ => 0,
        };
        Self { row, plane: if plane > row { plane } else { 0 } }
    }

    /// Elements before the first that neighbours of some lie in.
    pub(super) fn margin(&self) -> usize {
        self.plane + 2 * self.row + 2
    }

    /// Whether all around the block at `i` is of one class, so that it surely is too. Looks at nothing from `i` on.
    #[inline(always)]
    pub(super) fn is_quiet(&self, classes: &[u8], i: usize) -> bool {
        let west = classes[i - 1];
        let all = |from: usize, len: usize| {
            let known = &classes[from..(from + len).min(i)];
            known.iter().fold(0, |odd, class| odd | (class ^ west)) == 0
        };
        classes[i - self.row] == west
            && all(i - self.row - 1, BLOCK + 2)
            && (self.plane == 0 || all(i - self.plane, BLOCK + 1))
    }

    /// The neighbours of the element at `i`, which is at least [`Shape::margin`].
    #[inline(always)]
    pub(super) fn near(&self, classes: &[u8], i: usize) -> Near {
        let back = |distance: usize| classes[i - distance];
        let same = |a: u8, b: u8| usize::from(a == b);
        let (row, plane) = (self.row, self.plane);
        let (w, n, nw, ne) = (back(1), back(row), back(row + 1), back(row - 1));
        let beside = same(n, w) | same(nw, w) << 1 | same(ne, n) << 2;
        if plane > 0 {
            let (p, pe, ps, pw) = (back(plane), back(plane - 1), back(plane - row), back(plane + 1));
            let (pn, pne) = (back(plane + row), back(plane + row - 1));
            let before = same(p, w) | same(p, n) << 1 | same(pw, w) << 2 | same(pn, n) << 3;
            let before = before | same(pe, p) << 4 | same(ps, p) << 5 | same(pne, ne) << 6;
            let answers = beside | before << 3;
            return Near { w, n, others: [p, ne, nw], answers };
        }
        let (ww, nn, nww, nee) = (back(2), back(2 * row), back(row + 2), back(row - 2));
        let (nnw, nne) = (back(2 * row + 1), back(2 * row - 1));
        let far = same(ne, w) | same(ww, w) << 1 | same(nn, n) << 2 | same(nee, ne) << 3 | same(nw, n) << 4;
        let far = far | same(nww, nw) << 5 | same(nne, nn) << 6 | same(nnw, nn) << 7;
        Near { w, n, others: [ne, nw, nw], answers: beside | far << 3 }
    }
}
