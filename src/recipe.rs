//! The record a file carries: which steps were run, on what, and what that lost. JSON, versioned.

use serde::{Deserialize, Serialize};

use crate::array::{ByteOrder, DType, Spec};
use crate::coding::Coding;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::LossRecord;
use crate::pipeline::Pipeline;
use crate::transform::{Ask, Fill, Step};

/// The version of a record without a coding. A reader refuses what is newer than it knows.
pub const FORMAT: u32 = 1;

/// The version of a record with a coding: readers of the first version cannot undo it.
pub const FORMAT_CODED: u32 = 2;

/// The order of the axes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Axes {
    /// The last axis varies fastest.
    #[default]
    C,
    /// The first axis varies fastest.
    F,
}

/// The array as it was before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// Dtype.
    pub dtype: DType,
    /// Byte order in its file.
    pub byte_order: ByteOrder,
    /// Axis order in its file.
    pub axes: Axes,
    /// Shape as NumPy shows it.
    pub shape: Vec<u64>,
    /// The fill value its file declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// The CF packing its file declares for the stored numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cf: Option<CfPacking>,
}

/// CF conventions' packing: a stored number n stands for `n * scale_factor + add_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CfPacking {
    /// Factor.
    pub scale_factor: f64,
    /// Offset.
    pub add_offset: f64,
}

impl CfPacking {
    /// The packing of numbers that are themselves packed by `inner`.
    #[must_use]
    pub fn after(self, inner: CfPacking) -> CfPacking {
        CfPacking {
            scale_factor: self.scale_factor * inner.scale_factor,
            add_offset: inner.add_offset * self.scale_factor + self.add_offset,
        }
    }
}

/// All that is needed to undo a file, and what its making lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`], or [`FORMAT_CODED`] with a coding.
    pub ndcompact: u32,
    /// The version of the program that wrote it.
    pub tool: String,
    /// What a restore gives back.
    pub original: Original,
    /// The order of the axes in which the steps saw the array: `F` means C order of the reversed shape.
    pub axes: Axes,
    /// The steps in the order in which they ran.
    pub steps: Vec<Step>,
    /// How chunks were coded after the steps, where they were: then the file holds the array as it was, and the steps were run
    /// on each chunk by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding: Option<Coding>,
    /// What they lost, measured on every element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossRecord>,
    /// CRC-32 (as in zip and PNG) of the packed elements' bytes as they stand in a `.npy` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

impl Record {
    /// Reads a record, refusing unknown versions, steps and fields.
    pub fn from_json(json: &str) -> Result<Self> {
        let bad = |e: serde_json::Error| Error::new(ErrorKind::Corrupt, format!("the recipe cannot be read: {e}"));
        #[derive(Deserialize)]
        struct Version {
            ndcompact: u32,
        }
        let version: Version = serde_json::from_str(json).map_err(bad)?;
        if !matches!(version.ndcompact, FORMAT | FORMAT_CODED) {
            return refuse!(
                Unsupported,
                "the recipe has format {}; this program reads {FORMAT} and {FORMAT_CODED}. Use a newer version of it",
                version.ndcompact
            );
        }
        let record: Self = serde_json::from_str(json).map_err(bad)?;
        if record.coding.is_some() != (record.ndcompact == FORMAT_CODED) {
            return refuse!(
                Corrupt,
                "the recipe has format {} {} a coding, which no version of this program writes",
                record.ndcompact,
                if record.coding.is_some() { "with" } else { "without" }
            );
        }
        Ok(record)
    }

    /// Whether the same bits come back: neither steps nor coding lose any, nor did a coding that the array has left since.
    pub fn is_exact(&self) -> Result<bool> {
        let lost = self.loss.as_ref().is_some_and(|loss| loss.changed > 0 || loss.nan_payload > 0);
        Ok(!lost && self.coding.is_none_or(|c| c.bound.is_lossless()) && self.pipeline()?.is_exact())
    }

    /// Whether the file holds the original's elements as they are: moved from another container, and nothing done to them.
    pub fn is_original(&self) -> bool {
        self.steps.is_empty() && self.coding.is_none() && self.is_exact().unwrap_or(false)
    }

    /// What stands between the original and the elements that the file shows: the steps, or nothing where they were run inside
    /// of chunks.
    pub fn shown_through(&self) -> Result<Pipeline> {
        if self.coding.is_some() { Pipeline::bind(&self.shown()?, &[]) } else { self.pipeline() }
    }

    /// The record as one line of JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::new(ErrorKind::Recipe, format!("the recipe cannot be written as JSON: {e}")))
    }

    /// The original array as NumPy shows it.
    pub fn shown(&self) -> Result<Spec> {
        Spec::new(self.original.dtype, self.original.shape.clone())
    }

    /// The steps, bound to the array in the axis order in which they ran.
    pub fn pipeline(&self) -> Result<Pipeline> {
        let mut shape = self.original.shape.clone();
        if self.axes == Axes::F {
            shape.reverse();
        }
        let mut pipeline = Pipeline::bind(&Spec::new(self.original.dtype, shape)?, &self.steps)?;
        if self.axes == Axes::F {
            pipeline = pipeline.reversed();
        }
        if self.axes == Axes::F && !pipeline.is_elementwise() {
            return refuse!(
                Corrupt,
                "the recipe runs steps across axes in Fortran order, which no version of this program writes"
            );
        }
        Ok(pipeline)
    }
}

/// Reads a recipe file: a JSON list of steps, or an object with a list `steps`, as asked for or as recorded.
pub fn asks_from_json(json: &str) -> Result<Vec<Ask>> {
    let bad = |e: serde_json::Error| Error::new(ErrorKind::Recipe, format!("the recipe cannot be read: {e}"));
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        List(Vec<serde_json::Value>),
        Object { steps: Vec<serde_json::Value> },
    }
    let (Form::List(steps) | Form::Object { steps }) = serde_json::from_str(json).map_err(bad)?;
    steps
        .into_iter()
        .enumerate()
        .map(|(i, value)| match serde_json::from_value::<Ask>(value.clone()) {
            Ok(ask) => Ok(ask),
            // What is no request may be a recorded step; if neither, the request's own error says more to a person.
            Err(e) => serde_json::from_value(value).map(Ask::Settled).map_err(|_| bad(e).at(format!("step {}", i + 1))),
        })
        .collect()
}
