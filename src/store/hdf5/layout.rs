//! How a dataset is stored, in words for people.

use super::raw::dataset::{Creation, Layout};

/// Layout and filters: `"chunks (64, 64): zstd(3)"`.
pub(super) fn words(creation: &Creation) -> String {
    let kind = match &creation.layout {
        Layout::Compact => "compact".to_owned(),
        Layout::Contiguous(_) => "contiguous".to_owned(),
        Layout::External => "external files".to_owned(),
        Layout::Virtual => "virtual".to_owned(),
        Layout::Chunked(shape) => {
            let sides: Vec<String> = shape.iter().map(u64::to_string).collect();
            format!("chunks ({})", sides.join(", "))
        }
    };
    let filters: Vec<String> = creation
        .filters
        .iter()
        .map(|f| match (f.id, f.parameters.first()) {
            (super::filter::ZSTD, Some(level)) => format!("zstd({level})"),
            (super::filter::DEFLATE, Some(level)) => format!("deflate({level})"),
            (super::filter::LZ4, _) => "lz4".to_owned(),
            (id, _) if f.name.is_empty() => format!("filter {id}"),
            _ => f.name.split_whitespace().next().unwrap_or_default().trim_end_matches([';', ',']).to_owned(),
        })
        .collect();
    if filters.is_empty() { kind } else { format!("{kind}: {}", filters.join(", ")) }
}
