//! What a limit on a figure may be.

use super::number;
use crate::error::{Result, refuse};
use crate::metric::figure::{Direction, Figure};

/// From where to where limits on a figure mean something.
///
/// A limit of `worst` or beyond is kept by any two arrays, so a budget with it could only be green; one beyond `best` is
/// kept by none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scope {
    /// The first value that is no limit any more. Excluded.
    pub worst: f64,
    /// What the figure is when nothing was lost. Included.
    pub best: f64,
}

impl Scope {
    /// The scope of limits on `figure`.
    pub const fn of(figure: Figure) -> Scope {
        let (worst, best) = match figure {
            Figure::MinError => (f64::NEG_INFINITY, 0.0),
            Figure::Psnr => (f64::NEG_INFINITY, f64::INFINITY),
            Figure::EqualFraction | Figure::KsP | Figure::Iou => (0.0, 1.0),
            Figure::Pearson | Figure::Ssim | Figure::Dssim => (-1.0, 1.0),
            Figure::SpatialRel | Figure::KsDistance | Figure::Autocorrelation => (1.0, 0.0),
            _ => match figure.direction() {
                Direction::AtMost => (f64::INFINITY, 0.0),
                Direction::AtLeast => (f64::NEG_INFINITY, f64::INFINITY),
            },
        };
        Scope { worst, best }
    }

    /// Refuses ([`Usage`](crate::ErrorKind::Usage)) a limit outside of the scope, with the reason and what may be given.
    pub fn check(self, figure: Figure, limit: f64) -> Result<()> {
        let (open, kept) = match figure.direction() {
            Direction::AtMost => (limit >= self.worst, limit >= self.best),
            Direction::AtLeast => (limit <= self.worst, limit <= self.best),
        };
        let (value, words) = (number(limit), self.words());
        if limit.is_nan() {
            return refuse!(Usage, "{figure} = nan is no limit, for nothing compares with NaN; give {words}");
        }
        if open {
            return refuse!(Usage, "{figure} = {value} would let any loss pass; give {words}, or leave the key out");
        }
        if !kept && figure == Figure::MinError {
            return refuse!(
                Usage,
                "{figure} = {value}: it is the most negative error and limited from below; write {figure} = -{value}"
            );
        }
        if !kept {
            let best = number(self.best);
            return refuse!(
                Usage,
                "{figure} = {value} cannot be kept by any array, the strictest is {best}; give {words}"
            );
        }
        Ok(())
    }

    /// The scope in words: `a number from 0 up`.
    pub fn words(self) -> String {
        let (worst, best) = (number(self.worst), number(self.best));
        match (self.worst.is_infinite(), self.best.is_infinite()) {
            (true, true) => "any number, or inf".to_owned(),
            (true, false) if self.best < self.worst => format!("a number from {best} up"),
            (true, false) => format!("a number of at most {best}"),
            _ if self.best < self.worst => format!("a number from {best} to below {worst}"),
            _ => format!("a number above {worst}, at most {best}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_takes_its_best_value_as_a_limit_and_refuses_its_worst_and_nan() {
        for figure in Figure::ALL {
            let scope = Scope::of(*figure);
            assert_eq!(scope.best < scope.worst, figure.direction() == Direction::AtMost, "{figure}");
            assert!(scope.check(*figure, scope.best).is_ok(), "{figure}");
            assert!(scope.check(*figure, scope.worst).is_err(), "{figure}");
            assert!(scope.check(*figure, f64::NAN).is_err(), "{figure}");
        }
    }

    #[test]
    fn a_limit_that_could_only_be_green_or_only_red_is_refused() {
        for (figure, limit) in [
            (Figure::MaxAbs, f64::INFINITY),
            (Figure::MaxAbs, -0.1),
            (Figure::Psnr, f64::NEG_INFINITY),
            (Figure::EqualFraction, 0.0),
            (Figure::EqualFraction, 1.1),
            (Figure::SpatialRel, 1.0),
            (Figure::MinError, 0.5),
        ] {
            assert!(Scope::of(figure).check(figure, limit).is_err(), "{figure} {limit}");
        }
        let error = Scope::of(Figure::MinError).check(Figure::MinError, 0.5).unwrap_err().to_string();
        assert!(error.contains("min_error = -0.5"), "{error}");
        assert!(Scope::of(Figure::Psnr).check(Figure::Psnr, f64::INFINITY).is_ok());
    }
}
