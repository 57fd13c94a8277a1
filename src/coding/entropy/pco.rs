//! pco ("pcodec"): numbers to nearly their entropy by bins of values, fast to read.
//!
//! Its `wrapped` form is used: the count of numbers is known here and is not written again.

use ::pco::data_types::Number;
use ::pco::errors::PcoError;
use ::pco::metadata::DeltaEncoding;
use ::pco::wrapped::{FileCompressor, FileDecompressor};
use ::pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

use crate::error::{Error, ErrorKind, Result, refuse};

/// Types that pco takes.
pub(in crate::coding) trait Numbers: Number {}
impl<T: Number> Numbers for T {}

/// The most numbers that pco takes at once.
const MOST: usize = 1 << 24;

/// The mode of pco's that has a table of values in front; a chunk's first four bits say it, the next 25 the table's length.
const TABLE_MODE: u32 = 4;
const MODE_BITS: u32 = 4;
const TABLE_LENGTH_BITS: u32 = 25;

/// The least window of pco's differences to earlier values, whatever the count.
const LEAST_WINDOW_LOG: u32 = 8;

fn failed(e: PcoError) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a coded chunk: {e}"))
}

/// Appends `numbers` to `out` as pco codes them; `level` is pco's own, 0 to 12. With `search` pco looks for structure in the
/// values itself (decimal steps, differences); without, they are taken as they are.
///
/// # Errors
/// More than 2^24 numbers.
pub(in crate::coding) fn pack<T: Numbers>(numbers: &[T], level: u8, search: bool, out: &mut Vec<u8>) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    if numbers.len() > MOST {
        return refuse!(Unsupported, "{} numbers in one chunk; pco takes at most {MOST}", numbers.len());
    }
    let mut config = ChunkConfig::default()
        .with_compression_level(usize::from(level))
        .with_paging_spec(PagingSpec::Exact(vec![numbers.len()]))
        .with_enable_8_bit(true);
    if !search {
        config = config.with_mode_spec(ModeSpec::Classic).with_delta_spec(DeltaSpec::NoOp);
    }
    let file = FileCompressor::default();
    file.write_header(&mut *out).map_err(failed)?;
    let mut chunk = file.chunk_compressor(numbers, &config).map_err(failed)?;
    chunk.write_meta(&mut *out).map_err(failed)?;
    chunk.write_page(0, &mut *out).map_err(failed)?;
    Ok(())
}

/// Fills `numbers` with what [`pack`] made `bytes` of.
pub(in crate::coding) fn unpack<T: Numbers>(bytes: &[u8], numbers: &mut [T]) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let (file, rest) = FileDecompressor::new(bytes).map_err(failed)?;
    // pco allocates the table and the window at the size that the bytes claim, up to 256 MB for a chunk of 28 bytes.
    let mut start = [0; 4];
    start.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let start = u32::from_le_bytes(start);
    if start % (1 << MODE_BITS) == TABLE_MODE
        && ((start >> MODE_BITS) % (1 << TABLE_LENGTH_BITS)) as usize > numbers.len()
    {
        return refuse!(Corrupt, "a coded chunk of {} numbers has a table of more", numbers.len());
    }
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(failed)?;
    if let DeltaEncoding::Lookback { config, .. } = &chunk.meta().delta_encoding
        && config.window_n_log > numbers.len().next_power_of_two().ilog2().max(LEAST_WINDOW_LOG)
    {
        return refuse!(Corrupt, "a coded chunk of {} numbers looks back over more", numbers.len());
    }
    let mut page = chunk.page_decompressor(rest, numbers.len()).map_err(failed)?;
    let progress = page.read(numbers).map_err(failed)?;
    if progress.n_processed != numbers.len() || !progress.finished {
        return refuse!(Corrupt, "a coded chunk holds {} of {} numbers", progress.n_processed, numbers.len());
    }
    Ok(())
}
