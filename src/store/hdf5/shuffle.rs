//! HDF5's byte shuffle: byte 0 of all elements, then byte 1 of all, and so on.
//!
//! For 2, 4, 8 and 16 bytes an element it is done by splitting even from odd bytes 1, 2, 3 or 4 times, since that is the
//! one permutation of bytes that compilers turn into vector instructions; in blocks that stay in the first-level cache.

use crate::array::simd::vectorize;

/// Bytes of each of the planes that a block is split into; 16 planes are 8 KiB in and 8 KiB out.
const PLANE: usize = 512;

/// Widest element taken by the fast path.
const MAX: usize = 16;

/// Shuffles `input`, elements of `size` bytes, into `out` of the same length. Bytes after the last whole element keep
/// their place.
pub(super) fn shuffle(size: usize, input: &[u8], out: &mut [u8]) {
    vectorize(
        #[inline(always)]
        || match size {
            2 => forward::<2>(input, out),
            4 => forward::<4>(input, out),
            8 => forward::<8>(input, out),
            16 => forward::<16>(input, out),
            _ => plain(size, input, out, false),
        },
    );
}

/// Undoes [`shuffle`].
pub(super) fn unshuffle(size: usize, input: &[u8], out: &mut [u8]) {
    vectorize(
        #[inline(always)]
        || match size {
            2 => inverse::<2>(input, out),
            4 => inverse::<4>(input, out),
            8 => inverse::<8>(input, out),
            16 => inverse::<16>(input, out),
            _ => plain(size, input, out, true),
        },
    );
}

/// The even bytes of `from` to the first half of `to`, the odd ones to the second.
#[inline(always)]
fn unzip(from: &[u8], to: &mut [u8]) {
    let (even, odd) = to.split_at_mut(from.len() / 2);
    let (pairs, _) = from.as_chunks::<2>();
    for ((pair, e), o) in pairs.iter().zip(even).zip(odd) {
        let w = u16::from_le_bytes(*pair);
        *e = w as u8;
        *o = (w >> 8) as u8;
    }
}

/// The first half of `from` to the even bytes of `to`, the second half to the odd ones.
#[inline(always)]
fn zip(from: &[u8], to: &mut [u8]) {
    let (even, odd) = from.split_at(to.len() / 2);
    let (pairs, _) = to.as_chunks_mut::<2>();
    for ((pair, e), o) in pairs.iter_mut().zip(even).zip(odd) {
        *pair = (u16::from(*e) | (u16::from(*o) << 8)).to_le_bytes();
    }
}

/// The byte number that stands at place `p` after all splits: its bits in reverse.
#[inline(always)]
const fn plane<const N: usize>(p: usize) -> usize {
    p.reverse_bits() >> (usize::BITS - N.trailing_zeros())
}

#[inline(always)]
fn forward<const N: usize>(input: &[u8], out: &mut [u8]) {
    let count = input.len().min(out.len()) / N;
    let (mut a, mut b) = ([0u8; MAX * PLANE], [0u8; MAX * PLANE]);
    let whole = count / PLANE * PLANE;
    for at in (0..whole).step_by(PLANE) {
        let block = &input[at * N..(at + PLANE) * N];
        unzip(block, &mut a[..N * PLANE]);
        let mut parts = 2;
        while parts < N {
            let len = N * PLANE / parts;
            for (from, to) in a[..N * PLANE].chunks_exact(len).zip(b[..N * PLANE].chunks_exact_mut(len)) {
                unzip(from, to);
            }
            std::mem::swap(&mut a, &mut b);
            parts *= 2;
        }
        for (p, bytes) in a[..N * PLANE].chunks_exact(PLANE).enumerate() {
            let to = plane::<N>(p) * count + at;
            out[to..to + PLANE].copy_from_slice(bytes);
        }
    }
    for i in whole..count {
        for j in 0..N {
            out[j * count + i] = input[i * N + j];
        }
    }
    copy_tail(count * N, input, out);
}

#[inline(always)]
fn inverse<const N: usize>(input: &[u8], out: &mut [u8]) {
    let count = input.len().min(out.len()) / N;
    let (mut a, mut b) = ([0u8; MAX * PLANE], [0u8; MAX * PLANE]);
    let whole = count / PLANE * PLANE;
    for at in (0..whole).step_by(PLANE) {
        for (p, bytes) in a[..N * PLANE].chunks_exact_mut(PLANE).enumerate() {
            let from = plane::<N>(p) * count + at;
            bytes.copy_from_slice(&input[from..from + PLANE]);
        }
        let mut parts = N / 2;
        while parts > 1 {
            let len = N * PLANE / parts;
            for (from, to) in a[..N * PLANE].chunks_exact(len).zip(b[..N * PLANE].chunks_exact_mut(len)) {
                zip(from, to);
            }
            std::mem::swap(&mut a, &mut b);
            parts /= 2;
        }
        zip(&a[..N * PLANE], &mut out[at * N..(at + PLANE) * N]);
    }
    for i in whole..count {
        for j in 0..N {
            out[i * N + j] = input[j * count + i];
        }
    }
    copy_tail(count * N, input, out);
}

#[inline(always)]
fn plain(size: usize, input: &[u8], out: &mut [u8], undo: bool) {
    let size = size.max(1);
    let count = input.len().min(out.len()) / size;
    for i in 0..count {
        for j in 0..size {
            let (whole, planes) = (i * size + j, j * count + i);
            if undo { out[whole] = input[planes] } else { out[planes] = input[whole] }
        }
    }
    copy_tail(count * size, input, out);
}

#[inline(always)]
fn copy_tail(from: usize, input: &[u8], out: &mut [u8]) {
    let end = input.len().min(out.len());
    out[from..end].copy_from_slice(&input[from..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_equals_the_definition_and_comes_back() {
        for size in [1, 2, 3, 4, 8, 12, 16] {
            for len in [0, 1, size, 7 * size + 1, 512 * size, 3000 * size + size / 2] {
                let input: Vec<u8> = (0..len).map(|i| (i * 31 + i / 251) as u8).collect();
                let (mut fast, mut slow, mut back) = (vec![0; len], vec![0; len], vec![0; len]);
                shuffle(size, &input, &mut fast);
                plain(size, &input, &mut slow, false);
                assert_eq!(fast, slow, "{size} {len}");
                unshuffle(size, &fast, &mut back);
                assert_eq!(back, input, "{size} {len}");
            }
        }
    }
}
