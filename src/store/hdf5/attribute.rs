//! Attributes of a dataset we write.

use super::raw;
use crate::array::DType;
use crate::error::{Result, refuse};
use crate::transform::Fill;

/// The attribute that holds the record of how a dataset was made: JSON, a fixed-length UTF-8 string.
pub const RECIPE: &str = "ndcompact_recipe";

/// The longest attribute, in bytes: HDF5 refuses what does not fit an object header of 64 kB together with its name.
pub const MAX_ATTRIBUTE_BYTES: usize = 60_000;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A fixed-length UTF-8 string: unlike HDF5's variable-length ones it needs no global heap.
    Text(String),
    /// A float64.
    F64(f64),
    /// A uint64.
    U64(u64),
    /// An int64.
    I64(i64),
    /// Numbers along one axis, int32.
    I32s(Vec<i32>),
    /// A number of the dataset's own dtype, as CF wants `_FillValue`.
    Own(Fill),
}

impl AttributeValue {
    /// Writes it as `name` to a dataset of `dtype`.
    pub(super) fn write(&self, object: &raw::Id, name: &str, dtype: DType) -> Result<()> {
        match self {
            AttributeValue::Text(text) => {
                if text.len() > MAX_ATTRIBUTE_BYTES {
                    return refuse!(
                        Unsupported,
                        "attribute {name} has {} bytes; HDF5 holds at most {MAX_ATTRIBUTE_BYTES} in one",
                        text.len()
                    );
                }
                raw::attribute::write_text(object, name, text)
            }
            AttributeValue::F64(x) => raw::attribute::write_number(object, name, DType::F64, &x.to_ne_bytes()),
            AttributeValue::U64(x) => raw::attribute::write_number(object, name, DType::U64, &x.to_ne_bytes()),
            AttributeValue::I64(x) => raw::attribute::write_number(object, name, DType::I64, &x.to_ne_bytes()),
            AttributeValue::I32s(numbers) => raw::attribute::write_numbers(object, name, numbers),
            AttributeValue::Own(fill) => {
                let bits = fill.bits(dtype)?;
                let bytes = match dtype.size() {
                    1 => (bits as u8).to_ne_bytes().to_vec(),
                    2 => (bits as u16).to_ne_bytes().to_vec(),
                    4 => (bits as u32).to_ne_bytes().to_vec(),
                    _ => bits.to_ne_bytes().to_vec(),
                };
                raw::attribute::write_number(object, name, dtype, &bytes)
            }
        }
    }
}
