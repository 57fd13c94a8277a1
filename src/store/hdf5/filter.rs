//! The filters we run ourselves, outside the library's lock: shuffle, deflate, fletcher32, zstd, lz4, lzf and the `filtered`
//! layout's, in any order.

use libdeflater::{CompressionLvl, Compressor as Deflater, Decompressor as Inflater};

use super::raw::dataset::{FilterInfo, NewFilter};
use super::{Codec, fletcher, lz4, lzf, shuffle, zstandard};
use crate::array::{Buf, ByteOrder, DType, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::filter::{self, ChunkSpec};

pub(super) const DEFLATE: i32 = 1;
pub(super) const SHUFFLE: i32 = 2;
pub(super) const FLETCHER32: i32 = 3;
pub(super) const LZF: i32 = 32000;
pub(super) const LZ4: i32 = 32004;
pub(super) const ZSTD: i32 = 32015;

/// Bytes of the checksum after a chunk.
const CHECKSUM: usize = 4;

/// The most that deflate expands.
const DEFLATE_RATIO: u64 = 1032;

/// One filter we run ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Elements of so many bytes.
    Shuffle(usize),
    Deflate(u8),
    Fletcher32,
    Zstd(u8),
    Lz4,
    /// h5py's own; only read.
    Lzf,
    /// The `filtered` layout's.
    Coded,
}

impl Filter {
    /// Whether the output's length says nothing of the input's.
    fn compresses(self) -> bool {
        matches!(self, Filter::Deflate(_) | Filter::Zstd(_) | Filter::Lz4 | Filter::Lzf | Filter::Coded)
    }
}

/// A pipeline of filters, in the order in which a chunk passes through when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filters {
    list: Vec<Filter>,
    /// What chunks are, where [`Filter::Coded`] is in the list.
    coded: Option<ChunkSpec>,
}

/// What one worker keeps for coding chunks.
#[derive(Default)]
pub(super) struct Scratch {
    buffers: [Vec<u8>; 2],
    deflater: Option<(u8, Deflater)>,
    inflater: Option<Inflater>,
    compressor: Option<(u8, zstd::bulk::Compressor<'static>)>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
    /// Some hundred kilobytes of tables, made when the first coded chunk comes.
    coded: Option<Box<(filter::Scratch, Buf)>>,
}

/// Refuses parameters of the `filtered` layout's filter that say something else of the chunks than the dataset does: a decoder
/// that believed them would write past what the library has made room for.
pub(super) fn check_coded(infos: &[FilterInfo], stored: Option<(&Spec, ByteOrder)>, chunk: &[u64]) -> Result<()> {
    for info in infos.iter().filter(|i| i.id == filter::ID) {
        let said = ChunkSpec::from_parameters(&info.parameters)?;
        let is = match stored {
            Some((spec, order)) => {
                let shape = filter::merge(chunk);
                // A single byte has no order.
                let order = if spec.dtype().word() == 1 { said.order } else { order };
                Some(ChunkSpec { spec: Spec::new(spec.dtype(), shape)?, order })
            }
            None => None,
        };
        if is.as_ref() != Some(&said) {
            return refuse!(
                Corrupt,
                "its filter (ndcompact) is set up for chunks of {}, and its chunks are {chunk:?} of {}: the file is damaged or forged",
                said.spec,
                stored
                    .map_or("another dtype".to_owned(), |(spec, order)| format!("{} ({order:?}-endian)", spec.dtype()))
            );
        }
    }
    Ok(())
}

/// The bytes of a decoded chunk, in whatever memory they were decoded to.
#[derive(Debug)]
pub(super) enum DecodedChunk {
    Plain(Vec<u8>),
    /// As our own filter leaves them.
    Elements(Buf),
}

impl DecodedChunk {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Elements(elements) => elements.bytes(),
        }
    }
}

/// The first `len` bytes of a grow-only buffer.
pub(super) fn room(buffer: &mut Vec<u8>, len: usize) -> Result<&mut [u8]> {
    if buffer.len() < len {
        if buffer.try_reserve_exact(len - buffer.len()).is_err() {
            return refuse!(Io, "no memory for a chunk of {len} bytes");
        }
        buffer.resize(len, 0);
    }
    Ok(&mut buffer[..len])
}

impl Filters {
    /// The pipeline of a file, if we run every filter of it.
    pub(super) fn of(infos: &[FilterInfo]) -> Option<Self> {
        let one = |f: &FilterInfo| {
            let parameter = f.parameters.first().copied();
            match f.id {
                SHUFFLE => Some(Filter::Shuffle(parameter.filter(|s| *s > 0)? as usize)),
                DEFLATE => Some(Filter::Deflate(parameter.unwrap_or(0).min(12) as u8)),
                FLETCHER32 => Some(Filter::Fletcher32),
                ZSTD => Some(Filter::Zstd(parameter.unwrap_or(0).min(22) as u8)),
                LZ4 => Some(Filter::Lz4),
                LZF => Some(Filter::Lzf),
                filter::ID => Some(Filter::Coded),
                _ => None,
            }
        };
        let list: Vec<Filter> = infos.iter().map(one).collect::<Option<_>>()?;
        let coded = match infos.iter().find(|f| f.id == filter::ID) {
            Some(info) => Some(ChunkSpec::from_parameters(&info.parameters).ok()?),
            None => None,
        };
        Some(Self { list, coded })
    }

    /// The pipeline that we write: shuffle where an element has several bytes, the codec, the checksum.
    pub(super) fn new(codec: Codec, level: u8, dtype: DType) -> Self {
        let mut filters = Vec::new();
        // A complex number is two floats: its bytes are alike by the place in the whole element.
        if codec != Codec::None && dtype.size() > 1 {
            filters.push(Filter::Shuffle(dtype.size()));
        }
        match codec {
            Codec::None => {}
            Codec::Deflate => filters.push(Filter::Deflate(level)),
            Codec::Zstd => filters.push(Filter::Zstd(level)),
            Codec::Lz4 => filters.push(Filter::Lz4),
        }
        filters.push(Filter::Fletcher32);
        Self { list: filters, coded: None }
    }

    /// The same for the library, when a dataset is made. Single chunks may go without all but the checksum.
    pub(super) fn describe(&self) -> Vec<NewFilter> {
        let one = |f: &Filter| {
            let (id, parameters) = match *f {
                Filter::Shuffle(size) => (SHUFFLE, vec![size as u32]),
                // HDF5 knows levels up to 9; what was spent on a smaller stream does not matter to readers.
                Filter::Deflate(level) => (DEFLATE, vec![u32::from(level.min(9))]),
                Filter::Fletcher32 => (FLETCHER32, vec![]),
                Filter::Zstd(level) => (ZSTD, vec![u32::from(level)]),
                Filter::Lz4 => (LZ4, vec![0]),
                Filter::Lzf => (LZF, vec![]),
                Filter::Coded => (filter::ID, self.coded.iter().flat_map(ChunkSpec::parameters).flatten().collect()),
            };
            NewFilter { id, parameters, optional: !matches!(f, Filter::Fletcher32 | Filter::Coded) }
        };
        self.list.iter().map(one).collect()
    }

    /// Encodes one chunk for any pipeline but the `filtered` layout's: what does not make it smaller, and what we only read, is left
    /// out, which the file says of the chunk.
    pub(super) fn encode_any(&self, chunk: &[u8], scratch: &mut Scratch) -> Result<(u32, Vec<u8>)> {
        if self.are_written() {
            return self.encode(chunk, scratch).map(|(skipped, stored)| (skipped, stored.to_vec()));
        }
        let Scratch { buffers: [_, b], deflater, compressor, .. } = scratch;
        let (mut bytes, mut skipped) = (chunk.to_vec(), 0u32);
        for (i, f) in self.list.iter().enumerate() {
            let packed = match *f {
                Filter::Shuffle(size) => {
                    shuffle::shuffle(size, &bytes, room(b, bytes.len())?);
                    let len = bytes.len();
                    bytes.copy_from_slice(&b[..len]);
                    continue;
                }
                Filter::Fletcher32 => {
                    bytes.extend_from_slice(&fletcher::fletcher32(&bytes).to_le_bytes());
                    continue;
                }
                Filter::Deflate(level) => deflate(level, deflater, &bytes, b)?,
                Filter::Zstd(level) => compress(level, compressor, &bytes, b)?,
                Filter::Lz4 => lz4::encode(0, &bytes, room(b, lz4::bound(bytes.len()))?),
                Filter::Lzf | Filter::Coded => None,
            };
            match packed.filter(|len| *len < bytes.len()) {
                Some(len) => {
                    bytes.truncate(len);
                    bytes.copy_from_slice(&b[..len]);
                }
                None if i < 32 => skipped |= 1 << i,
                None => return refuse!(Unsupported, "a pipeline of {} filters cannot be written", self.list.len()),
            }
        }
        Ok((skipped, bytes))
    }

    /// Whether the `filtered` layout's filter is among them.
    pub(super) fn are_coded(&self) -> bool {
        self.list.contains(&Filter::Coded)
    }

    /// Whether chunks can be written by [`Filters::encode`]: shuffle or not, one codec or none, the checksum at the end.
    pub(super) fn are_written(&self) -> bool {
        let mut rest = &self.list[..];
        if let [Filter::Shuffle(_), more @ ..] = rest {
            rest = more;
        }
        match rest {
            [Filter::Deflate(_) | Filter::Zstd(_) | Filter::Lz4, more @ ..] => rest = more,
            _ if self.list.len() > rest.len() => return false,
            _ => {}
        }
        matches!(rest, [Filter::Fletcher32])
    }

    fn active(&self, skipped: u32) -> impl DoubleEndedIterator<Item = Filter> + '_ {
        // HDF5 has at most 32 filters in a pipeline, one bit of the mask each.
        self.list.iter().enumerate().filter(move |(i, _)| *i >= 32 || skipped & (1 << i) == 0).map(|(_, f)| *f)
    }

    /// Whether a chunk is stored as it is.
    pub(super) fn is_idle(&self, skipped: u32) -> bool {
        self.active(skipped).next().is_none()
    }

    /// Whether any chunk could be stored as it is.
    pub(super) fn may_be_idle(&self) -> bool {
        !self.list.contains(&Filter::Fletcher32) && !self.list.contains(&Filter::Coded)
    }

    /// Whether `stored` bytes can be a chunk of `chunk` bytes: known before anything is allocated for it.
    pub(super) fn check(&self, skipped: u32, stored: u64, chunk: u64) -> Result<()> {
        let (mut most, mut ratio, mut fixed) = (chunk, 1u64, true);
        for f in self.active(skipped) {
            most = match f {
                Filter::Shuffle(_) => most,
                Filter::Fletcher32 => most.saturating_add(CHECKSUM as u64),
                // No compressor adds more than this to data it cannot compress.
                _ => most.saturating_add(most / 8).saturating_add(4096),
            };
            ratio = ratio.saturating_mul(match f {
                Filter::Deflate(_) => DEFLATE_RATIO,
                Filter::Zstd(_) => zstandard::MAX_RATIO,
                Filter::Lz4 => lz4::MAX_RATIO,
                Filter::Lzf => lzf::MAX_RATIO,
                // A constant chunk is a few bytes, however large.
                Filter::Coded => u64::MAX,
                _ => 1,
            });
            fixed &= !f.compresses();
        }
        if fixed && stored != most {
            return refuse!(Corrupt, "a chunk is {stored} bytes in the file where {most} are expected");
        }
        if stored > most || stored.saturating_mul(ratio) < chunk {
            return refuse!(Corrupt, "a chunk of {chunk} bytes cannot be {stored} bytes in the file");
        }
        Ok(())
    }

    /// Decodes one chunk into `out`, which it must fill exactly. [`Filters::check`] comes before.
    pub(super) fn decode(&self, skipped: u32, stored: &[u8], out: &mut [u8], scratch: &mut Scratch) -> Result<()> {
        let wanted = out.len();
        // What each filter gives back at most, in the order of writing.
        let mut sizes = Vec::with_capacity(self.list.len());
        let mut size = wanted;
        for f in self.active(skipped) {
            sizes.push(size);
            size = match f {
                Filter::Shuffle(_) => size,
                Filter::Fletcher32 => size + CHECKSUM,
                _ => size + size / 8 + 4096,
            };
        }
        let Scratch { buffers: [a, b], inflater, decompressor, coded, .. } = scratch;
        let (mut from, mut to): (&mut Vec<u8>, &mut Vec<u8>) = (a, b);
        // Where the bytes are: in `stored`, in `from`, or in `out`.
        #[derive(PartialEq)]
        enum Place {
            Stored,
            Buffer,
            Out,
        }
        let (mut place, mut len) = (Place::Stored, stored.len());
        for (left, f) in (0..sizes.len()).rev().zip(self.active(skipped).rev()) {
            let input = match place {
                Place::Stored => &stored[..len],
                Place::Buffer => &from[..len],
                Place::Out => return refuse!(Corrupt, "a chunk is decoded too early"),
            };
            if f == Filter::Fletcher32 {
                len = checked(input)?.len();
                continue;
            }
            // The last one writes to its final place.
            let target = if left == 0 { &mut out[..] } else { room(to, sizes[left])? };
            let written = match f {
                Filter::Shuffle(element) => target.get_mut(..input.len()).map(|target| {
                    shuffle::unshuffle(element, input, target);
                    input.len()
                }),
                Filter::Deflate(_) => inflater.get_or_insert_with(Inflater::new).zlib_decompress(input, target).ok(),
                Filter::Zstd(_) => {
                    if decompressor.is_none() {
                        *decompressor = zstd::bulk::Decompressor::new().ok();
                    }
                    decompressor.as_mut().and_then(|d| d.decompress_to_buffer(input, target).ok())
                }
                Filter::Lz4 => lz4::decode(input, target),
                Filter::Lzf => lzf::decode(input, target),
                Filter::Coded => Some(self.decode_coded(input, target, coded)?),
                Filter::Fletcher32 => Some(input.len()),
            };
            len = written.ok_or_else(|| damaged(f, wanted))?;
            place = if left == 0 {
                Place::Out
            } else {
                std::mem::swap(&mut from, &mut to);
                Place::Buffer
            };
        }
        if len != wanted {
            return refuse!(Corrupt, "a chunk holds {len} bytes where its shape asks for {wanted}");
        }
        match place {
            Place::Stored => out.copy_from_slice(&stored[..len]),
            Place::Buffer => out.copy_from_slice(&from[..len]),
            Place::Out => {}
        }
        Ok(())
    }

    /// Decodes one chunk of `wanted` bytes from the first `len` bytes of `raw` into memory of its own. Where one filter does all the
    /// work, or none but the checksum, nothing is copied: most of what a single slice costs is touching new memory.
    pub(super) fn decode_new(
        &self,
        skipped: u32,
        raw: &mut Vec<u8>,
        len: usize,
        wanted: usize,
        scratch: &mut Scratch,
    ) -> Result<DecodedChunk> {
        if self.list == [Filter::Coded] && skipped == 0 {
            let mut elements = self.decode_elements(&raw[..len], &mut scratch.coded)?;
            let chunk = elements.bytes_mut();
            if chunk.len() != wanted {
                return refuse!(Corrupt, "a chunk holds {} bytes where its shape asks for {wanted}", chunk.len());
            }
            if let Some(ChunkSpec { spec, order }) = &self.coded {
                order.to_native(spec.dtype(), chunk);
            }
            return Ok(DecodedChunk::Elements(elements));
        }
        if self.active(skipped).eq([Filter::Fletcher32]) {
            let data = checked(&raw[..len])?.len();
            if data != wanted {
                return refuse!(Corrupt, "a chunk holds {data} bytes where its shape asks for {wanted}");
            }
            let mut chunk = std::mem::take(raw);
            chunk.truncate(data);
            return Ok(DecodedChunk::Plain(chunk));
        }
        let mut chunk = Vec::new();
        self.decode(skipped, &raw[..len], room(&mut chunk, wanted)?, scratch)?;
        Ok(DecodedChunk::Plain(chunk))
    }

    /// Runs our own filter back, to elements in native byte order; the buffer is taken out of `kept`.
    fn decode_elements(&self, input: &[u8], kept: &mut Option<Box<(filter::Scratch, Buf)>>) -> Result<Buf> {
        let Some(chunk) = &self.coded else { return refuse!(Corrupt, "a filter (ndcompact) without parameters") };
        let (scratch, buf) = &mut **kept.get_or_insert_default();
        filter::decode(&chunk.spec, input, scratch, buf)?;
        Ok(std::mem::take(buf))
    }

    /// Runs our own filter back; the elements' bytes go to `target` as they would lie in the file.
    fn decode_coded(
        &self,
        input: &[u8],
        target: &mut [u8],
        kept: &mut Option<Box<(filter::Scratch, Buf)>>,
    ) -> Result<usize> {
        let buf = self.decode_elements(input, kept)?;
        let Some(target) = target.get_mut(..buf.bytes().len()) else {
            return refuse!(Corrupt, "a chunk holds {} bytes where fewer are expected", buf.bytes().len());
        };
        target.copy_from_slice(buf.bytes());
        if let Some(ChunkSpec { spec, order }) = &self.coded {
            order.to_native(spec.dtype(), target);
        }
        kept.get_or_insert_default().1 = buf;
        Ok(target.len())
    }

    /// Encodes one chunk. Gives the stored bytes and the filters left out: where compressing does not make the chunk
    /// smaller, all but the checksum.
    pub(super) fn encode<'s>(&self, chunk: &[u8], scratch: &'s mut Scratch) -> Result<(u32, &'s [u8])> {
        let Scratch { buffers: [a, b], deflater, compressor, .. } = scratch;
        let mut len = None;
        let mut shuffled = false;
        for f in &self.list {
            let input = if shuffled { &a[..chunk.len()] } else { chunk };
            match *f {
                Filter::Shuffle(size) => {
                    shuffle::shuffle(size, chunk, room(a, chunk.len())?);
                    shuffled = true;
                }
                Filter::Deflate(level) => len = deflate(level, deflater, input, b)?,
                Filter::Zstd(level) => len = compress(level, compressor, input, b)?,
                Filter::Lz4 => len = lz4::encode(0, input, room(b, lz4::bound(input.len()) + CHECKSUM)?),
                Filter::Fletcher32 | Filter::Lzf | Filter::Coded => {}
            }
        }
        let (skipped, len) = match len {
            Some(len) if len < chunk.len() => (0, len),
            _ => {
                room(b, chunk.len() + CHECKSUM)?[..chunk.len()].copy_from_slice(chunk);
                ((1u32 << (self.list.len() - 1)) - 1, chunk.len())
            }
        };
        let stored = room(b, len + CHECKSUM)?;
        let (data, sum) = stored.split_at_mut(len);
        sum.copy_from_slice(&fletcher::fletcher32(data).to_le_bytes());
        Ok((skipped, stored))
    }
}

/// A chunk without the checksum at its end, which it matches.
fn checked(chunk: &[u8]) -> Result<&[u8]> {
    let Some((data, sum)) = chunk.split_last_chunk::<CHECKSUM>() else {
        return refuse!(Corrupt, "a chunk of {} bytes holds no checksum", chunk.len());
    };
    if !fletcher::matches(data, *sum) {
        return refuse!(Corrupt, "a chunk does not match its checksum (fletcher32): the file is damaged");
    }
    Ok(data)
}

fn deflate(level: u8, kept: &mut Option<(u8, Deflater)>, input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>> {
    let (_, deflater) = match kept {
        Some(k) if k.0 == level => k,
        _ => {
            let level_of = CompressionLvl::new(i32::from(level))
                .map_err(|_| Error::new(ErrorKind::Usage, format!("deflate has no level {level}; take 1 to 12")))?;
            kept.insert((level, Deflater::new(level_of)))
        }
    };
    let bound = deflater.zlib_compress_bound(input.len());
    Ok(deflater.zlib_compress(input, room(out, bound)?).ok())
}

fn compress(
    level: u8,
    kept: &mut Option<(u8, zstd::bulk::Compressor<'static>)>,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<Option<usize>> {
    let (_, compressor) = match kept {
        Some(k) if k.0 == level => k,
        _ => {
            let new = zstd::bulk::Compressor::new(i32::from(level)).map_err(|e| Error::io("starting zstd", e))?;
            kept.insert((level, new))
        }
    };
    let bound = zstd::zstd_safe::compress_bound(input.len());
    Ok(compressor.compress_to_buffer(input, room(out, bound)?).ok())
}

fn damaged(filter: Filter, wanted: usize) -> Error {
    let name = match filter {
        Filter::Shuffle(_) => "shuffle",
        Filter::Deflate(_) => "deflate",
        Filter::Fletcher32 => "fletcher32",
        Filter::Zstd(_) => "zstd",
        Filter::Lz4 => "lz4",
        Filter::Lzf => "lzf",
        Filter::Coded => "ndcompact",
    };
    Error::new(
        ErrorKind::Corrupt,
        format!("a chunk does not decode ({name}) to at most {wanted} bytes: the file is damaged"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: i32, parameters: &[u32]) -> FilterInfo {
        FilterInfo { id, parameters: parameters.to_vec(), name: String::new() }
    }

    #[test]
    fn chunks_come_back_and_damage_is_seen() {
        let smooth: Vec<u8> = (0..40_000u32).flat_map(|i| (i / 5).to_le_bytes()).collect();
        let mut state = 1u32;
        let noise: Vec<u8> = (0..40_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for codec in Codec::ALL {
            let filters = Filters::new(*codec, codec.level(None).unwrap(), DType::U32);
            let mut scratch = Scratch::default();
            for data in [&smooth, &noise] {
                let (skipped, stored) = filters.encode(data, &mut scratch).unwrap();
                let mut stored = stored.to_vec();
                assert_eq!(skipped != 0, codec != &Codec::None && data == &noise, "{codec}");
                filters.check(skipped, stored.len() as u64, data.len() as u64).unwrap();
                let mut back = vec![0; data.len()];
                filters.decode(skipped, &stored, &mut back, &mut scratch).unwrap();
                assert_eq!(&back, data);
                let middle = stored.len() / 2;
                stored[middle] ^= 0x10;
                let e = filters.decode(skipped, &stored, &mut back, &mut scratch).unwrap_err();
                assert_eq!(e.kind(), ErrorKind::Corrupt);
            }
        }
    }

    #[test]
    fn filters_work_in_any_order_even_twice() {
        let filters = Filters::of(&[
            info(FLETCHER32, &[]),
            info(SHUFFLE, &[4]),
            info(DEFLATE, &[4]),
            info(FLETCHER32, &[]),
            info(LZ4, &[]),
        ])
        .unwrap();
        let data: Vec<u8> = (0..5000u32).flat_map(u32::to_le_bytes).collect();
        let sum = |mut v: Vec<u8>| {
            v.extend(fletcher::fletcher32(&v).to_le_bytes());
            v
        };
        let one = sum(data.clone());
        let mut two = vec![0; one.len()];
        shuffle::shuffle(4, &one, &mut two);
        let mut deflater = Deflater::new(CompressionLvl::default());
        let mut three = vec![0; deflater.zlib_compress_bound(two.len())];
        let n = deflater.zlib_compress(&two, &mut three).unwrap();
        three.truncate(n);
        let stored = lz4::filter(false, &[], &sum(three)).unwrap();
        let mut back = vec![0; data.len()];
        filters.decode(0, &stored, &mut back, &mut Scratch::default()).unwrap();
        assert_eq!(back, data);
    }

    #[test]
    fn forged_sizes_are_refused_before_anything_is_allocated() {
        let deflate = Filters::of(&[info(DEFLATE, &[4])]).unwrap();
        assert!(deflate.check(0, 100, 1 << 40).is_err());
        assert!(deflate.check(0, 1 << 40, 100).is_err());
        assert!(deflate.check(1, 99, 100).is_err());
        assert!(deflate.check(1, 100, 100).is_ok());
        assert!(Filters::of(&[info(32001, &[])]).is_none());
    }

    #[test]
    fn parameters_that_are_not_the_datasets_are_refused() {
        let spec = Spec::new(DType::F32, [100, 7]).unwrap();
        let chunk = ChunkSpec::new(&Spec::new(DType::F32, [10, 7]).unwrap()).unwrap();
        let good = chunk.parameters().unwrap();
        let check =
            |parameters: &[u32], order| check_coded(&[info(filter::ID, parameters)], Some((&spec, order)), &[10, 7]);
        assert!(check(&good, ByteOrder::Little).is_ok());
        assert!(check(&good, ByteOrder::Big).is_err());
        assert!(check_coded(&[info(filter::ID, &good)], None, &[10, 7]).is_err());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] += 1;
            assert!(check(&bad, ByteOrder::Little).is_err(), "{at}");
        }
        assert!(check(&[], ByteOrder::Little).is_err() && check(&good[..3], ByteOrder::Little).is_err());
    }
}
