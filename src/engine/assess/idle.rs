//! Accumulators that no worker has in hand: never more of them than workers, merged once at the end.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// A pool of accumulators.
pub(in crate::engine) struct Idle<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    pub(in crate::engine) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Lets `with` add to an accumulator that is free, or to a `new` one.
    pub(in crate::engine) fn with(
        &self,
        new: impl FnOnce() -> Result<T>,
        with: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<()> {
        let pool = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken first, so that the lock is not held while anything is made or added.
        let taken = pool().pop();
        let mut one = match taken {
            Some(one) => one,
            None => new()?,
        };
        with(&mut one)?;
        pool().push(one);
        Ok(())
    }

    /// All of them.
    pub(in crate::engine) fn into_all(self) -> Vec<T> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
