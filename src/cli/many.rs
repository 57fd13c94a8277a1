//! `compact FILE` and `compact restore FILE` on all arrays of a file.

use super::args::{CompactArgs, RestoreArgs};
use super::voice::Voice;
use super::{assessing, many_table, names, options, progress, steps};
use crate::engine::{CompactGroup, CompactOptions, ManyOptions, RestoreOptions, compact_many, is_many, restore_many};
use crate::error::{Result, refuse};
use crate::store::{Format, Place};

/// Whether all arrays of `input` are meant: flags say so, or it holds several and the output can.
pub(super) fn is_meant(input: &Place, given: bool, output: Option<&std::ffi::OsStr>) -> Result<bool> {
    if names::is_stdin(input) {
        return match given {
            true => refuse!(Usage, "several arrays are taken from a file; write standard input to one first"),
            false => Ok(false),
        };
    }
    // A .npy output holds one array: which one, the user is asked as before.
    let one = output.is_some_and(|text| Format::of_name(&names::place(text).path) == Some(Format::Npy));
    Ok(given || (!one && is_many(input)?))
}

/// Compacts all arrays of `input` and tells what was done.
pub(super) fn compact(input: &Place, args: &CompactArgs, voice: &Voice) -> Result<()> {
    if args.sidecar {
        return refuse!(Usage, "--sidecar is for a .npy output; several arrays have their recipes with them");
    }
    let common_coded = args.bounds.ask()?.is_some();
    let mut is_coded = common_coded;
    for group in &args.many.groups {
        is_coded |= group.flags.bounds.ask()?.is_some();
    }
    let place = names::compacted_many(input, args.output.output.as_deref(), is_coded)?;
    let bounds = std::iter::once(&args.bounds).chain(args.many.groups.iter().map(|g| &g.flags.bounds));
    for bounds in bounds {
        bounds.check(&args.output, Some(&place))?;
    }
    options::check(&args.output, false, Some(&place))?;
    #[cfg(not(feature = "hdf5"))]
    if is_coded {
        return refuse!(Unsupported, "coded chunks need HDF5 and this build has none; build with the feature `hdf5`");
    }
    let target = options::target(&args.output, Some(place.clone()));
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let npz = options::npz(&args.output, Some(&place))?;
    let many = progress::with_bar(voice.shows_progress(), |tell| {
        let base = CompactOptions {
            replace: options::replace(&args.output),
            sync: args.output.sync,
            npz,
            resources: options::resources(&args.run, tell),
            ..CompactOptions::default()
        };
        let with = |flags: &super::args::StepArgs, bounds: &super::bounds::CodedArgs| -> Result<CompactOptions<'_>> {
            Ok(CompactOptions {
                asks: steps::asks(flags, bounds.ask()?.is_some())?,
                fill: flags.fill,
                #[cfg(feature = "hdf5")]
                hdf5: options::hdf5(&args.output, bounds.chunks.as_ref())?,
                #[cfg(feature = "hdf5")]
                coded: bounds.coded()?,
                ..base.clone()
            })
        };
        let groups = args.many.groups.iter().map(|group| {
            Ok(CompactGroup {
                patterns: group.patterns.iter().map(|p| p.parse()).collect::<Result<_>>()?,
                options: with(&group.flags.steps, &group.flags.bounds)?,
            })
        });
        let settings = ManyOptions {
            common: with(&args.steps, &args.bounds)?,
            groups: groups.collect::<Result<_>>()?,
            only: args.many.only.patterns()?,
            skip_others: args.many.only.skip_others,
            budget: budget.as_ref(),
        };
        compact_many(input, &target, &settings)
    })?;
    let in_the_way = Some(place).filter(|p| args.output.dry_run && !args.output.force && p.path.exists());
    voice.result(&many, |paint| many_table::compacted(&many, in_the_way.as_ref(), None, paint))
}

/// Restores all arrays of `input` and tells what was done.
pub(super) fn restore(input: &Place, args: &RestoreArgs, voice: &Voice) -> Result<()> {
    if args.slice.len() > 1 {
        return refuse!(Usage, "one --slice at a time is taken of several arrays; name one array: {input}:NAME");
    }
    let place = names::restored_many(input, args.output.output.as_deref())?;
    options::check(&args.output, false, Some(&place))?;
    let target = options::target(&args.output, Some(place.clone()));
    let npz = options::npz(&args.output, Some(&place))?;
    let only = args.only.patterns()?;
    let many = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = RestoreOptions {
            slice: args.slice.first().cloned(),
            cache_bytes: Some(args.cache.0),
            replace: options::replace(&args.output),
            sync: args.output.sync,
            npz,
            #[cfg(feature = "hdf5")]
            hdf5: options::hdf5(&args.output, None)?,
            resources: options::resources(&args.run, tell),
        };
        restore_many(input, &target, &settings, &only, args.only.skip_others)
    })?;
    voice.result(&many, |paint| many_table::restored(&many, paint))
}
