//! From the flags of steps to the steps that are asked for.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::args::{OverflowArg, StepArgs, TriangleArg};
use crate::error::{Error, Result, refuse};
use crate::recipe::asks_from_json;
use crate::transform::{Ask, BitRound, Cast, CastTo, Overflow, Step, TriangleAsk, TriangleKind};

/// A recipe of every possible step has about 1 kB; what is larger than this is no recipe.
const MAX_RECIPE: u64 = 1 << 20;

/// The steps in the order in which they run: the canonical one, or that of the recipe file. A coding after them takes a fill
/// value.
pub(super) fn asks(args: &StepArgs, is_coded: bool) -> Result<Vec<Ask>> {
    let mut asks = match &args.recipe {
        Some(path) => from_file(path)?,
        None => from_flags(args)?,
    };
    if args.recipe.is_none() {
        asks.sort_by_key(Ask::rank);
    }
    let takes_fill = |ask: &Ask| matches!(ask, Ask::ScaleOffset(_) | Ask::BitRound(_));
    if let Some(fill) = args.fill.filter(|_| !is_coded)
        && !asks.iter().any(takes_fill)
    {
        return match asks.iter().any(|a| matches!(a, Ask::Settled(Step::ScaleOffset(_)))) {
            true => refuse!(
                Usage,
                "--fill {fill}: the recipe's scale-offset step has all its parameters already; give the fill value there"
            ),
            false => refuse!(
                Usage,
                "--fill {fill} does nothing without --scale-offset, --keepbits or a bound: the other steps carry fill values like any value; leave it out"
            ),
        };
    }
    Ok(asks)
}

fn from_flags(args: &StepArgs) -> Result<Vec<Ask>> {
    let mut asks = Vec::new();
    let casts: Vec<_> = [
        (args.f16, "--f16", CastTo::Float16),
        (args.f32, "--f32", CastTo::Float32),
        (args.bf16, "--bf16", CastTo::Bfloat16),
    ]
    .into_iter()
    .filter(|(given, ..)| *given)
    .collect();
    if let [(_, first, _), (_, second, _), ..] = casts[..] {
        return refuse!(Usage, "{first} and {second} both say what floats are rounded to; give one of them");
    }
    if let (Some((_, flag, _)), Some(_)) = (casts.first(), &args.scale_offset) {
        return refuse!(Usage, "{flag} and --scale-offset both store the values shorter; give one of them");
    }
    match (casts.first(), args.overflow) {
        (Some((_, _, to)), overflow) => {
            asks.push(Ask::Cast(Cast { to: *to, overflow: overflow.map_or_else(Overflow::default, Into::into) }))
        }
        (None, Some(_)) => {
            return refuse!(
                Usage,
                "--overflow does nothing without --f16, --f32 or --bf16; add one of them or leave it out"
            );
        }
        (None, None) => {}
    }
    match (args.triangle, args.symmetry_tol) {
        (Some(kind), tolerance) => {
            asks.push(Ask::Triangle(TriangleAsk { kind: kind.into(), tolerance: checked(tolerance)? }))
        }
        (None, Some(t)) => {
            return refuse!(
                Usage,
                "--symmetry-tol {t} does nothing without --triangle; add it or leave the tolerance out"
            );
        }
        (None, None) => {}
    }
    asks.extend(args.scale_offset.clone().map(Ask::ScaleOffset));
    asks.extend(args.keepbits.map(|keepbits| Ask::BitRound(BitRound { keepbits, fill: None })));
    asks.extend(args.bits.clone().map(|bits| Ask::BitPack(bits.0)));
    Ok(asks)
}

fn checked(tolerance: Option<f64>) -> Result<Option<f64>> {
    match tolerance {
        Some(t) if !(t >= 0.0 && t.is_finite()) => {
            refuse!(Usage, "--symmetry-tol {t}: a tolerance is a finite number of at least 0; write e.g. 1e-12")
        }
        other => Ok(other),
    }
}

fn from_file(path: &Path) -> Result<Vec<Ask>> {
    let failed = |e| Error::io(format!("reading the recipe {}", path.display()), e);
    let mut json = Vec::new();
    File::open(path).and_then(|f| f.take(MAX_RECIPE + 1).read_to_end(&mut json)).map_err(failed)?;
    if json.len() as u64 > MAX_RECIPE {
        return refuse!(Recipe, "{} is over 1 MiB and no recipe; give a JSON list of steps", path.display());
    }
    let Ok(json) = String::from_utf8(json) else {
        return refuse!(Recipe, "{} is not text; give a JSON list of steps", path.display());
    };
    asks_from_json(&json).map_err(|e| e.at(path.display()))
}

impl From<OverflowArg> for Overflow {
    fn from(arg: OverflowArg) -> Self {
        match arg {
            OverflowArg::Error => Overflow::Error,
            OverflowArg::Inf => Overflow::Inf,
            OverflowArg::Saturate => Overflow::Saturate,
        }
    }
}

impl From<TriangleArg> for TriangleKind {
    fn from(arg: TriangleArg) -> Self {
        match arg {
            TriangleArg::Upper => TriangleKind::Upper,
            TriangleArg::Lower => TriangleKind::Lower,
            TriangleArg::Strict => TriangleKind::Strict,
            TriangleArg::Skew => TriangleKind::Skew,
            TriangleArg::Hermitian => TriangleKind::Hermitian,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::Cli;
    use super::*;

    fn names(line: &str) -> Result<Vec<&'static str>> {
        let cli = Cli::try_parse_from(["compact", "a.npy"].into_iter().chain(line.split_whitespace())).unwrap();
        Ok(asks(&cli.compact.steps, false)?.iter().map(Ask::name).collect())
    }

    #[test]
    fn flags_run_in_the_canonical_order_whatever_theirs() {
        assert_eq!(names("--f16 --keepbits 4 --triangle=strict").unwrap(), ["triangle", "bit-round", "cast"]);
        assert_eq!(names("--bits=4 --scale-offset 0 --triangle").unwrap(), ["triangle", "scale-offset", "bitpack"]);
        assert!(names("").unwrap().is_empty());
    }

    #[test]
    fn flags_that_would_do_nothing_or_contradict_each_other_are_refused() {
        for line in [
            "--f16 --bf16",
            "--f16 --scale-offset 2",
            "--overflow inf",
            "--overflow inf --triangle",
            "--symmetry-tol 1e-9",
            "--triangle --symmetry-tol -1",
            "--triangle --symmetry-tol nan",
            "--fill -9999",
            "--f16 --fill -9999",
        ] {
            assert!(names(line).is_err(), "{line}");
        }
    }
}
