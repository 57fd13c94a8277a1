//! `compact restore FILE`.

use serde::Serialize;

use super::args::RestoreArgs;
use super::voice::Voice;
use super::{compacting, many, names, options, progress, table};
use crate::array::Slice;
use crate::collect::bundle::{self, Bundle};
use crate::engine::{Reader, RestoreOptions, Restored, Target, restore_all};
use crate::error::{Result, refuse};
use crate::store::Place;

/// What several slices came to, in the order in which they were asked for.
#[derive(Debug, Serialize)]
struct Slices {
    slices: Vec<Restored>,
}

/// Restores what the arguments name and tells what was done.
pub(super) fn run(args: &RestoreArgs, voice: &Voice) -> Result<()> {
    let input = compacting::input(&args.input)?;
    if bundle::is_index(&input.path) && input.member.is_some() {
        return of_bundle(&input, args, voice);
    }
    #[cfg(feature = "hdf5")]
    if super::ragged::is_meant(args, &input) {
        return super::ragged::restore(args, &input, voice);
    }
    #[cfg(not(feature = "hdf5"))]
    if args.items.are_some() {
        return crate::error::refuse!(
            Unsupported,
            "items are those of ragged arrays, HDF5 files; this build has no HDF5"
        );
    }
    if many::is_meant(&input, args.only.are_given(), args.output.output.as_deref())? {
        return many::restore(&input, args, voice);
    }
    let parts = parts(args, &input)?;
    let npz = match parts.first() {
        Some((_, Target::Place(place))) => options::npz(&args.output, Some(place))?,
        _ => options::npz(&args.output, None)?,
    };
    #[cfg(feature = "hdf5")]
    let hdf5 = options::hdf5(&args.output, None)?;
    let mut restored = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = RestoreOptions {
            slice: None,
            cache_bytes: Some(args.cache.0),
            replace: options::replace(&args.output),
            sync: args.output.sync,
            npz,
            #[cfg(feature = "hdf5")]
            hdf5,
            resources: options::resources(&args.run, tell),
        };
        restore_all(&input, &parts, &settings)
    })?;
    // Standard input may be gone by now; a file tells once more what its making lost.
    let reader = || if names::is_stdin(&input) { None } else { Reader::at(&input).ok() };
    if args.slice.len() > 1 {
        let all = Slices { slices: restored };
        return voice.result(&all, |paint| {
            let reader = reader();
            all.slices.iter().map(|one| table::restored(one, reader.as_ref(), paint)).collect()
        });
    }
    match restored.pop() {
        Some(one) => voice.result(&one, |paint| table::restored(&one, reader().as_ref(), paint)),
        None => refuse!(Usage, "there is nothing to restore"),
    }
}

/// What goes where.
fn parts(args: &RestoreArgs, input: &Place) -> Result<Vec<(Option<Slice>, Target)>> {
    let given = args.output.output.as_deref();
    let mut parts: Vec<(Option<Slice>, Target)> = Vec::new();
    let mut taken = Vec::new();
    if args.slice.is_empty() {
        let place = options::place(input, &args.output, |input| names::restored(input, given, false))?;
        options::check(&args.output, false, place.as_ref())?;
        return Ok(vec![(None, options::target(&args.output, place))]);
    }
    for (i, slice) in args.slice.iter().enumerate() {
        let number = (args.slice.len() > 1).then_some(i + 1);
        let place = options::place(input, &args.output, |input| names::sliced(input, given, number, &taken))?;
        options::check(&args.output, false, place.as_ref())?;
        taken.extend(place.as_ref().map(|p| p.path.clone()));
        parts.push((Some(slice.clone()), options::target(&args.output, place)));
    }
    Ok(parts)
}

/// Restores an array of a bundle: as it was before it was compacted, if it was, else as it is; whole or a slice of it.
fn of_bundle(input: &Place, args: &RestoreArgs, voice: &Voice) -> Result<()> {
    let given = args.output.output.as_deref();
    let place = options::place(input, &args.output, |input| names::restored(input, given, !args.slice.is_empty()))?;
    options::check(&args.output, false, place.as_ref())?;
    if args.slice.len() > 1 {
        return refuse!(Usage, "one --slice at a time is taken of an array in a bundle");
    }
    let bundle = Bundle::open(&input.path)?;
    let number = match bundle.select(input.member.as_deref().unwrap_or_default())?.as_slice() {
        [number] => *number,
        several => {
            return refuse!(Usage, "{input} means {} arrays; give one name, or use compact extract", several.len());
        }
    };
    let target = options::target(&args.output, place);
    #[cfg(feature = "hdf5")]
    let hdf5 = options::hdf5(&args.output, None)?;
    let restored = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = RestoreOptions {
            slice: args.slice.first().cloned(),
            cache_bytes: Some(args.cache.0),
            replace: options::replace(&args.output),
            sync: args.output.sync,
            npz: options::npz(&args.output, None)?,
            #[cfg(feature = "hdf5")]
            hdf5,
            resources: options::resources(&args.run, tell),
        };
        bundle.restore(number, &target, &settings)
    })?;
    voice.result(&restored, |paint| table::restored(&restored, None, paint))
}
