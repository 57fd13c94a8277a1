//! `compact bundle`: from inputs to volumes and an index.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::feed::Feed;
use super::index::{self, Format};
use super::journal::Journal;
use super::make::{How, Made, make};
use super::names;
use super::remove;
use super::rows::Rows;
use super::volume::{Room, Volumes};
use crate::engine::{Phase, Progress, Resources, in_order_from};
use crate::error::{Error, Result, refuse};
use crate::store::{Found, Replace, walk};

/// Names that are told of each kind of file that was passed over; the rest is counted.
const MOST_TOLD: usize = 10;
/// What a volume has unless told, in bytes.
pub(super) const TARGET_SIZE: u64 = 200_000_000;

/// How a bundle is made.
#[derive(Debug, Clone)]
pub struct BundleOptions<'a> {
    /// Bytes of a volume, about, after compression. An array stays whole in one volume.
    pub target_size: u64,
    /// The level of gzip, bzip2, xz or zstd; the usual one if `None`.
    pub level: Option<u8>,
    /// Refuse files that hold no arrays instead of passing over them.
    pub strict: bool,
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
            level: None,
            strict: false,
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
    /// Bytes of volumes and index.
    pub stored_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// What was passed over.
    pub skipped: Skipped,
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
    let (format, stem) = names::format_of(output)?;
    let level = format.compression().level(options.level)?;
    if format == Format::Hdf5 {
        super::hdf5::check(options.level)?;
    }
    let how = How { format, level };
    let found = walk(inputs)?;
    let index_path = output.with_file_name(format!("{stem}.index.npz"));
    never_an_input(&found, &[output.to_owned(), index_path.clone()])?;
    let journal = Journal::new(output, &stem, how, options.target_size);
    let resumed = journal.load(&found, options.replace)?;
    let (rows, fed, mut skipped) = resumed.unwrap_or_default();
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
    let mut feed = Feed::new(&found);
    feed.pass_over(fed)?;
    let mut run = Run { options, found: &found, journal: &journal, fed, skipped: &mut skipped };
    let (rows, fresh) = match format {
        Format::Hdf5 => super::hdf5::run(&mut run, &mut feed, room, how, rows, &mut count)?,
        _ => archives(&mut run, &mut feed, room, how, rows, &mut count)?,
    };
    skipped.merge(&fresh);
    if options.strict {
        skipped.refuse()?;
    }
    if rows.len() == 0 {
        return refuse!(
            Usage,
            "there is no array in what was given ({} other files); .npy, .npz and .tar files are looked at",
            skipped.count()
        );
    }
    let index_bytes = index::write(&index_path, format, &rows, None, options.replace, options.sync)?;
    journal.remove();
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
        removed,
        kept,
        seconds: start.elapsed().as_secs_f64(),
    })
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
        self.journal.save(self.found, rows, self.fed, self.skipped)
    }
}

fn archives(
    run: &mut Run<'_>,
    feed: &mut Feed<'_>,
    room: Room,
    how: How,
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
    if run.options.strict {
        // Before the last volume has its name.
        skipped.refuse()?;
    }
    volumes.close(true)?;
    Ok((volumes.rows, skipped))
}
