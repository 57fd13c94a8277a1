//! What stands after `--bits=`.

use std::str::FromStr;

use crate::error::{Error, Result, refuse};
use crate::transform::{BitOrder, BitPackAsk};

/// The widest integers that are packed to their bits.
const MAX_BITS: u32 = 32;

/// The value of `--bits`: nothing, `N`, `order=little`, or `N,order=little`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bits(pub(super) BitPackAsk);

impl FromStr for Bits {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (mut bits, mut order) = (None, None);
        for part in text.split(',').filter(|p| !p.is_empty()) {
            match (part.strip_prefix("order="), part.parse::<u32>()) {
                (Some("big"), _) if order.is_none() => order = Some(BitOrder::Big),
                (Some("little"), _) if order.is_none() => order = Some(BitOrder::Little),
                (None, Ok(n)) if bits.is_none() => {
                    if !(1..=MAX_BITS).contains(&n) {
                        return refuse!(Usage, "{n} bits to a value; it can be 1 to {MAX_BITS}");
                    }
                    bits = Some(n);
                }
                _ => {
                    return refuse!(
                        Usage,
                        "{part:?} is neither a number of bits nor order=big or order=little; write e.g. --bits=12,order=little"
                    );
                }
            }
        }
        Ok(Self(BitPackAsk { bits, order: order.unwrap_or_default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_order_come_alone_or_together() {
        let read = |text: &str| text.parse::<Bits>().map(|b| (b.0.bits, b.0.order)).ok();
        assert_eq!(read(""), Some((None, BitOrder::Big)));
        assert_eq!(read("12"), Some((Some(12), BitOrder::Big)));
        assert_eq!(read("order=little"), Some((None, BitOrder::Little)));
        assert_eq!(read("3,order=big"), Some((Some(3), BitOrder::Big)));
        for wrong in ["0", "33", "3,4", "order=middle", "order=big,order=big", "x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
