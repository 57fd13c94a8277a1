//! HDF5 as the end of a run: which attributes a dataset gets so that others understand it.

use super::compact::Compaction;
use super::inside::Inside;
use super::many::APART;
use super::restore::{Reader, RestoreOptions};
use super::tallied::side;
use super::{Flow, WriteTo, run};
use crate::array::DType;
use crate::error::Result;
use crate::pipeline::{Pipeline, Sink};
use crate::recipe::{CfPacking, Original, Record};
use crate::report::{Side, StepReport};
use crate::store::hdf5::{AttributeValue, MAX_UNIT_BYTES, Options, Writer};
use crate::store::{Format, Place};
use crate::transform::{Fill, Step};

impl Compaction<'_> {
    pub(super) fn to_hdf5(
        &self,
        place: &Place,
        flow: &Flow<'_>,
        pipeline: &Pipeline,
        record: &mut Record,
        check: Option<impl FnOnce(&Place) -> Result<()>>,
    ) -> Result<(Vec<StepReport>, Option<Side>)> {
        let (options, output) = (self.options, pipeline.output());
        // A unit too large for a chunk may still be cut, only not anywhere.
        let large = flow.unit.saturating_mul(output.dtype().size() as u64) > MAX_UNIT_BYTES;
        let unit = if large { flow.cut.map_or(1, |c| c.step) } else { flow.unit };
        let writer = match self.inside {
            Some(Inside::Hdf5(container, name)) => {
                Writer::create_in(container, &within(name, output.dtype()), output, &options.hdf5, unit)?
            }
            _ => Writer::create(&place.path, place.member.as_deref(), output, &options.hdf5, options.replace, unit)?,
        };
        let tally = run(flow, &WriteTo(&writer), writer.grain(), &options.resources)?;
        let steps = self.settle(pipeline, &tally, record)?;
        let place = Place { path: place.path.clone(), member: Some(writer.name().to_owned()) };
        let bytes = writer.finish_if(Some(&record.to_json()?), &attributes(record), options.sync, check)?;
        Ok((steps, Some(side(&place, Format::Hdf5, pipeline.output(), bytes))))
    }
}

impl Reader {
    pub(super) fn to_hdf5(
        &self,
        place: &Place,
        inside: Option<Inside<'_>>,
        flow: &Flow<'_>,
        original: &Original,
        options: &RestoreOptions<'_>,
    ) -> Result<Side> {
        let spec = flow.source.spec();
        let layout = Options { byte_order: original.byte_order, ..options.hdf5 };
        let writer = match inside {
            Some(Inside::Hdf5(container, name)) => {
                Writer::create_in(container, &within(name, spec.dtype()), spec, &layout, 1)?
            }
            _ => Writer::create(&place.path, place.member.as_deref(), spec, &layout, options.replace, 1)?,
        };
        run(flow, &WriteTo(&writer), writer.grain(), &options.resources)?;
        self.opened().verify()?;
        let place = Place { path: place.path.clone(), member: Some(writer.name().to_owned()) };
        let bytes = writer.finish(None, &own_attributes(original), options.sync)?;
        Ok(side(&place, Format::Hdf5, spec, bytes))
    }
}

/// The name of a dataset of `dtype` among others, for an array called `name`.
pub(super) fn within(name: &str, dtype: DType) -> String {
    let name = name.trim_start_matches('/');
    if dtype == DType::F16 && !name.contains('/') { format!("/{APART}/{name}") } else { format!("/{name}") }
}

/// What the original's own file said of its numbers.
fn own_attributes(original: &Original) -> Vec<(String, AttributeValue)> {
    let fill = original.fill.map(|f| ("_FillValue".to_owned(), AttributeValue::Own(f)));
    fill.into_iter().chain(original.cf.into_iter().flat_map(packing)).collect()
}

fn packing(cf: CfPacking) -> [(String, AttributeValue); 2] {
    [
        ("scale_factor".to_owned(), AttributeValue::F64(cf.scale_factor)),
        ("add_offset".to_owned(), AttributeValue::F64(cf.add_offset)),
    ]
}

/// Attributes beside the record: the achieved error, and CF's packing where the dataset holds a scale-offset's codes, so that
/// xarray and netCDF4 decode it unaided.
pub(super) fn attributes(record: &Record) -> Vec<(String, AttributeValue)> {
    let mut all = vec![("ndcompact_version".to_owned(), AttributeValue::Text(record.tool.clone()))];
    if let Some(loss) = &record.loss {
        all.push(("ndcompact_max_abs_error".to_owned(), AttributeValue::F64(loss.max_abs)));
        all.push(("ndcompact_rmse".to_owned(), AttributeValue::F64(loss.rmse)));
    }
    match record.steps.last() {
        Some(Step::ScaleOffset(step)) => {
            // CF cannot say "infinite": a reader that decodes would show those codes as ordinary numbers.
            let infinite = step.pos_inf_code().or(step.neg_inf_code()).is_some();
            if let Some((scale_factor, add_offset)) = step.cf().filter(|_| !infinite) {
                let ours = CfPacking { scale_factor, add_offset };
                // What was packed before is packed once more.
                all.extend(packing(record.original.cf.map_or(ours, |theirs| theirs.after(ours))));
            }
            // CF has two names for codes that stand for "no number here".
            let missing = [step.nan_code(), step.fill_code()].into_iter().flatten().filter(|_| !infinite);
            for (name, code) in ["_FillValue", "missing_value"].into_iter().zip(missing) {
                all.push((name.to_owned(), AttributeValue::Own(Fill::Uint(code))));
            }
        }
        Some(Step::BitRound(_)) | None => all.extend(own_attributes(&record.original)),
        _ => {}
    }
    all
}

/// Attributes beside the record of a coded dataset, which shows the original's own numbers: few, since they count in small files.
pub(super) fn coded_attributes(record: &Record) -> Vec<(String, AttributeValue)> {
    let error = record.loss.iter().map(|l| ("ndcompact_max_abs_error".to_owned(), AttributeValue::F64(l.max_abs)));
    error.chain(own_attributes(&record.original)).collect()
}
