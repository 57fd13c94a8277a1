//! Values that a step cannot carry: counted over the whole array before the run is refused.

use crate::array::Scalar;

/// Why a step cannot carry a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A finite value would become infinite.
    Overflow,
    /// A value differs from its mirror image.
    Asymmetric,
    /// A diagonal value is not the constant one that the step keeps.
    Diagonal,
    /// A value lies outside the range that the step was fitted to.
    OutOfRange,
    /// A boolean's byte is neither 0 nor 1.
    NotBool,
}

/// All values refused for one reason: how many, the first, and the worst.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The reason.
    pub why: Why,
    /// How many values.
    pub count: u64,
    /// Flat position on the step's input side of the first one.
    pub first: u64,
    /// The first value, and what it should have equalled, where there is such a value.
    pub first_value: (Scalar, Option<Scalar>),
    /// How bad the worst one is (magnitude, difference); NaN counts as infinitely bad.
    pub worst: f64,
    /// Flat position of the worst one.
    pub worst_at: u64,
    /// The worst value and its counterpart.
    pub worst_value: (Scalar, Option<Scalar>),
}

/// The refusals of one step, one entry a reason. Merging is independent of order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refused {
    /// One entry a reason, in order of the reasons.
    pub entries: Vec<Refusal>,
}

impl Refused {
    /// Adds one value at flat position `at` on the step's input side; `badness` ranks it.
    pub fn add(&mut self, why: Why, at: u64, value: Scalar, other: Option<Scalar>, badness: f64) {
        let worst = if badness.is_nan() { f64::INFINITY } else { badness };
        self.merge_one(Refusal {
            why,
            count: 1,
            first: at,
            first_value: (value, other),
            worst,
            worst_at: at,
            worst_value: (value, other),
        });
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Refused) {
        for entry in other.entries {
            self.merge_one(entry);
        }
    }

    fn merge_one(&mut self, new: Refusal) {
        match self.entries.binary_search_by_key(&new.why, |e| e.why) {
            Err(place) => self.entries.insert(place, new),
            Ok(place) => {
                let old = &mut self.entries[place];
                old.count += new.count;
                if new.first < old.first {
                    (old.first, old.first_value) = (new.first, new.first_value);
                }
                if new.worst > old.worst || (new.worst == old.worst && new.worst_at < old.worst_at) {
                    (old.worst, old.worst_at, old.worst_value) = (new.worst, new.worst_at, new.worst_value);
                }
            }
        }
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
