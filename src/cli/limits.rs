//! Limits as flags: one for each figure on the list, and class changes that are allowed.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::args::LIMITS;
use crate::error::{Result, refuse};
use crate::metric::budget::nearest;
use crate::metric::{Class, Direction, Figure, Limits};

/// Figures that are shown in the short help; `--help` shows all.
const COMMON: &[Figure] = &[Figure::MaxAbs, Figure::MaxRel, Figure::Rmse, Figure::Psnr, Figure::Nrmse, Figure::Ssim];

/// What was given on the command line, in the order of the list.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitArgs {
    figures: Vec<(Figure, f64)>,
    allow: Vec<String>,
    rel_floor: Option<f64>,
    spatial_tol: Option<f64>,
}

impl LimitArgs {
    /// Whether none was given.
    pub(super) fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.allow.is_empty() && self.rel_floor.is_none() && self.spatial_tol.is_none()
    }

    /// Adds what was given to `limits`.
    pub(super) fn add_to(&self, limits: &mut Limits) -> Result<()> {
        for (figure, limit) in &self.figures {
            // The stricter of the two: a flag must not loosen what a file has set.
            let limit = match (limits.figures.get(figure), figure.direction()) {
                (Some(set), Direction::AtMost) => set.min(*limit),
                (Some(set), Direction::AtLeast) => set.max(*limit),
                (None, _) => *limit,
            };
            limits.set(*figure, limit)?;
        }
        for text in &self.allow {
            let (name, count) = match text.split_once('=') {
                Some((name, count)) => (name, Some(count)),
                None => (text.as_str(), None),
            };
            limits.set_allow(class(name)?, allowed(name, count)?);
        }
        if let Some(floor) = self.rel_floor {
            limits.set_rel_floor(floor)?;
        }
        if let Some(tolerance) = self.spatial_tol {
            limits.set_spatial_tol(tolerance)?;
        }
        Ok(())
    }
}

/// The class of this name.
fn class(name: &str) -> Result<Class> {
    let plain = name.trim().replace('-', "_");
    if let Some(class) = Class::ALL.iter().find(|c| c.name() == plain) {
        return Ok(*class);
    }
    let names = || Class::ALL.iter().map(|c| c.name());
    match nearest(&plain, names()) {
        Some(near) => refuse!(Usage, "--allow {name}: there is no such class change; did you mean {near}?"),
        None => refuse!(
            Usage,
            "--allow {name}: there is no such class change; there are {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// How many of a class may happen: all without a number.
fn allowed(name: &str, count: Option<&str>) -> Result<u64> {
    match count.map(str::parse::<u64>) {
        None => Ok(u64::MAX),
        Some(Ok(count)) => Ok(count),
        Some(Err(_)) => refuse!(
            Usage,
            "--allow {name}={}: that is no number of values; write {name}=10, or {name} alone for any number",
            count.unwrap_or_default()
        ),
    }
}

fn flag(figure: Figure) -> String {
    figure.name().replace('_', "-")
}

impl Args for LimitArgs {
    fn augment_args(command: Command) -> Command {
        let number = |id: &'static str, long: String, help: String| {
            Arg::new(id)
                .long(long)
                .value_name("X")
                .value_parser(clap::value_parser!(f64))
                .allow_hyphen_values(true)
                .help_heading(LIMITS)
                .help(help)
        };
        let figures = Figure::ALL.iter().map(|figure| {
            let side = match figure.direction() {
                Direction::AtMost => "At most",
                Direction::AtLeast => "At least",
            };
            number(figure.name(), flag(*figure), format!("{side}: {}", figure.label()))
                .long_help(format!("{side}: {}. {}", figure.label(), figure.definition()))
                .hide_short_help(!COMMON.contains(figure))
        });
        let classes = Class::ALL.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
        let allow = Arg::new("allow")
            .long("allow")
            .value_name("CLASS[=N]")
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help_heading(LIMITS)
            .help("Class changes that may happen, all or at most N of them")
            .long_help(format!("Class changes that may happen, all or at most N of them: {classes}"));
        command
            .args(figures)
            .arg(allow)
            .arg(number(
                "rel_floor",
                "rel-floor".to_owned(),
                "Originals of at most this magnitude have no relative error".to_owned(),
            ))
            .arg(
                number(
                    "spatial_tol",
                    "spatial-tol".to_owned(),
                    "Relative error that counts for --spatial-rel [default: 1e-4]".to_owned(),
                )
                .hide_short_help(true),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, Error> {
        let mut limits = Self::default();
        limits.update_from_arg_matches(matches)?;
        Ok(limits)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), Error> {
        let number = |id: &str| matches.get_one::<f64>(id).copied();
        self.figures = Figure::ALL.iter().filter_map(|f| Some((*f, number(f.name())?))).collect();
        self.allow = matches.get_many::<String>("allow").into_iter().flatten().cloned().collect();
        self.rel_floor = number("rel_floor");
        self.spatial_tol = number("spatial_tol");
        Ok(())
    }
}
