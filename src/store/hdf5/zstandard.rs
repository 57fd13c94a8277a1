//! The payload of registered filter 32015: one Zstandard frame that tells its content's size.

use zstd::bulk::{Compressor, Decompressor};

/// The most that Zstandard expands: a block of 128 KiB out of 4 bytes.
pub(super) const MAX_RATIO: u64 = 1 << 15;

/// The level where a file gives none; the registered filter's own.
const USUAL_LEVEL: i32 = 3;

/// The whole filter on whole buffers, for the library.
pub(super) fn filter(undo: bool, parameters: &[u32], input: &[u8]) -> Option<Vec<u8>> {
    if undo {
        let claimed = zstd::zstd_safe::get_frame_content_size(input).ok()??;
        if claimed > (input.len() as u64).saturating_mul(MAX_RATIO) {
            return None;
        }
        return Decompressor::new().ok()?.decompress(input, usize::try_from(claimed).ok()?).ok();
    }
    let level = parameters.first().map_or(USUAL_LEVEL, |l| *l as i32);
    Compressor::new(level).ok()?.compress(input).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_and_a_forged_size_is_refused() {
        let coded = filter(false, &[3], &[9u8; 70_000]).unwrap();
        assert_eq!(filter(true, &[], &coded).unwrap(), vec![9u8; 70_000]);
        assert!(filter(true, &[], &coded[..coded.len() - 1]).is_none());
        assert!(filter(true, &[], b"not a frame").is_none());
    }
}
