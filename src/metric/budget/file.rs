//! Reading a budget file.
//!
//! The TOML is walked by hand, not deserialised, because each mistake has its line and its remedy: a budget that is
//! misread is worse than none.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{Budget, Limits, SliceLimit, names, near, plain};
use crate::error::{Error, ErrorKind, Result};
use crate::metric::class::Class;
use crate::metric::figure::Figure;

/// Keys of a budget file that are no figures and stand at its top only.
pub(super) const TOP: &[&str] = &["note", "author", "arrays"];
/// Keys of limits that are no figures.
pub(super) const BESIDE: &[&str] = &["allow", "rel_floor", "spatial_tol", "slice"];
/// What stands for [`Limits::ANY`].
pub(super) const ANY: &str = "any";

impl Budget {
    /// Reads a budget file.
    ///
    /// Every error is of kind [`Usage`](crate::ErrorKind::Usage) and begins with its line: text that is no TOML, a key that is
    /// not known (with the nearest that is), a value of the wrong type, a limit that nothing can break or keep, two limits on
    /// the same, and a budget without any limit on a size of error, which could never say that too much was lost.
    pub fn from_toml(text: &str) -> Result<Budget> {
        let file = File { text };
        let root = DeTable::parse(text).map_err(|e| file.error(e.span().unwrap_or_default(), e.message()))?;
        file.budget(root.get_ref())
    }
}

type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// The entries of a table as they stand in the file, so that the first mistake is the first that is told.
fn entries<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct File<'t> {
    text: &'t str,
}

impl File<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        before.filter(|b| **b == b'\n').count() + 1
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message).at(format_args!("line {}", self.line(&span)))
    }

    /// A result of the model with its line.
    fn placed<T>(&self, span: Range<usize>, result: Result<T>) -> Result<T> {
        result.map_err(|e| e.at(format_args!("line {}", self.line(&span))))
    }

    fn budget(&self, root: &DeTable<'_>) -> Result<Budget> {
        let mut budget = Budget::default();
        for (key, value) in entries(root) {
            match key.get_ref().as_ref() {
                "note" => budget.note = self.words("note", value)?,
                "author" => budget.author = self.words("author", value)?,
                "arrays" => self.arrays(&mut budget, value)?,
                _ => self.limit(&mut budget.limits, key, value, TOP)?,
            }
        }
        if budget.limits.is_empty() && budget.arrays.is_empty() {
            return Err(Error::new(
                ErrorKind::Usage,
                "the budget limits no size of error, so it could never say that too much was lost; \
                 give a limit, for example max_abs = 0.01, or max_abs = 0 where nothing may be lost",
            ));
        }
        Ok(budget)
    }

    fn arrays(&self, budget: &mut Budget, value: &Spanned<DeValue<'_>>) -> Result<()> {
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.wrong("arrays", value, "tables of limits, each [arrays.NAME]"));
        };
        for (name, value) in entries(table) {
            let name_text = name.get_ref().as_ref();
            let Some(own) = value.get_ref().as_table() else {
                return Err(self.wrong(name_text, value, &format!("a table of limits: [arrays.{name_text:?}]")));
            };
            if let Some(other) = budget.arrays.keys().find(|k| plain(k) == plain(name_text)) {
                let message = format!("{name_text:?} and {other:?} are the same array; give its limits once");
                return Err(self.error(name.span(), message));
            }
            let mut limits = Limits::default();
            for (key, value) in entries(own) {
                if value.get_ref().is_table() && !BESIDE.contains(&key.get_ref().as_ref()) {
                    let joined = format!("{name_text}.{}", key.get_ref());
                    let message = format!(
                        "{:?} is a table inside of the limits of array {name_text:?}; \
                         if the array's name has a dot, quote it: [arrays.{joined:?}]",
                        key.get_ref()
                    );
                    return Err(self.error(key.span(), message));
                }
                self.limit(&mut limits, key, value, &[])?;
            }
            if limits.is_empty() {
                let message = format!(
                    "array {name_text:?} has no limit on a size of error, and its limits replace those above; \
                     give one, for example max_abs = 0.01"
                );
                return Err(self.error(name.span(), message));
            }
            budget.arrays.insert(name_text.to_owned(), limits);
        }
        Ok(())
    }

    /// One key of a table of limits.
    fn limit(
        &self,
        limits: &mut Limits,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        also: &[&str],
    ) -> Result<()> {
        let name = key.get_ref().as_ref();
        match name {
            "allow" => self.allow(limits, value),
            "rel_floor" => self.placed(value.span(), limits.set_rel_floor(self.number(name, value)?)),
            "spatial_tol" => self.placed(value.span(), limits.set_spatial_tol(self.number(name, value)?)),
            "slice" => self.slices(limits, value),
            _ => match Figure::from_name(name) {
                Some(figure) => self.placed(value.span(), limits.set(figure, self.number(name, value)?)),
                None if Class::ALL.iter().any(|c| c.name() == name) => {
                    let message = format!("{name:?} is a change of class; write allow = [{name:?}]");
                    Err(self.error(key.span(), message))
                }
                None => {
                    let figures = Figure::ALL.iter().map(|f| f.name());
                    let known: Vec<&str> = figures.chain(BESIDE.iter().copied()).chain(also.iter().copied()).collect();
                    Err(self.unknown("key", key.span(), name, &known))
                }
            },
        }
    }

    fn allow(&self, limits: &mut Limits, value: &Spanned<DeValue<'_>>) -> Result<()> {
        match value.get_ref() {
            DeValue::Array(list) => {
                for item in list.iter() {
                    let Some(name) = item.get_ref().as_str() else {
                        return Err(self.wrong("an entry of allow", item, "the name of a class in quotes"));
                    };
                    let class = self.class(name, item.span())?;
                    if limits.allow.contains_key(&class) {
                        return Err(self.error(item.span(), format!("allow has {name:?} twice; keep one of them")));
                    }
                    limits.set_allow(class, Limits::ANY);
                }
                Ok(())
            }
            DeValue::Table(table) => {
                for (key, value) in entries(table) {
                    let class = self.class(key.get_ref(), key.span())?;
                    limits.set_allow(class, self.count(key.get_ref(), value)?);
                }
                Ok(())
            }
            _ => Err(self.wrong("allow", value, "a list of classes, allow = [\"zero_sign\"], or a table with counts")),
        }
    }

    fn class(&self, name: &str, span: Range<usize>) -> Result<Class> {
        let known: Vec<&str> = Class::ALL.iter().map(|c| c.name()).collect();
        let class = Class::ALL.iter().copied().find(|c| c.name() == name);
        class.ok_or_else(|| self.unknown("class", span, name, &known))
    }

    fn count(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<u64> {
        let form = "how many are allowed, 0 or more, or \"any\"";
        match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).map_err(|_| self.wrong(key, value, form)),
            DeValue::String(s) if s == ANY => Ok(Limits::ANY),
            _ => Err(self.wrong(key, value, form)),
        }
    }

    fn slices(&self, limits: &mut Limits, value: &Spanned<DeValue<'_>>) -> Result<()> {
        let form = "tables with an axis and limits, each [[slice]]";
        let DeValue::Array(list) = value.get_ref() else { return Err(self.wrong("slice", value, form)) };
        for item in list.iter() {
            let DeValue::Table(table) = item.get_ref() else { return Err(self.wrong("slice", item, form)) };
            self.slice(limits, table, item.span())?;
        }
        Ok(())
    }

    fn slice(&self, limits: &mut Limits, table: &DeTable<'_>, span: Range<usize>) -> Result<()> {
        let Some(axis) = table.get("axis") else {
            return Err(self.error(span, "a slice limit has no axis; give one, for example axis = 0"));
        };
        let whole = axis.get_ref().as_integer();
        let Some(axis) = whole.and_then(|i| i64::from_str_radix(i.as_str(), i.radix()).ok()) else {
            return Err(self.wrong("axis", axis, "a whole number, negative from the end"));
        };
        let before = limits.slices.len();
        for (key, value) in entries(table) {
            let name = key.get_ref().as_ref();
            match Figure::from_name(name) {
                _ if name == "axis" => {}
                Some(figure) => {
                    let limit = self.number(name, value)?;
                    self.placed(key.span(), limits.set_slice(SliceLimit { axis, figure, limit }))?;
                }
                None => {
                    let figures = SliceLimit::FIGURES.iter().map(|f| f.name());
                    let known: Vec<&str> = std::iter::once("axis").chain(figures).collect();
                    return Err(self.unknown("key of a slice limit", key.span(), name, &known));
                }
            }
        }
        if limits.slices.len() == before {
            let figures = names(SliceLimit::FIGURES.iter().map(|f| f.name()));
            return Err(self.error(span, format!("the slices of axis {axis} have no limit; give one of {figures}")));
        }
        Ok(())
    }

    fn number(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<f64> {
        match value.get_ref() {
            DeValue::Float(x) => match x.as_str().parse::<f64>() {
                Ok(n) if n.is_infinite() && !x.as_str().ends_with("inf") => {
                    let message = format!("{key} = {x} is beyond the largest float64; give a smaller number");
                    Err(self.error(value.span(), message))
                }
                Ok(n) => Ok(n),
                Err(_) => Err(self.wrong(key, value, "a number")),
            },
            DeValue::Integer(i) => match i128::from_str_radix(i.as_str(), i.radix()) {
                Ok(n) => Ok(n as f64),
                Err(_) => Err(self.wrong(key, value, "a number; write very large ones with an exponent, 1e40")),
            },
            DeValue::String(s) => match s.as_ref() {
                "inf" | "+inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(self.wrong(key, value, "a number without quotes")),
            },
            _ => Err(self.wrong(key, value, "a number")),
        }
    }

    /// A text; a blank one, as a starting file has it, is none.
    fn words(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Option<String>> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => Ok(None),
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong(key, value, "a text in quotes")),
        }
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, form: &str) -> Error {
        let found = match value.get_ref() {
            DeValue::String(s) => format!("the text {s:?}"),
            DeValue::Integer(i) => i.to_string(),
            DeValue::Float(x) => x.to_string(),
            DeValue::Array(_) => "a list".to_owned(),
            other => format!("a {}", other.type_str()),
        };
        self.error(value.span(), format!("{key} is {found}, but should be {form}"))
    }

    fn unknown(&self, what: &str, span: Range<usize>, name: &str, known: &[&str]) -> Error {
        let remedy = near::remedy(name, known, "known are");
        self.error(span, format!("unknown {what} {name:?}; {remedy}"))
    }
}
