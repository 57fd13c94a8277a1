//! The one list of class changes: ways in which a value becomes another kind of value, whatever the size of its error.

macro_rules! classes {
    ($($variant:ident $name:literal $words:literal;)*) => {
        /// A way in which a value became another kind of value.
        ///
        /// Each changed pair belongs to at most one class, but that a normal value may become subnormal and change its sign. Where
        /// a fill value is declared, changes to and from it are told as such and as nothing else. Complex numbers are classified by their parts, each counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Class { $(#[doc = $words] $variant,)* }

        impl Class {
            /// Every class, the graver first.
            pub const ALL: &'static [Class] = &[$(Class::$variant,)*];

            /// The stable name in JSON, for example `"finite_to_nan"`.
            pub const fn name(self) -> &'static str {
                match self { $(Class::$variant => $name,)* }
            }

            /// Plain words for a table, to stand after a count: `"3 finite values became NaN"`.
            pub const fn words(self) -> &'static str {
                match self { $(Class::$variant => $words,)* }
            }
        }

        /// How many classes there are.
        pub(super) const CLASSES: usize = Class::ALL.len();
    };
}

classes! {
    FiniteToNan "finite_to_nan" "finite values became NaN";
    FiniteToInf "finite_to_inf" "finite values became infinite";
    NanToOther "nan_to_other" "NaN became a finite or infinite value";
    InfToOther "inf_to_other" "infinite values became finite, NaN, or the opposite infinity";
    SignFlip "sign_flip" "nonzero values changed sign";
    NonzeroToZero "nonzero_to_zero" "nonzero values became zero";
    ZeroToNonzero "zero_to_nonzero" "zeros became nonzero";
    ZeroSign "zero_sign" "zeros changed sign";
    NormalToSubnormal "normal_to_subnormal" "normal values became subnormal";
    FillToOther "fill_to_other" "fill values became another value";
    OtherToFill "other_to_fill" "other values became the fill value";
}

impl Class {
    /// Classes that involve NaN or infinity.
    pub(super) const NON_FINITE: &'static [Class] =
        &[Class::FiniteToNan, Class::FiniteToInf, Class::NanToOther, Class::InfToOther];

    /// Classes between finite values.
    pub(super) const FINITE: &'static [Class] =
        &[Class::SignFlip, Class::NonzeroToZero, Class::ZeroToNonzero, Class::ZeroSign, Class::NormalToSubnormal];
}

/// How often a class change happened, and where first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// How many values (parts, for complex numbers).
    pub count: u64,
    /// The lowest flat position of one, if there is one.
    pub first: Option<u64>,
}

impl ClassCount {
    /// Adds `count` changes of which `first` is the lowest position.
    pub(super) fn merge(&mut self, other: ClassCount) {
        self.count += other.count;
        self.first = match (self.first, other.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}
