//! `--select PATTERN`: the step flags after it are of the arrays that match.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use super::args::{Cli, StepArgs};
use super::bounds::CodedArgs;

const FLAG: &str = "--select";

/// One group: patterns, and the flags that follow them.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) patterns: Vec<String>,
    pub(super) flags: GroupFlags,
}

/// What a group may choose for its arrays.
#[derive(Debug, Args)]
pub(super) struct GroupFlags {
    #[command(flatten)]
    pub(super) steps: StepArgs,
    #[command(flatten)]
    pub(super) bounds: CodedArgs,
}

/// The flags of a group as a command line of their own.
#[derive(Debug, Parser)]
#[command(name = "compact --select", no_binary_name = true)]
struct GroupLine {
    #[command(flatten)]
    flags: GroupFlags,
}

/// Takes the groups out of a command line: what a group can choose goes to the group that stands before it, all else (`-o`,
/// `--codec`, ...) stays. Patterns that follow one another have the same group.
pub(super) fn split(args: &[OsString]) -> Result<(Vec<OsString>, Vec<Group>), clap::Error> {
    let is_select = |arg: &OsStr| arg.to_str().is_some_and(|a| a == FLAG || a.starts_with("--select="));
    let command = Cli::command();
    // Bundles take groups as well.
    let is_subcommand = |arg: &OsString| arg != "bundle" && command.find_subcommand(arg).is_some();
    if !args.iter().any(|a| is_select(a)) || args.get(1).is_some_and(is_subcommand) {
        return Ok((args.to_vec(), Vec::new()));
    }
    let flags = flags();
    let (mut rest, mut lines) = (Vec::new(), Vec::<(Vec<String>, Vec<OsString>)>::new());
    let mut words = args.iter().cloned();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        if word == "--" {
            rest.push(word);
            rest.extend(words);
            break;
        }
        if name == FLAG {
            // Without a pattern clap says what is missing.
            let pattern = value.map(str::to_owned).or_else(|| words.next().and_then(|w| w.into_string().ok()));
            let Some(pattern) = pattern else {
                rest.push(word);
                continue;
            };
            match lines.last_mut().filter(|(_, flags)| flags.is_empty()) {
                Some((patterns, _)) => patterns.push(pattern),
                None => lines.push((vec![pattern], Vec::new())),
            }
            continue;
        }
        match (lines.last_mut(), flags.get(name)) {
            (Some((_, line)), Some(takes_word)) => {
                let next = if *takes_word && value.is_none() { words.next() } else { None };
                line.push(word);
                line.extend(next);
            }
            _ => rest.push(word),
        }
    }
    let groups = lines.into_iter().map(|(patterns, line)| {
        let matches = GroupLine::command().try_get_matches_from(line)?;
        Ok(Group { patterns, flags: GroupLine::from_arg_matches(&matches)?.flags })
    });
    Ok((rest, groups.collect::<Result<_, clap::Error>>()?))
}

/// The flags of groups, and whether each takes the next word as its value.
fn flags() -> HashMap<String, bool> {
    let command = GroupLine::command();
    let flag = |arg: &clap::Arg| {
        let takes = arg.get_action().takes_values() && !arg.is_require_equals_set();
        Some((format!("--{}", arg.get_long()?), takes))
    };
    command.get_arguments().filter_map(flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (String, Vec<Group>) {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let (rest, groups) = split(&args).unwrap();
        (rest.join(OsStr::new(" ")).into_string().unwrap(), groups)
    }

    #[test]
    fn steps_go_to_the_group_before_them_and_all_else_stays() {
        let (rest, groups) = parts(
            "compact a.npz --f16 --select mask_* --bits --codec deflate --select w --keepbits 7 -o b.npz --fill -1",
        );
        assert_eq!(rest, "compact a.npz --f16 --codec deflate -o b.npz");
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].patterns, ["mask_*"]);
        assert!(groups[0].flags.steps.bits.is_some() && groups[0].flags.steps.keepbits.is_none());
        assert_eq!(groups[1].flags.steps.keepbits, Some(7));
        assert!(groups[1].flags.steps.fill.is_some());
        let (rest, groups) = parts("compact --select=a --select b --max-abs 1e-3 a.h5 --select c");
        assert_eq!(rest, "compact a.h5");
        assert_eq!(groups[0].patterns, ["a", "b"]);
        assert_eq!(groups[0].flags.bounds.bound.max_abs, Some(1e-3));
        assert!(groups[1].flags.steps.are_none());
        let (rest, groups) = parts("compact bundle d --f32 -o b.tar --select */mask --bits --target-size 1MB");
        assert_eq!(rest, "compact bundle d --f32 -o b.tar --target-size 1MB");
        assert!(groups.len() == 1 && groups[0].flags.steps.bits.is_some());
    }

    #[test]
    fn lines_without_groups_and_those_of_commands_are_left_as_they_are() {
        assert_eq!(parts("compact a.npz --f16").0, "compact a.npz --f16");
        assert_eq!(parts("compact info --select").0, "compact info --select");
        assert_eq!(parts("compact a.npz --select").0, "compact a.npz --select");
        assert!(split(&["compact", "a", "--select", "x", "--keepbits", "many"].map(OsString::from)).is_err());
    }
}
