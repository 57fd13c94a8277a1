//! Steps and codings as flags of the command line.

use crate::coding::{CodingAsk, Effort};
use crate::transform::{Ask, BitOrder, CastTo, Fill, Overflow, Resolution, Step, TriangleKind};

/// The flags that ask for `asks`, with the fill value where a step uses one that the file does not declare.
pub(super) fn of_steps(asks: &[Ask], fill: Option<Fill>) -> String {
    let mut words: Vec<String> = asks.iter().flat_map(of_step).collect();
    let takes_fill = |ask: &Ask| matches!(ask, Ask::ScaleOffset(_) | Ask::BitRound(_));
    if let Some(fill) = fill.filter(|_| asks.iter().any(takes_fill)) {
        words.push(fill_flag(fill));
    }
    words.join(" ")
}

/// `--fill V`.
pub(super) fn fill_flag(fill: Fill) -> String {
    format!("--fill={fill}")
}

fn of_step(ask: &Ask) -> Vec<String> {
    match ask {
        Ask::Triangle(ask) => {
            let kind = match ask.kind {
                TriangleKind::Upper => "",
                TriangleKind::Lower => "=lower",
                TriangleKind::Strict => "=strict",
                TriangleKind::Skew => "=skew",
                TriangleKind::Hermitian => "=hermitian",
            };
            let tolerance = ask.tolerance.map(|t| format!("--symmetry-tol {}", number(t)));
            std::iter::once(format!("--triangle{kind}")).chain(tolerance).collect()
        }
        Ask::BitRound(ask) | Ask::Settled(Step::BitRound(ask)) => vec![format!("--keepbits {}", ask.keepbits)],
        Ask::ScaleOffset(ask) => match ask.resolution {
            Resolution::Digits(d) => vec![format!("--scale-offset {d}")],
            Resolution::Step(s) => vec![format!("--scale-offset step={}", number(s))],
            Resolution::Bits(n) => vec![format!("--scale-offset bits={n}")],
        },
        Ask::Cast(cast) | Ask::Settled(Step::Cast(cast)) => {
            let to = match cast.to {
                CastTo::Float16 => "--f16",
                CastTo::Float32 => "--f32",
                CastTo::Bfloat16 => "--bf16",
            };
            let overflow = match cast.overflow {
                Overflow::Error => None,
                Overflow::Inf => Some("--overflow inf"),
                Overflow::Saturate => Some("--overflow saturate"),
            };
            std::iter::once(to).chain(overflow).map(str::to_owned).collect()
        }
        Ask::BitPack(ask) => {
            let little = (ask.order == BitOrder::Little).then_some("order=little");
            let words: Vec<String> =
                ask.bits.map(|b| b.to_string()).into_iter().chain(little.map(str::to_owned)).collect();
            vec![if words.is_empty() { "--bits".to_owned() } else { format!("--bits={}", words.join(",")) }]
        }
        // Never made by the planner: a recorded step has no flag that gives all of its parameters.
        Ask::Settled(_) => Vec::new(),
    }
}

/// The flags that ask for a coding: its limits, and the effort where it is not the usual one.
pub(super) fn of_coding(coding: &CodingAsk) -> String {
    let limits = [
        ("--max-abs", coding.max_abs),
        ("--max-rel", coding.max_rel),
        ("--rel-floor", coding.rel_floor),
        ("--max-range-rel", coding.max_range_rel),
        ("--psnr", coding.psnr),
    ];
    let mut words: Vec<String> =
        limits.iter().filter_map(|(name, limit)| Some(format!("{name} {}", number((*limit)?)))).collect();
    if words.is_empty() {
        words.push("--max-abs 0".to_owned());
    }
    if coding.effort != Effort::default() {
        words.push(format!("--effort {}", coding.effort));
    }
    words.join(" ")
}

/// A number that reads back as the same bits, the shorter of its two forms.
pub(super) fn number(x: f64) -> String {
    let (plain, short) = (x.to_string(), format!("{x:e}"));
    if plain.len() <= short.len() + 2 { plain } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{BitPackAsk, Cast, ScaleOffsetAsk, TriangleAsk};

    #[test]
    fn flags_are_those_of_the_command_line() {
        let asks = [
            Ask::Triangle(TriangleAsk { kind: TriangleKind::Skew, tolerance: Some(2.2e-16) }),
            Ask::ScaleOffset(ScaleOffsetAsk::step(0.125)),
            Ask::BitPack(BitPackAsk { bits: Some(12), ..BitPackAsk::default() }),
        ];
        let text = "--triangle=skew --symmetry-tol 2.2e-16 --scale-offset step=0.125 --bits=12 --fill=1e20";
        assert_eq!(of_steps(&asks, Some(Fill::Float(1e20))), text);
        let cast = [Ask::Cast(Cast { to: CastTo::Float16, overflow: Overflow::Error })];
        assert_eq!(of_steps(&cast, Some(Fill::Int(-9))), "--f16");
    }

    #[test]
    fn a_coding_without_limits_is_lossless() {
        assert_eq!(of_coding(&CodingAsk::default()), "--max-abs 0");
        let ask = CodingAsk { max_rel: Some(1e-7), effort: Effort::MOST, ..CodingAsk::default() };
        assert_eq!(of_coding(&ask), "--max-rel 1e-7 --effort 9");
        assert_eq!(number(273.15), "273.15");
    }
}
