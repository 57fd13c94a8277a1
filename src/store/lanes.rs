//! How wide the numbers are that some bytes hold, found by looking.

/// Bits that it takes to learn how the bytes of one more place are spread; fewer are no gain.
const LEARNING_BITS: f64 = 2000.0;

/// The width of the numbers in `bytes`, 1, 2, 4 or 8: that for which the bytes at each place within a number are the least spread.
pub(super) fn width(bytes: &[u8]) -> u32 {
    let mut counts = [[0u32; 256]; 8];
    for eight in bytes.chunks_exact(8) {
        for (count, byte) in counts.iter_mut().zip(eight) {
            count[usize::from(*byte)] += 1;
        }
    }
    let cost = |width: usize| {
        let place = |at: usize| {
            let mut all = [0u32; 256];
            for counts in counts[at..].iter().step_by(width) {
                all.iter_mut().zip(counts).for_each(|(a, c)| *a += c);
            }
            entropy(&all)
        };
        (0..width).map(place).sum::<f64>() + width as f64 * LEARNING_BITS
    };
    let (mut best, mut least) = (1, cost(1));
    for width in [2, 4, 8] {
        let cost = cost(width);
        if cost < least {
            (best, least) = (width, cost);
        }
    }
    best as u32
}

/// Bits of all values that were counted, each at its share's logarithm.
fn entropy(counts: &[u32; 256]) -> f64 {
    let all = f64::from(counts.iter().sum::<u32>());
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) * (all / f64::from(*c)).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn the_width_of_numbers_shows_in_their_bytes() {
        let waves = (0..20_000).map(|i| (f64::from(i) * 0.01).sin() * 3.0);
        assert_eq!(width(&waves.clone().flat_map(f64::to_le_bytes).collect::<Vec<_>>()), 8);
        assert_eq!(width(&waves.clone().flat_map(|x| (x as f32).to_le_bytes()).collect::<Vec<_>>()), 4);
        assert_eq!(width(&waves.clone().flat_map(|x| ((x * 5e3) as i16).to_le_bytes()).collect::<Vec<_>>()), 2);
        assert_eq!(width(&waves.map(|x| (x * 40.0) as i8 as u8).collect::<Vec<_>>()), 1);
        assert_eq!(width(b""), 1);
    }
}
