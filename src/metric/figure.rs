//! The one list of figures: every number by which a restored array is compared with its original, and that a budget may limit.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What a figure is counted in, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The unit of the data.
    Data,
    /// A share or a ratio, without a unit.
    Ratio,
    /// Decibels.
    Decibel,
    /// Whole things: values, bits.
    Count,
    /// Steps between neighbouring floats of the array's dtype.
    Ulp,
}

/// Which side of a limit is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Small is good: a limit is the most that is allowed.
    AtMost,
    /// Large is good: a limit is the least that is allowed.
    AtLeast,
}

/// What has to be done to know a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Comes with every comparison ([`Loss`](super::Loss)).
    Loss,
    /// Each pair on its own, or each array on its own: the first pass.
    Pairs,
    /// Needs means or ranges, or neighbours: a second pass.
    Tiles,
    /// Whole matrices.
    Matrices,
}

/// Groups of figures, as tables show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Sizes of errors.
    Error,
    /// Errors beside the data's own size.
    Relative,
    /// Structure in the errors, likeness of the arrays.
    Likeness,
    /// Statistics of the two arrays against each other.
    Statistics,
    /// Matrices and masks.
    Structure,
}

macro_rules! figures {
    ($($variant:ident $name:literal $group:ident $effort:ident $unit:ident $direction:ident $label:literal $definition:literal;)*) => {
        /// A figure. `e = original − restored` over the pairs of finite values that are not fill values.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Figure { $(#[doc = $definition] $variant,)* }

        impl Figure {
            /// Every figure, in the order of tables.
            pub const ALL: &'static [Figure] = &[$(Figure::$variant,)*];

            /// The stable name, in JSON, CSV and budgets.
            pub const fn name(self) -> &'static str {
                match self { $(Figure::$variant => $name,)* }
            }

            /// A few words for a table.
            pub const fn label(self) -> &'static str {
                match self { $(Figure::$variant => $label,)* }
            }

            /// How it is computed.
            pub const fn definition(self) -> &'static str {
                match self { $(Figure::$variant => $definition,)* }
            }

            /// The group it is shown in.
            pub const fn group(self) -> Group {
                match self { $(Figure::$variant => Group::$group,)* }
            }

            /// What has to be done to know it.
            pub const fn effort(self) -> Effort {
                match self { $(Figure::$variant => Effort::$effort,)* }
            }

            /// What it is counted in.
            pub const fn unit(self) -> Unit {
                match self { $(Figure::$variant => Unit::$unit,)* }
            }

            /// Which side of a limit is good.
            pub const fn direction(self) -> Direction {
                match self { $(Figure::$variant => Direction::$direction,)* }
            }
        }

        const FIGURES: usize = Figure::ALL.len();
    };
}

figures! {
    MaxAbs "max_abs" Error Loss Data AtMost "largest absolute error" "max |e|";
    MaxError "max_error" Error Pairs Data AtMost "largest positive error" "max e: how far a restored value lies below its original";
    MinError "min_error" Error Pairs Data AtLeast "most negative error" "min e: negative, how far a restored value lies above its original";
    MeanError "mean_error" Error Loss Data AtMost "mean error (bias)" "sum e / n; a limit holds for its magnitude";
    MeanAbs "mean_abs" Error Pairs Data AtMost "mean absolute error" "sum |e| / n";
    Rmse "rmse" Error Loss Data AtMost "RMSE" "sqrt(sum e^2 / n)";
    P50Abs "p50_abs" Error Pairs Data AtMost "median absolute error" "50 % quantile of |e|, linear between neighbours as numpy.quantile";
    P90Abs "p90_abs" Error Pairs Data AtMost "90 % quantile of absolute error" "90 % quantile of |e|";
    P99Abs "p99_abs" Error Pairs Data AtMost "99 % quantile of absolute error" "99 % quantile of |e|";
    P999Abs "p999_abs" Error Pairs Data AtMost "99.9 % quantile of absolute error" "99.9 % quantile of |e|";
    MaxUlp "max_ulp" Error Pairs Ulp AtMost "largest distance in ULP" "most floats of the dtype between original and restored, signs crossed";
    MeanUlp "mean_ulp" Error Pairs Ulp AtMost "mean distance in ULP" "sum of ULP distances / n";
    EqualFraction "equal_fraction" Error Loss Ratio AtLeast "values exactly equal" "share of all values that come back bit for bit (NaN as NaN)";
    Nrmse "nrmse" Relative Pairs Ratio AtMost "RMSE over range" "RMSE / (max - min of the original)";
    NrmseStd "nrmse_std" Relative Tiles Ratio AtMost "RMSE over standard deviation" "RMSE / standard deviation of the original";
    MaxRange "max_range" Relative Pairs Ratio AtMost "largest error over range" "max |e| / (max - min of the original)";
    MaxRel "max_rel" Relative Pairs Ratio AtMost "largest pointwise relative error" "max |e / x| over originals with |x| > rel_floor";
    MeanRel "mean_rel" Relative Pairs Ratio AtMost "mean pointwise relative error" "mean |e / x| over originals with |x| > rel_floor";
    SpatialRel "spatial_rel" Relative Pairs Ratio AtMost "share over the relative tolerance" "share of pairs with |e| > spatial_tol * |x| (for x = 0: |e| > spatial_tol)";
    Psnr "psnr" Relative Pairs Decibel AtLeast "PSNR" "20 log10((max - min of the original) / RMSE), infinite without error";
    Pearson "pearson" Likeness Tiles Ratio AtLeast "Pearson correlation" "covariance over the product of standard deviations";
    Autocorrelation "autocorrelation" Likeness Tiles Ratio AtMost "autocorrelation of errors at lag 1" "of the axis where its magnitude is largest: sum d_i d_(i+1) / sum d_i^2, d = e - mean e; a limit holds for its magnitude";
    KsDistance "ks_distance" Likeness Tiles Ratio AtMost "Kolmogorov-Smirnov distance" "largest difference of the two arrays' cumulative distributions";
    KsP "ks_p" Likeness Tiles Ratio AtLeast "Kolmogorov-Smirnov p value" "Kolmogorov's limit distribution at sqrt(n/2) * distance";
    Ssim "ssim" Likeness Tiles Ratio AtLeast "SSIM" "structural similarity, 7-wide uniform window over the last two or three axes, sample covariance, range of the original: scikit-image's default";
    Dssim "dssim" Likeness Tiles Ratio AtLeast "DSSIM" "data SSIM of Baker et al. 2022 (256 levels, 11-wide Gaussian window) of the worst plane of the last two axes; 1 is alike";
    MeanShift "mean_shift" Statistics Pairs Data AtMost "shift of the mean" "|mean of the original - mean of the restored|";
    StdShift "std_shift" Statistics Tiles Data AtMost "shift of the standard deviation" "|standard deviation of the original - of the restored|";
    MinShift "min_shift" Statistics Pairs Data AtMost "shift of the minimum" "|minimum of the original - of the restored|";
    MaxShift "max_shift" Statistics Pairs Data AtMost "shift of the maximum" "|maximum of the original - of the restored|";
    Asymmetry "asymmetry" Structure Matrices Data AtMost "asymmetry of the restored" "max |a_ji - a_ij| of restored matrices";
    EigenvalueShift "eigenvalue_shift" Structure Matrices Data AtMost "largest shift of an eigenvalue" "max over k of |k-th eigenvalue of the original - of the restored|, symmetric matrices up to 4096";
    RowSumShift "row_sum_shift" Structure Matrices Data AtMost "largest change of a row's sum" "max over rows of |sum of e|, square matrices in the last two axes";
    PopcountShift "popcount_shift" Structure Matrices Count AtMost "change of the number of true values" "|true values of the original - of the restored|, masks";
    Iou "iou" Structure Matrices Ratio AtLeast "intersection over union" "true in both / true in either, masks";
}

impl Figure {
    /// The figure of this name.
    pub fn from_name(name: &str) -> Option<Figure> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// Whether a limit holds for the magnitude, because both signs are bad.
    pub const fn by_magnitude(self) -> bool {
        matches!(self, Figure::MeanError | Figure::Autocorrelation)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of every figure. NaN: not defined for this array, or not computed.
///
/// In JSON an object with all names, in the order of [`Figure::ALL`]; an undefined figure is `null`, an infinite one
/// `"inf"` or `"-inf"`, since JSON has no such numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures([f64; FIGURES]);

impl Default for Figures {
    fn default() -> Self {
        Self([f64::NAN; FIGURES])
    }
}

impl Figures {
    /// The value; NaN if it is not defined or was not computed.
    pub fn get(&self, figure: Figure) -> f64 {
        self.0.get(figure as usize).copied().unwrap_or(f64::NAN)
    }

    /// The value, if it is defined.
    pub fn defined(&self, figure: Figure) -> Option<f64> {
        Some(self.get(figure)).filter(|x| !x.is_nan())
    }

    /// Sets a value.
    pub fn set(&mut self, figure: Figure, value: f64) {
        if let Some(place) = self.0.get_mut(figure as usize) {
            *place = value;
        }
    }

    /// All defined figures in order.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, f64)> + '_ {
        Figure::ALL.iter().filter_map(|f| Some((*f, self.defined(*f)?)))
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(FIGURES))?;
        for figure in Figure::ALL {
            map.serialize_entry(figure.name(), &Number(self.get(*figure)))?;
        }
        map.end()
    }
}

/// A number in JSON: `null` for NaN, `"inf"` and `"-inf"` for the infinities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_nan() => serializer.serialize_none(),
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            x => serializer.serialize_f64(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unlike_and_lead_back() {
        for (i, figure) in Figure::ALL.iter().enumerate() {
            assert_eq!(*figure as usize, i);
            assert_eq!(Figure::from_name(figure.name()), Some(*figure));
        }
    }

    #[test]
    fn json_holds_every_name_and_no_number_that_json_has_not() {
        let mut figures = Figures::default();
        figures.set(Figure::Psnr, f64::INFINITY);
        figures.set(Figure::MaxAbs, 0.5);
        let json: serde_json::Value = serde_json::to_value(&figures).unwrap();
        assert_eq!(json.as_object().unwrap().len(), Figure::ALL.len());
        assert_eq!(
            (&json["psnr"], &json["max_abs"], &json["ssim"]),
            (&"inf".into(), &0.5.into(), &serde_json::Value::Null)
        );
    }
}
