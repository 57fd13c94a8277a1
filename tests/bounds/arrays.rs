//! Chunks that try a bound: a seed each, so that one can be made again.

use half::f16;
use ndcompact::array::{Buf, DTypeKind};
use ndcompact::coding::{Bound, Coding, Effort};
use ndcompact::transform::Step;
use ndcompact::{DType, Spec};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// Whether something with `percent` in a hundred happens.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Even in 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Even in −1..1.
    fn around(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// Even in the exponent, from 10^low to 10^high.
    fn decades(&mut self, low: f64, high: f64) -> f64 {
        let power = low + (high - low) * self.unit();
        // In two steps, or 10^-320 would be 0.
        10f64.powf(power / 2.0) * 10f64.powf(power / 2.0)
    }
}

/// A chunk and what is asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) chunk: Spec,
    pub(crate) valid: Vec<u64>,
    pub(crate) values: Buf,
    pub(crate) steps: Vec<Step>,
    pub(crate) coding: Coding,
    pub(crate) fill: Option<u64>,
    /// How the values were made, for the count.
    pub(crate) maker: &'static str,
    /// What kind of bound it is, for the count.
    pub(crate) limits: &'static str,
}

/// Elements of a chunk: mostly few, so that many kinds are met; sometimes as many as real chunks have.
fn count(random: &mut Random, most: u64) -> u64 {
    let n = match random.below(100) {
        0..30 => 1 + random.below(64),
        30..70 => 64 + random.below(4000),
        70..96 => 4096 + random.below(28_000),
        _ => 32_768 + random.below(260_000),
    };
    n.min(most)
}

/// A shape of 0 to 5 axes and about `n` elements.
fn shape(random: &mut Random, n: u64) -> Vec<u64> {
    let axes = random.below(6);
    let mut left = n;
    let mut shape = Vec::new();
    for axis in 0..axes {
        let last = axis + 1 == axes;
        // Even in the logarithm; axes of length 1 and single long axes among them.
        let extent = if last { left } else { ((left as f64).powf(random.unit()) as u64).clamp(1, left) };
        shape.push(extent);
        left = (left / extent).max(1);
    }
    for i in (1..shape.len()).rev() {
        shape.swap(i, random.below(i as u64 + 1) as usize);
    }
    shape
}

/// The chunk of `seed`, of at most `most` elements.
pub(crate) fn case(seed: u64, most: u64) -> Case {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let random = &mut random;
    // Floats twice as often: that is where bounds are hard.
    let dtype = if random.percent(40) {
        random.pick(&[DType::F16, DType::F32, DType::F32, DType::F64, DType::F64])
    } else {
        random.pick(DType::ALL)
    };
    let n = count(random, most);
    let mut valid = shape(random, n);
    let mut chunk = valid.clone();
    let triangle = random.percent(4);
    if triangle {
        let side = 1 + random.below(24);
        let matrices = 1 + random.below((n / (side * side)).clamp(1, 200));
        valid = vec![matrices, side, side];
        chunk = vec![matrices + random.below(3), side, side];
    } else if random.percent(15) {
        for extent in &mut chunk {
            *extent += random.below(4) * random.below(2);
        }
    }
    let spec = Spec::new(dtype, valid.clone()).unwrap();
    let n = spec.count() as usize;
    let row = (spec.last_axis() as usize).max(1);

    let (bound, limits, scale, step) = match dtype.kind() {
        DTypeKind::Float | DTypeKind::Complex => float_bound(random, dtype.part()),
        _ => integer_bound(random),
    };
    let mut values = Buf::new();
    values.reset(dtype, n as u64).unwrap();
    let (maker, fill) = match dtype.kind() {
        DTypeKind::Float => floats(random, dtype, row, scale, step, values.bytes_mut()),
        DTypeKind::Complex => (floats(random, dtype.part(), 2 * row, scale, step, values.bytes_mut()).0, None),
        DTypeKind::Bool => (bools(random, row, values.bytes_mut()), None),
        _ => integers(random, dtype, row, step, values.bytes_mut()),
    };
    let mut steps = Vec::new();
    if triangle {
        mirror(dtype.size(), valid[1] as usize, values.bytes_mut());
        steps = serde_json::from_str(r#"[{"step":"triangle","kind":"upper"}]"#).unwrap();
    }
    let effort = Effort::try_from(1 + random.below(9) as u8).unwrap();
    let coding = Coding { bound, effort };
    Case { chunk: Spec::new(dtype, chunk).unwrap(), valid, values, steps, coding, fill, maker, limits }
}

/// Copies each matrix's upper triangle onto its lower one.
fn mirror(size: usize, side: usize, bytes: &mut [u8]) {
    for matrix in bytes.chunks_exact_mut(side * side * size) {
        for i in 0..side {
            for j in 0..i {
                let (to, from) = ((i * side + j) * size, (j * side + i) * size);
                matrix.copy_within(from..from + size, to);
            }
        }
    }
}

/// Least positive, least normal and largest decimal exponents, and the bits of the mantissa, of a float dtype.
fn ends(dtype: DType) -> (f64, f64, u32) {
    match dtype {
        DType::F16 => (-7.2, 4.8, 10),
        DType::F32 => (-44.8, 38.5, 23),
        _ => (-323.3, 308.2, 52),
    }
}

/// A bound, the magnitude that values will have, and the step at whose halves they may stand.
fn float_bound(random: &mut Random, dtype: DType) -> (Bound, &'static str, f64, f64) {
    let (least, largest, mantissa) = ends(dtype);
    let scale = if random.percent(70) { random.decades(-3.0, 4.0) } else { random.decades(least, largest) };
    let spacing = scale * 0.5f64.powi(mantissa as i32);
    let absolute = |random: &mut Random| {
        let (e, name) = match random.below(10) {
            0..5 => (scale * random.decades(-6.5, 0.3), "max_abs"),
            5 | 6 => {
                (spacing * random.pick(&[0.2, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 7.3, 20.0]), "max_abs near the ulp")
            }
            7 => (2f64.powi(scale.log2() as i32 - random.below(40) as i32), "max_abs, a power of 2"),
            8 => (10f64.powi(scale.log10() as i32 - random.below(8) as i32), "max_abs, a power of 10"),
            _ => (
                random.pick(&[5e-324, 1e-320, f64::MIN_POSITIVE, 1e-45, 6e-8, 1e30, 1e300, f64::MAX, 65504.0]),
                "max_abs, extreme",
            ),
        };
        (e.min(f64::MAX), name)
    };
    let relative = |random: &mut Random| {
        let r = match random.below(10) {
            0..6 => random.decades(-8.0, 0.0),
            6 | 7 => 0.5f64.powi(mantissa as i32) * random.pick(&[0.2, 0.5, 1.0, 1.5, 2.0, 4.0]),
            8 => random.pick(&[0.5, 1.0, 2.0, 1.0 - f64::EPSILON, 0.125]),
            _ => random.pick(&[5e-324, 1e-17, 1e10, 1e300, f64::MAX]),
        };
        let floor = match random.below(5) {
            0..2 => 0.0,
            2 | 3 => scale * random.decades(-4.0, 1.0),
            _ => random.pick(&[5e-324, 1e-310, 1e300, f64::MAX]),
        };
        (r, floor.min(f64::MAX))
    };
    let mut bound = Bound::default();
    let name = match random.below(20) {
        0 => "none",
        1 | 2 => {
            bound.max_abs = Some(0.0);
            "max_abs 0"
        }
        3..12 => {
            let (e, name) = absolute(random);
            bound.max_abs = Some(e);
            name
        }
        12..16 => {
            let (r, floor) = relative(random);
            (bound.max_rel, bound.rel_floor) = (Some(r), floor);
            "max_rel"
        }
        16 | 17 => {
            let (r, floor) = relative(random);
            (bound.max_rel, bound.rel_floor) = (Some(r), floor);
            bound.max_abs = Some(absolute(random).0);
            "max_abs and max_rel"
        }
        18 => {
            let rmse = scale * random.decades(-5.0, 0.0);
            bound.mean_square = Some((rmse * rmse).min(f64::MAX));
            "mean_square"
        }
        _ => {
            let (e, _) = absolute(random);
            let rmse = e * random.decades(-1.0, 1.0);
            bound.max_abs = Some(e);
            bound.mean_square = Some((rmse * rmse).min(f64::MAX));
            if random.percent(40) {
                let (r, floor) = relative(random);
                (bound.max_rel, bound.rel_floor) = (Some(r), floor);
            }
            "all together"
        }
    };
    let step = match (bound.max_abs, bound.max_rel) {
        (Some(e), _) if e > 0.0 => e,
        (_, Some(r)) if r > 0.0 => (r * scale).min(f64::MAX),
        _ => scale * random.decades(-6.0, 0.0),
    };
    (bound, name, scale, step)
}

fn integer_bound(random: &mut Random) -> (Bound, &'static str, f64, f64) {
    let absolute = |random: &mut Random| match random.below(4) {
        0 => random.pick(&[0.0, 0.3, 0.5, 1f64.next_down(), 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 127.0, 255.5]),
        1 => random.pick(&[
            32_767.0,
            65_536.0,
            2_147_483_648.0,
            2f64.powi(53),
            2f64.powi(62),
            2f64.powi(63),
            2f64.powi(64),
        ]),
        2 => random.pick(&[1e300, f64::MAX, 5e-324, 2f64.powi(63).next_down(), 2f64.powi(31).next_up()]),
        _ => random.decades(0.0, 6.0),
    };
    let mut bound = Bound::default();
    let name = match random.below(10) {
        0 | 1 => "none",
        2..7 => {
            bound.max_abs = Some(absolute(random));
            "max_abs of integers"
        }
        7 | 8 => {
            bound.max_rel = Some(random.decades(-10.0, 0.5));
            bound.rel_floor = random.pick(&[0.0, 0.0, 1.0, 100.0, 1e10, 0.5]);
            if random.percent(30) {
                bound.max_abs = Some(absolute(random));
            }
            "max_rel of integers"
        }
        _ => {
            bound.mean_square = Some(random.decades(-1.0, 6.0));
            "mean_square of integers"
        }
    };
    let step = bound.max_abs.filter(|e| *e >= 1.0).unwrap_or_else(|| random.decades(0.0, 4.0));
    (bound, name, 1.0, step)
}

/// Writes the element of `dtype` nearest to `x`.
fn put(dtype: DType, x: f64, to: &mut [u8]) {
    match dtype {
        DType::F16 => to.copy_from_slice(&f16::from_f64(x).to_le_bytes()),
        DType::F32 => to.copy_from_slice(&(x as f32).to_le_bytes()),
        _ => to.copy_from_slice(&x.to_le_bytes()),
    }
}

/// Sum of a few waves without any wave: triangles of several lengths along the row and across rows.
fn smooth(random: &mut Random, n: usize, row: usize) -> Vec<f64> {
    let tooth = |x: f64| 4.0 * (x - x.floor() - 0.5).abs() - 1.0;
    let soft = |x: f64| {
        let t = tooth(x);
        t * (1.5 - 0.5 * t * t)
    };
    let waves: Vec<[f64; 3]> =
        (0..3).map(|_| [random.around(), random.unit() * 4.0 / row as f64, random.unit() * 0.2]).collect();
    (0..n)
        .map(|i| {
            let (x, y) = ((i % row) as f64, (i / row) as f64);
            waves.iter().map(|[a, u, v]| a * soft(u * x + v * y)).sum::<f64>() / 3.0
        })
        .collect()
}

/// Fills `bytes` with floats of magnitude `scale`, `step` being the bound or near it; gives the way and the fill value.
fn floats(
    random: &mut Random,
    dtype: DType,
    row: usize,
    scale: f64,
    step: f64,
    bytes: &mut [u8],
) -> (&'static str, Option<u64>) {
    let size = dtype.size();
    let n = bytes.len() / size;
    let (least, largest, _) = ends(dtype);
    let offset = if random.percent(30) { scale * random.decades(-1.0, 4.0) } else { 0.0 };
    let mut values: Vec<f64>;
    let name = match random.below(17) {
        0 | 1 => {
            values = smooth(random, n, row);
            let noise = random.pick(&[0.0, 0.0, step, 0.1 * step, 10.0 * step, scale]);
            values.iter_mut().for_each(|v| *v = *v * scale + offset + noise * random.around());
            "smooth and noise"
        }
        2..5 => {
            // k + 1/2 steps of twice the bound is where grids break it; other fractions are where other grids do.
            let (unit, shift) = (step * random.pick(&[2.0, 2.0, 1.0, 0.5, 4.0]), random.pick(&[0.5, 0.5, 0.0, 0.25]));
            let most = random.decades(0.0, 7.0) as u64 + 1;
            let origin = random.pick(&[0.0, 0.0, offset, scale]);
            values = (0..n).map(|_| (random.below(most) as f64 - (most / 2) as f64 + shift) * unit + origin).collect();
            "half steps of the bound"
        }
        5 => {
            for chunk in bytes.chunks_mut(8) {
                let bits = random.next().to_le_bytes();
                chunk.copy_from_slice(&bits[..chunk.len()]);
            }
            return ("random bits", None);
        }
        6 => {
            values = (0..n).map(|_| random.decades(least, largest) * random.pick(&[1.0, -1.0])).collect();
            "every magnitude"
        }
        7 => {
            values = vec![scale * random.around() + offset; n];
            if random.percent(50) {
                let at = random.below(n as u64) as usize;
                values[at] += step * random.pick(&[0.5, 1.0, 3.0, 1e6]);
            }
            "constant, or all but one"
        }
        8 => {
            let one: Vec<f64> = (0..row).map(|_| scale * random.around() + offset).collect();
            values =
                (0..n).map(|i| one[i % row] + if random.percent(2) { step * random.around() } else { 0.0 }).collect();
            "repeated rows"
        }
        9 => {
            let few: Vec<f64> = (0..1 + random.below(300)).map(|_| scale * random.around() + offset).collect();
            values = (0..n).map(|_| random.pick(&few)).collect();
            "few distinct values"
        }
        10 => {
            let near = 10f64.powf(least) * random.decades(0.0, 3.0);
            values = (0..n)
                .map(|_| {
                    let part = near * random.unit();
                    random.pick(&[0.0, -0.0, near, -near, part])
                })
                .collect();
            "zeros of both signs and subnormals"
        }
        11 => {
            let tenth = 10f64.powi(random.below(7) as i32);
            values = smooth(random, n, row);
            values.iter_mut().for_each(|v| *v = (*v * 1000.0 * tenth.sqrt() + random.around()).round() / tenth);
            "decimals"
        }
        12 => {
            let (unit, most) = (scale * random.decades(-5.0, 0.0), random.decades(0.5, 5.0) as u64);
            values = (0..n).map(|_| random.below(most) as f64 * unit + offset).collect();
            "scaled integers"
        }
        13 => {
            let end = match dtype {
                DType::F16 => 65504.0,
                DType::F32 => f64::from(f32::MAX),
                _ => f64::MAX,
            };
            let (a, b) = (random.unit(), random.unit());
            values = (0..n).map(|_| random.pick(&[end, -end, end * a, -end * b, 0.0, scale])).collect();
            "the dtype's ends"
        }
        14 => {
            let mut x = offset;
            values = (0..n)
                .map(|_| {
                    x += step * random.pick(&[1.0, -1.0, 0.5, 3.0]) * random.unit();
                    if random.percent(1) && random.percent(5) { x * 1e9 } else { x }
                })
                .collect();
            "a walk with outliers"
        }
        15 => {
            values = smooth(random, n, row);
            values.iter_mut().for_each(|v| *v = f64::from(f16::from_f64(*v * 100.0 + random.around())));
            "float16 in a wider dtype"
        }
        _ => {
            values = (0..n).map(|_| scale * random.around()).collect();
            let wide = random.percent(50);
            values.iter_mut().for_each(|v| *v = if wide { f64::from(*v as f32) } else { *v });
            "noise"
        }
    };
    for (x, to) in values.iter().zip(bytes.chunks_exact_mut(size)) {
        put(dtype, *x, to);
    }
    let fill = sprinkle(random, dtype, row, bytes);
    (name, fill)
}

/// Puts what is no ordinary value into floats: neighbours in the last bit, NaN of any payload, infinities, −0, fill values in runs
/// or alone.
fn sprinkle(random: &mut Random, dtype: DType, row: usize, bytes: &mut [u8]) -> Option<u64> {
    let size = dtype.size();
    let n = bytes.len() / size;
    let bits = |x: f64| {
        let mut word = [0u8; 8];
        put(dtype, x, &mut word[..size]);
        u64::from_le_bytes(word)
    };
    let set = |bytes: &mut [u8], i: usize, word: u64| {
        bytes[i * size..(i + 1) * size].copy_from_slice(&word.to_le_bytes()[..size]);
    };
    let get = |bytes: &[u8], i: usize| {
        let mut word = [0u8; 8];
        word[..size].copy_from_slice(&bytes[i * size..(i + 1) * size]);
        u64::from_le_bytes(word)
    };
    if random.percent(25) {
        for i in 0..n {
            let word = get(bytes, i);
            set(bytes, i, word.wrapping_add(random.below(3)).wrapping_sub(1));
        }
    }
    let fill =
        random.percent(35).then(|| bits(random.pick(&[1e20, -9999.0, f64::NAN, 0.0, -0.0, f64::INFINITY, -1e30])));
    let infinity = bits(f64::INFINITY);
    let sign = 1u64 << (8 * size - 1);
    let special = |random: &mut Random| match random.below(8) {
        0..2 => infinity | (random.next() & (sign | ((infinity & infinity.wrapping_neg()) - 1))),
        2 => infinity,
        3 => infinity | sign,
        4 => sign,
        5 => random.next() >> (64 - 8 * size as u32),
        _ => fill.unwrap_or(bits(f64::NAN)),
    };
    if random.percent(35) {
        let most = 1 + n as u64 / random.pick(&[2, 20, 1000]);
        let times = 1 + random.below(most);
        for _ in 0..times {
            let (at, word) = (random.below(n as u64) as usize, special(random));
            set(bytes, at, word);
        }
    }
    if random.percent(20) {
        // A coast: one long run in each row, its ends moving little; land and sea may change places.
        let (mut from, mut to) = (random.below(row as u64), random.below(row as u64));
        let word = fill.unwrap_or(bits(f64::NAN));
        for line in 0..n.div_ceil(row) {
            from = (from + random.below(3)).saturating_sub(1).min(row as u64);
            to = (to + random.below(3)).saturating_sub(1).min(row as u64);
            let (low, high) = (from.min(to) as usize, from.max(to) as usize);
            for i in low..high {
                if line * row + i < n {
                    set(bytes, line * row + i, word);
                }
            }
        }
    }
    if random.percent(3) {
        let word = special(random);
        (0..n).for_each(|i| set(bytes, i, word));
    }
    fill
}

fn bools(random: &mut Random, row: usize, bytes: &mut [u8]) -> &'static str {
    let percent = random.pick(&[0, 1, 50, 99, 100]);
    let mut now = false;
    for i in 0..bytes.len() {
        now = if random.percent(50) && i >= row { bytes[i - row] == 1 } else { now ^ random.percent(percent) };
        bytes[i] = u8::from(now);
    }
    "bools"
}

/// Fills `bytes` with integers, `step` being the bound or near it.
fn integers(random: &mut Random, dtype: DType, row: usize, step: f64, bytes: &mut [u8]) -> (&'static str, Option<u64>) {
    let size = dtype.size();
    let n = bytes.len() / size;
    let signed = dtype.kind() == DTypeKind::Int;
    let top = 1u64 << (8 * size - 1);
    // The least and the greatest value, as bits.
    let (low, high) = if signed { (top, top - 1) } else { (0, top | (top - 1)) };
    // As an integer: rounded, and held inside 63 bits.
    let step = (step.min(9e18) as u64).max(1);
    let mut words: Vec<u64>;
    let name = match random.below(10) {
        0 => {
            words = (0..n).map(|_| random.next()).collect();
            "random bits"
        }
        1 | 2 => {
            let near = random.pick(&[1, 2, 10, step]);
            words = (0..n)
                .map(|_| {
                    let away = random.below(near.saturating_mul(2));
                    random.pick(&[low.wrapping_add(away), high.wrapping_sub(away), away])
                })
                .collect();
            "the dtype's ends"
        }
        3 | 4 => {
            let unit = random.pick(&[step, step.wrapping_mul(2).wrapping_add(1), step.wrapping_mul(2), step / 2 + 1]);
            let (most, base) = (random.decades(0.3, 5.0) as u64 + 1, random.next() >> random.below(64));
            let nudge = random.below(3);
            words = (0..n)
                .map(|_| random.below(most).wrapping_mul(unit).wrapping_add(base).wrapping_add(random.below(nudge + 1)))
                .collect();
            "half steps of the bound"
        }
        5 => {
            words = vec![random.next(); n];
            "constant"
        }
        6 => {
            let mut x = random.next() >> random.below(64);
            let width = random.decades(0.0, 9.0) as u64 + 1;
            words = (0..n)
                .map(|_| {
                    x = x.wrapping_add(random.below(width)).wrapping_sub(width / 2);
                    x
                })
                .collect();
            "a walk"
        }
        7 => {
            let one: Vec<u64> = (0..row).map(|_| random.next() >> 40).collect();
            words = (0..n).map(|i| if random.percent(99) { one[i % row] } else { random.next() }).collect();
            "repeated rows"
        }
        8 => {
            let few: Vec<u64> = (0..1 + random.below(300)).map(|_| random.next()).collect();
            words = (0..n).map(|_| if random.percent(90) { 0 } else { random.pick(&few) }).collect();
            "mostly zeros"
        }
        _ => {
            let height = random.decades(1.0, 18.0).min(high as f64 / 2.0);
            words = smooth(random, n, row).into_iter().map(|v| (v * height) as i64 as u64).collect();
            if !signed {
                words.iter_mut().for_each(|w| *w = w.wrapping_add(height as u64));
            }
            "smooth"
        }
    };
    let mask = top | (top - 1);
    let fill = random.percent(25).then(|| random.pick(&[low, high, 0, random.0]) & mask);
    if let Some(fill) = fill {
        let density = random.pick(&[0, 1, 30]);
        words.iter_mut().for_each(|w| *w = if random.percent(density) { fill } else { *w });
    }
    for (word, to) in words.iter().zip(bytes.chunks_exact_mut(size)) {
        to.copy_from_slice(&word.to_le_bytes()[..size]);
    }
    (name, fill)
}
