//! `compact info FILE`.

use serde::Serialize;

use super::args::InfoArgs;
#[cfg(feature = "hdf5")]
use super::number::count;
use super::number::{at_most, shape, size};
use super::readers::{Reading, notes, readings, shell};
use super::table::{self, labelled, loss, smaller};
use super::voice::{Paint, Voice};
use super::{compacting, names};
use crate::array::{ByteOrder, DType};
use crate::coding::Coding;
use crate::engine::Reader;
use crate::error::Result;
use crate::metric::LossRecord;
use crate::recipe::{Axes, Original};
use crate::report::bound_words;
#[cfg(feature = "hdf5")]
use crate::store::hdf5::ChunkSteps;
use crate::store::{Archive, Format, Place};
use crate::transform::{Fidelity, Fill, Step};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// The array, as written on a command line.
    pub place: String,
    /// `npy`, `npz` or `hdf5`.
    pub format: &'static str,
    /// Whether it was made by compacting, so that it can be restored.
    pub compacted: bool,
    /// The array in the file.
    pub stored: Stored,
    /// The array that a restore gives back, for a compacted one.
    pub original: Option<Original>,
    /// Bytes of the original's elements.
    pub original_bytes: Option<u64>,
    /// Bytes of the original's elements over the stored bytes.
    pub ratio: Option<f64>,
    /// Whether the same bits come back.
    pub exact: Option<bool>,
    /// The steps with all their parameters, in order. This object is a recipe file: `--recipe` takes it.
    pub steps: Vec<Step>,
    /// Where chunks were made with other steps than those (`append --refit-chunks`): the steps of all chunks, each once.
    #[cfg(feature = "hdf5")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunk_steps: Vec<ChunkSteps>,
    /// What each step makes, one entry a step.
    pub stages: Vec<Loaded>,
    /// How chunks were coded after the steps, which then were run on each chunk by itself.
    pub coding: Option<Coding>,
    /// What its making lost, measured on every element.
    pub loss: Option<LossRecord>,
    /// The version of ndcompact that wrote it.
    pub tool: Option<String>,
    /// The version of the recipe's format.
    pub recipe_format: Option<u32>,
    /// CRC-32 of the packed elements' bytes in `.npy` files.
    pub crc32: Option<u32>,
    /// How other programs open the file and what they see.
    pub readers: Vec<Reading>,
    /// What the values stand for that they see.
    pub notes: Vec<String>,
}

/// The array in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stored {
    /// Dtype.
    pub dtype: DType,
    /// Shape as NumPy or h5py shows it.
    pub shape: Vec<u64>,
    /// Axis order in the file.
    pub axes: Axes,
    /// Byte order in the file.
    pub byte_order: ByteOrder,
    /// The fill value that the file declares.
    pub fill: Option<Fill>,
    /// Bytes of the elements.
    pub array_bytes: u64,
    /// Bytes on disk, headers included.
    pub stored_bytes: u64,
    /// How it is laid out, in a few words.
    pub layout: String,
    /// Whether `compact append` can add rows to it as it is.
    pub can_grow: bool,
    /// Bytes behind the array that an append which is under way, or was cut short, has left.
    pub left_over: u64,
}

/// What one step makes of the array before it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loaded {
    /// The step's name.
    pub name: &'static str,
    /// The step in a few words.
    pub words: String,
    /// Dtype after it.
    pub dtype: DType,
    /// Shape after it.
    pub shape: Vec<u64>,
    /// Bytes of the elements after it.
    pub bytes: u64,
    /// The largest absolute error that is possible, where the parameters tell it.
    pub bound: Option<f64>,
}

/// One array of a file that holds several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// What to write behind the file's name and a colon.
    pub name: String,
    /// Dtype, where it is known without unpacking.
    pub dtype: Option<DType>,
    /// Shape, likewise.
    pub shape: Option<Vec<u64>>,
    /// Why it cannot be read, if so.
    pub unsupported: Option<String>,
}

#[derive(Serialize)]
struct Members {
    place: String,
    format: &'static str,
    arrays: Vec<Member>,
}

/// Tells what the file holds.
pub(super) fn run(args: &InfoArgs, voice: &Voice) -> Result<()> {
    let place = compacting::input(&args.input)?;
    #[cfg(feature = "hdf5")]
    if place.member.is_none() && crate::collect::ragged::Ragged::is_one(&place.path) {
        return super::ragged::info(&place, voice);
    }
    if let Some(members) = several(&place)? {
        return voice.result(&members, |paint| listed(&members, paint));
    }
    let reader = Reader::at(&place)?;
    let info = Info::of(&reader)?;
    voice.result(&info, |paint| text(&info, names::is_stdin(&place), paint))
}

/// The arrays of the file, if it holds several and none was named.
fn several(place: &Place) -> Result<Option<Members>> {
    if place.member.is_some() || !place.path.is_file() {
        return Ok(None);
    }
    let format = Format::of_name(&place.path);
    let arrays: Vec<Member> = match format {
        Some(Format::Npz) => archived(place)?,
        Some(Format::Hdf5) => datasets(place)?,
        _ => Vec::new(),
    };
    Ok(format.filter(|_| arrays.len() > 1).map(|f| Members { place: place.to_string(), format: f.name(), arrays }))
}

/// The arrays of an archive; of each only the header is read.
fn archived(place: &Place) -> Result<Vec<Member>> {
    let archive = Archive::open(&place.path)?;
    let array = |name: &str| match archive.spec(name) {
        Ok(spec) => Member {
            name: name.to_owned(),
            dtype: Some(spec.dtype()),
            shape: Some(spec.shape().to_vec()),
            unsupported: None,
        },
        Err(e) => Member { name: name.to_owned(), dtype: None, shape: None, unsupported: Some(e.to_string()) },
    };
    Ok(archive.names().map(array).collect())
}

#[cfg(feature = "hdf5")]
fn datasets(place: &Place) -> Result<Vec<Member>> {
    let list = crate::store::hdf5::list(&place.path)?;
    Ok(list
        .into_iter()
        .map(|(name, spec)| match spec {
            Ok(spec) => {
                Member { name, dtype: Some(spec.dtype()), shape: Some(spec.shape().to_vec()), unsupported: None }
            }
            Err(e) => Member { name, dtype: None, shape: None, unsupported: Some(e.to_string()) },
        })
        .collect())
}

#[cfg(not(feature = "hdf5"))]
fn datasets(_: &Place) -> Result<Vec<Member>> {
    Ok(Vec::new())
}

/// Kinds of chunks that are told in text.
#[cfg(feature = "hdf5")]
const LISTED: usize = 8;

impl Info {
    /// What `reader` has open.
    ///
    /// # Errors
    /// `Corrupt` for chunks that do not begin as chunks do; `Io`.
    pub fn of(reader: &Reader) -> Result<Self> {
        let (opened, record, pipeline) = (reader.opened(), reader.record(), reader.pipeline());
        // Of steps inside of chunks the file shows nothing; the record binds.
        let inside = record.filter(|r| r.coding.is_some()).and_then(|r| r.pipeline().ok());
        let shown = opened.shown();
        let layout = opened.layout();
        let original_bytes = record.map(|_| reader.spec().bytes());
        Ok(Self {
            place: opened.place().to_string(),
            format: opened.format().name(),
            compacted: record.is_some(),
            stored: Stored {
                dtype: shown.dtype(),
                shape: shown.shape().to_vec(),
                axes: if opened.is_fortran() { Axes::F } else { Axes::C },
                byte_order: opened.byte_order(),
                // A fill value that is no number of the dtype is none, to one who only looks.
                fill: opened.fill().ok().flatten(),
                array_bytes: shown.bytes(),
                stored_bytes: opened.stored_bytes(),
                layout: layout.clone(),
                can_grow: opened.can_grow() && grows(reader),
                left_over: opened.left_over(),
            },
            original: record.map(|r| r.original.clone()),
            original_bytes,
            ratio: original_bytes.map(|b| b as f64 / opened.stored_bytes().max(1) as f64),
            exact: record.map(|_| reader.is_exact()),
            steps: record.map(|r| r.steps.clone()).unwrap_or_default(),
            #[cfg(feature = "hdf5")]
            chunk_steps: chunk_steps(reader)?,
            stages: inside
                .as_ref()
                .unwrap_or(pipeline)
                .stages()
                .iter()
                .map(|stage| Loaded {
                    name: stage.step.name(),
                    words: stage.step.transform().describe(),
                    dtype: stage.io.output.dtype(),
                    shape: stage.io.output.shape().to_vec(),
                    bytes: stage.io.output.bytes(),
                    bound: match stage.step.transform().fidelity(&stage.io.input) {
                        Fidelity::Exact => Some(0.0),
                        Fidelity::Lossy { max_abs, .. } => max_abs,
                    },
                })
                .collect(),
            coding: record.and_then(|r| r.coding),
            loss: record.and_then(|r| r.loss.clone()),
            tool: record.map(|r| r.tool.clone()),
            recipe_format: record.map(|r| r.ndcompact),
            crc32: record.and_then(|r| r.crc32),
            readers: readings(opened.place(), opened.format(), shown, pipeline, &layout),
            notes: notes(pipeline),
        })
    }
}

/// The steps of chunks, where any has other ones than the record, or none.
#[cfg(feature = "hdf5")]
fn chunk_steps(reader: &Reader) -> Result<Vec<ChunkSteps>> {
    let Some(record) = reader.record().filter(|r| r.coding.is_some() && !r.steps.is_empty()) else {
        return Ok(Vec::new());
    };
    let found = reader.opened().chunk_steps()?;
    Ok(if found.iter().all(|one| one.steps == record.steps) { Vec::new() } else { found })
}

/// Whether the recipe leaves the first axis as it is.
fn grows(reader: &Reader) -> bool {
    let (original, stored) = (reader.spec().shape(), reader.opened().shown().shape());
    let pipeline = reader.pipeline();
    let row: u64 = original.iter().skip(1).product();
    !original.is_empty() && original.first() == stored.first() && row.is_multiple_of(pipeline.unit().input)
}

fn order(axes: Axes, byte_order: ByteOrder) -> String {
    let axes = if axes == Axes::F { "Fortran order" } else { "C order" };
    let bytes = if byte_order == ByteOrder::Big { "big-endian" } else { "little-endian" };
    format!("{axes}, {bytes}")
}

fn text(info: &Info, from_stdin: bool, paint: Paint) -> String {
    let stored = &info.stored;
    let mut lines = Vec::new();
    let what = match &info.tool {
        Some(tool) => format!("compacted by ndcompact {tool}"),
        None => "an ordinary array; no recipe in it or beside it".to_owned(),
    };
    if let (Some(original), Some(bytes)) = (&info.original, info.original_bytes) {
        let order = order(original.axes, original.byte_order);
        lines.push(("original", format!("{} {}, {order}, {}", original.dtype, shape(&original.shape), size(bytes))));
        lines.extend(original.fill.map(|fill| ("original", format!("fill value {fill}"))));
    }
    let on_disk = match info.ratio {
        Some(by) => format!("{} on disk, {}", size(stored.stored_bytes), smaller(by)),
        None => format!("{} ({} on disk)", size(stored.array_bytes), size(stored.stored_bytes)),
    };
    let order = order(stored.axes, stored.byte_order);
    lines.push(("stored", format!("{} {}, {order}", stored.dtype, shape(&stored.shape))));
    lines.push(("stored", on_disk));
    lines.extend(stored.fill.map(|fill| ("stored", format!("fill value {fill}"))));
    for stage in &info.stages {
        lines.push(("steps", format!("{}: {}", stage.name, stage.words)));
        let bound =
            stage.bound.filter(|b| *b > 0.0).map(|b| format!("; error at most {}", at_most(b))).unwrap_or_default();
        let makes = format!("  to {} {}, {}{bound}", stage.dtype, shape(&stage.shape), size(stage.bytes));
        lines.push(("steps", paint.dim(&makes)));
    }
    #[cfg(feature = "hdf5")]
    for one in info.chunk_steps.iter().take(LISTED) {
        let words: Vec<String> =
            one.steps.iter().map(|s| format!("{}: {}", s.name(), s.transform().describe())).collect();
        let words = if words.is_empty() { "coded without steps".to_owned() } else { words.join("; ") };
        let chunks = if one.chunks == 1 { "chunk" } else { "chunks" };
        lines.push(("chunks", format!("{} {chunks}, from number {} on: {words}", count(one.chunks), one.first)));
    }
    #[cfg(feature = "hdf5")]
    if info.chunk_steps.len() > LISTED {
        lines.push(("chunks", format!("and {} more kinds; --json lists all", info.chunk_steps.len() - LISTED)));
    }
    if let Some(coding) = &info.coding {
        let what = if info.stages.is_empty() { "" } else { ", each chunk by itself" };
        lines.push(("coding", format!("{}, effort {}{what}", bound_words(&coding.bound), coding.effort)));
    } else if info.compacted && info.stages.is_empty() {
        lines.push(("steps", "none: the array as it was".to_owned()));
    }
    if let (Some(record), Some(exact)) = (&info.loss, info.exact) {
        lines.extend(loss(record, exact, false, paint));
    }
    lines.push(("layout", stored.layout.clone()));
    if stored.can_grow {
        lines.push(("layout", "can grow along its first axis: compact append".to_owned()));
    }
    if stored.left_over > 0 {
        let left = format!(
            "{} behind the array are no part of it: an append is under way, or was cut short; the next one drops them",
            size(stored.left_over)
        );
        lines.push(("note", paint.warn(&left)));
    }
    if let Some(sum) = info.crc32 {
        lines.push(("checksum", format!("CRC-32 {sum:08x} over the packed elements")));
    }
    if !from_stdin {
        for reading in &info.readers {
            lines.extend(table::reading(reading).into_iter().map(|line| ("open", line)));
        }
        lines.extend(info.notes.iter().map(|note| ("values", note.clone())));
        if info.compacted {
            lines.push(("undo", format!("compact restore {}", shell(&info.place))));
        }
    }
    format!("{}: {what}\n\n{}", paint.bold(&info.place), labelled(&lines, paint))
}

fn listed(members: &Members, paint: Paint) -> String {
    let mut text = format!("{}: {} arrays; name one, as in\n", paint.bold(&members.place), members.arrays.len());
    if let Some(first) = members.arrays.first() {
        text += &format!("  compact info {}\n\n", shell(&format!("{}:{}", members.place, first.name)));
    }
    let width = members.arrays.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
    for member in &members.arrays {
        let what = match (&member.dtype, &member.shape, &member.unsupported) {
            (Some(dtype), Some(dims), _) => format!("{dtype} {}", shape(dims)),
            (_, _, Some(why)) => paint.dim(why),
            _ => String::new(),
        };
        let line = format!("{:<width$}  {what}", member.name);
        text += line.trim_end();
        text.push('\n');
    }
    text
}
