//! One array of very many: a whole `.npy` file in memory through its steps to another one, and back.

use super::memory::{Gather, Through, through};
use super::reading::ReadOptions;
use super::transposed::Transposed;
use super::{CompactOptions, Flow, Reader, Resources, Target, compact, run};
use crate::array::{Buf, ByteOrder};
use crate::coding::{Coding, CodingAsk};
use crate::error::{Result, refuse};
use crate::pipeline::{Memory, Source};
use crate::recipe::{Axes, FORMAT, Original, Record};
use crate::store::{NpyHead, Place, Stretch, open_npy, reversed};
use crate::transform::{Ask, Fill};

/// What is to be done with an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackAsk<'a> {
    pub(crate) asks: &'a [Ask],
    pub(crate) fill: Option<Fill>,
    /// What coding may change after the steps, where the array goes to coded chunks.
    pub(crate) coding: Option<&'a CodingAsk>,
}

impl PackAsk<'_> {
    fn asks(&self) -> Vec<Ask> {
        let mut asks = self.asks.to_vec();
        asks.iter_mut().for_each(|ask| ask.offer_fill(self.fill));
        asks
    }

    /// The coding that is asked for, settled for `source`.
    fn settle(&self, source: &dyn Source, resources: &Resources<'_>) -> Result<Option<Coding>> {
        let Some(ask) = self.coding else { return Ok(None) };
        #[cfg(feature = "hdf5")]
        {
            let options = super::CodedOptions { ask: *ask, ..super::CodedOptions::default() };
            super::coded::settle(resources, source, self.asks, self.fill, &options).map(Some)
        }
        #[cfg(not(feature = "hdf5"))]
        {
            let _ = (ask, source, resources);
            refuse!(Unsupported, "coded chunks need HDF5 and this build has none; build with the feature `hdf5`")
        }
    }
}

/// An array that went through its steps.
#[derive(Debug)]
pub(crate) struct PackedNpy<B> {
    /// The header of `npy`, its record in it.
    pub(crate) head: NpyHead,
    /// The compacted `.npy` file.
    pub(crate) npy: B,
    pub(crate) record: Record,
    /// How it is to be coded, where that was asked for.
    pub(crate) coding: Option<Coding>,
}

fn refuse_compacted(head: &NpyHead) -> Result<()> {
    match &head.record {
        Some(_) => refuse!(
            Usage,
            "it is compacted already; restore it first, or leave it as it is: --select with its name and no step behind it"
        ),
        None => Ok(()),
    }
}

/// Packs the array of the `.npy` file `npy`, whose header is `head`.
///
/// # Errors
/// `Usage` where it is compacted already; `Refused` for values that the steps cannot carry; `Recipe` for steps that do not fit it.
pub(crate) fn pack_npy(
    head: &NpyHead,
    npy: &[u8],
    ask: PackAsk<'_>,
    resources: &Resources<'_>,
) -> Result<PackedNpy<Vec<u8>>> {
    refuse_compacted(head)?;
    let dtype = head.shown.dtype();
    let mut elements = Buf::new();
    elements.reset(dtype, head.shown.count())?;
    elements.bytes_mut().copy_from_slice(&npy[head.data_at as usize..]);
    head.order.to_native(dtype, elements.bytes_mut());
    let is_fortran = head.fortran && head.shown.shape().len() > 1;
    let stored = Memory::new(if is_fortran { reversed(&head.shown)? } else { head.shown.clone() }, elements)?;
    // As for one array in a file: steps on single elements leave the order of the axes as it is.
    let asks = ask.asks();
    let turned = is_fortran && asks.iter().all(Ask::is_elementwise);
    let transposed;
    let source: &dyn Source = if is_fortran && !turned {
        transposed = Transposed::new(&stored, resources.share())?;
        &transposed
    } else {
        &stored
    };
    let coding = ask.settle(source, resources)?;
    let Through { pipeline, mut packed, steps, loss, .. } = through(source, &asks, turned, resources)?;
    let order = ByteOrder::Little;
    // Turning bytes around is its own inverse.
    order.to_native(packed.dtype(), packed.bytes_mut());
    let record = Record {
        ndcompact: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        original: Original {
            dtype,
            byte_order: head.order,
            axes: if is_fortran { Axes::F } else { Axes::C },
            shape: head.shown.shape().to_vec(),
            fill: ask.fill,
            cf: None,
        },
        axes: if turned { Axes::F } else { Axes::C },
        steps,
        coding: None,
        loss: Some(loss),
        crc32: Some(crc32fast::hash(packed.bytes())),
    };
    let shown = if turned { reversed(pipeline.output())? } else { pipeline.output().clone() };
    let json = record.to_json()?;
    let mut npy = NpyHead::write(&shown, order, turned, Some(&json))?;
    let data_at = npy.len() as u64;
    npy.extend_from_slice(packed.bytes());
    Ok(PackedNpy { head: NpyHead { shown, order, fortran: turned, data_at, record: Some(json) }, npy, record, coding })
}

/// Packs the array of the `.npy` file `npy`, which may be larger than memory, into a temporary file without a name.
///
/// # Errors
/// As [`pack_npy`].
pub(crate) fn pack_file(
    head: &NpyHead,
    npy: &Stretch,
    ask: PackAsk<'_>,
    resources: &Resources<'_>,
) -> Result<PackedNpy<Stretch>> {
    refuse_compacted(head)?;
    let place = || Place { path: npy.path().to_owned(), member: None };
    let coding = ask.settle(&open_npy(npy, place(), None)?, resources)?;
    let folder = crate::store::TemporaryFolder::new()?;
    let path = folder.path().join("packed.npy");
    let options = CompactOptions {
        asks: ask.asks.to_vec(),
        fill: ask.fill,
        resources: Resources { progress: None, ..*resources },
        ..CompactOptions::default()
    };
    let target = Target::Place(Place { path: path.clone(), member: None });
    compact::opened(open_npy(npy, place(), None)?, &target, None, &options)?;
    let file = Stretch::open(&path)?;
    let head = NpyHead::of(&file.bytes(0, NpyHead::needs(&file.bytes(0, file.len().min(12))?)?)?, file.len())?;
    let Some(record) = head.record.as_deref().map(Record::from_json).transpose()? else {
        return refuse!(
            Unsupported,
            "its recipe does not fit a header that NumPy reads; compact it into a file of its own"
        );
    };
    Ok(PackedNpy { head, npy: file, record, coding })
}

/// The original's `.npy` file from the compacted one in memory, in its byte and axis order.
///
/// # Errors
/// `Corrupt` for damaged files.
pub(crate) fn restored_npy(npy: &[u8], resources: &Resources<'_>) -> Result<Vec<u8>> {
    let options =
        ReadOptions { cache_bytes: 0, threads: resources.threads, memory: resources.memory, read_ahead: None };
    let reader = Reader::from_bytes_with(npy.to_vec(), None, options)?;
    let Some(record) = reader.record() else { return Ok(npy.to_vec()) };
    let (order, axes) = (record.original.byte_order, record.original.axes);
    let mut elements = Buf::new();
    elements.reset(reader.spec().dtype(), reader.spec().count())?;
    let fortran = reader.with_view(axes, None, resources, |view, unit| {
        run(&Flow { ..reader.flow(view, unit) }, &Gather::new(&mut elements), None, resources)?;
        Ok(axes == Axes::F && view.spec().shape().len() > 1)
    })?;
    order.to_native(elements.dtype(), elements.bytes_mut());
    let mut out = NpyHead::write(reader.spec(), order, fortran, None)?;
    out.extend_from_slice(elements.bytes());
    Ok(out)
}
