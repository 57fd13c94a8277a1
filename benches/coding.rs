//! Speed of coding chunks in memory, as the command cuts them: one thread, best of a few, MB/s of the original's bytes.
//!
//! ```sh
//! cargo bench --bench coding -- FOLDER|FILE.npy [--json] [--max-abs E]... [--effort N] [--fill V] [--threads]
//! ```
//!
//! Without `--max-abs`: lossless, and float arrays at 1e-2, 1e-3, 1e-4 and 1e-5 of the range. `--threads` measures 64 chunks of each array on
//! one and on two threads as well, at the bound 1e-3. Sums of bytes are printed too: speed without size says little.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use half::f16;
use ndcompact::array::Buf;
use ndcompact::coding::{Bound, Coding, Effort};
use ndcompact::{DType, Spec, filter};
use serde_json::json;

/// The most bytes of a chunk.
const CHUNK_BYTES: u64 = 2 << 20;
/// Rounds; the best one counts, since a shared machine only ever adds time.
const ROUNDS: usize = 5;
/// Chunks that threads share.
const SHARED_CHUNKS: usize = 64;
/// Bounds of float arrays, as parts of their range.
const PARTS_OF_RANGE: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];

struct Chunk {
    spec: Spec,
    values: Buf,
}

/// An array in the chunks of the command: whole up to 2 MiB, else in equal parts along the first axis.
struct Array {
    name: String,
    dtype: DType,
    bytes: u64,
    chunks: Vec<Chunk>,
}

impl Array {
    /// Reads a little-endian C-order `.npy` file.
    fn read(path: &Path) -> Array {
        let file = std::fs::read(path).unwrap();
        assert!(file.starts_with(b"\x93NUMPY"), "{} is no .npy file", path.display());
        let (length, start) = match file[6] {
            1 => (usize::from(u16::from_le_bytes([file[8], file[9]])), 10),
            _ => (u32::from_le_bytes([file[8], file[9], file[10], file[11]]) as usize, 12),
        };
        let header = std::str::from_utf8(&file[start..start + length]).unwrap();
        let after = |key: &str| header.split_once(key).unwrap().1;
        let descr = after("'descr':").split('\'').nth(1).unwrap();
        assert!(!descr.starts_with('>') && after("'fortran_order':").trim_start().starts_with("False"));
        let dtype = DType::from_name(descr.trim_start_matches(['<', '|', '='])).unwrap();
        let extents = after("'shape':").split_once('(').unwrap().1.split_once(')').unwrap().0;
        let shape: Vec<u64> = extents.split(',').filter_map(|d| d.trim().parse().ok()).collect();
        let data = &file[start + length..];

        let first = shape.first().copied().unwrap_or(1).max(1);
        let bytes = data.len() as u64;
        let parts = bytes.div_ceil(CHUNK_BYTES).clamp(1, first);
        let rows = first.div_ceil(parts);
        let mut chunks = Vec::new();
        for from in (0..first).step_by(rows as usize) {
            let to = (from + rows).min(first);
            let mut inside = shape.clone();
            if let Some(extent) = inside.first_mut() {
                *extent = to - from;
            }
            let spec = Spec::new(dtype, inside).unwrap();
            let row = bytes / first;
            let mut values = Buf::new();
            values.reset(dtype, spec.count()).unwrap();
            values.bytes_mut().copy_from_slice(&data[(from * row) as usize..(to * row) as usize]);
            chunks.push(Chunk { spec, values });
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Array { name, dtype, bytes, chunks }
    }

    /// Range of the finite values that are not the fill; `None` for what is no float.
    fn range(&self, fill: Option<f64>) -> Option<f64> {
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for chunk in &self.chunks {
            let mut see = |x: f64| {
                if x.is_finite() && Some(x) != fill {
                    (least, greatest) = (least.min(x), greatest.max(x));
                }
            };
            match self.dtype {
                DType::F16 => chunk.values.slice::<f16>().iter().for_each(|x| see(x.to_f64())),
                DType::F32 => chunk.values.slice::<f32>().iter().for_each(|x| see(f64::from(*x))),
                DType::F64 => chunk.values.slice::<f64>().iter().for_each(|x| see(*x)),
                _ => return None,
            }
        }
        (greatest > least).then_some(greatest - least)
    }
}

struct Asked {
    coding: Coding,
    fill: Option<u64>,
}

#[derive(Default)]
struct Worker {
    scratch: filter::Scratch,
    coded: Vec<u8>,
    restored: Buf,
    back: Buf,
}

impl Worker {
    fn encode(&mut self, chunk: &Chunk, asked: &Asked) {
        let (spec, out) = (&chunk.spec, &mut self.coded);
        let (scratch, restored) = (&mut self.scratch, &mut self.restored);
        let done =
            filter::encode(spec, spec.shape(), &chunk.values, &[], &asked.coding, asked.fill, scratch, out, restored);
        assert!(matches!(done.unwrap(), filter::Outcome::Coded(_)));
    }

    fn decode(&mut self, chunk: &Chunk, coded: &[u8]) {
        filter::decode(&chunk.spec, coded, &mut self.scratch, &mut self.back).unwrap();
    }
}

struct Times {
    encode: f64,
    decode: f64,
    bytes: usize,
}

fn measure(array: &Array, asked: &Asked) -> Times {
    let mut worker = Worker::default();
    let coded: Vec<Vec<u8>> = array
        .chunks
        .iter()
        .map(|chunk| {
            worker.encode(chunk, asked);
            worker.coded.clone()
        })
        .collect();
    let (mut encode, mut decode) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        array.chunks.iter().for_each(|chunk| worker.encode(chunk, asked));
        encode = encode.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        array.chunks.iter().zip(&coded).for_each(|(chunk, coded)| worker.decode(chunk, coded));
        decode = decode.min(start.elapsed().as_secs_f64());
    }
    Times { encode, decode, bytes: coded.iter().map(Vec::len).sum() }
}

/// Seconds that `threads` need for 64 chunks, the array's over and over: encoding, decoding.
fn shared(array: &Array, asked: &Asked, threads: usize) -> [f64; 2] {
    let mut first = Worker::default();
    let mut coded = Vec::new();
    for chunk in array.chunks.iter().take(SHARED_CHUNKS) {
        first.encode(chunk, asked);
        coded.push(first.coded.clone());
    }
    let mut workers: Vec<Worker> = (0..threads).map(|_| Worker::default()).collect();
    let mut run = |work: &(dyn Fn(&mut Worker, usize) + Sync)| {
        let next = AtomicUsize::new(0);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= SHARED_CHUNKS {
                            break;
                        }
                        work(worker, at % coded.len());
                    }
                });
            }
        });
        start.elapsed().as_secs_f64()
    };
    let mut best = [f64::INFINITY; 2];
    // The first warms the buffers.
    for _ in 0..2 {
        best[0] = best[0].min(run(&|worker, at| worker.encode(&array.chunks[at], asked)));
        best[1] = best[1].min(run(&|worker, at| worker.decode(&array.chunks[at], &coded[at])));
    }
    best
}

struct Options {
    paths: Vec<PathBuf>,
    bounds: Vec<f64>,
    effort: Effort,
    fill: Option<f64>,
    json: bool,
    threads: bool,
}

fn options() -> Options {
    let mut options = Options {
        paths: Vec::new(),
        bounds: Vec::new(),
        effort: Effort::default(),
        fill: None,
        json: false,
        threads: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut next = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            // What cargo passes.
            "--bench" => {}
            "--json" => options.json = true,
            "--threads" => options.threads = true,
            "--max-abs" => options.bounds.push(next().parse().unwrap()),
            "--effort" => options.effort = next().parse().unwrap(),
            "--fill" => options.fill = Some(next().parse().unwrap()),
            path => options.paths.push(path.into()),
        }
    }
    options
}

/// The fill value's bits in an array's dtype.
fn fill_bits(dtype: DType, fill: Option<f64>) -> Option<u64> {
    let fill = fill?;
    match dtype {
        DType::F16 => Some(f16::from_f64(fill).to_bits().into()),
        DType::F32 => Some((fill as f32).to_bits().into()),
        DType::F64 => Some(fill.to_bits()),
        _ => None,
    }
}

fn main() {
    if std::env::args().any(|a| a == "--test" || a == "--list") {
        // `cargo test --benches` only wants to know that it builds.
        return;
    }
    let options = options();
    let mut files = Vec::new();
    for path in &options.paths {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            files.push(path.clone());
        }
    }
    files.retain(|f| f.extension().is_some_and(|e| e == "npy"));
    files.sort();
    if files.is_empty() {
        // `cargo bench` runs all benches, this one without its argument.
        println!("coding: no .npy files given: cargo bench --bench coding -- FOLDER");
        return;
    }
    let (mut runs, mut ratios) = (Vec::new(), BTreeMap::from([("encode", Vec::new()), ("decode", Vec::new())]));
    for file in files {
        let array = Array::read(&file);
        let mut bounds = options.bounds.clone();
        if bounds.is_empty() {
            bounds.push(0.0);
            bounds.extend(array.range(options.fill).iter().flat_map(|range| PARTS_OF_RANGE.map(|part| part * range)));
        }
        let fill = fill_bits(array.dtype, options.fill);
        let shared_at = if bounds.len() > 3 { 3 } else { 0 };
        for (at, most) in bounds.into_iter().enumerate() {
            let bound = Bound { max_abs: Some(most), ..Bound::default() };
            let asked = Asked { coding: Coding { bound, effort: options.effort }, fill };
            let times = measure(&array, &asked);
            let mb = array.bytes as f64 / 1e6;
            if !options.json {
                println!(
                    "{:36} {:8} +-{most:9.3e} {:6} chunks {:10} bytes {:7.2} x  encode {:7.1} MB/s  decode {:7.1} MB/s",
                    array.name,
                    array.dtype.name(),
                    array.chunks.len(),
                    times.bytes,
                    array.bytes as f64 / times.bytes as f64,
                    mb / times.encode,
                    mb / times.decode
                );
            }
            runs.push(json!({
                "array": array.name, "max_abs": most, "bytes_before": array.bytes, "bytes": times.bytes,
                "encode_seconds": times.encode, "decode_seconds": times.decode,
            }));
            // Once an array is enough to see how threads scale: it takes as long as all else.
            if options.threads && at == shared_at {
                let (one, two) = (shared(&array, &asked, 1), shared(&array, &asked, 2));
                for (i, way) in ["encode", "decode"].into_iter().enumerate() {
                    ratios.entry(way).or_default().push(one[i] / two[i]);
                }
            }
        }
    }
    let median = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let two: BTreeMap<_, _> = ratios.iter().filter_map(|(way, r)| Some((*way, median(r)?))).collect();
    if options.json {
        println!("{}", json!({ "runs": runs, "two_threads": two }));
    } else if options.threads {
        println!("two threads against one, medians: {two:.2?}");
    }
}
