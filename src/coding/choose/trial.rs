//! Coding a piece, to see what the whole would come to.

use super::super::classes::Classes;
use super::super::entropy::{self, Int};
use super::super::part::Part;
use super::super::predict::{self, Differences};
use crate::array::{Buf, Span};
use crate::error::Result;

/// The part of the whole that a piece is.
const PIECE: usize = 8;
/// Values of a piece at least and at most.
const LEAST: usize = 1 << 12;
const MOST: usize = 1 << 15;

/// A piece may look worse than the best so far by this, and the whole be better: dictionaries and tables serve more values there.
pub(super) const HOPE: f64 = 1.05;

/// Slabs along the first axis from the middle of the whole that make up a piece: where it starts, and its shape.
fn piece(dims: &[usize]) -> (usize, Vec<usize>) {
    let n: usize = dims.iter().product();
    let wanted = (n / PIECE).clamp(LEAST, MOST);
    let mut shape = dims.to_vec();
    let mut start = 0;
    let mut stride = n;
    for a in 0..dims.len() {
        stride /= dims[a];
        let slabs = (wanted / stride.max(1)).clamp(1, dims[a]);
        start += (dims[a] - slabs) / 2 * stride;
        shape[a] = slabs;
        if stride <= wanted {
            return (start, shape);
        }
    }
    (start, shape)
}

/// Bits a value of a piece of `v` after differences `how`, as split bytes.
pub(super) fn split_bits<T: Int>(v: &[T], dims: &[usize], how: Differences, level: i32) -> f64 {
    let (start, shape) = piece(dims);
    let n: usize = shape.iter().product();
    let Some(values) = v.get(start..start + n) else { return f64::INFINITY };
    let mut piece = values.to_vec();
    // Shapes of one slab have no differences along it.
    predict::forward(&mut piece, &shape, how);
    let (mut planes, mut out) = (Vec::new(), Vec::new());
    entropy::split_pack(&piece, level, &mut planes, &mut out);
    8.0 * out.len() as f64 / n as f64
}

/// A piece of `values` and its shape.
fn some(part: &Part<'_>, values: &Buf) -> Result<Option<(Buf, Vec<usize>)>> {
    let (start, shape) = piece(part.dims);
    let n: usize = shape.iter().product();
    let at = Span::new(start as u64, n as u64);
    let size = part.dtype.size();
    let mut some = Buf::new();
    some.reset(part.dtype, at.len)?;
    let Some(bytes) = values.bytes().get(start * size..(start + n) * size) else { return Ok(None) };
    some.bytes_mut().copy_from_slice(bytes);
    Ok(Some((some, shape)))
}

/// Bits a value of a piece of `values` as pco finds them.
pub(super) fn typed_bits(part: &Part<'_>, values: &Buf) -> Result<f64> {
    let Some((some, shape)) = some(part, values)? else { return Ok(f64::INFINITY) };
    let mut out = Vec::new();
    Part { dtype: part.dtype, dims: &shape }.write_typed(&some, &mut out)?;
    Ok(8.0 * out.len() as f64 / some.len() as f64)
}

/// Bytes that contexts of classes cost until they are learnt: the whole pays them once.
const LEARNING: usize = 256;

/// Bytes a value of a piece of `values` as classes, without those of learning.
pub(super) fn classes_cost(part: &Part<'_>, values: &Buf) -> Result<f64> {
    let Some((some, shape)) = some(part, values)? else { return Ok(f64::INFINITY) };
    let Some(mut classes) = Classes::of(&some, &shape)? else { return Ok(f64::INFINITY) };
    let mut out = Vec::new();
    Part { dtype: part.dtype, dims: &shape }.write_classes(&mut classes, &mut out);
    Ok(out.len().saturating_sub(LEARNING) as f64 / some.len() as f64)
}
