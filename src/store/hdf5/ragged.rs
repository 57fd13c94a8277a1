//! How a file says that its datasets hold one ragged array, and must grow together.

use serde_json::Value;

use super::list::{absolute, file_text};
use crate::error::{Result, refuse};
use crate::store::Place;

/// The file's attribute that says that it holds a ragged array, and where: JSON, in which datasets are named by their paths.
pub const RAGGED: &str = "ndcompact_ragged";

/// Refuses rows behind those of a dataset that is a part of a ragged array: without the sizes and shapes that belong to them, no item
/// would be found any more.
///
/// # Errors
/// `Usage` for such a dataset; `Io`.
pub fn refuse_ragged_rows(to: &Place) -> Result<()> {
    let Some(json) = file_text(&to.path, RAGGED)? else { return Ok(()) };
    let Ok(Value::Object(layout)) = serde_json::from_str(&json) else { return Ok(()) };
    let member = to.member.as_deref().map(absolute).transpose()?;
    let is_part =
        |part: &Value| part.as_str().is_some_and(|p| p.starts_with('/') && member.as_deref().is_none_or(|m| m == p));
    if layout.values().any(is_part) {
        let path = to.path.display();
        return refuse!(
            Usage,
            "{to}: it is a part of a ragged array, whose datasets grow together; add items with `compact ragged MORE --append -o {path}`"
        );
    }
    Ok(())
}
