//! Where the elements of a block stand in the array.

use crate::array::Span;

/// The flat positions of the next `len` elements of spans laid end to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    spans: &'a [Span],
    /// Elements of the first span that lie before.
    skip: u64,
    len: usize,
}

impl<'a> Places<'a> {
    /// Positions of all elements of `spans`.
    pub(super) fn new(spans: &'a [Span], len: usize) -> Self {
        Self { spans, skip: 0, len }
    }

    /// Splits the first `n` positions off.
    pub(super) fn take(&mut self, n: usize) -> Places<'a> {
        let head = Places { len: n.min(self.len), ..*self };
        self.len -= head.len;
        self.skip += head.len as u64;
        while let [first, rest @ ..] = self.spans {
            if self.skip < first.len {
                break;
            }
            self.skip -= first.len;
            self.spans = rest;
        }
        head
    }

    /// The positions in order of the elements.
    pub(super) fn iter(self) -> impl Iterator<Item = u64> + 'a {
        self.spans
            .iter()
            .scan(self.skip, |skip, s| {
                let start = s.start + *skip;
                *skip = 0;
                Some(start..s.end())
            })
            .flatten()
            .take(self.len)
    }

    /// The lowest position; every position is at least this.
    pub(super) fn lowest(self) -> u64 {
        let mut left = self.len as u64;
        let mut skip = self.skip;
        let mut low = u64::MAX;
        for span in self.spans {
            if left == 0 {
                break;
            }
            if span.len > skip {
                low = low.min(span.start + skip);
                left = left.saturating_sub(span.len - skip);
            }
            skip = 0;
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_spans_have_the_positions_of_the_whole() {
        let spans = [Span::new(10, 3), Span::new(50, 0), Span::new(2, 4), Span::new(20, 1)];
        for step in 1..9 {
            let mut all = Places::new(&spans, 8);
            let mut got = Vec::new();
            while all.len > 0 {
                let chunk = all.take(step);
                let here: Vec<u64> = chunk.iter().collect();
                assert_eq!(chunk.lowest(), here.iter().copied().min().unwrap());
                got.extend(here);
            }
            assert_eq!(got, [10, 11, 12, 2, 3, 4, 5, 20]);
        }
    }
}
