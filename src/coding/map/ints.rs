//! The integers of a chunk: 32 bits where they fit, 64 elsewhere; both allocations are kept.

use crate::error::{Result, refuse};

/// Integers of a chunk, in buffers that are used again.
#[derive(Debug, Default, Clone)]
pub(in crate::coding) struct Ints {
    narrow: Vec<i32>,
    wide: Vec<i64>,
    is_wide: bool,
}

/// The integers as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) enum IntsRef<'a> {
    /// All fit 32 bits.
    Narrow(&'a [i32]),
    /// Some do not.
    Wide(&'a [i64]),
}

impl Ints {
    /// Makes these `n` 32-bit integers with unspecified values.
    pub(in crate::coding) fn narrow(&mut self, n: usize) -> Result<&mut [i32]> {
        resize(&mut self.narrow, n)?;
        self.is_wide = false;
        Ok(&mut self.narrow)
    }

    /// Makes these `n` 64-bit integers with unspecified values.
    pub(in crate::coding) fn wide(&mut self, n: usize) -> Result<&mut [i64]> {
        resize(&mut self.wide, n)?;
        self.is_wide = true;
        Ok(&mut self.wide)
    }

    /// The integers.
    pub(in crate::coding) fn view(&self) -> IntsRef<'_> {
        if self.is_wide { IntsRef::Wide(&self.wide) } else { IntsRef::Narrow(&self.narrow) }
    }
}

fn resize<T: Copy + Default>(v: &mut Vec<T>, n: usize) -> Result<()> {
    if n > v.len() && v.try_reserve_exact(n - v.len()).is_err() {
        return refuse!(Io, "no memory for the integers of a chunk of {n} elements");
    }
    v.resize(n, T::default());
    Ok(())
}
