//! Few distinct values: each is its rank among them.

use super::kernel::{SURE, Stats, drive};
use super::ordered::Word;
use super::survey::Survey;
use crate::array::{Buf, DType, with_integer};
use crate::coding::bytes::{Put, Reader};
use crate::coding::entropy::{Int, pack_bytes, unpack_bytes};
use crate::coding::holes::Holes;
use crate::error::{Result, refuse};

/// Most distinct values: their ranks fit two bytes.
const MOST: usize = 1 << 16;
/// Elements there must be for each distinct value: the table itself takes about two bytes a value.
const PAYS: usize = 6;
/// Integers of another map for each distinct value, below which ranks are hardly denser than they.
const SPARSE: u128 = 4;
/// How far above its limit the estimated number of distinct values may be.
const SLACK: f64 = 1.5;
/// Longest varint of a key's difference.
const LONGEST: usize = 10;
/// Effort of packing the table: it is small.
const LEVEL: i32 = 9;

/// The distinct values as integers in their order, ascending. k is the rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::coding) struct Table {
    keys: Vec<i64>,
}

/// An element as an integer in the order of the values, and back.
trait Key: Copy {
    fn key(self) -> i64;
    fn is_hole(self, fill: Option<u64>) -> bool;
}

/// The bits of a float of that width.
#[derive(Clone, Copy)]
struct Float<W>(W);

macro_rules! keys {
    (floats $($W:ty)*; integers $($T:ty)*;) => {
        $(impl Key for Float<$W> {
            fn key(self) -> i64 {
                self.0.order(0)
            }
            fn is_hole(self, fill: Option<u64>) -> bool {
                !self.0.is_finite() || fill.is_some_and(|f| f as $W == self.0)
            }
        })*
        $(impl Key for $T {
            fn key(self) -> i64 {
                // Wide unsigned ones wrap: an order of the keys is enough.
                self as i64
            }
            fn is_hole(self, fill: Option<u64>) -> bool {
                fill.is_some_and(|f| f as $T == self)
            }
        })*
    };
}
keys! { floats u16 u32 u64; integers u8 u16 u32 u64 i8 i16 i32 i64; }

/// Runs `$body` with `$at` as position to key type of the buffer.
macro_rules! with_keys {
    ($buf:expr, |$at:ident| $body:expr) => {
        match $buf.dtype() {
            DType::F16 => { let v = $buf.slice::<u16>(); let $at = |i: usize| Float(v[i]); $body }
            DType::F32 => { let v = $buf.slice::<u32>(); let $at = |i: usize| Float(v[i]); $body }
            DType::F64 => { let v = $buf.slice::<u64>(); let $at = |i: usize| Float(v[i]); $body }
            dtype => with_integer!(dtype, T => { let v = $buf.slice::<T>(); let $at = |i: usize| v[i]; $body }, else Default::default()),
        }
    };
}

impl Table {
    /// The table of the distinct regular values, if there are few for their number, and for the `spread` of the integers that
    /// another map would make of them.
    pub(super) fn fit(values: &Buf, fill: Option<u64>, survey: &Survey, spread: u128) -> Option<Self> {
        let n = values.len();
        let limit = (n / PAYS).min(MOST).min(usize::try_from(spread / SPARSE).unwrap_or(MOST));
        if values.dtype().size() == 1 || distinct_estimate(survey) > SLACK * limit as f64 {
            return None;
        }
        let keys: Vec<i64> =
            with_keys!(values, |at| distinct(n, |i| Some(at(i)).filter(|v| !v.is_hole(fill)).map(Key::key), limit));
        (keys.len() > 1).then_some(Self { keys })
    }

    /// How many distinct values.
    pub(in crate::coding) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut bytes = Vec::with_capacity(2 * self.keys.len());
        let mut last = 0i64;
        for (i, key) in self.keys.iter().enumerate() {
            if i == 0 {
                bytes.put_signed(*key);
            } else {
                bytes.put_varint((key.wrapping_sub(last) as u64).wrapping_sub(1));
            }
            last = *key;
        }
        out.put_varint(self.keys.len() as u64);
        pack_bytes(&bytes, LEVEL, out);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let n = reader.length(MOST)?;
        let bytes = unpack_bytes(reader, n * LONGEST)?;
        let mut r = Reader::new(&bytes);
        let mut keys = Vec::with_capacity(n);
        let mut last = 0i64;
        for i in 0..n {
            last = if i == 0 { r.signed()? } else { last.wrapping_add(1).wrapping_add(r.varint()? as i64) };
            keys.push(last);
        }
        if keys.is_empty() || !r.is_empty() || keys.windows(2).any(|w| w[0] >= w[1]) {
            return refuse!(Corrupt, "a coded chunk has a table of {n} values that is empty or out of order");
        }
        Ok(Self { keys })
    }

    pub(super) fn forward<K: Int>(&self, values: &Buf, fill: Option<u64>, ints: &mut [K], holes: &mut Holes) -> Stats {
        let index = Index::new(&self.keys);
        fn run<K: Int, V: Key>(
            index: &Index,
            at: impl Fn(usize) -> V,
            fill: Option<u64>,
            ints: &mut [K],
            holes: &mut Holes,
        ) -> Stats {
            drive(
                ints,
                holes,
                |start, k, flags| {
                    let mut any = 0;
                    for (i, (k, flag)) in k.iter_mut().zip(flags).enumerate() {
                        let value = at(start + i);
                        let rank = index.rank(value.key());
                        *flag = u8::from(rank.is_none() || value.is_hole(fill)) * SURE;
                        any |= *flag;
                        *k = K::from_i64(rank.unwrap_or(0).into());
                    }
                    any != 0
                },
                |_, _| true,
            )
        }
        with_keys!(values, |at| run(&index, at, fill, ints, holes))
    }

    pub(super) fn inverse<K: Int>(&self, ints: &[K], out: &mut Buf) {
        match out.dtype() {
            DType::F16 => self.back(ints, |key| <u16 as Word>::unorder(key, 0), out.slice_mut()),
            DType::F32 => self.back(ints, |key| <u32 as Word>::unorder(key, 0), out.slice_mut()),
            DType::F64 => self.back(ints, |key| <u64 as Word>::unorder(key, 0), out.slice_mut()),
            DType::Bool => self.back(ints, |key| u8::from(key != 0), out.slice_mut()),
            dtype => with_integer!(dtype, T => self.back(ints, |key| key as T, out.slice_mut::<T>()), else ()),
        }
    }

    fn back<K: Int, W: Copy>(&self, ints: &[K], value: impl Fn(i64) -> W, out: &mut [W]) {
        let values: Vec<W> = self.keys.iter().map(|k| value(*k)).collect();
        let Some(last) = values.len().checked_sub(1) else { return };
        for (k, out) in ints.iter().zip(out) {
            *out = values[k.to_i64().clamp(0, last as i64) as usize];
        }
    }
}

/// Chao's estimate of how many distinct values there are, from those seen once and twice in the sample.
fn distinct_estimate(survey: &Survey) -> f64 {
    let mut keys: Vec<u64> =
        survey.sample.iter().map(|x| x.to_bits()).chain(survey.wholes.iter().map(|x| *x as u64)).collect();
    keys.sort_unstable();
    let (mut once, mut twice, mut all) = (0f64, 0f64, 0f64);
    for group in keys.chunk_by(|a, b| a == b) {
        all += 1.0;
        once += f64::from(u8::from(group.len() == 1));
        twice += f64::from(u8::from(group.len() == 2));
    }
    // Neighbours in a smooth field are alike by chance alone, so the estimate is a low one: what it lets through is counted.
    all + once * once / (2.0 * twice.max(1.0))
}

/// The distinct keys, ascending; none where there are more than `limit`.
fn distinct(n: usize, at: impl Fn(usize) -> Option<i64>, limit: usize) -> Vec<i64> {
    let mut set = Slots::new(limit);
    let mut keys = Vec::new();
    let mut last = None;
    for key in (0..n).filter_map(at) {
        if Some(key) == last {
            continue;
        }
        last = Some(key);
        let slot = set.find(key, &keys);
        if set.slots[slot] == 0 {
            if keys.len() == limit {
                return Vec::new();
            }
            keys.push(key);
            set.slots[slot] = keys.len() as u32;
        }
    }
    keys.sort_unstable();
    keys
}

/// Open addressing: a slot holds 1 + the place of its key in a list, or 0.
struct Slots {
    slots: Vec<u32>,
    shift: u32,
}

impl Slots {
    /// At most half full.
    fn new(limit: usize) -> Self {
        let bits = (2 * limit.max(8)).next_power_of_two().trailing_zeros();
        Self { slots: vec![0; 1 << bits], shift: 64 - bits }
    }

    /// The slot of `key`, or the free one where it belongs.
    fn find(&self, key: i64, keys: &[i64]) -> usize {
        // Fibonacci hashing: 2^64 over the golden ratio; the fold lets high bits reach all slots.
        let folded = (key ^ (key >> 32)) as u64;
        let mut slot = (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        while self.slots[slot] != 0 && keys[self.slots[slot] as usize - 1] != key {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }
}

/// Keys to ranks.
struct Index<'a> {
    slots: Slots,
    keys: &'a [i64],
}

impl<'a> Index<'a> {
    fn new(keys: &'a [i64]) -> Self {
        let mut slots = Slots::new(keys.len());
        for (rank, key) in keys.iter().enumerate() {
            let slot = slots.find(*key, keys);
            slots.slots[slot] = rank as u32 + 1;
        }
        Self { slots, keys }
    }

    fn rank(&self, key: i64) -> Option<u32> {
        self.slots.slots[self.slots.find(key, self.keys)].checked_sub(1)
    }
}
