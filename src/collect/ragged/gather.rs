//! Arrays in files, each an item.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::layout::place;
use super::open::Ragged;
use super::writer::{RaggedOptions, RaggedReport, RaggedWriter};
use crate::array::DType;
use crate::engine::{Phase, Progress, Reader, Resources, with_array};
use crate::error::{ErrorKind, Result, refuse};
use crate::pipeline::{Memory, Source};
use crate::store::hdf5::Rows;
use crate::store::{Archive, Place, is_archive, is_hdf5, items_in, open_in, same_file};

/// What becomes items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub place: Place,
    /// What the item will be called, where it is one array.
    pub name: String,
    /// What is there.
    pub kind: InputKind,
}

/// What becomes items of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// One array, an item.
    Array,
    /// An archive, each array in it an item of its name.
    Members,
    /// A dataset of variable-length rows, each an item without a name.
    Rows,
    /// A ragged array, whose items are taken with their names.
    Ragged,
}

impl Input {
    /// What `place` stands for, in order: the `.npy` files of a folder and of those inside it (sorted so that `img2` comes before
    /// `img10`), an archive, or one array.
    ///
    /// # Errors
    /// `Usage` for folders without any; `Io`.
    pub fn all(place: &Place) -> Result<Vec<Self>> {
        let path = &place.path;
        let of = |kind| Ok(vec![Self { place: place.clone(), name: String::new(), kind }]);
        if place.member.is_none() && path.is_dir() {
            let found = items_in(path)?;
            if found.is_empty() {
                return refuse!(Usage, "{} holds no .npy file; give a folder of them", path.display());
            }
            return Ok(found
                .into_iter()
                .map(|(name, path)| Self { place: Place { path, member: None }, name, kind: InputKind::Array })
                .collect());
        }
        if place.member.is_none() && is_archive(path)? {
            return of(InputKind::Members);
        }
        if place.member.is_none() && is_hdf5(path)? && Ragged::is_one(path) {
            return of(InputKind::Ragged);
        }
        if is_hdf5(path)? && Rows::open(place)?.is_some() {
            return of(InputKind::Rows);
        }
        let name = match &place.member {
            Some(member) => member.trim_start_matches('/').to_owned(),
            None => path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        Ok(vec![Self { place: place.clone(), name, kind: InputKind::Array }])
    }
}

/// What takes items.
pub(super) trait Takes {
    /// Items of `kind`, dtype and number of axes, come from `place`, or would if it had any.
    fn begin(&mut self, place: &Place, kind: (DType, u64)) -> Result<()>;

    /// The next item, from `place`.
    fn item(&mut self, place: &Place, name: Option<&str>, item: &dyn Source) -> Result<()>;
}

/// Hands all items of `inputs` to `to`, in order.
pub(super) fn each(inputs: &[Input], to: &mut dyn Takes, resources: &Resources<'_>, phase: Phase) -> Result<()> {
    let mut bytes = 0u64;
    let quiet = Resources { progress: None, ..*resources };
    for (i, input) in inputs.iter().enumerate() {
        let told = |bytes: u64, part: u64, parts: u64| -> Result<()> {
            if let Some(tell) = resources.progress {
                // As if all inputs were like those so far.
                let (done, whole) = (i as u128 * u128::from(parts) + u128::from(part), inputs.len() as u128);
                let total = u128::from(bytes) * whole * u128::from(parts) / done.max(1);
                tell(Progress { phase, done: bytes, total: u64::try_from(total).unwrap_or(u64::MAX) });
            }
            if resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                return refuse!(Interrupted, "interrupted; nothing was written");
            }
            Ok(())
        };
        let place = &input.place;
        let mut array = |place: &Place, name: &str, reader: &Reader| -> Result<u64> {
            let spec = reader.spec();
            to.begin(place, (spec.dtype(), spec.shape().len() as u64))?;
            with_array(reader, &quiet, |source| to.item(place, Some(name), source))?;
            Ok(spec.bytes())
        };
        match input.kind {
            InputKind::Array => {
                bytes += array(place, &input.name, &Reader::at(place)?)?;
                told(bytes, 1, 1)?;
            }
            InputKind::Members => {
                let archive = Archive::open(&place.path)?;
                let count = archive.names().count() as u64;
                for (k, name) in archive.names().enumerate() {
                    let member = Place { path: place.path.clone(), member: Some(name.to_owned()) };
                    bytes += array(&member, name, &Reader::of(open_in(&archive, Some(name))?)?)?;
                    told(bytes, k as u64 + 1, count)?;
                }
            }
            InputKind::Ragged => {
                let items = Ragged::open(&place.path)?;
                items.check_end()?;
                to.begin(place, (items.dtype(), items.axes()))?;
                for k in 0..items.len() {
                    let (spec, values) = items.item(k)?;
                    bytes += spec.bytes();
                    to.item(place, items.name(k)?.as_deref(), &Memory::new(spec, values)?)?;
                    told(bytes, k + 1, items.len())?;
                }
            }
            InputKind::Rows => {
                let Some(mut rows) = Rows::open(place)? else {
                    return refuse!(Usage, "{place}: its rows are gone; run again");
                };
                to.begin(place, (rows.dtype(), rows.axes()))?;
                let (mut done, count) = (0, rows.len());
                while done < count {
                    for (spec, values) in rows.next_rows().map_err(|e| e.at(place))? {
                        bytes += spec.bytes();
                        to.item(place, None, &Memory::new(spec, values)?)?;
                        done += 1;
                    }
                    told(bytes, done, count)?;
                }
            }
        }
    }
    Ok(())
}

/// The writer, once the first item has told what all items are.
struct Gathering<'a, 'b> {
    to: &'b Path,
    options: RaggedOptions<'a>,
    writer: Option<RaggedWriter<'a>>,
    /// What the items are as, for messages.
    like: String,
}

impl Takes for Gathering<'_, '_> {
    fn begin(&mut self, place: &Place, kind: (DType, u64)) -> Result<()> {
        let writer = match &self.writer {
            Some(writer) => writer,
            None => {
                self.like = format!("{place} is");
                self.writer.insert(RaggedWriter::create(self.to, kind.0, kind.1, &self.options)?)
            }
        };
        if kind == (writer.dtype(), writer.axes()) {
            return Ok(());
        }
        refuse!(
            Usage,
            "{place} is {} with {} axes, but {} {} with {}; all items have one dtype and one number of axes. Leave it out, or convert it \
             first",
            kind.0,
            kind.1,
            self.like,
            writer.dtype(),
            writer.axes()
        )
    }

    fn item(&mut self, place: &Place, name: Option<&str>, item: &dyn Source) -> Result<()> {
        let Some(writer) = &mut self.writer else { return refuse!(Usage, "there is nothing to write to") };
        writer.push_source(name, item).map_err(|e| match e.kind() {
            ErrorKind::Usage => e,
            _ => e.at(place),
        })
    }
}

/// Makes a ragged array at `to` of `inputs`, or with `append` adds them to the one there. Each is read in parts.
///
/// # Errors
/// `Usage` where there is none, and where one differs from the first in dtype or number of axes (both are named); else as
/// [`RaggedWriter`] and [`Reader::at`]. After an error `to` is as it was.
pub fn ragged(inputs: &[Input], to: &Path, append: bool, options: &RaggedOptions<'_>) -> Result<RaggedReport> {
    let resources = options.values.resources;
    let mut options = options.clone();
    options.values.resources.progress = None;
    if let Some(input) = inputs.iter().find(|i| same_file(&i.place, &place(to, ""))) {
        return refuse!(
            Usage,
            "{} is an input and the output; copy it first, or choose another name for -o",
            input.place
        );
    }
    if !append && options.name_bytes == 0 {
        options.name_bytes = longest(inputs)?;
    }
    let writer = if append { Some(RaggedWriter::open(to, &options)?) } else { None };
    let mut all = Gathering { to, options, writer, like: format!("the items of {} are", to.display()) };
    each(inputs, &mut all, &resources, Phase::Compacting)?;
    match all.writer {
        Some(writer) => writer.finish(),
        None => refuse!(Usage, "there is no item to make a ragged array of"),
    }
}

/// Bytes of the longest name of an item.
fn longest(inputs: &[Input]) -> Result<u64> {
    let mut most = 0;
    for input in inputs {
        most = most.max(match input.kind {
            InputKind::Members => {
                Archive::open(&input.place.path)?.names().map(|name| name.len() as u64).max().unwrap_or(0)
            }
            InputKind::Ragged => Ragged::open(&input.place.path)?.longest_name(),
            _ => input.name.len() as u64,
        });
    }
    Ok(most)
}
