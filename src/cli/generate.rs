//! Completions and man pages, generated from the command line's own definition.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::voice::{Voice, print};
use crate::error::{Error, Result};

/// Prints the completion script of a shell.
pub(super) fn completions(args: &CompletionsArgs, _voice: &Voice) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "compact", &mut script);
    print(&script)
}

/// Prints the man page, or writes one for each subcommand into a folder.
pub(super) fn man(args: &ManArgs, _voice: &Voice) -> Result<()> {
    let command = Cli::command();
    match &args.output {
        Some(folder) => clap_mangen::generate_to(command, folder)
            .map_err(|e| Error::io(format!("writing man pages into {}; does the folder exist?", folder.display()), e)),
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|e| Error::io("writing the man page", e))?;
            print(&page)
        }
    }
}
