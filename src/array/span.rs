//! Ranges of flat C-order positions: the only way parts of an array are named inside.

/// `len` consecutive elements from flat C-order position `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Flat C-order position of the first element.
    pub start: u64,
    /// Number of elements.
    pub len: u64,
}

impl Span {
    /// `len` elements from `start`.
    pub const fn new(start: u64, len: u64) -> Self {
        Self { start, len }
    }

    /// The position after the last element.
    pub const fn end(self) -> u64 {
        self.start + self.len
    }

    /// Appends `span` to `spans`, joined to the last one where they touch; empty spans are dropped.
    pub fn push(spans: &mut Vec<Span>, span: Span) {
        if span.len == 0 {
            return;
        }
        match spans.last_mut() {
            Some(last) if last.end() == span.start => last.len += span.len,
            _ => spans.push(span),
        }
    }
}

/// Elements in all of `spans` together.
pub fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|s| s.len).sum()
}

/// The flat position of the `at`-th element of `spans` laid end to end (the last position if there is no such element).
pub(crate) fn position(spans: &[Span], mut at: u64) -> u64 {
    for span in spans {
        if at < span.len {
            return span.start + at;
        }
        at -= span.len;
    }
    spans.last().map_or(0, |s| s.end())
}
