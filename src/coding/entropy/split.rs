//! Integers as planes of bytes, packed: for what repeats more than it varies.

use super::{Int, pack_bytes, unpack_bytes};
use crate::coding::bytes::Reader;
use crate::error::{Result, refuse};

/// Appends `v` as zigzag numbers, all lowest bytes first, then the next ones, packed. Highest planes that hold nothing are left out.
pub(in crate::coding) fn split_pack<T: Int>(v: &[T], level: i32, planes: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut used = [0u8; 8];
    for x in v {
        for (u, b) in used.iter_mut().zip(x.zigzag()) {
            *u |= b;
        }
    }
    let width = used.iter().rposition(|u| *u != 0).map_or(0, |last| last + 1);
    planes.clear();
    planes.resize(v.len() * width, 0);
    for (i, plane) in planes.chunks_exact_mut(v.len().max(1)).enumerate() {
        for (b, x) in plane.iter_mut().zip(v) {
            *b = x.zigzag()[i];
        }
    }
    pack_bytes(planes, level, out);
}

/// Fills `v` from a block that [`split_pack`] wrote.
pub(in crate::coding) fn split_unpack<T: Int>(reader: &mut Reader<'_>, v: &mut [T]) -> Result<()> {
    let planes = unpack_bytes(reader, v.len().saturating_mul(T::SIZE))?;
    let n = v.len().max(1);
    if planes.len() % n != 0 {
        return refuse!(Corrupt, "{} bytes are no whole planes of {n}", planes.len());
    }
    let planes: Vec<&[u8]> = planes.chunks_exact(n).collect();
    if let [low] = planes.as_slice() {
        for (x, b) in v.iter_mut().zip(*low) {
            *x = T::unzigzag(u64::from(*b).to_le_bytes());
        }
        return Ok(());
    }
    for (at, x) in v.iter_mut().enumerate() {
        let mut z = [0u8; 8];
        for (b, plane) in z.iter_mut().zip(&planes) {
            *b = plane[at];
        }
        *x = T::unzigzag(z);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Int + std::fmt::Debug>(v: &[T]) {
        let mut out = Vec::new();
        split_pack(v, 3, &mut Vec::new(), &mut out);
        let mut back = vec![T::from_i64(-1); v.len()];
        split_unpack(&mut Reader::new(&out), &mut back).unwrap();
        assert_eq!(back, v);
    }

    #[test]
    fn integers_of_every_width_come_back() {
        for edge in [0i64, 1, -1, 255, -300, 70_000, i64::from(i32::MIN), i64::from(i32::MAX)] {
            let v: Vec<i64> = (0..1000).map(|i| edge / (i + 1)).collect();
            round_trip(&v);
            round_trip(&v.iter().map(|x| *x as i32).collect::<Vec<_>>());
        }
        round_trip(&[i64::MIN, i64::MAX]);
        round_trip::<i32>(&[]);
        let mut out = Vec::new();
        pack_bytes(&[1; 7], 1, &mut out);
        assert!(split_unpack(&mut Reader::new(&out), &mut [0i32; 4]).is_err(), "seven bytes are no planes of four");
    }
}
