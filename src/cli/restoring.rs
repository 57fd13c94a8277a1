//! `compact restore FILE`.

use super::args::RestoreArgs;
use super::voice::Voice;
use super::{compacting, many, names, options, progress, table};
use crate::engine::{Reader, RestoreOptions, restore};
use crate::error::Result;

/// Restores what the arguments name and tells what was done.
pub(super) fn run(args: &RestoreArgs, voice: &Voice) -> Result<()> {
    let input = compacting::input(&args.input)?;
    if many::is_meant(&input, args.only.are_given(), args.output.output.as_deref())? {
        return many::restore(&input, args, voice);
    }
    let given = args.output.output.as_deref();
    let place = options::place(&input, &args.output, |input| names::restored(input, given, args.slice.is_some()))?;
    options::check(&args.output, false, place.as_ref())?;
    let npz = options::npz(&args.output, place.as_ref())?;
    let target = options::target(&args.output, place);
    #[cfg(feature = "hdf5")]
    let hdf5 = options::hdf5(&args.output, None)?;
    let restored = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = RestoreOptions {
            slice: args.slice.clone(),
            replace: options::replace(&args.output),
            sync: args.output.sync,
            npz,
            #[cfg(feature = "hdf5")]
            hdf5,
            resources: options::resources(&args.run, tell),
        };
        restore(&input, &target, &settings)
    })?;
    voice.result(&restored, |paint| {
        // Standard input may be gone by now; a file tells once more what its making lost.
        let reader = if names::is_stdin(&input) { None } else { Reader::at(&input).ok() };
        table::restored(&restored, reader.as_ref(), paint)
    })
}
