//! The JSON form: every figure, class and element, under stable keys.

use super::Document;
use crate::error::{Error, ErrorKind, Result};

/// The document as indented JSON.
pub(super) fn text(document: &Document) -> Result<String> {
    let json = serde_json::to_string_pretty(document);
    json.map(|text| text + "\n")
        .map_err(|e| Error::new(ErrorKind::Unsupported, format!("the report cannot be written as JSON: {e}")))
}
