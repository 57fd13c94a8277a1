//! Declared fill values ("missing here"): pairs that hold one are told apart before anything else looks at them.

use super::widen::Low;
use crate::array::{Buf, DTypeKind, Span, position, with_word};
use crate::error::Result;
use crate::metric::class::ClassCount;

/// What a block held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fills {
    /// Fill values on both sides.
    pub(super) both: u64,
    /// Fill values that became another value.
    pub(super) lost: ClassCount,
    /// Other values that became the fill value.
    pub(super) made: ClassCount,
}

/// Both sides without the pairs that hold a fill value.
#[derive(Debug, Default)]
pub(super) struct Masked {
    pub(super) at: Vec<Span>,
    pub(super) original: Buf,
    pub(super) restored: Buf,
}

impl Masked {
    /// Takes `original` and `restored` in, but pairs that hold `fill` on either side: floats become NaN on both, so that
    /// they stay where they are; of integers the other pairs are kept, with their positions.
    pub(super) fn take(&mut self, at: &[Span], original: &Buf, restored: &Buf, fill: u64) -> Result<Fills> {
        let dtype = original.dtype();
        let float = dtype.kind() == DTypeKind::Float;
        let mut fills = Fills::default();
        self.original.clone_from(original);
        self.restored.clone_from(restored);
        self.at.clear();
        if float {
            self.at.extend_from_slice(at);
        }
        let mut kept = 0;
        with_word!(dtype, W => {
            let (x, y) = (original.slice::<W>(), restored.slice::<W>());
            let nan = nan_of(dtype.size());
            for (i, (a, b)) in x.iter().zip(y).enumerate() {
                let (a_fill, b_fill) = (Low::low(*a) == fill, Low::low(*b) == fill);
                if a_fill | b_fill {
                    let count = match (a_fill, b_fill) {
                        (true, true) => {
                            fills.both += 1;
                            None
                        }
                        (true, false) => Some(&mut fills.lost),
                        _ => Some(&mut fills.made),
                    };
                    if let Some(count) = count {
                        count.merge(ClassCount { count: 1, first: Some(position(at, i as u64)) });
                    }
                    if float {
                        let size = dtype.size();
                        self.original.bytes_mut()[i * size..(i + 1) * size].copy_from_slice(&nan[..size]);
                        self.restored.bytes_mut()[i * size..(i + 1) * size].copy_from_slice(&nan[..size]);
                    }
                } else if !float {
                    self.original.slice_mut::<W>()[kept] = *a;
                    self.restored.slice_mut::<W>()[kept] = *b;
                    kept += 1;
                }
            }
        });
        if !float {
            // Positions of what is kept: walked once more, since most blocks hold no fill value at all.
            let mut i = 0;
            with_word!(dtype, W => for span in at {
                for position in span.start..span.end() {
                    if Low::low(original.slice::<W>()[i]) != fill && Low::low(restored.slice::<W>()[i]) != fill {
                        Span::push(&mut self.at, Span::new(position, 1));
                    }
                    i += 1;
                }
            });
            self.original.reset(dtype, kept as u64)?;
            self.restored.reset(dtype, kept as u64)?;
        }
        Ok(fills)
    }
}

/// The bytes of a NaN of `size` bytes.
fn nan_of(size: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    match size {
        2 => bytes[..2].copy_from_slice(&half::f16::NAN.to_ne_bytes()),
        4 => bytes[..4].copy_from_slice(&f32::NAN.to_ne_bytes()),
        _ => bytes.copy_from_slice(&f64::NAN.to_ne_bytes()),
    }
    bytes
}
