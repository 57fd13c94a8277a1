//! A recipe bound to an array: seen through it from either end, a file is again an array that can be read in parts.

mod cache;
mod chain;
mod source;
mod work;

use std::fmt;

use crate::array::{Spec, index_of};
use crate::error::{Error, Result};
use crate::transform::{Copies, Fidelity, Io, Step, Unit};

pub(crate) use cache::Cache;
pub use chain::{Packing, Restoring};
pub use source::{Grain, Memory, Sink, Sliced, Source};
pub use work::{StepTally, Tally, Work};

/// One bound step.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The step.
    pub step: Step,
    /// Both of its ends.
    pub io: Io,
}

/// Steps bound to the spec of the array they are for: every dtype and shape on the way is known and fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    input: Spec,
    stages: Vec<Stage>,
    measure: Measure,
    /// Whether the axes stand in the reverse of the order in which people see them.
    reversed: bool,
}

/// Where losses are measured; follows from the steps alone.
#[derive(Debug, Clone, PartialEq, Default)]
struct Measure {
    /// For each stage, whether it may change values.
    lossy: Vec<bool>,
    /// For each stage, the exact mirroring step before it (its index), if every element of its input stands twice but for
    /// that step's diagonal.
    mirrored_by: Vec<Option<usize>>,
    /// For several lossy stages: the stage whose input the end of the last lossy stage is compared with.
    total_from: Option<usize>,
    /// The last lossy stage.
    last: Option<usize>,
}

impl Pipeline {
    /// Binds `steps` to an array of `input`. The error names the step, the dtype or shape before it, and what would fit.
    pub fn bind(input: &Spec, steps: &[Step]) -> Result<Self> {
        let mut at = input.clone();
        let mut stages = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let output = step.transform().output(&at).map_err(|e| in_step(e, i, steps.len()))?;
            stages.push(Stage { step: step.clone(), io: Io { input: at, output: output.clone() } });
            at = output;
        }
        let measure = Measure::of(&stages);
        Ok(Self { input: input.clone(), stages, measure, reversed: false })
    }

    /// The same steps on an array in Fortran order, seen as C order of the reversed shape: indices and shapes that people
    /// are shown are turned back.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reversed = true;
        self
    }

    /// The shape of `spec`, a stage's or either end's, as people see it.
    pub fn shown_shape(&self, spec: &Spec) -> Vec<u64> {
        let mut shape = spec.shape().to_vec();
        if self.reversed {
            shape.reverse();
        }
        shape
    }

    /// The original side.
    pub fn input(&self) -> &Spec {
        &self.input
    }

    /// The packed side.
    pub fn output(&self) -> &Spec {
        self.stages.last().map_or(&self.input, |s| &s.io.output)
    }

    /// The bound steps in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Whether the same bits come back.
    pub fn is_exact(&self) -> bool {
        self.measure.last.is_none()
    }

    /// Whether a step keeps one of every two equal elements, as of symmetric matrices.
    pub(crate) fn has_twins(&self) -> bool {
        self.stages.iter().any(|s| s.step.transform().copies() == Copies::Twins)
    }

    /// Whether every step works on single elements, so that the order of the axes does not matter to it.
    pub fn is_elementwise(&self) -> bool {
        self.stages
            .iter()
            .all(|s| s.step.transform().unit(&s.io.input) == Unit::ELEMENT && s.io.input.shape() == s.io.output.shape())
    }

    /// The smallest piece that passes through all steps on its own.
    pub fn unit(&self) -> Unit {
        let whole = Unit { input: self.input.count().max(1), output: self.output().count().max(1) };
        let mut unit = Unit::ELEMENT;
        for stage in &self.stages {
            let u = stage.step.transform().unit(&stage.io.input);
            if u.input == 0 || u.output == 0 {
                return whole;
            }
            let Some(common) = lcm(unit.output, u.input) else { return whole };
            let (Some(input), Some(output)) =
                (unit.input.checked_mul(common / unit.output), u.output.checked_mul(common / u.input))
            else {
                return whole;
            };
            unit = Unit { input, output };
        }
        unit
    }

    /// Where the packed side may be cut inside a unit, where not anywhere.
    pub fn cut(&self) -> Option<Grain> {
        let last = self.stages.last()?;
        let step = last.step.transform().cut(&last.io.input);
        (step > 1).then(|| Grain { period: last.io.output.last_axis().max(1), step })
    }

    /// Bytes in flight for one whole unit: the array at every stage, and its restored copy where a loss is measured.
    pub fn unit_bytes(&self) -> u64 {
        let unit = self.unit();
        let at = |spec: &Spec, elements: u64| elements * spec.dtype().size() as u64;
        let mut elements = unit.input;
        let mut bytes = at(&self.input, elements);
        for (stage, lossy) in self.stages.iter().zip(&self.measure.lossy) {
            let u = stage.step.transform().unit(&stage.io.input);
            if *lossy {
                bytes += at(&stage.io.input, elements);
            }
            elements = (u128::from(elements) * u128::from(u.output) / u128::from(u.input.max(1))) as u64;
            bytes += at(&stage.io.output, elements);
        }
        bytes
    }

    /// Follows a flat position on stage `k`'s input side back to the n-d index in the original array, as people see it.
    pub fn original_index(&self, k: usize, at: u64) -> Vec<u64> {
        let flat = self.stages[..k].iter().rev().fold(at, |at, s| s.step.transform().origin(&s.io, at));
        let mut index = index_of(self.input.shape(), flat);
        if self.reversed {
            index.reverse();
        }
        index
    }

    /// Whether most elements of stage `k`'s input stand for two equal ones of the original.
    pub(crate) fn is_doubled(&self, k: usize) -> bool {
        self.measure.mirrored_by.get(k).is_some_and(Option::is_some)
    }

    /// The stage at whose input the loss in all is measured, where it is not one step's loss.
    pub(crate) fn total_from(&self) -> Option<usize> {
        self.measure.total_from
    }

    pub(crate) fn stage_is_lossy(&self, k: usize) -> bool {
        self.measure.lossy.get(k).copied().unwrap_or(false)
    }
}

impl Measure {
    fn of(stages: &[Stage]) -> Self {
        let lossy: Vec<bool> =
            stages.iter().map(|s| s.step.transform().fidelity(&s.io.input) != Fidelity::Exact).collect();
        // What stands before each stage: nothing that mirrors, one mirroring step with only elementwise ones after it, or more.
        let mut before: Vec<Result<Option<usize>, ()>> = vec![Ok(None)];
        for (i, s) in stages.iter().enumerate() {
            let t = s.step.transform();
            let elementwise = t.unit(&s.io.input) == Unit::ELEMENT;
            let next = match (before[i], t.copies(), elementwise) {
                (Ok(None), Copies::Twins, _) => Ok(Some(i)),
                (Ok(Some(k)), Copies::One, true) => Ok(Some(k)),
                (Ok(None), Copies::One, _) => Ok(None),
                _ => Err(()),
            };
            before.push(next);
        }
        let mirrored_by: Vec<Option<usize>> = (0..stages.len()).map(|i| before[i].ok().flatten()).collect();
        let first = lossy.iter().position(|l| *l);
        let last = lossy.iter().rposition(|l| *l);
        let total_from = match (first, last) {
            (Some(f), Some(l)) if f != l || before[f].is_err() => Some(if before[f].is_err() { 0 } else { f }),
            _ => None,
        };
        Self { lossy, mirrored_by, total_from, last }
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.input)?;
        for stage in &self.stages {
            write!(f, " -> {} -> {}", stage.step.name(), stage.io.output)?;
        }
        Ok(())
    }
}

fn lcm(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a.checked_mul(b / x.max(1))
}

/// Names the step an error comes from, where there is more than one.
pub(crate) fn in_step(e: Error, i: usize, of: usize) -> Error {
    if of > 1 { e.at(format!("step {} of {of}", i + 1)) } else { e }
}
