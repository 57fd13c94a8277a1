//! Decoding LZF, the compressor that h5py brings along (filter 32000).
//!
//! A control byte below 32 is followed by one more literal bytes than it says. Any other begins a copy of earlier output:
//! its upper three bits are the length less 2 (7: the next byte is added), the lower five and the next byte the distance
//! less 1.

/// The most that LZF expands: 264 bytes out of 3.
pub(super) const MAX_RATIO: u64 = 88;

/// Decodes `input` into `out`; the bytes written, or nothing where the input is damaged or does not fit.
pub(super) fn decode(input: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut input = input;
    let mut at = 0usize;
    while let Some((control, rest)) = input.split_first() {
        input = rest;
        let control = usize::from(*control);
        if control < 32 {
            let (literal, rest) = input.split_at_checked(control + 1)?;
            out.get_mut(at..at + literal.len())?.copy_from_slice(literal);
            (at, input) = (at + literal.len(), rest);
            continue;
        }
        let mut len = control >> 5;
        if len == 7 {
            let (more, rest) = input.split_first()?;
            len += usize::from(*more);
            input = rest;
        }
        let (low, rest) = input.split_first()?;
        input = rest;
        let distance = (((control & 0x1f) << 8) | usize::from(*low)) + 1;
        let (from, len) = (at.checked_sub(distance)?, len + 2);
        if at + len > out.len() {
            return None;
        }
        if distance >= len {
            out.copy_within(from..from + len, at);
        } else {
            // The copy reads what it writes: a pattern that repeats.
            for i in 0..len {
                out[at + i] = out[from + i];
            }
        }
        at += len;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_copies_are_decoded_and_damage_is_refused() {
        let mut out = [0u8; 16];
        // "ab", then 7 bytes from 2 back, then 9 + 2 from 1 back would not fit.
        let coded = [1, b'a', b'b', 5 << 5, 1];
        assert_eq!(decode(&coded, &mut out), Some(9));
        assert_eq!(&out[..9], b"ababababa");
        assert_eq!(decode(&[5 << 5, 1], &mut out), None);
        assert_eq!(decode(&[1, b'a'], &mut out), None);
        assert_eq!(decode(&[0, b'a', 7 << 5, 200, 0], &mut out), None);
    }
}
