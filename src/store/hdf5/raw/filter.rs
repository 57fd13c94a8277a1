//! The registered filters zstd (32015) and lz4 (32004) and the `filtered` layout's (410), given to the library for what it reads
//! and writes itself.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5p::{H5Pget_filter_by_id2, H5Pmodify_filter};
use hdf5_metno_sys::h5s::{H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims};
use hdf5_metno_sys::h5z::{H5Z_CLASS_T_VERS, H5Z_FLAG_REVERSE, H5Z_class2_t, H5Zregister};

use super::dtype::{Stored, recognise};
use super::{Id, call};
use crate::array::{Buf, Spec};
use crate::coding::Coding;
use crate::error::{Result, refuse};
use crate::filter::{self as coded, ChunkSpec, Outcome};
use crate::store::hdf5::filter::{LZ4, ZSTD};
use crate::store::hdf5::{lz4, zstandard};

/// What a filter does with a whole buffer: the output's bytes, or nothing where it fails.
type Code = fn(decode: bool, parameters: &[u32], input: &[u8]) -> Option<Vec<u8>>;

/// Registers the filters, once a process. A failure shows where a dataset is made or read.
pub(in super::super) fn register() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let all = [
            (ZSTD, c"zstd", zstd_filter as Callback, None),
            (LZ4, c"lz4", lz4_filter as Callback, None),
            (coded::ID, c"ndcompact", coded_filter as Callback, Some(set_local as SetLocal)),
        ];
        for (id, name, filter, set_local) in all {
            let class = H5Z_class2_t {
                version: H5Z_CLASS_T_VERS as i32,
                id,
                encoder_present: 1,
                decoder_present: 1,
                name: name.as_ptr().cast::<c_char>(),
                can_apply: None,
                set_local,
                filter: Some(filter),
            };
            // Failing leaves the filter unknown, which the next use of it reports by number and name.
            drop(call!(Io, H5Zregister((&raw const class).cast()), "registering filter {id}"));
        }
    });
}

type SetLocal = extern "C" fn(hid_t, hid_t, hid_t) -> c_int;

type Callback = unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize;

#[expect(unsafe_code, reason = "the signature that libhdf5 calls")]
unsafe extern "C" fn zstd_filter(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: passed on as the library gave them.
    unsafe { run(zstandard::filter, flags, (count, values), bytes, room, buffer) }
}

#[expect(unsafe_code, reason = "the signature that libhdf5 calls")]
unsafe extern "C" fn lz4_filter(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: passed on as the library gave them.
    unsafe { run(lz4::filter, flags, (count, values), bytes, room, buffer) }
}

#[expect(unsafe_code, reason = "the signature that libhdf5 calls")]
unsafe extern "C" fn coded_filter(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: passed on as the library gave them.
    unsafe { run(code_chunk, flags, (count, values), bytes, room, buffer) }
}

/// The `filtered` layout's filter on one whole chunk, as programs that know nothing of it write and read. What they write is
/// lossless: no bound was asked for. Fails only without memory, and for parameters that are not the dataset's.
fn code_chunk(decode: bool, parameters: &[u32], input: &[u8]) -> Option<Vec<u8>> {
    let ChunkSpec { spec, order } = ChunkSpec::from_parameters(parameters).ok()?;
    let mut scratch = coded::Scratch::default();
    let mut values = Buf::new();
    if decode {
        coded::decode(&spec, input, &mut scratch, &mut values).ok()?;
        order.to_native(spec.dtype(), values.bytes_mut());
        return Some(values.bytes().to_vec());
    }
    if input.len() as u64 != spec.bytes() {
        return None;
    }
    values.reset(spec.dtype(), spec.count()).ok()?;
    values.bytes_mut().copy_from_slice(input);
    order.to_native(spec.dtype(), values.bytes_mut());
    let (mut out, mut back) = (Vec::new(), Buf::new());
    let coding = Coding::default();
    let tried = catch_unwind(AssertUnwindSafe(|| {
        coded::encode(&spec, spec.shape(), &values, &[], &coding, None, &mut scratch, &mut out, &mut back)
    }));
    match tried {
        Ok(Ok(Outcome::Coded(_))) => Some(out),
        // A mandatory filter that fails where a file is closed takes the process with it.
        _ => coded::stored(&spec, &values).ok(),
    }
}

/// Called by the library before a dataset is made: fills in the filter's parameters from its dtype and chunk shape, so that any
/// program can write with it that names it.
extern "C" fn set_local(list: hid_t, dtype: hid_t, space: hid_t) -> c_int {
    let set = catch_unwind(AssertUnwindSafe(|| parameters_of(list, dtype, space)));
    if matches!(set, Ok(Ok(()))) { 1 } else { -1 }
}

fn parameters_of(list: hid_t, dtype: hid_t, space: hid_t) -> Result<()> {
    // Lent by the library, not ours to close.
    let dtype = ManuallyDrop::new(Id(dtype));
    let Stored::Plain(dtype, order) = recognise(&dtype)? else {
        return refuse!(Unsupported, "the filter ndcompact is for numbers and booleans");
    };
    const WHAT: &str = "setting up the filter ndcompact";
    let axes = call!(Io, H5Sget_simple_extent_ndims(space), "{WHAT}")? as usize;
    let mut shape = vec![0u64; axes];
    call!(Io, H5Sget_simple_extent_dims(space, shape.as_mut_ptr(), std::ptr::null_mut()), "{WHAT}")?;
    let chunk = ChunkSpec { order, ..ChunkSpec::new(&Spec::new(dtype, shape)?)? };
    let parameters = chunk.parameters()?;
    let (mut flags, mut count) = (0u32, 0usize);
    let nothing = std::ptr::null_mut::<c_uint>();
    call!(
        Io,
        H5Pget_filter_by_id2(
            list,
            coded::ID,
            &raw mut flags,
            &raw mut count,
            nothing,
            0,
            std::ptr::null_mut(),
            nothing
        ),
        "{WHAT}"
    )?;
    call!(Io, H5Pmodify_filter(list, coded::ID, flags, parameters.len(), parameters.as_ptr()), "{WHAT}").map(drop)
}

/// Replaces the library's buffer by the coded one and says how long that is; 0 for failure, and then the old one stays.
///
/// `bytes` is the input's length; `*room` is not: the library keeps larger buffers than it fills.
#[expect(unsafe_code, reason = "buffers change hands with libhdf5 through C's allocator")]
unsafe fn run(
    code: Code,
    flags: c_uint,
    (count, values): (usize, *const c_uint),
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    let coded = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the library passes `bytes` bytes at `*buffer` and `count` values.
        let (input, parameters) = unsafe {
            let parameters =
                if count == 0 || values.is_null() { &[] } else { std::slice::from_raw_parts(values, count) };
            (std::slice::from_raw_parts((*buffer).cast::<u8>(), bytes), parameters)
        };
        code(flags & H5Z_FLAG_REVERSE != 0, parameters, input)
    }));
    let Ok(Some(coded)) = coded else { return 0 };
    if coded.is_empty() {
        return 0;
    }
    // SAFETY: the new buffer is filled before it is handed over, the old one freed by the allocator it came from.
    unsafe {
        let new = libc::malloc(coded.len());
        if new.is_null() {
            return 0;
        }
        std::ptr::copy_nonoverlapping(coded.as_ptr(), new.cast::<u8>(), coded.len());
        libc::free(*buffer);
        *buffer = new;
        *room = coded.len();
    }
    coded.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{ByteOrder, DType, Span};
    use crate::pipeline::{Source, Work};
    use crate::store::Replace;
    use crate::store::hdf5::raw::{self, dataset::NewFilter};
    use crate::store::hdf5::{Boxes, ChunkAsk, Dataset, Tiles, Writer, list};

    /// What the library makes of all elements, through the filter that is registered here.
    fn by_library(path: &std::path::Path, name: &str, spec: &Spec) -> Vec<u8> {
        let file = raw::file::open(path).unwrap();
        let dataset = raw::dataset::open(&file, name).unwrap();
        let memory = raw::dtype::build(spec.dtype(), ByteOrder::NATIVE).unwrap();
        let mut out = vec![0; spec.bytes() as usize];
        let start = vec![0; spec.shape().len()];
        raw::dataset::read_box(&dataset, &memory, &start, spec.shape(), &mut out).unwrap();
        out
    }

    #[test]
    fn programs_that_know_nothing_of_the_filter_write_and_read_through_it() {
        let dir = tempfile::tempdir().unwrap();
        register();
        for (i, order) in [ByteOrder::Little, ByteOrder::Big].into_iter().enumerate() {
            for dtype in [DType::Bool, DType::I16, DType::F16, DType::F64, DType::C64] {
                let spec = Spec::new(dtype, [21, 10]).unwrap();
                let bytes: Vec<u8> = (0..spec.bytes()).map(|b| (b / 7 % 2) as u8).collect();
                let path = dir.path().join(format!("{dtype}-{i}.h5"));
                let file = raw::file::create(&path, raw::file::Overhead::Least).unwrap();
                let stored = raw::dtype::build(dtype, order).unwrap();
                let filter = NewFilter { id: coded::ID, parameters: Vec::new(), optional: false };
                let made =
                    raw::dataset::create(&file, "/g/x", &stored, spec.shape(), Some(&[8, 10]), &[filter]).unwrap();
                raw::dataset::write_all(&made, dtype, spec.count(), &bytes).unwrap();
                drop(made);
                raw::file::close(file).unwrap();
                assert_eq!(by_library(&path, "/g/x", &spec), bytes, "{dtype}");
                // Our own threads read the same.
                let dataset = Dataset::open(&path, None).unwrap();
                let mut out = Buf::new();
                dataset.read(&[Span::new(0, spec.count())], &mut out, &mut Work::default()).unwrap();
                assert_eq!(out.bytes(), bytes, "{dtype} {}", dataset.layout());
            }
        }
    }

    #[test]
    fn the_library_reads_what_our_threads_coded() {
        let dir = tempfile::tempdir().unwrap();
        let spec = Spec::new(DType::F32, [5, 9, 11]).unwrap();
        let boxes = Boxes::new(&spec, 0, &ChunkAsk::Shape(vec![2, 4, 11])).unwrap();
        let path = dir.path().join("x.h5");
        let writer = Writer::create_coded(&path, None, &spec, Some(&boxes), Replace::Never).unwrap();
        let values: Vec<f32> = (0..spec.count()).map(|i| (i as f32).sqrt()).collect();
        let (mut scratch, mut out, mut back) = (coded::Scratch::default(), Vec::new(), Buf::new());
        let chunk = Spec::new(DType::F32, boxes.chunk()).unwrap();
        for i in 0..boxes.count() {
            let mut spans = Vec::new();
            boxes.spans(i, &mut spans);
            let mine: Vec<f32> =
                spans.iter().flat_map(|s| &values[s.start as usize..s.end() as usize]).copied().collect();
            let (valid, mine) = (boxes.at(i).1, Buf::from_slice(&mine).unwrap());
            let coding = Coding::default();
            coded::encode(&chunk, &valid, &mine, &[], &coding, None, &mut scratch, &mut out, &mut back).unwrap();
            writer.write_coded(i, &out).unwrap();
        }
        writer.finish(None, &[], false).unwrap();
        assert_eq!(by_library(&path, "/data", &spec), bytemuck::cast_slice::<f32, u8>(&values));
    }

    #[test]
    fn the_library_reads_mirrored_tiles_as_whole_matrices() {
        let dir = tempfile::tempdir().unwrap();
        let spec = Spec::new(DType::I32, [2, 23, 23]).unwrap();
        let tiles = Tiles::with_side(&spec, 8).unwrap();
        let path = dir.path().join("x.h5");
        let writer = Writer::create_tiled(&path, None, &spec, &tiles, Replace::Never).unwrap();
        let value = |at: u64| {
            let (m, i, j) = ((at / 529) as i32, (at / 23 % 23) as i32, (at % 23) as i32);
            1000 * m + 30 * i.min(j) + i.max(j)
        };
        let chunk = Spec::new(DType::I32, tiles.boxes().chunk()).unwrap();
        let (mut scratch, mut out, mut back) = (coded::Scratch::default(), Vec::new(), Buf::new());
        for k in 0..tiles.count() {
            let i = tiles.number(k).0;
            let mut spans = Vec::new();
            tiles.boxes().spans(i, &mut spans);
            let mine: Vec<i32> = spans.iter().flat_map(|s| s.start..s.end()).map(value).collect();
            let (valid, mine) = (tiles.boxes().at(i).1, Buf::from_slice(&mine).unwrap());
            let coding = Coding::default();
            coded::encode(&chunk, &valid, &mine, &[], &coding, None, &mut scratch, &mut out, &mut back).unwrap();
            writer.write_coded(i, &out).unwrap();
        }
        writer.finish(None, &[], false).unwrap();
        let expected: Vec<i32> = (0..spec.count()).map(value).collect();
        assert_eq!(by_library(&path, "/data", &spec), bytemuck::cast_slice::<i32, u8>(&expected));
        // Our threads read the tiles themselves, and only what is an array of its own is listed.
        assert_eq!(list(&path).unwrap().len(), 1);
        let dataset = Dataset::open(&path, Some("/data")).unwrap();
        let (mut work, mut out) = (Work::default(), Buf::new());
        dataset.read(&[Span::new(0, spec.count())], &mut out, &mut work).unwrap();
        assert_eq!(out.bytes(), bytemuck::cast_slice::<i32, u8>(&expected));
        for span in [Span::new(20, 30), Span::new(528, 2), Span::new(700, 1), Span::new(5, 0)] {
            dataset.read(&[span, span], &mut out, &mut work).unwrap();
            let wanted = &expected[span.start as usize..span.end() as usize];
            assert_eq!(out.slice::<i32>(), [wanted, wanted].concat());
        }
    }
}
