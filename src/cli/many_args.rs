//! The flags of runs on all arrays of a file.

use clap::Args;

use super::select::Group;
use crate::engine::Pattern;
use crate::error::Result;

const ARRAYS: &str = "Several arrays";

/// Which of the arrays of a file are taken.
#[derive(Debug, Default, Args)]
pub(super) struct OnlyArgs {
    /// Only arrays whose names match; may be given several times
    ///
    /// Only arrays whose names match: * any characters, ? one, [a-c] one of these; may be given several times. A pattern that no
    /// array matches is an error.
    #[arg(long, value_name = "PATTERN", help_heading = ARRAYS)]
    pub(super) only: Vec<String>,
    /// Leave out members that are no arrays of numbers, and say which
    #[arg(long, help_heading = ARRAYS)]
    pub(super) skip_others: bool,
}

impl OnlyArgs {
    /// Whether any was given.
    pub(super) fn are_given(&self) -> bool {
        !self.only.is_empty() || self.skip_others
    }

    pub(super) fn patterns(&self) -> Result<Vec<Pattern>> {
        self.only.iter().map(|p| p.parse()).collect()
    }
}

/// What is done with the arrays of a file that holds several.
#[derive(Debug, Default, Args)]
pub(super) struct ManyArgs {
    #[command(flatten)]
    pub(super) only: OnlyArgs,
    /// The step flags that follow are of the arrays whose names match, and of those alone
    ///
    /// The step flags and bounds that follow are of the arrays whose names match, and of those alone; flags before the first
    /// --select are of all other arrays. Of several that match, the last one counts; those that follow one another directly share
    /// what comes after them. Without any flag after it the arrays are kept as they are.
    #[arg(long, value_name = "PATTERN", help_heading = ARRAYS)]
    pub(super) select: Vec<String>,
    /// The groups of `--select`, which are taken out of the command line before it is read.
    #[arg(skip)]
    pub(super) groups: Vec<Group>,
}

impl ManyArgs {
    /// Whether all arrays are meant, whatever the file holds.
    pub(super) fn are_given(&self) -> bool {
        self.only.are_given() || !self.groups.is_empty()
    }
}
