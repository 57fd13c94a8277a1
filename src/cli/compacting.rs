//! `compact INPUT`.

use std::ffi::OsStr;
use std::io::IsTerminal;

use super::args::CompactArgs;
use super::voice::Voice;
use super::{assessing, many, names, options, progress, steps, table};
use crate::engine::{CompactOptions, compact};
use crate::error::{Result, refuse};
use crate::store::Place;

/// Compacts what the arguments name and tells the report.
pub(super) fn run(args: &CompactArgs, voice: &Voice) -> Result<()> {
    let input = input(args.input.as_deref().unwrap_or_default())?;
    if many::is_meant(&input, args.many.are_given(), args.output.output.as_deref())? {
        return many::compact(&input, args, voice);
    }
    let is_coded = args.bounds.ask()?.is_some();
    let asks = steps::asks(&args.steps, is_coded)?;
    let given = args.output.output.as_deref();
    let place = options::place(&input, &args.output, |input| names::compacted(input, given, is_coded))?;
    args.bounds.check(&args.output, place.as_ref())?;
    options::check(&args.output, args.sidecar, place.as_ref())?;
    let target = options::target(&args.output, place.clone());
    #[cfg(feature = "hdf5")]
    let (hdf5, coded) = (options::hdf5(&args.output, args.bounds.chunks.as_ref())?, args.bounds.coded()?);
    #[cfg(not(feature = "hdf5"))]
    if is_coded {
        return refuse!(Unsupported, "coded chunks need HDF5 and this build has none; build with the feature `hdf5`");
    }
    let npz = options::npz(&args.output, place.as_ref())?;
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let limits = budget.as_ref().map(|b| assessing::limits_of(b, &input)).transpose()?;
    let report = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = CompactOptions {
            asks,
            fill: args.steps.fill,
            budget: limits,
            replace: options::replace(&args.output),
            sidecar: args.sidecar,
            npz,
            sync: args.output.sync,
            exact_nan: false,
            #[cfg(feature = "hdf5")]
            hdf5,
            #[cfg(feature = "hdf5")]
            coded: coded.clone(),
            resources: options::resources(&args.run, tell),
        };
        compact(&input, &target, &settings)
    })?;
    let in_the_way =
        place.filter(|p| args.output.dry_run && !args.output.force && p.member.is_none() && p.path.exists());
    voice.result(&report, |paint| table::compacted(&report, in_the_way.as_ref(), paint))
}

/// The place an input's name stands for. Waiting for someone to type an array helps nobody.
pub(super) fn input(text: &OsStr) -> Result<Place> {
    let place = names::place(text);
    if names::is_stdin(&place) && std::io::stdin().is_terminal() {
        return refuse!(
            Usage,
            "- means standard input, and that is a terminal; pipe a .npy file into it or give a file name"
        );
    }
    if place.path.as_os_str().is_empty() {
        return refuse!(Usage, "the name of the input is empty; give a file name");
    }
    Ok(place)
}
