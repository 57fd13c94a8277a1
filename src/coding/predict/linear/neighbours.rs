//! Which values a prediction is made of, and how they are reached: rows before, each with a few columns about the same place.

/// Outer axes at most: a chunk has four.
pub(super) const OUTER: usize = 3;

/// Columns to either side that a term may stand at.
const HALO: usize = 2;

/// Values before it in its own row that may predict a value.
pub(super) const OWN: usize = 4;

/// Terms of the longest list.
pub(super) const TERMS: usize = 20;

/// A row before: steps back along the outer axes that have a value before, the innermost first (-1: one step on), and columns.
struct Row {
    back: [i8; OUTER],
    columns: &'static [i8],
}

const fn row(back: [i8; OUTER], columns: &'static [i8]) -> Row {
    Row { back, columns }
}

/// Rows before by the number of outer axes that have one. Each list was the least that came within a hundredth of a bit of
/// longer ones on real arrays; steps on along an inner axis are known, as they lie in a slab before.
const ROWS: [&[Row]; OUTER + 1] = [
    &[],
    &[row([1, 0, 0], &[-2, -1, 0, 1, 2]), row([2, 0, 0], &[-2, -1, 0, 1, 2]), row([3, 0, 0], &[0])],
    &[
        row([1, 0, 0], &[-1, 0, 1]),
        row([2, 0, 0], &[0]),
        row([0, 1, 0], &[-1, 0, 1]),
        row([1, 1, 0], &[-1, 0, 1]),
        row([-1, 1, 0], &[-1, 0, 1]),
        row([0, 2, 0], &[-1, 0, 1]),
        row([1, 2, 0], &[0]),
        row([-1, 2, 0], &[0]),
    ],
    &[
        row([1, 0, 0], &[-1, 0, 1]),
        row([0, 1, 0], &[-1, 0, 1]),
        row([1, 1, 0], &[-1, 0]),
        row([-1, 1, 0], &[0]),
        row([0, 0, 1], &[-1, 0, 1]),
        row([1, 0, 1], &[0]),
        row([-1, 0, 1], &[0]),
        row([0, 1, 1], &[0]),
        row([0, -1, 1], &[0]),
    ],
];

/// Values of the own row by the number of outer axes: the fewer other terms, the more.
const OWN_TERMS: [usize; OUTER + 1] = [4, 3, 2, 2];

/// How many terms predict where `outer` axes have a value before.
pub(super) fn terms(outer: usize) -> usize {
    OWN_TERMS[outer] + ROWS[outer].iter().map(|r| r.columns.len()).sum::<usize>()
}

/// How many of them are in the own row; they stand first.
pub(super) fn own_terms(outer: usize) -> usize {
    OWN_TERMS[outer]
}

/// Factors of the differences along the axes in `axes` (bit 0: the row itself, then outer axes as in a list, innermost first),
/// without outermost axes where a list has not all corners.
pub(super) fn plain(outer: usize, axes: u8) -> [i32; TERMS] {
    let mut axes = axes & ((2 << outer) - 1);
    loop {
        if let Some(found) = corners(outer, axes) {
            return found;
        }
        axes &= !(1 << axes.checked_ilog2().unwrap_or(0));
    }
}

fn corners(outer: usize, axes: u8) -> Option<[i32; TERMS]> {
    let mut factors = [0; TERMS];
    for corner in (1..=axes).filter(|c| c & !axes == 0) {
        let back: [i8; OUTER] = std::array::from_fn(|a| (corner >> (a + 1) & 1) as i8);
        let column = -((corner & 1) as i8);
        let at = if back == [0; OUTER] {
            0
        } else {
            let all = ROWS[outer].iter().flat_map(|r| r.columns.iter().map(|c| (r.back, *c)));
            OWN_TERMS[outer] + all.into_iter().position(|t| t == (back, column))?
        };
        factors[at] = if corner.count_ones() % 2 == 1 { 1 } else { -1 };
    }
    Some(factors)
}

/// A chunk as rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) width: usize,
    /// Sizes of the outer axes, the innermost first; 1 where there is none.
    sizes: [usize; OUTER],
    axes: usize,
}

/// A row of a chunk, and along which outer axes there is one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    row: usize,
    at: [usize; OUTER],
    /// Bits of outer axes, the innermost first.
    pub(super) mask: u8,
}

impl Place {
    pub(super) fn outer(&self) -> usize {
        self.mask.count_ones() as usize
    }
}

impl Rows {
    /// Of `dims`, at most four.
    pub(super) fn new(dims: &[usize]) -> Self {
        let mut sizes = [1; OUTER];
        for (size, n) in sizes.iter_mut().zip(dims.iter().rev().skip(1)) {
            *size = *n;
        }
        Self { width: dims.last().copied().unwrap_or(1), sizes, axes: dims.len() }
    }

    pub(super) fn count(&self) -> usize {
        self.sizes.iter().product()
    }

    /// The mask of most rows: of axes longer than 1.
    pub(super) fn inside(&self) -> u8 {
        self.sizes.iter().enumerate().map(|(a, n)| u8::from(*n > 1) << a).sum()
    }

    #[inline(always)]
    pub(super) fn place(&self, row: usize) -> Place {
        let mut left = row;
        let (mut at, mut mask) = ([0; OUTER], 0);
        for (a, (at, size)) in at.iter_mut().zip(self.sizes).enumerate() {
            if size > 1 {
                *at = left % size;
                left /= size;
                mask |= u8::from(*at > 0) << a;
            }
        }
        Place { row, at, mask }
    }

    /// `axes` of a chunk (bit a: axis a, outermost first) as [`plain`] takes them at `mask`.
    pub(super) fn listed(&self, axes: u8, mask: u8) -> u8 {
        let last = self.axes.saturating_sub(1);
        let mut listed = axes >> last & 1;
        let mut bit = 1;
        for a in 0..last.min(OUTER) {
            if mask >> a & 1 == 1 {
                listed |= (axes >> (last - 1 - a) & 1) << bit;
                bit += 1;
            }
        }
        listed
    }
}

/// Terms of a piece of a row, each as a slice: row by row with a margin at either end.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Of the own row: [`OWN`] values before the piece, and the piece.
    pub(super) own: Vec<i32>,
    /// Of rows before.
    pub(super) values: Vec<f64>,
    /// Where each term's slice starts in either; own terms first.
    pub(super) starts: [usize; TERMS],
}

impl Window {
    /// Gathers the terms of the `len` values from column `from` of the row at `place`. Beyond an end of an axis its last value
    /// repeats; before the start of the own row the first value of the nearest row before stands, or 0. With `whole` the own
    /// row is gathered too (`v` holds it); else only what stands before the piece.
    #[inline(always)]
    pub(super) fn gather(&mut self, v: &[i32], rows: &Rows, place: Place, from: usize, len: usize, whole: bool) {
        let outer = place.outer();
        let own = OWN_TERMS[outer];
        let list = ROWS[outer];
        let padded = len + 2 * HALO;
        let needed = list.len() * padded;
        if self.values.len() < needed {
            self.values.resize(needed, 0.0);
        }
        if self.own.len() < OWN + len {
            self.own.resize(OWN + len, 0);
        }
        let mut slots = [0; OUTER];
        let mut used = 0;
        for a in 0..OUTER {
            if place.mask >> a & 1 == 1 {
                slots[used] = a;
                used += 1;
            }
        }
        let mut term = own;
        for (k, (r, out)) in list.iter().zip(self.values.chunks_exact_mut(padded)).enumerate() {
            let mut at = place.at;
            for (back, a) in r.back.iter().zip(slots).take(used) {
                at[a] = at[a].saturating_add_signed(-isize::from(*back)).min(rows.sizes[a] - 1);
            }
            let row = (at[2] * rows.sizes[1] + at[1]) * rows.sizes[0] + at[0];
            let source = &v[row * rows.width..][..rows.width];
            let (low, high) = (from.min(HALO), (rows.width - from - len).min(HALO));
            let inner = &source[from - low..from + len + high];
            for (o, x) in out[HALO - low..HALO + len + high].iter_mut().zip(inner) {
                *o = f64::from(*x);
            }
            out[..HALO - low].fill(f64::from(source[0]));
            out[HALO + len + high..].fill(f64::from(source[rows.width - 1]));
            for c in r.columns {
                self.starts[term] = k * padded + HALO.saturating_add_signed(isize::from(*c));
                term += 1;
            }
        }
        let first = if list.is_empty() { 0 } else { v[first_row(rows, place, &slots) * rows.width] };
        let row = &v[place.row * rows.width..][..rows.width];
        for (i, x) in self.own[..OWN].iter_mut().enumerate() {
            *x = if from + i >= OWN { row[from + i - OWN] } else { first };
        }
        if whole {
            self.own[OWN..OWN + len].copy_from_slice(&row[from..from + len]);
        }
        for (i, start) in self.starts[..own].iter_mut().enumerate() {
            *start = OWN - 1 - i;
        }
    }
}

/// The nearest row before: one step back along the innermost axis that has one.
#[inline(always)]
fn first_row(rows: &Rows, place: Place, slots: &[usize; OUTER]) -> usize {
    let stride: usize = rows.sizes[..slots[0]].iter().product();
    place.row - stride
}
