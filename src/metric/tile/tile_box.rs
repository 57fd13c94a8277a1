//! Where a tile lies in the array, and where its rows lie in the tile.

use crate::array::Span;

/// The place of one tile: a core, and a halo of neighbours around it, clipped at the ends of the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileBox {
    shape: Vec<u64>,
    start: Vec<u64>,
    core: Vec<u64>,
    before: Vec<u64>,
    after: Vec<u64>,
}

impl TileBox {
    pub(super) fn with_axes(axes: usize) -> Self {
        let none = vec![0; axes];
        Self { shape: none.clone(), start: none.clone(), core: none.clone(), before: none.clone(), after: none }
    }

    /// The core `from..to` of an axis of length `len`, with up to `before` and `after` neighbours.
    pub(super) fn set(&mut self, axis: usize, len: u64, from: u64, to: u64, before: u64, after: u64) {
        let set = |v: &mut Vec<u64>, value| v.iter_mut().skip(axis).take(1).for_each(|place| *place = value);
        set(&mut self.shape, len);
        set(&mut self.start, from);
        set(&mut self.core, to - from);
        set(&mut self.before, before.min(from));
        set(&mut self.after, after.min(len - to));
    }

    /// Lengths of the array's axes; one axis of length 1 for an array without axes.
    pub(super) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The index of the core's first element.
    pub fn start(&self) -> &[u64] {
        &self.start
    }

    /// Indices of the core along each axis.
    pub fn core(&self) -> &[u64] {
        &self.core
    }

    /// Indices of halo before the core along each axis.
    pub fn before(&self) -> &[u64] {
        &self.before
    }

    /// Indices of halo after the core along each axis.
    pub fn after(&self) -> &[u64] {
        &self.after
    }

    /// Lengths of the tile with its halo.
    fn whole(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator + '_ {
        self.core.iter().zip(&self.before).zip(&self.after).map(|((c, b), a)| c + b + a)
    }

    /// Elements of the tile with its halo.
    pub fn len(&self) -> u64 {
        self.whole().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the flat C-order positions of the tile with its halo, in C order, to `spans`.
    pub fn spans(&self, spans: &mut Vec<Span>) {
        let whole: Vec<u64> = self.whole().collect();
        let row = whole.last().copied().unwrap_or(1);
        let rows = if self.is_empty() { 0 } else { self.len() / row };
        let mut index = vec![0; whole.len()];
        for _ in 0..rows {
            let at = index.iter().zip(&self.start).zip(&self.before).zip(&self.shape);
            let flat = at.fold(0, |flat, (((i, start), before), len)| flat * len + (start - before + i));
            Span::push(spans, Span::new(flat, row));
            for (i, len) in index.iter_mut().zip(&whole).rev().skip(1) {
                *i += 1;
                if *i < *len {
                    break;
                }
                *i = 0;
            }
        }
    }

    /// Offsets inside the tile.
    pub(super) fn geometry(&self) -> Geometry {
        let side = |v: &[u64]| v.iter().map(|n| *n as usize).collect::<Vec<_>>();
        let mut strides: Vec<usize> = self
            .whole()
            .rev()
            .scan(1, |stride, len| {
                let here = *stride;
                *stride *= len as usize;
                Some(here)
            })
            .collect();
        strides.reverse();
        Geometry { core: side(&self.core), before: side(&self.before), after: side(&self.after), strides }
    }
}

/// Offsets of elements inside the arrays of a tile.
#[derive(Debug, Clone, Default)]
pub(super) struct Geometry {
    pub(super) core: Vec<usize>,
    pub(super) before: Vec<usize>,
    pub(super) after: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl Geometry {
    /// Elements of a row of the core.
    pub(super) fn row(&self) -> usize {
        self.core.last().copied().unwrap_or(1)
    }

    /// The offset of a row's first core element from the row's first element.
    pub(super) fn margin(&self) -> usize {
        self.before.last().copied().unwrap_or(0)
    }

    /// Calls `act` for every index of the core along the first `axes` axes, in C order, with the offset of the first
    /// element of the whole tile along the others.
    pub(super) fn each(&self, axes: usize, mut act: impl FnMut(&[usize], usize)) {
        let axes = axes.min(self.core.len());
        let core = self.core.get(..axes).unwrap_or_default();
        let count: usize = core.iter().product();
        let mut offset: usize = self.before.iter().zip(&self.strides).take(axes).map(|(b, s)| b * s).sum();
        let mut index = vec![0; axes];
        for _ in 0..count {
            act(&index, offset);
            for ((i, len), stride) in index.iter_mut().zip(core).zip(&self.strides).rev() {
                *i += 1;
                offset += stride;
                if *i < *len {
                    break;
                }
                offset -= stride * *i;
                *i = 0;
            }
        }
    }
}
