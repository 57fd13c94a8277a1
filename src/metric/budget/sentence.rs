//! A criterion in one line, for terminals and error messages.

use super::{Criterion, Outcome};
use crate::array::Scalar;
use crate::metric::comparison::Element;
use crate::metric::figure::Direction;

impl Criterion {
    /// The criterion without its outcome: `max_abs 2.44074e-4 > 1e-4 (244 % used) at [7, 355]: 0.587 became 0.588`.
    pub fn sentence(&self) -> String {
        let (measured, allowed) = (self.measured.0, self.allowed.0);
        let mut text = self.name.clone();
        if self.outcome == Outcome::Unknown || measured.is_nan() {
            text += " is not known";
        } else {
            let sign = match (self.direction, self.outcome == Outcome::Failed) {
                (Direction::AtMost, false) => "<=",
                (Direction::AtMost, true) => ">",
                (Direction::AtLeast, false) => ">=",
                (Direction::AtLeast, true) => "<",
            };
            if allowed == f64::INFINITY && self.direction == Direction::AtMost {
                return format!("{text} {} (any number is allowed)", short(measured, allowed));
            }
            text += &format!(" {} {sign} {}", short(measured, allowed), Scalar::Float(allowed));
            if self.used.0.is_finite() {
                text += &format!(" ({} used)", percent(self.used.0));
            }
        }
        if self.outcome == Outcome::Failed
            && let Some(at) = &self.at
        {
            text += &format!(" {}", element(at));
        }
        if let Some(reason) = &self.reason {
            text += &format!(": {reason}");
        }
        text
    }
}

/// An element in words: where, what it was, what it became.
fn element(at: &Element) -> String {
    format!("at {:?}: {} became {}", at.index, at.original.0, at.restored.0)
}

/// Six digits, or all where six would not show on which side of `limit` the value lies.
fn short(value: f64, limit: f64) -> String {
    let six: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    let same = six.partial_cmp(&limit) == value.partial_cmp(&limit);
    Scalar::Float(if same { six } else { value }).to_string()
}

/// A share in percent, never rounded to the other side of 100.
fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p > 9999.0 => format!("{:.0} x", p / 100.0),
        p if p > 100.0 && p < 101.0 => "over 100 %".to_owned(),
        p if p < 100.0 && p > 99.0 => "99 %".to_owned(),
        p if p > 0.0 && p < 1.0 => "below 1 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::comparison::Cell;
    use crate::metric::figure::Number;

    #[test]
    fn the_line_shows_on_which_side_of_the_limit_a_value_lies() {
        let mut criterion = Criterion {
            name: "max_abs".to_owned(),
            label: String::new(),
            outcome: Outcome::Failed,
            measured: Number(0.001_000_000_000_1),
            allowed: Number(0.001),
            direction: Direction::AtMost,
            used: Number(1.000_000_000_1),
            at: Some(Element {
                index: vec![7, 3],
                original: Cell(Scalar::Float(f64::NAN)),
                restored: Cell(Scalar::Float(0.5)),
            }),
            reason: None,
        };
        let expected = "max_abs 0.0010000000001 > 0.001 (over 100 % used) at [7, 3]: NaN became 0.5";
        assert_eq!(criterion.sentence(), expected);
        (criterion.outcome, criterion.measured, criterion.used) = (Outcome::Passed, Number(0.000_999), Number(0.999));
        assert_eq!(criterion.sentence(), "max_abs 0.000999 <= 0.001 (99 % used)");
        criterion.outcome = Outcome::Unknown;
        criterion.reason = Some("no element".to_owned());
        assert_eq!(criterion.sentence(), "max_abs is not known: no element");
    }
}
