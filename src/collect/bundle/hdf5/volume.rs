//! A volume in the making: streams of elements, and tables that say what lies where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stream::{Alike, Chunk, Job, Scratch, Stream};
use super::{Coder, recipes_of, values_of};
use crate::array::Buf;
use crate::collect::bundle::make::{Made, Piece};
use crate::collect::bundle::rows::Rows;
use crate::collect::bundle::volume::Room;
use crate::engine::{Resources, in_order_from};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::Loss;
use crate::recipe::Record;
use crate::store::Stretch;
use crate::store::hdf5::{AttributeValue, Container, Line, Overhead};

/// The attribute of `values` that says what coding may have changed: the limits, as JSON.
const BOUND: &str = "ndcompact_bound";

/// An array that comes in parts.
#[derive(Debug)]
struct Large {
    offset: u64,
    size: u64,
    sum: crc32fast::Hasher,
}

/// What coding made of an array.
#[derive(Debug, Default)]
struct Measured {
    sum: crc32fast::Hasher,
    loss: Loss,
}

#[derive(Debug)]
pub(super) struct Volume {
    container: Arc<Container>,
    coder: Coder,
    streams: Vec<Stream>,
    jobs: Vec<Job>,
    /// Bytes of coded chunks so far.
    pub(super) coded: u64,
    pub(super) arrays: u64,
    large: Option<Large>,
    /// The recipes of arrays that have one, by their numbers.
    recipes: BTreeMap<u64, String>,
    /// What became of arrays that coding may change.
    measured: BTreeMap<u64, Measured>,
}

impl Volume {
    pub(super) fn create(room: &Room, number: usize, coder: Coder) -> Result<Self> {
        let name = room.name(number, number == 0);
        Ok(Self {
            container: Arc::new(Container::create(&name, Overhead::Least, room.replace(number))?),
            coder,
            streams: Vec::new(),
            jobs: Vec::new(),
            coded: 0,
            arrays: 0,
            large: None,
            recipes: BTreeMap::new(),
            measured: BTreeMap::new(),
        })
    }

    /// Whether an array was begun and is not at its end.
    pub(super) fn is_inside(&self) -> bool {
        self.large.is_some()
    }

    pub(super) fn take(&mut self, made: Made, rows: &mut Rows, number: u32) -> Result<()> {
        for piece in &made.pieces {
            let stream = self.stream(piece, rows, number)?;
            let (stream, jobs) = (&mut self.streams[stream], &mut self.jobs);
            let (row, sum) = (rows.len(), piece.sum.clone());
            let whole = match (piece.first, self.large.take()) {
                (false, Some(large)) => large,
                _ => {
                    let coding = piece.packed.as_ref().and_then(|p| p.report.coding);
                    Large { offset: stream.begin(coding, jobs), size: 0, sum: crc32fast::Hasher::new() }
                }
            };
            stream.push(row, whole.size, &made.bytes[piece.at as usize..(piece.at + piece.len) as usize], jobs);
            let Large { offset, size, sum: mut all } = whole;
            all.combine(&sum);
            let whole = Large { offset, size: size + piece.size, sum: all };
            if !piece.last {
                self.large = Some(whole);
                continue;
            }
            stream.items.push(row);
            rows.push(&piece.name, &piece.about, stream.block, whole.offset, whole.size, whole.sum.finalize())?;
            if let Some(packed) = &piece.about.packed {
                self.recipes.insert(row, packed.record.clone());
            }
            if let Some(packed) = &piece.packed {
                rows.reports.insert(row, packed.report.clone());
            }
            self.arrays += 1;
        }
        Ok(())
    }

    /// The stream that `piece` belongs to.
    fn stream(&mut self, piece: &Piece, rows: &mut Rows, number: u32) -> Result<usize> {
        let alike = Alike::of(&piece.about, piece.packed.as_deref()).map_err(|e| e.at(&piece.name))?;
        if let Some(known) = self.streams.iter().position(|s| s.alike == alike) {
            return Ok(known);
        }
        let group = alike.name();
        let known = rows.groups.iter().position(|g| *g == group);
        let group = known.unwrap_or_else(|| {
            rows.groups.push(group);
            rows.groups.len() - 1
        });
        let block = rows.blocks.len();
        let stream = Stream::create(&self.container, alike, self.coder, self.streams.len(), block)?;
        rows.blocks.push(number, group as u64, 0, 0);
        self.streams.push(stream);
        Ok(self.streams.len() - 1)
    }

    /// Codes whole chunks on all cores.
    pub(super) fn code(&mut self, resources: &Resources<'_>) -> Result<()> {
        let mut jobs = std::mem::take(&mut self.jobs).into_iter();
        let Self { streams, coded, measured, .. } = self;
        let streams = &*streams;
        in_order_from(
            resources.threads.get() as u64,
            resources,
            || Ok(jobs.next()),
            Scratch::default,
            |job: Job, scratch| streams[job.stream].code(&job, scratch),
            |_, chunk: Chunk| {
                *coded += chunk.bytes.len() as u64;
                for (row, sum, loss) in &chunk.measured {
                    let all = measured.entry(*row).or_default();
                    all.sum.combine(sum);
                    all.loss.merge(loss);
                }
                streams[chunk.stream].line.write(chunk.number, chunk.skipped, &chunk.bytes)
            },
        )
    }

    /// Writes what is left, with names, shapes and recipes beside, and gives the volume its name.
    pub(super) fn finish(mut self, room: &Room, rows: &mut Rows, last: bool, resources: &Resources<'_>) -> Result<()> {
        let mut lens = Vec::with_capacity(self.streams.len());
        for stream in &mut self.streams {
            lens.push(stream.bytes());
            stream.flush(&mut self.jobs);
        }
        self.code(resources)?;
        self.settle(rows)?;
        for (stream, len) in self.streams.iter().zip(lens) {
            stream.line.set_len(len / stream.alike.dtype.size() as u64)?;
            rows.blocks.bytes[stream.block as usize] = len;
        }
        let Self { container, streams, recipes, .. } = self;
        for stream in streams {
            let (group, items) = (stream.alike.name(), stream.items);
            drop(stream.line);
            if let Some(ask) = &stream.alike.ask {
                let json = serde_json::to_string(ask)
                    .map_err(|e| Error::new(ErrorKind::Io, format!("a bound cannot be written as JSON: {e}")))?;
                container.describe(&values_of(&group), &[(BOUND, AttributeValue::Text(json))])?;
            }
            beside(&container, &group, stream.alike.dtype.size() as u64, &items, rows, &recipes)?;
        }
        let Some(container) = Arc::into_inner(container) else { return refuse!(Io, "the volume is still in use") };
        let number = rows.volumes.len();
        let name = room.name(number, last && number == 0);
        container.finish_as(&name, room.sync)?;
        let sign = Stretch::open(&name)?.sign()?;
        rows.volumes.push(room.row(&name, sign.bytes, sign.tail));
        Ok(())
    }

    /// Puts what coding changed into the rows and recipes of its arrays.
    fn settle(&mut self, rows: &mut Rows) -> Result<()> {
        for (row, Measured { sum, loss }) in std::mem::take(&mut self.measured) {
            let crc32 = sum.finalize();
            let (Some(recipe), Some(report)) = (self.recipes.get_mut(&row), rows.reports.get_mut(&row)) else {
                return refuse!(
                    Io,
                    "array {row} was coded with a bound and has no recipe; please report this as a bug"
                );
            };
            let mut record = Record::from_json(recipe)?;
            // Of values that stand for two of the original once; the steps before a bound change none.
            let pipeline = record.pipeline()?;
            let mut lost = loss.to_record(&report.packed_shape);
            lost.max_abs_at = loss.worst().map(|w| pipeline.original_index(pipeline.stages().len(), w.at));
            (record.crc32, record.loss, report.loss) = (Some(crc32), Some(lost.clone()), lost);
            report.exact = record.is_exact()?;
            *recipe = record.to_json()?;
            rows.crc32[row as usize] = crc32;
        }
        Ok(())
    }
}

/// Names, shapes, places and recipes of the arrays of one group, for those who have the volume alone.
fn beside(
    container: &Arc<Container>,
    group: &str,
    size: u64,
    items: &[u64],
    rows: &mut Rows,
    recipes: &BTreeMap<u64, String>,
) -> Result<()> {
    let (mut names, mut name_ends) = (Vec::new(), Vec::new());
    let (mut shapes, mut shape_ends): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let (mut offsets, mut fortran) = (Vec::new(), Vec::new());
    let (mut texts, mut text_ends): (Vec<u8>, Vec<u64>) = (Vec::new(), Vec::new());
    for i in items {
        names.extend_from_slice(rows.name(*i));
        name_ends.push(names.len() as u64);
        shapes.extend_from_slice(rows.stored_shape(*i));
        shape_ends.push(shapes.len() as u64);
        offsets.push(rows.offset[*i as usize] / size);
        fortran.push(rows.is_fortran(*i));
        if let (Some(recipe), Some(packed)) = (recipes.get(i), rows.packed.get_mut(i)) {
            packed.recipe = (texts.len() as u64, recipe.len() as u64);
            texts.extend_from_slice(recipe.as_bytes());
        }
        text_ends.push(texts.len() as u64);
    }
    let write = |name: &str, values: Buf| Line::write_whole(container, &format!("/{group}/{name}"), values);
    write("names", Buf::from_slice(&names)?)?;
    write("name_ends", Buf::from_slice(&name_ends)?)?;
    write("shapes", Buf::from_slice(&shapes)?)?;
    write("shape_ends", Buf::from_slice(&shape_ends)?)?;
    write("offsets", Buf::from_slice(&offsets)?)?;
    write("fortran", Buf::from_slice(&fortran)?)?;
    if !texts.is_empty() {
        Line::write_whole(container, &recipes_of(group), Buf::from_slice(&texts)?)?;
        write("recipe_ends", Buf::from_slice(&text_ends)?)?;
    }
    Ok(())
}
