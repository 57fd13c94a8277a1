//! The command `compact`: what it is asked, what it says, how it ends.
//!
//! Results go to standard output: a table, or with `--json` one JSON object in one line. It is the serialised
//! [`Report`](crate::engine::Report), [`Restored`](crate::engine::Restored) or [`Info`] with `"status": "ok"` before it; after
//! an error it is `{"status": "error", "kind": …, "message": …}`, where `kind` is a name of [`kind_name`]. Keys may be added in
//! later versions; none changes its meaning. Progress and error messages go to standard error.

mod append_args;
mod appending;
mod args;
mod assessing;
mod bits;
mod bounds;
mod bundle_args;
mod bundling;
mod compacting;
mod exit;
mod generate;
mod help;
mod info;
mod limits;
mod many;
mod many_args;
mod many_table;
mod names;
mod number;
mod options;
mod plan_table;
mod planning;
mod planning_many;
mod progress;
#[cfg(feature = "hdf5")]
mod ragged;
mod ragged_args;
mod readers;
mod report_table;
mod restoring;
mod select;
mod steps;
mod table;
mod voice;

use std::ffi::OsString;

use clap::Parser;

pub use exit::{Exit, kind_name};
pub use info::{Info, Loaded, Member, Stored};
pub use readers::Reading;

use crate::error::Result;
use args::{BudgetCommand, Cli, Command};
use voice::Voice;

/// Runs the command line `args`, the program's name first, and returns how it ended.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = select::split(&args).and_then(|(rest, groups)| {
        let mut cli = Cli::try_parse_from(rest)?;
        match &mut cli.command {
            Some(Command::Bundle(bundle)) => bundle.groups = groups,
            _ => cli.compact.many.groups = groups,
        }
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return voice::not_understood(&error, &args),
    };
    let voice = match &cli.command {
        None => Voice::new(cli.compact.run.json, cli.compact.run.quiet),
        Some(Command::Restore(restore)) => Voice::new(restore.run.json, restore.run.quiet),
        Some(Command::Append(append)) => Voice::new(append.run.json, append.run.quiet),
        Some(Command::Ragged(ragged)) => Voice::new(ragged.run.json, ragged.run.quiet),
        Some(Command::Bundle(bundle)) => Voice::new(bundle.run.json, bundle.run.quiet),
        Some(Command::List(list)) => Voice::new(list.json, false),
        Some(Command::Extract(extract)) => Voice::new(extract.run.json, extract.run.quiet),
        Some(Command::Report(report)) => Voice::new(report.run.json, report.run.quiet),
        Some(Command::Verify(verify)) => Voice::new(verify.run.json, verify.run.quiet),
        Some(Command::Budget(BudgetCommand::Init(init))) => Voice::new(init.run.json, init.run.quiet),
        Some(Command::Plan(plan)) => Voice::new(plan.run.json, plan.run.quiet),
        Some(Command::Info(info)) => Voice::new(info.json, false),
        Some(Command::Completions(_) | Command::Man(_)) => Voice::new(false, false),
    };
    let result = match &cli.command {
        None if cli.compact.auto => planning::auto(&cli.compact, &voice),
        None => compacting::run(&cli.compact, &voice),
        Some(Command::Restore(restore)) => restoring::run(restore, &voice),
        Some(Command::Append(append)) => appending::run(append, &voice),
        #[cfg(feature = "hdf5")]
        Some(Command::Ragged(args)) => ragged::run(args, &voice),
        #[cfg(not(feature = "hdf5"))]
        Some(Command::Ragged(_)) => crate::error::refuse!(
            Unsupported,
            "ragged arrays are HDF5 files and this build has no HDF5; build with the feature `hdf5`"
        ),
        Some(Command::Bundle(args)) => bundling::bundle(args, &voice),
        Some(Command::List(args)) => bundling::list(args, &voice),
        Some(Command::Extract(args)) => bundling::extract(args, &voice),
        Some(Command::Report(report)) => return told(assessing::report(report, &args, &voice), &voice),
        Some(Command::Verify(verify)) => return told(assessing::verify(verify, &args, &voice), &voice),
        Some(Command::Budget(BudgetCommand::Init(init))) => assessing::init(init, &voice),
        Some(Command::Plan(plan)) => planning::run(plan, &voice),
        Some(Command::Info(info)) => info::run(info, &voice),
        Some(Command::Completions(completions)) => generate::completions(completions, &voice),
        Some(Command::Man(man)) => generate::man(man, &voice),
    };
    match result {
        Ok(()) => Exit::Done,
        Err(error) => voice.error(&error),
    }
}

/// How a run ends that has a verdict: by that, or by its error. What could not be checked is never a success, and an error is
/// never the verdict "over budget".
fn told(result: Result<Exit>, voice: &Voice) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) => {
            voice.error(&error);
            Exit::Failed
        }
    }
}
