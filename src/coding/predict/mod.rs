//! Integers to residuals by differences, exactly reversible.

pub(in crate::coding) mod linear;
mod lorenzo;

pub(in crate::coding) use lorenzo::{Differences, Lag, forward, inverse};
