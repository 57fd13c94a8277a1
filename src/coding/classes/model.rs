//! What has been learnt of a chunk's classes, and one element told by it.

use super::shape::{BLOCK, CONTEXTS, Near};
use crate::coding::binary::{Decide, FineChance};

/// Classes that are asked for one by one, the most frequent first; the others by their bits.
const ASKED: usize = 16;
/// Classes that contexts of these guesses tell apart, as those of neighbours do.
const TOLD: usize = 8;
/// Guesses after west and north.
const LATER: usize = 3;
/// Contexts of expected blocks: whether it is quiet around, and whether the last four of that kind were as expected.
const BLOCKS: usize = 32;
/// A block is asked for as a whole where it is as expected at least this often, of 2^22: four times in five. Below, elements tell more
/// of each other.
const WORTH_ASKING: u32 = (1 << 22) / 5 * 4;

/// The chances of all decisions.
#[derive(Debug)]
pub(super) struct Model {
    /// Classes of the chunk.
    count: usize,
    west: Vec<FineChance>,
    north: Vec<FineChance>,
    later: [FineChance; LATER * TOLD],
    asked: Vec<FineChance>,
    tree: [FineChance; 256],
    blocks: [FineChance; BLOCKS],
    places: [[FineChance; BLOCK]; 2],
    history: [usize; 2],
}

impl Model {
    pub(super) fn new(count: usize) -> Self {
        let even = FineChance::EVEN;
        Self {
            count,
            west: vec![even; CONTEXTS],
            north: vec![even; CONTEXTS],
            later: [even; LATER * TOLD],
            asked: vec![even; TOLD * TOLD * ASKED],
            tree: [even; 256],
            blocks: [even; BLOCKS],
            places: [[even; BLOCK]; 2],
            history: [0; 2],
        }
    }

    /// The chance that a block is as expected, and whether it is worth asking.
    #[inline(always)]
    pub(super) fn block(&mut self, quiet: bool) -> (&mut FineChance, bool) {
        let kind = usize::from(quiet);
        let chance = &mut self.blocks[kind << 4 | self.history[kind]];
        let worth = !chance.has_seen() || chance.one() >= WORTH_ASKING;
        (chance, worth)
    }

    #[inline(always)]
    pub(super) fn remember(&mut self, quiet: bool, hit: bool) {
        let history = &mut self.history[usize::from(quiet)];
        *history = (*history << 1 | usize::from(hit)) & 15;
    }

    /// The place in a block of the first element that is not as expected.
    pub(super) fn place<C: Decide>(&mut self, coder: &mut C, quiet: bool, place: usize) -> usize {
        let chances = &mut self.places[usize::from(quiet)];
        let mut node = 1;
        for bit in (0..BLOCK.ilog2()).rev() {
            node = node << 1 | usize::from(coder.decide(place >> bit & 1 != 0, &mut chances[node]));
        }
        node - BLOCK
    }

    /// The class of an element among neighbours; it is known not to be `not`. An encoder says what it `is`.
    #[inline(always)]
    pub(super) fn element<C: Decide>(&mut self, coder: &mut C, near: &Near, not: Option<u8>, is: u8) -> u8 {
        let (w, n) = (near.w, near.n);
        match not {
            Some(not) if self.count == 2 => return 1 - not.min(1),
            Some(not) if not == w => {}
            _ if coder.decide(is == w, &mut self.west[near.context(w)]) => return w,
            _ if self.count == 2 => return 1 - w.min(1),
            _ => {}
        }
        if n != w && not != Some(n) && coder.decide(is == n, &mut self.north[near.context(n)]) {
            return n;
        }
        self.rest(coder, near, not, is)
    }

    /// The class of an element that is neither of west nor of north.
    fn rest<C: Decide>(&mut self, coder: &mut C, near: &Near, not: Option<u8>, is: u8) -> u8 {
        let told = |class: u8| usize::from(class).min(TOLD - 1);
        let mut out = [near.w; 6];
        out[1] = near.n;
        out[2] = not.unwrap_or(near.w);
        let mut at = 3;
        for (way, guess) in near.others.into_iter().enumerate() {
            if out[..at].contains(&guess) {
                continue;
            }
            if coder.decide(is == guess, &mut self.later[way * TOLD + told(guess)]) {
                return guess;
            }
            out[at] = guess;
            at += 1;
        }
        let row = (told(near.w) * TOLD + told(near.n)) * ASKED;
        let mut last = 0;
        let mut left = (0..self.count.min(ASKED)).map(|c| c as u8).filter(|c| !out[..at].contains(c)).peekable();
        while let Some(class) = left.next() {
            // The last that it can be needs no asking.
            if self.count <= ASKED && left.peek().is_none() {
                return class;
            }
            if coder.decide(is == class, &mut self.asked[row + usize::from(class)]) {
                return class;
            }
            last = class;
        }
        if self.count <= ASKED {
            return last;
        }
        let mut node = 1usize;
        for bit in (0..8).rev() {
            node = node << 1 | usize::from(coder.decide(is >> bit & 1 != 0, &mut self.tree[node & 255]));
        }
        node as u8
    }
}
