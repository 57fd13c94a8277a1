//! Where each element of a triangle stands, packed and in its matrix. All in `u64`: `n * (n + 1)` fits for every
//! matrix whose bytes fit a file.

use std::ops::Range;

use crate::array::Span;

/// Which elements are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Columns `r..n` of row `r`.
    Upper,
    /// Columns `r + 1..n` of row `r`.
    Strict,
    /// Columns `0..=r` of row `r`.
    Lower,
}

/// The triangle of one n x n matrix, kept row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) n: u64,
    pub(super) side: Side,
}

/// Elements in `k` rows of 1, 2, 3 … elements, for a `k` of a matrix that exists: `k * (k + 1) < 2^64`.
#[inline(always)]
const fn triangular(k: u64) -> u64 {
    k * (k + 1) / 2
}

/// As [`triangular`], saturating for any `k`.
const fn triangular_or_max(k: u64) -> u64 {
    // The even factor is halved first, so that nothing overflows early.
    if k.is_multiple_of(2) { (k / 2).saturating_mul(k.saturating_add(1)) } else { k.saturating_mul(k / 2 + 1) }
}

/// The row, among rows of 1, 2, 3 … elements, that holds element `p` (`p < 2^63`).
const fn triangular_row(p: u64) -> u64 {
    // r^2 <= 2p, so r is the row or the one after it.
    let r = (2 * p).isqrt();
    if triangular(r) > p { r - 1 } else { r }
}

impl Layout {
    /// Elements of the matrix, saturating (only a stack of no matrices has sides that overflow).
    pub(super) const fn wide(self) -> u64 {
        self.n.saturating_mul(self.n)
    }

    /// Elements of the packed triangle, saturating as [`Layout::wide`].
    pub(super) const fn count(self) -> u64 {
        match self.side {
            Side::Strict => triangular_or_max(self.n.saturating_sub(1)),
            Side::Upper | Side::Lower => triangular_or_max(self.n),
        }
    }

    /// The kept columns of row `r`.
    #[inline(always)]
    pub(super) const fn columns(self, r: u64) -> Range<u64> {
        match self.side {
            Side::Upper => r..self.n,
            Side::Strict => r + 1..self.n,
            Side::Lower => 0..r + 1,
        }
    }

    /// The packed position of the first kept element of row `r` (of what follows the triangle, for a row without one).
    #[inline(always)]
    pub(super) const fn row_start(self, r: u64) -> u64 {
        match self.side {
            // 2 n + 1 - r and r differ by an odd number, so one of them is even; likewise below.
            Side::Upper => r * (2 * self.n + 1 - r) / 2,
            Side::Strict => r * (2 * self.n - 1 - r) / 2,
            Side::Lower => triangular(r),
        }
    }

    /// What to add to column `c` for the packed position of the kept element `(r, c)`; wraps below zero.
    #[inline(always)]
    pub(super) const fn row_base(self, r: u64) -> u64 {
        self.row_start(r).wrapping_sub(self.columns(r).start)
    }

    /// Row and column of the packed element `p`.
    pub(super) const fn locate(self, p: u64) -> (u64, u64) {
        let r = match self.side {
            Side::Lower => triangular_row(p),
            // Counted from the end, the rows of an upper triangle are 1, 2, 3 … elements long as well.
            Side::Upper => self.n - 1 - triangular_row(self.count() - 1 - p),
            Side::Strict => self.n - 2 - triangular_row(self.count() - 1 - p),
        };
        (r, p.wrapping_sub(self.row_base(r)))
    }

    /// The window of packed elements `start..end` (not empty) of one triangle.
    pub(super) const fn packed_window(self, start: u64, end: u64) -> Window {
        Window { n: self.n, first: self.locate(start), last: self.locate(end - 1) }
    }

    /// The window of matrix elements `start..end` (not empty).
    pub(super) const fn wide_window(self, start: u64, end: u64) -> Window {
        let n = self.n;
        Window { n, first: (start / n, start % n), last: ((end - 1) / n, (end - 1) % n) }
    }

    /// The kept elements of `window`, column by column, without the diagonal.
    pub(super) const fn kept_runs(self, window: Window) -> Runs {
        Runs { window, below: matches!(self.side, Side::Lower) }
    }

    /// The elements of `window` that are not kept, column by column, without the diagonal.
    pub(super) const fn dropped_runs(self, window: Window) -> Runs {
        Runs { window, below: !matches!(self.side, Side::Lower) }
    }
}

/// The elements of a matrix from `first` to `last`, both included, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    n: u64,
    pub(super) first: (u64, u64),
    pub(super) last: (u64, u64),
}

impl Window {
    /// The rows touched.
    pub(super) const fn row_range(self) -> Range<u64> {
        self.first.0..self.last.0 + 1
    }

    /// The columns of row `r` that lie in the window and in `within`.
    pub(super) fn columns(self, r: u64, within: Range<u64>) -> Range<u64> {
        let start = if r == self.first.0 { self.first.1.max(within.start) } else { within.start };
        let end = if r == self.last.0 { within.end.min(self.last.1 + 1) } else { within.end };
        start..end.max(start)
    }
}

/// The elements of a window on one side of the diagonal, as one run of consecutive rows for each column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runs {
    window: Window,
    /// Elements with `c < r`, else those with `c > r`.
    below: bool,
}

impl Runs {
    /// The columns that can have a run.
    pub(super) const fn columns(self) -> Range<u64> {
        let (first, last) = (self.window.first.0, self.window.last.0);
        if self.below { 0..last } else { first + 1..self.window.n }
    }

    /// Rows that contain the rows of every column.
    pub(super) const fn all_rows(self) -> Range<u64> {
        self.window.row_range()
    }

    /// The rows of column `c`.
    #[inline(always)]
    pub(super) fn rows(self, c: u64) -> Range<u64> {
        let (first, last) = (self.window.first, self.window.last);
        let start = first.0 + u64::from(c < first.1);
        let end = last.0 + u64::from(c <= last.1);
        let (start, end) = if self.below { (start.max(c + 1), end) } else { (start, end.min(c)) };
        start..end.max(start)
    }
}

/// A part of one unit: `start..end` within the unit at place `unit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) unit: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Part {
    /// Number of elements.
    pub(super) const fn len(self) -> u64 {
        self.end - self.start
    }
}

/// `spans` cut at the borders of units of `size` elements.
pub(super) fn parts(spans: &[Span], size: u64) -> impl Iterator<Item = Part> + '_ {
    spans.iter().filter(move |s| s.len > 0 && size > 0).flat_map(move |span| {
        (span.start / size..=(span.end() - 1) / size).map(move |unit| {
            let origin = unit * size;
            Part { unit, start: span.start.saturating_sub(origin), end: (span.end() - origin).min(size) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packed_position_is_found_again() {
        for side in [Side::Upper, Side::Strict, Side::Lower] {
            for n in 1..14u64 {
                let layout = Layout { n, side };
                let mut p = 0;
                for r in 0..n {
                    assert_eq!(layout.row_start(r), p, "{layout:?} row {r}");
                    for c in layout.columns(r) {
                        assert_eq!(layout.locate(p), (r, c), "{layout:?}");
                        p += 1;
                    }
                }
                assert_eq!(layout.count(), p);
            }
        }
    }

    #[test]
    fn the_largest_matrices_do_not_overflow() {
        for side in [Side::Upper, Side::Strict, Side::Lower] {
            for n in [1u64 << 31, (1 << 31) - 1, 3_037_000_499] {
                let layout = Layout { n, side };
                for p in [0, 1, n, layout.count() / 2, layout.count() - n, layout.count() - 2, layout.count() - 1] {
                    let (r, c) = layout.locate(p);
                    assert!(layout.columns(r).contains(&c));
                    assert_eq!(layout.row_base(r).wrapping_add(c), p);
                }
            }
        }
    }
}
