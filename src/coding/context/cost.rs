//! What codes cost, in integers: the same choice on every machine.

/// Bits behind the point of [`log2_fine`].
pub(super) const FINE: u32 = 26;

/// log2(x) in 2^-26ths within 2e-7; 0 for 0. Linear between 1024 places of an octave.
#[inline(always)]
pub(super) fn log2_fine(x: u64) -> u64 {
    let x = x.max(1);
    let whole = x.ilog2();
    // The 63 bits below the leading one: 10 for the place in the table, 20 for the way to the next.
    let fraction = (x << (63 - whole)) & (u64::MAX >> 1);
    let (place, way) = ((fraction >> 53) as usize, (fraction >> 33) & 0xF_FFFF);
    let (a, b) = (u64::from(FRACTIONS[place & 1023]), u64::from(FRACTIONS[(place & 1023) + 1]));
    (u64::from(whole) << FINE) + a + (((b - a) * way) >> 20)
}

/// log2(x) in 65536ths; 0 for 0.
#[inline(always)]
pub(in crate::coding) fn log2_q16(x: u32) -> u32 {
    (log2_fine(u64::from(x)) >> (FINE - 16)) as u32
}

/// log2(1 + i / 1024) in 2^-26ths.
static FRACTIONS: [u32; 1025] = fractions();

const fn fractions() -> [u32; 1025] {
    let mut table = [0; 1025];
    let mut i = 0;
    while i < 1024 {
        // Binary digits of the logarithm by squaring, in 2.62 fixed point.
        let mut x = ((1024 + i) as u128) << 52;
        let mut digits = 0_u32;
        let mut digit = 0;
        while digit < FINE {
            x = (x * x) >> 62;
            digits <<= 1;
            if x >> 63 != 0 {
                digits |= 1;
                x >>= 1;
            }
            digit += 1;
        }
        table[i] = digits;
        i += 1;
    }
    table[1024] = 1 << FINE;
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integer_logarithm_is_the_logarithm() {
        for x in (1..5000).chain([65_535, 65_536, 1 << 30, u64::from(u32::MAX), (1 << 52) + 12_345_678_901]) {
            let exact = (x as f64).log2();
            assert!((log2_fine(x) as f64 / f64::from(1 << FINE) - exact).abs() < 3e-7, "{x}");
        }
    }
}
