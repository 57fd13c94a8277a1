//! A candidate as it is told: sizes, errors, speeds, who reads it, and whether it keeps what was asked for.

use serde::Serialize;

use crate::coding::CodingAsk;
use crate::transform::Ask;

/// Whether a candidate keeps what was asked for, on the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeps {
    /// It does.
    Kept,
    /// It loses more than the bound or the budget allows.
    Broken,
    /// Its steps refuse values: an overflow, say.
    Refused,
    /// It loses something, and no bound was given that would allow that.
    NotAsked,
}

/// The kind of file that a candidate makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A `.npy` file of the packed values.
    Npy,
    /// An HDF5 file of the packed values behind HDF5's usual filters (shuffle, zstd).
    Hdf5Zstd,
    /// An HDF5 file of the original's dtype and shape behind this program's filter.
    Hdf5Filtered,
}

impl Target {
    /// As in tables.
    pub fn name(self) -> &'static str {
        match self {
            Target::Npy => ".npy",
            Target::Hdf5Zstd => "HDF5, zstd",
            Target::Hdf5Filtered => "HDF5, filtered",
        }
    }
}

/// One candidate. Sizes of `.npy` files are known; those of coded ones are taken from samples unless the array was tried whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its flags, without input and output.
    pub flags: String,
    /// The kind of file.
    pub target: Target,
    /// The steps that are asked for.
    pub asks: Vec<Ask>,
    /// The coding that is asked for, in the filtered layout.
    pub coding: Option<CodingAsk>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether `bytes` comes from samples.
    pub estimated: bool,
    /// Bytes of the original's elements over `bytes`.
    pub ratio: f64,
    /// The largest error on the sample, in the unit of the data.
    pub max_error: f64,
    /// The root mean square error on the sample.
    pub rmse: f64,
    /// Bytes of the original that one core encodes in a second, in MB (10^6). Measured: differs from run to run.
    pub encode_mb_s: f64,
    /// Bytes of the original that one core decodes in a second, likewise.
    pub decode_mb_s: f64,
    /// How long decoding takes by kind of coder: 0 (none) to 5, which decodes as 4 does and encodes many times slower. Decides where sizes are as good as equal.
    pub speed_class: u8,
    /// How it is read without this program.
    pub reads: String,
    /// Whether it keeps what was asked for.
    pub keeps: Keeps,
    /// Whether no other that keeps it is both smaller and of a faster class.
    pub front: bool,
    /// Whether it is the one to run.
    pub best: bool,
}

/// How much smaller the smallest must be, to be taken before one of a faster class: 2 %.
const AS_GOOD: f64 = 1.02;

impl Candidate {
    /// Whether both are coded alike, but for how hard the coding tries.
    fn differs_in_effort_from(&self, other: &Candidate) -> bool {
        let (Some(ours), Some(theirs)) = (&self.coding, &other.coding) else { return false };
        self.target == other.target
            && self.asks == other.asks
            && CodingAsk { effort: theirs.effort, ..*ours } == *theirs
    }
}

/// The candidates to run, the best first: each one the choice among those that are left.
///
/// The rule: of all that keep what was asked for, those within 2 % of the smallest are as good; of them the one of the fastest
/// class is taken, of these the smallest, of these the first of the list. Where `no_hurry`, and that is coded, it is coded with the
/// highest effort: it tries what lower ones try, whatever samples say. No measured time enters.
pub(super) fn ranking(all: &[Candidate], no_hurry: bool) -> Vec<usize> {
    let mut left: Vec<usize> = (0..all.len()).filter(|i| all[*i].keeps == Keeps::Kept).collect();
    let mut ranking = Vec::with_capacity(left.len());
    while let Some(least) = left.iter().map(|i| all[*i].bytes).min() {
        let good = |i: &usize| all[*i].bytes as f64 <= least as f64 * AS_GOOD;
        let Some(best) =
            left.iter().copied().filter(|i| good(i)).min_by_key(|i| (all[*i].speed_class, all[*i].bytes, *i))
        else {
            break;
        };
        let alike = |i: &usize| no_hurry && all[*i].differs_in_effort_from(&all[best]);
        let best = left.iter().copied().filter(alike).max_by_key(|i| all[*i].speed_class).unwrap_or(best);
        left.retain(|i| *i != best);
        ranking.push(best);
    }
    ranking
}

/// Marks the front of size and class, and the best.
pub(super) fn mark(all: &mut [Candidate], no_hurry: bool) {
    let keys: Vec<Option<(u64, u8)>> =
        all.iter().map(|c| (c.keeps == Keeps::Kept).then_some((c.bytes, c.speed_class))).collect();
    for (i, candidate) in all.iter_mut().enumerate() {
        let Some((bytes, class)) = keys[i] else { continue };
        let beaten = |(j, other): (usize, &Option<(u64, u8)>)| {
            other.is_some_and(|(b, c)| b <= bytes && c <= class && (b < bytes || c < class || j < i))
        };
        candidate.front = !keys.iter().enumerate().any(beaten);
    }
    if let Some(best) = ranking(all, no_hurry).first() {
        all[*best].best = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: u64, speed_class: u8, keeps: Keeps) -> Candidate {
        Candidate {
            flags: String::new(),
            target: Target::Npy,
            asks: Vec::new(),
            coding: None,
            bytes,
            estimated: true,
            ratio: 1.0,
            max_error: 0.0,
            rmse: 0.0,
            encode_mb_s: 0.0,
            decode_mb_s: 0.0,
            speed_class,
            reads: String::new(),
            keeps,
            front: false,
            best: false,
        }
    }

    #[test]
    fn two_per_cent_are_given_for_a_faster_class_and_no_more() {
        let mut all =
            [of(1000, 4, Keeps::Kept), of(1015, 1, Keeps::Kept), of(1021, 0, Keeps::Kept), of(10, 0, Keeps::Broken)];
        assert_eq!(ranking(&all, false), [1, 0, 2]);
        mark(&mut all, false);
        assert_eq!(
            all.each_ref().map(|c| (c.front, c.best)),
            [(true, false), (true, true), (true, false), (false, false)]
        );
        let mut same = [of(7, 1, Keeps::Kept), of(7, 1, Keeps::Kept), of(8, 1, Keeps::NotAsked)];
        mark(&mut same, false);
        assert_eq!(same.each_ref().map(|c| (c.front, c.best)), [(true, true), (false, false), (false, false)]);
        assert!(ranking(&[], false).is_empty());
    }
    #[test]
    fn without_hurry_the_highest_effort_is_taken() {
        let coded = |bytes, class, effort| Candidate {
            coding: Some(CodingAsk {
                effort: crate::coding::Effort::try_from(effort).unwrap(),
                ..CodingAsk::default()
            }),
            target: Target::Hdf5Filtered,
            ..of(bytes, class, Keeps::Kept)
        };
        let all = [coded(1000, 2, 1), coded(1010, 3, 5), coded(1100, 5, 9), of(1001, 1, Keeps::Kept)];
        assert_eq!(ranking(&all, false)[0], 3);
        assert_eq!(ranking(&all[..3], false)[0], 0);
        assert_eq!(ranking(&all[..3], true)[0], 2);
        assert_eq!(ranking(&all, true)[0], 3, "what needs no coding of ours stays the choice");
    }
}
