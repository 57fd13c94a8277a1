//! The way through a chunk's classes: blocks that are as expected at once, all others element by element.

use super::model::Model;
use super::shape::{BLOCK, Shape};
use crate::coding::binary::{Decide, Estimate};

/// Elements told one by one after one that was not expected.
const AFTER: usize = 16;

/// Whether more blocks are those of the plane before than those of the row above.
pub(super) fn is_by_plane(classes: &[u8], shape: &Shape) -> bool {
    let start = shape.margin();
    let misses = |back: usize| {
        let blocks = (start..classes.len()).step_by(BLOCK);
        let block = |i: usize| classes.get(i..(i + BLOCK).min(classes.len()));
        blocks.filter(|i| block(*i).zip(classes.get(i - back..)).is_none_or(|(is, was)| !was.starts_with(is))).count()
    };
    shape.plane >= BLOCK && misses(shape.plane) < misses(shape.row)
}

/// Takes `classes` (the margin of the shape, all 0, then the elements) through `coder`; there are `count` of them.
pub(super) fn walk<C: Decide>(coder: &mut C, classes: &mut [u8], shape: &Shape, by_plane: bool, count: usize) {
    let mut model = Model::new(count);
    let back = if by_plane { shape.plane } else { shape.row };
    let end = classes.len();
    let mut i = shape.margin();
    while i < end {
        let len = BLOCK.min(end - i);
        let quiet = shape.is_quiet(classes, i);
        if !quiet && back < BLOCK {
            elements(coder, &mut model, classes, shape, i, i + len);
            i += len;
            continue;
        }
        let west = classes[i - 1];
        let first = |classes: &[u8]| match quiet {
            true => classes[i..i + len].iter().position(|class| *class != west),
            false => classes[i..i + len].iter().zip(&classes[i - back..]).position(|(is, was)| is != was),
        };
        let (chance, worth) = model.block(quiet);
        if !worth {
            elements(coder, &mut model, classes, shape, i, i + len);
            let hit = first(classes).is_none();
            model.block(quiet).0.learn(hit);
            model.remember(quiet, hit);
            i += len;
            continue;
        }
        let odd = if C::READS { None } else { first(classes) };
        let hit = coder.decide(odd.is_none(), chance);
        model.remember(quiet, hit);
        // Forged bytes may name a place beyond the end.
        let expected = if hit { len } else { model.place(coder, quiet, odd.unwrap_or_default()).min(len - 1) };
        if C::READS {
            match quiet {
                true => classes[i..i + expected].fill(west),
                false => classes.copy_within(i - back..i - back + expected, i),
            }
        }
        i += expected;
        if !hit {
            let not = if quiet { west } else { classes[i - back] };
            classes[i] = model.element(coder, &shape.near(classes, i), Some(not), classes[i]);
            let to = (i + 1 + AFTER).min(end);
            elements(coder, &mut model, classes, shape, i + 1, to);
            i = to;
        }
    }
}

#[inline(always)]
fn elements<C: Decide>(coder: &mut C, model: &mut Model, classes: &mut [u8], shape: &Shape, from: usize, to: usize) {
    for i in from..to {
        let near = shape.near(classes, i);
        classes[i] = model.element(coder, &near, None, classes[i]);
    }
}
