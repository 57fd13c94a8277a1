//! The payload of registered filter 32004: 8 bytes original size, 4 bytes block size, then per block 4 bytes stored size
//! and the block in LZ4's block format, or as it is where both sizes are equal. All numbers big-endian.

/// The largest block; the registered filter's own limit for its default.
const MAX_BLOCK: usize = 1 << 30;

/// The most that LZ4 expands: 255 bytes out of one.
pub(super) const MAX_RATIO: u64 = 255;

/// Decodes `input` into `out`; the bytes written, or nothing where the payload is damaged or does not fit.
pub(super) fn decode(input: &[u8], out: &mut [u8]) -> Option<usize> {
    let (size, rest) = input.split_first_chunk::<8>()?;
    let (block, mut rest) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u64::from_be_bytes(*size)).ok()?;
    let block = (u32::from_be_bytes(*block) as usize).min(size);
    let mut out = out.get_mut(..size)?;
    if size > 0 && block == 0 {
        return None;
    }
    while !out.is_empty() {
        let len = block.min(out.len());
        let (to, after) = out.split_at_mut(len);
        let (stored, data) = rest.split_first_chunk::<4>()?;
        let (data, next) = data.split_at_checked(u32::from_be_bytes(*stored) as usize)?;
        if data.len() == len {
            to.copy_from_slice(data);
        } else if lz4_flex::block::decompress_into(data, to).ok() != Some(len) {
            return None;
        }
        (out, rest) = (after, next);
    }
    Some(size)
}

/// The original size that the payload claims.
fn claimed(input: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*input.first_chunk::<8>()?))
}

/// Room that [`encode`] needs for `len` bytes.
pub(super) fn bound(len: usize) -> usize {
    let blocks = len.div_ceil(MAX_BLOCK).max(1);
    12 + blocks * (4 + lz4_flex::block::get_maximum_output_size(len.min(MAX_BLOCK)))
}

/// Encodes `input` in blocks of `block` bytes (0: as large as can be) into `out`; the bytes written.
pub(super) fn encode(block: usize, input: &[u8], out: &mut [u8]) -> Option<usize> {
    let block = if block == 0 { MAX_BLOCK } else { block.min(MAX_BLOCK) }.min(input.len()).max(1);
    out.get_mut(..8)?.copy_from_slice(&(input.len() as u64).to_be_bytes());
    out.get_mut(8..12)?.copy_from_slice(&(block as u32).to_be_bytes());
    let mut at = 12;
    for part in input.chunks(block) {
        let (size, data) = out.get_mut(at..)?.split_first_chunk_mut::<4>()?;
        let stored = match lz4_flex::block::compress_into(part, data) {
            Ok(n) if n < part.len() => n,
            _ => {
                data.get_mut(..part.len())?.copy_from_slice(part);
                part.len()
            }
        };
        *size = (stored as u32).to_be_bytes();
        at += 4 + stored;
    }
    Some(at)
}

/// The whole filter on whole buffers, for the library.
pub(super) fn filter(undo: bool, parameters: &[u32], input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let room = if undo {
        let claimed = claimed(input)?;
        if claimed > (input.len() as u64).saturating_mul(MAX_RATIO) {
            return None;
        }
        usize::try_from(claimed).ok()?
    } else {
        let block = parameters.first().map_or(0, |b| *b as usize);
        // Small blocks, as a file may ask for, each bring their own header and slack.
        let blocks = if block == 0 { 1 } else { input.len().div_ceil(block) };
        bound(input.len()).checked_add(blocks.checked_mul(32)?)?
    };
    out.try_reserve_exact(room).ok()?;
    out.resize(room, 0);
    let len = if undo {
        decode(input, &mut out)
    } else {
        encode(parameters.first().map_or(0, |b| *b as usize), input, &mut out)
    }?;
    out.truncate(len);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_in_one_block_or_many() {
        let input: Vec<u8> = (0..100_000u32).map(|i| (i / 7 * 13) as u8).collect();
        for block in [0, 1000, 4096, 1 << 20] {
            let coded = filter(false, &[block], &input).unwrap();
            assert!(coded.len() < input.len());
            assert_eq!(filter(true, &[block], &coded).unwrap(), input);
        }
    }

    #[test]
    fn a_damaged_payload_is_no_payload() {
        let coded = filter(false, &[], &[7u8; 5000]).unwrap();
        let mut out = vec![0; 5000];
        for cut in 0..coded.len() {
            assert_eq!(decode(&coded[..cut], &mut out), None);
        }
        let mut huge = coded.clone();
        huge[0] = 0x7f;
        assert!(filter(true, &[], &huge).is_none());
    }
}
