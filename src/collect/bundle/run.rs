//! `compact bundle`: from inputs to volumes and an index.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::choice::{BundleGroup, BundleSteps, BundledArray, Choice, limits};
use super::feed::Feed;
use super::hdf5;
use super::index::{self, Format, Index, VolumeRow};
use super::journal::{Journal, Loaded};
use super::make::{How, Made, make};
use super::names;
use super::rehearse::rehearse;
use super::remove;
use super::rows::Rows;
use super::volume::{Room, Volumes};
use crate::engine::{Phase, Progress, Resources, in_order_from};
use crate::error::{Error, Result, refuse};
use crate::store::{self, Compression, FileKind, Found, Replace, Stretch, walk};

/// Names that are told of each kind of file that was passed over; the rest is counted.
const MOST_TOLD: usize = 10;
/// What a volume has unless told, in bytes.
pub(super) const TARGET_SIZE: u64 = 200_000_000;

/// How a bundle is made.
#[derive(Debug, Clone)]
pub struct BundleOptions<'a> {
    /// Bytes of a volume, about, after compression. An array stays whole in one volume.
    pub target_size: u64,
    /// What is done with arrays that no group has.
    pub steps: BundleSteps,
    /// Of several groups that have an array, the last one counts.
    pub groups: Vec<BundleGroup>,
    /// HDF5: none, deflate or zstd, which other programs read, instead of our own coding. `.npz`: none or deflate.
    pub codec: Option<Compression>,
    /// The level of gzip, bzip2, xz, zstd or deflate; the usual one if `None`.
    pub level: Option<u8>,
    /// Refuse files that hold no arrays instead of passing over them.
    pub strict: bool,
    /// Read everything and run the steps, but compress and write nothing: sizes before compression, and all that would be refused.
    pub dry_run: bool,
    /// Delete the inputs once everything was read back from disk and compared.
    pub remove_sources: bool,
    /// Whether an existing bundle of that name may be replaced.
    pub replace: Replace,
    /// Have volumes on disk before they get their names.
    pub sync: bool,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

impl Default for BundleOptions<'_> {
    fn default() -> Self {
        Self {
            target_size: TARGET_SIZE,
            steps: BundleSteps::default(),
            groups: Vec::new(),
            codec: None,
            level: None,
            strict: false,
            dry_run: false,
            remove_sources: false,
            replace: Replace::Never,
            sync: false,
            resources: Resources::default(),
        }
    }
}

/// Files and members that hold no array of numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct Skipped {
    /// Pickled Python objects. They run code when they are opened, so they never are.
    pub pickles: u64,
    /// The first of their names.
    pub pickle_names: Vec<String>,
    /// All other files.
    pub others: u64,
    /// The first of their names, with the reason where it is not the name.
    pub other_names: Vec<String>,
}

impl Skipped {
    pub(super) fn pickle(&mut self, name: &str) {
        self.pickles += 1;
        if self.pickle_names.len() < MOST_TOLD {
            self.pickle_names.push(name.to_owned());
        }
    }

    pub(super) fn other(&mut self, name: &str, why: Option<&Error>) {
        self.others += 1;
        if self.other_names.len() < MOST_TOLD {
            self.other_names.push(why.map_or_else(|| name.to_owned(), |e| format!("{name}: {e}")));
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.pickles + self.others
    }

    pub(super) fn merge(&mut self, more: &Skipped) {
        self.pickles += more.pickles;
        self.others += more.others;
        self.pickle_names.extend(more.pickle_names.iter().cloned());
        self.other_names.extend(more.other_names.iter().cloned());
        self.pickle_names.truncate(MOST_TOLD);
        self.other_names.truncate(MOST_TOLD);
    }

    pub(super) fn refuse(&self) -> Result<()> {
        match self.pickle_names.first().or(self.other_names.first()) {
            Some(name) => refuse!(
                Usage,
                "{name}: not an array of numbers that can be bundled; leave it out, or leave --strict out to pass over such files"
            ),
            None => Ok(()),
        }
    }
}

/// What a bundle came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bundled {
    /// The index.
    pub index: PathBuf,
    /// The volumes, in order.
    pub volumes: Vec<PathBuf>,
    /// Arrays in them.
    pub arrays: u64,
    /// Arrays that were there already from an interrupted run.
    pub resumed: u64,
    /// Bytes of the inputs, as they were on disk.
    pub input_bytes: u64,
    /// Bytes of the arrays, headers of `.npy` files not counted in HDF5.
    pub array_bytes: u64,
    /// Bytes of volumes and index; in a dry run those of the arrays after their steps, before any compression.
    pub stored_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// What was passed over.
    pub skipped: Skipped,
    /// The arrays that went through steps or a bound, and what each lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packed: Vec<BundledArray>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Volumes of an earlier bundle of that name that were deleted, since no index names them any more.
    pub replaced: Vec<PathBuf>,
    /// Inputs that were deleted after all was compared.
    pub removed: u64,
    /// Inputs that were kept because something in them was passed over.
    pub kept: u64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Counts what is taken, and tells how far it is.
pub(super) struct Count<'a> {
    pub(super) resources: &'a Resources<'a>,
    pub(super) total: u64,
    pub(super) done: u64,
    pub(super) phase: Phase,
}

impl Count<'_> {
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(tell) = self.resources.progress {
            tell(Progress { phase: self.phase, done: self.done.min(self.total), total: self.total });
        }
    }
}

/// Puts all arrays of `inputs` (files, folders, patterns) into volumes called after `output`, with an index beside.
///
/// An interrupted run leaves its finished volumes and a journal `STEM.partial`; the same call goes on after them.
///
/// # Errors
/// `Usage` for endings that are no bundle's, inputs without arrays, names that come twice; `Exists` for what is there already;
/// `Refused` where an input changed since the interrupted run; `Corrupt` for damaged inputs; `Io`.
pub fn bundle(inputs: &[PathBuf], output: &Path, options: &BundleOptions<'_>) -> Result<Bundled> {
    let start = Instant::now();
    let (mut format, stem) = names::format_of(output)?;
    let all = || std::iter::once(&options.steps).chain(options.groups.iter().map(|g| &g.steps));
    let (mut coder, mut level) = (None, 0);
    if format == Format::Hdf5 {
        coder = hdf5::coder(options.codec, options.level, all())?;
    } else {
        format = with_codec(format, options.codec, output)?;
        level = format.compression().level(options.level)?;
        if let Some(ask) = all().find_map(|s| s.coding.as_ref()) {
            return refuse!(
                Usage,
                "a bound ({}) needs coded chunks, which {} cannot hold; use -o {stem}.h5",
                limits(ask).join(", "),
                output.display()
            );
        }
    }
    let choice = Choice::new(&options.steps, &options.groups);
    let how = How { format, level, choice: &choice, memory: options.resources.memory };
    let found = walk(inputs)?;
    let index_path = output.with_file_name(format!("{stem}.index.npz"));
    never_an_input(&found, &[output.to_owned(), index_path.clone()])?;
    names_match(&found, &choice)?;
    if options.dry_run {
        return rehearse(&found, index_path, how, options, start);
    }
    let told =
        format!("{}{}", choice.told(), coder.map_or(String::new(), |(c, level)| format!(" {} {level}", c.name())));
    let journal = Journal::new(output, &stem, how, options.target_size, told);
    let earlier = earlier([&index_path, journal.path()], options.replace);
    let resumed = journal.load(&found, options.replace)?;
    let Loaded { rows, fed, mut skipped, met } = resumed.unwrap_or_default();
    choice.have_met(&met);
    let had = rows.len();
    let first = names::volume_path(output, &stem, 1);
    for (path, is_ours) in [(index_path.as_path(), false), (output, false), (first.as_path(), had > 0)] {
        if options.replace == Replace::Never && !is_ours && path.exists() {
            return refuse!(Exists, "{} exists already; choose another name, or --force to replace it", path.display());
        }
    }
    let room = Room {
        output: output.to_owned(),
        stem: stem.clone(),
        target_size: options.target_size.max(1),
        finished: rows.volumes.len(),
        replace: options.replace,
        sync: options.sync,
    };
    let total = found.iter().map(|f| f.size).sum();
    let mut count = Count { resources: &options.resources, total, done: 0, phase: Phase::Compacting };
    let mut feed = Feed::new(&found, format.compression().block_bytes().min(options.target_size.max(1)));
    feed.pass_over(fed)?;
    feed.packing(&choice, options.resources);
    let mut run = Run { options, found: &found, journal: &journal, choice: &choice, coder, fed, skipped: &mut skipped };
    let (rows, fresh) = match format {
        Format::Hdf5 => hdf5::run(&mut run, &mut feed, room, how, rows, &mut count)?,
        _ => archives(&mut run, &mut feed, room, how, rows, &mut count)?,
    };
    skipped.merge(&fresh);
    if options.strict {
        skipped.refuse()?;
    }
    refuse_none(&rows, &skipped)?;
    let stale = stale(&earlier, &index_path, &rows, &found);
    let index_bytes = index::write(&index_path, format, &rows, None, options.replace, options.sync)?;
    journal.remove();
    stale.iter().for_each(|path| store::forget(path));
    let (removed, kept) = match options.remove_sources {
        true => remove::sources(&found, &index_path, &options.resources)?,
        false => (0, 0),
    };
    Ok(Bundled {
        volumes: rows.volumes.iter().map(|v| output.with_file_name(&v.file)).collect(),
        arrays: rows.len(),
        resumed: had,
        input_bytes: total,
        array_bytes: rows.bytes.iter().sum(),
        stored_bytes: rows.volumes.iter().map(|v| v.bytes).sum::<u64>() + index_bytes,
        index_bytes,
        index: index_path,
        skipped,
        packed: rows.reports.into_values().collect(),
        dry_run: false,
        replaced: stale,
        removed,
        kept,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The format with the codec that is asked for.
fn with_codec(format: Format, codec: Option<Compression>, output: &Path) -> Result<Format> {
    let shown = output.display();
    match (format, codec) {
        (_, None) => Ok(format),
        (Format::Npz(_), Some(codec @ (Compression::None | Compression::Deflate))) => Ok(Format::Npz(codec)),
        (Format::Npz(_), Some(codec)) => {
            refuse!(
                Usage,
                "{shown}: NumPy reads .npz with none or deflate, not {}; take one of them, or .h5",
                codec.name()
            )
        }
        (_, Some(codec)) => refuse!(
            Usage,
            "{shown}: the ending says how a tar is compressed; leave --codec {} out, or take another ending",
            codec.name()
        ),
    }
}

/// Refuses patterns that match none of the names, where all are known: archives are looked into as they are read.
fn names_match(found: &[Found], choice: &Choice<'_>) -> Result<()> {
    if found.iter().any(|f| matches!(f.kind, FileKind::Npz | FileKind::Tar(_))) {
        return Ok(());
    }
    for one in found.iter().filter(|f| f.kind == FileKind::Npy) {
        choice.of(&names::array_name(&one.name)?);
    }
    choice.each_matches()
}

/// The volumes that an earlier bundle of that name, or an interrupted run that is begun anew, has left: those that their indexes
/// name, where they are as these say.
fn earlier(indexes: [&Path; 2], replace: Replace) -> Vec<VolumeRow> {
    if replace == Replace::Never {
        return Vec::new();
    }
    let is_same = |index: &Path, volume: &VolumeRow| {
        let file = Stretch::open(&index.with_file_name(&volume.file));
        file.and_then(|file| file.sign()).is_ok_and(|sign| sign == volume.sign())
    };
    let volumes = |index: &Path| {
        let all = Index::open(index).map(|old| old.volumes).unwrap_or_default();
        all.into_iter().filter(|v| is_same(index, v)).collect::<Vec<_>>()
    };
    indexes.into_iter().flat_map(volumes).collect()
}

/// Those of `earlier` that the new index does not name and that are no inputs.
fn stale(earlier: &[VolumeRow], index: &Path, rows: &Rows, found: &[Found]) -> Vec<PathBuf> {
    let is_named = |volume: &VolumeRow| rows.volumes.iter().any(|v| v.file == volume.file);
    let paths = earlier.iter().filter(|v| !is_named(v)).map(|v| index.with_file_name(&v.file));
    let mut stale: Vec<PathBuf> = paths.filter(|p| never_an_input(found, std::slice::from_ref(p)).is_ok()).collect();
    stale.sort();
    stale.dedup();
    stale
}

pub(super) fn refuse_none(rows: &Rows, skipped: &Skipped) -> Result<()> {
    if rows.len() > 0 {
        return Ok(());
    }
    refuse!(
        Usage,
        "there is no array in what was given ({} other files); .npy, .npz and .tar files are looked at",
        skipped.count()
    )
}

fn never_an_input(found: &[Found], outputs: &[PathBuf]) -> Result<()> {
    for output in outputs {
        if let Ok(output) = output.canonicalize()
            && let Some(same) = found.iter().find(|f| f.path.canonicalize().is_ok_and(|p| p == output))
        {
            return refuse!(Usage, "{} is an input and the output; choose another name for -o", same.path.display());
        }
    }
    Ok(())
}

/// What a run of either kind is told, and what it keeps for its journal.
pub(super) struct Run<'a> {
    pub(super) options: &'a BundleOptions<'a>,
    pub(super) found: &'a [Found],
    pub(super) journal: &'a Journal,
    pub(super) choice: &'a Choice<'a>,
    /// HDF5: the codec of chunks.
    #[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "there is no HDF5 to write"))]
    pub(super) coder: hdf5::Coder,
    /// Arrays, and members that were none, that the feed has given.
    pub(super) fed: u64,
    /// What workers passed over.
    pub(super) skipped: &'a mut Skipped,
}

impl Run<'_> {
    /// Counts what a piece of work passed over.
    pub(super) fn note(&mut self, made: &Made) -> Result<()> {
        for (name, why) in &made.passed {
            self.skipped.other(name, Some(why));
            if self.options.strict {
                self.skipped.refuse()?;
            }
        }
        Ok(())
    }

    pub(super) fn save(&self, rows: &Rows) -> Result<()> {
        self.journal.save(self.found, rows, self.fed, self.skipped, self.choice)
    }

    /// What must hold before the last volume has its name.
    pub(super) fn before_last(&self, feed: &Feed<'_>) -> Result<()> {
        if self.options.strict {
            feed.skipped.refuse()?;
        }
        self.choice.each_matches()
    }
}

fn archives(
    run: &mut Run<'_>,
    feed: &mut Feed<'_>,
    room: Room,
    how: How<'_>,
    rows: Rows,
    count: &mut Count<'_>,
) -> Result<(Rows, Skipped)> {
    let workers = run.options.resources.threads.get() as u64;
    let mut volumes = Volumes::new(room, how, rows);
    let resources = &run.options.resources;
    // Pulled by whoever is free, taken in order.
    let feed = Mutex::new(feed);
    let lock = || feed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    in_order_from(
        workers,
        resources,
        || lock().pull(),
        || (),
        |work, ()| make(work, how),
        |_, made: Made| {
            if volumes.is_full_for(&made) {
                volumes.close(false)?;
                run.save(&volumes.rows)?;
            }
            volumes.push(&made)?;
            run.note(&made)?;
            run.fed += made.ended;
            count.add(made.read);
            Ok(())
        },
    )?;
    let skipped = lock().skipped.clone();
    run.before_last(&lock())?;
    volumes.close(true)?;
    Ok((volumes.rows, skipped))
}
