//! Arrays one after the other into one file; small ones of an archive many at the same time, each on one core.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use super::list::Found;
use super::output::{Output, place};
use crate::engine::inside::{Archive, Draft, Inside};
use crate::engine::ordered::in_order;
use crate::engine::{Phase, Progress, Resources, Target};
use crate::error::Result;
use crate::store::{NpzWriter, Packer};

/// Arrays of up to so many bytes are made on one core each; larger ones keep all cores busy by themselves.
pub(super) const SMALL: u64 = 1 << 20;
/// What one that is being made may take: the array, packed, as a file, compressed, and results that wait for their turn.
const IN_FLIGHT: u64 = 8 * SMALL;

/// What is made of arrays, and where it goes.
pub(super) struct Run<'a> {
    pub(super) target: &'a Target,
    pub(super) output: &'a Output,
    pub(super) resources: &'a Resources<'a>,
    pub(super) phase: Phase,
    /// Up to so many bytes an array is small.
    pub(super) small: u64,
}

impl Run<'_> {
    /// Calls `make` for each of `taken`, with where it goes to and what it may take; `took` with the results in their order.
    pub(super) fn all<R: Send>(
        &self,
        taken: &[Found],
        make: impl Fn(usize, &Target, Option<Inside<'_>>, Resources<'_>) -> Result<R> + Sync,
        mut took: impl FnMut(R) + Send,
    ) -> Result<()> {
        let total = taken.iter().map(|f| f.spec.bytes()).sum();
        let (mut at, mut before) = (0, 0);
        while let Some(found) = taken.get(at) {
            let small = taken[at..].iter().take_while(|f| f.spec.bytes() <= self.small).count();
            match self.output.npz() {
                Some(npz) if small > 1 => {
                    let run = &taken[at..at + small];
                    let make = |i: usize, place: &Target, inside: Inside<'_>, resources: Resources<'_>| {
                        make(at + i, place, Some(inside), resources)
                    };
                    let (progress, phase) = (self.resources.progress, self.phase);
                    let tell = |i: usize, made: R| {
                        took(made);
                        before += run[i].spec.bytes();
                        if let Some(tell) = progress {
                            tell(Progress { phase, done: before, total });
                        }
                    };
                    self.at_once(run, npz, make, tell)?;
                    at += small;
                }
                _ => {
                    let made = super::in_all(self.resources, before, total, |resources| {
                        let name = self.output.name(found);
                        make(at, &place(self.target, &name), self.output.inside(&name), resources)
                    })?;
                    took(made);
                    before += found.spec.bytes();
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn at_once<R: Send>(
        &self,
        found: &[Found],
        npz: &RefCell<NpzWriter>,
        make: impl Fn(usize, &Target, Inside<'_>, Resources<'_>) -> Result<R> + Sync,
        mut took: impl FnMut(usize, R) + Send,
    ) -> Result<()> {
        let names: Vec<String> = found.iter().map(|f| self.output.name(f)).collect();
        let npz = &mut *npz.borrow_mut();
        let (file, packing) = (npz.target().to_owned(), npz.packing());
        let (resources, target) = (self.resources, self.target);
        let workers = (resources.threads.get() as u64).min(resources.memory / IN_FLIGHT).max(1);
        let alone = Resources {
            threads: NonZeroUsize::MIN,
            memory: resources.memory / workers,
            progress: None,
            cancel: resources.cancel,
        };
        let make = |i: u64, packer: &mut Packer| {
            let name = &names[i as usize];
            let draft = Draft::new(file.clone(), packing, std::mem::take(packer));
            let inside = Inside::Npz(Archive::InTurn(&draft), name);
            let made = make(i as usize, &place(target, name), inside, alone)?;
            let (packed, kept) = draft.end();
            *packer = kept;
            Ok((packed, made))
        };
        in_order(found.len() as u64, workers, resources, Packer::default, make, |i, (packed, made)| {
            npz.add_packed(&names[i as usize], &packed)?;
            took(i as usize, made);
            Ok(())
        })
    }
}
