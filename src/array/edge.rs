//! The edge to `ndarray`: the only place besides `slice.rs` that knows it.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::{Buf, Element, Spec};
use crate::error::{Error, ErrorKind, Result};

/// Copies an `ndarray` view of any memory layout into a buffer in C order.
pub fn from_ndarray<T: Element>(array: &ArrayViewD<'_, T>) -> Result<(Spec, Buf)> {
    let shape: Vec<u64> = array.shape().iter().map(|d| *d as u64).collect();
    let spec = Spec::new(T::DTYPE, shape)?;
    let mut buf = Buf::new();
    buf.reset(T::DTYPE, spec.count())?;
    match array.as_slice() {
        Some(values) => buf.bytes_mut().copy_from_slice(bytemuck::cast_slice(values)),
        None => {
            for (to, from) in buf.bytes_mut().chunks_exact_mut(T::DTYPE.size()).zip(array.iter()) {
                to.copy_from_slice(bytemuck::bytes_of(from));
            }
        }
    }
    Ok((spec, buf))
}

/// Copies a buffer in C order into an owned `ndarray` of the spec's shape. `T` must be the spec's dtype.
pub fn to_ndarray<T: Element>(spec: &Spec, buf: &Buf) -> Result<ArrayD<T>> {
    let shape: Vec<usize> = spec.shape().iter().map(|d| *d as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), buf.elements::<T>()?.to_vec())
        .map_err(|e| Error::new(ErrorKind::Usage, format!("{spec} does not fit an ndarray: {e}")))
}
