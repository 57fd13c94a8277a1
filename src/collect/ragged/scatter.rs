//! Items into files.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::items::Range;
use super::open::Ragged;
use crate::array::{Buf, ByteOrder, DType, Span, Spec};
use crate::engine::{Phase, Progress, Resources, in_order_from};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Sink, Source, Work};
use crate::store::{
    FolderOutput, Format, NpyHead, NpyWriter, NpzWriter, PackedMember, Packer, Packing, Replace, Temporary, temporary,
};

/// Items that one worker takes at a time, in bytes and in number: neighbours share chunks.
const RUN_BYTES: u64 = 1 << 20;
const RUN_ITEMS: usize = 1024;

/// An item over so many bytes is read and written in parts of so many.
const PART_BYTES: u64 = 4 << 20;

/// Digits of the number in a name, at least.
const DIGITS: usize = 6;

/// How items are restored.
#[derive(Debug, Clone, Default)]
pub struct ScatterOptions<'a> {
    /// Whether a file may be replaced. Folders never are.
    pub replace: Replace,
    /// Have the output on disk before it gets its name.
    pub sync: bool,
    /// Read all and write nothing.
    pub dry_run: bool,
    /// How members of an archive are compressed.
    pub packing: Packing,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// What restoring items did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scattered {
    /// The file or folder; `None` for a dry run.
    pub output: Option<String>,
    /// Items written.
    pub items: u64,
    /// Dtype of an item.
    pub dtype: DType,
    /// The shape, where it is one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Bytes of their elements.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Where items go to.
enum To {
    Nowhere,
    File,
    Folder(FolderOutput),
    Archive,
}

/// An item to be written.
struct Item {
    number: u64,
    name: String,
    at: Span,
    spec: Spec,
}

/// What a worker has made of an item.
enum Made {
    /// All there is to do.
    Done,
    /// A member.
    Packed(PackedMember),
    /// A large one, as a `.npy` file that has no name.
    Beside(Temporary, u64),
}

/// Restores `which` items on all cores: one item alone (a number, as [`Range::one`]) into the `.npy` file `to`, several into the archive `to`,
/// where that ends in `.npz`, else into the folder `to`, which appear when all are there. An item is called as it was when it was made, else
/// `item_` and its number.
///
/// # Errors
/// As [`Ragged::item`]; `Exists` where there is something at `to`, or two items have the same name; `Corrupt` for names that lead out of the
/// folder; `Io`.
pub fn scatter(
    ragged: &Ragged,
    which: Range,
    is_one: bool,
    to: &Path,
    options: &ScatterOptions<'_>,
) -> Result<Scattered> {
    let start = Instant::now();
    let mut numbers = which.of(ragged.len())?;
    let count = numbers.len() as u64;
    if is_one && count != 1 {
        return refuse!(Usage, "{count} items do not fit one file; give a folder");
    }
    let is_archive = Format::of_name(to) == Some(Format::Npz);
    let mut archive = None;
    let output = match (options.dry_run, is_one) {
        (true, _) => To::Nowhere,
        (false, true) => To::File,
        (false, false) if is_archive => {
            archive = Some(NpzWriter::create(to, options.packing, options.replace)?);
            To::Archive
        }
        (false, false) => To::Folder(FolderOutput::create(to)?),
    };
    let (mut bytes, mut items, mut shape) = (0, 0u64, None);
    // The next run of items that are handed to one worker.
    let pull = || {
        let (mut run, mut bytes) = (Vec::new(), 0);
        while run.len() < RUN_ITEMS
            && bytes < RUN_BYTES
            && let Some(number) = numbers.next()
        {
            let (at, spec) = ragged.locate(number)?;
            let name = match output {
                To::Folder(_) | To::Archive => ragged.name(number)?.unwrap_or_else(|| numbered(number)),
                _ => String::new(),
            };
            bytes += spec.bytes();
            run.push(Item { number, name, at, spec });
        }
        Ok((!run.is_empty()).then_some(run))
    };
    let state = || (ragged.worker(), Packer::default());
    let make = |run: Vec<Item>, (work, packer): &mut (Work, Packer)| -> Result<Vec<(Item, Made)>> {
        let mut buf = Buf::new();
        let small = |item: &Item| !is_one && item.spec.bytes() <= PART_BYTES;
        let spans: Vec<Span> = run.iter().filter(|i| small(i)).map(|i| i.at).collect();
        ragged.read(&spans, &mut buf, work)?;
        let (mut at, mut made) = (0, Vec::with_capacity(run.len()));
        for item in run {
            let result = if small(&item) {
                let data = &buf.bytes()[at..at + item.spec.bytes() as usize];
                at += data.len();
                whole(&item, data, &output, options, packer)?
            } else {
                in_parts(ragged, &item, &output, to, options, work)?
            };
            made.push((item, result));
        }
        Ok(made)
    };
    let take = |_, made: Vec<(Item, Made)>| -> Result<()> {
        for (item, made) in made {
            if let Some(archive) = &mut archive {
                let added = match made {
                    Made::Done => Ok(0),
                    Made::Packed(member) => archive.add_packed(&item.name, &member),
                    Made::Beside(file, len) => archive.add(&item.name, &file, len),
                };
                added.map_err(|e| named_twice(&item, e))?;
            }
            (bytes, items) = (bytes + item.spec.bytes(), items + 1);
            if is_one {
                shape = Some(item.spec.shape().to_vec());
            }
        }
        if let Some(tell) = options.resources.progress {
            let total = (u128::from(bytes) * u128::from(count) / u128::from(items.max(1))) as u64;
            tell(Progress { phase: Phase::Restoring, done: bytes, total });
        }
        Ok(())
    };
    // A worker holds a run, packed and not, the parts of a large item, and decoded chunks.
    let each = 4 * PART_BYTES + ragged.values().opened().overhead();
    let workers = (options.resources.memory / each).clamp(1, options.resources.threads.get() as u64);
    in_order_from(workers.min(count.max(1)), &options.resources, pull, state, make, take).map_err(|e| {
        if e.kind() == ErrorKind::Interrupted { Error::new(e.kind(), "interrupted; nothing was written") } else { e }
    })?;
    if let Some(archive) = archive {
        archive.finish(options.sync)?;
    }
    if let To::Folder(folder) = output {
        folder.finish()?;
    }
    let output = (!options.dry_run).then(|| to.display().to_string());
    Ok(Scattered { output, items: count, dtype: ragged.dtype(), shape, bytes, seconds: start.elapsed().as_secs_f64() })
}

/// What an item without a name is called.
fn numbered(number: u64) -> String {
    format!("item_{number:0DIGITS$}")
}

/// Writes one of several items, whose elements are all there.
fn whole(item: &Item, data: &[u8], output: &To, options: &ScatterOptions<'_>, packer: &mut Packer) -> Result<Made> {
    let mut swapped;
    let data = match ByteOrder::NATIVE {
        ByteOrder::Little => data,
        ByteOrder::Big => {
            swapped = data.to_vec();
            ByteOrder::Little.to_native(item.spec.dtype(), &mut swapped);
            &swapped
        }
    };
    let head = || NpyHead::write(&item.spec, ByteOrder::Little, false, None);
    match output {
        To::Nowhere | To::File => {}
        To::Folder(folder) => folder
            .write(&format!("{}.npy", item.name), &[&head()?, data], options.sync)
            .map_err(|e| named_twice(item, e))?,
        To::Archive => return Ok(Made::Packed(packer.member(options.packing, [&head()?, data].concat())?)),
    }
    Ok(Made::Done)
}

/// Reads and writes an item in parts.
fn in_parts(
    ragged: &Ragged,
    item: &Item,
    output: &To,
    to: &Path,
    options: &ScatterOptions<'_>,
    work: &mut Work,
) -> Result<Made> {
    let (spec, little) = (&item.spec, ByteOrder::Little);
    let mut beside = None;
    let writer = match output {
        To::Nowhere => None,
        To::File => Some(NpyWriter::create(to, spec, false, little, None, false, options.replace)?),
        To::Folder(folder) => {
            let path = folder.file(&format!("{}.npy", item.name))?;
            let created = NpyWriter::create(&path, spec, false, little, None, false, Replace::Never);
            Some(created.map_err(|e| named_twice(item, e))?)
        }
        To::Archive => {
            let bytes = NpyWriter::bytes_for(spec, false, little, None)?;
            let file = temporary()?;
            let again = file.try_clone().map_err(|e| Error::io("duplicating a file's descriptor", e))?;
            beside = Some((file, bytes));
            Some(NpyWriter::inside(again, 0, bytes, to.join(&item.name), spec, false, little)?)
        }
    };
    let most = (PART_BYTES / spec.dtype().size() as u64).max(1);
    let (mut buf, mut at) = (Buf::new(), 0);
    while at < spec.count() {
        let len = most.min(spec.count() - at);
        ragged.read(&[Span::new(item.at.start + at, len)], &mut buf, work)?;
        if let Some(writer) = &writer {
            writer.write(at, &buf, &mut Work::new(0))?;
        }
        at += len;
    }
    match (writer, beside) {
        (Some(writer), Some((file, bytes))) => {
            writer.finish_inside(None)?;
            Ok(Made::Beside(file, bytes))
        }
        (Some(writer), None) => writer.finish(None, options.sync).map(|_| Made::Done),
        (None, _) => Ok(Made::Done),
    }
}

/// The error for an item whose name another has, with the remedy.
fn named_twice(item: &Item, e: Error) -> Error {
    if !matches!(e.kind(), ErrorKind::Exists | ErrorKind::Usage) {
        return e;
    }
    let text = format!(
        "{e}: item {} has the name of another. Restore them apart, with --items or --item, into outputs of their own",
        item.number
    );
    Error::new(e.kind(), text)
}
