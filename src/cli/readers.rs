//! How other programs open a file, and what they see.

use serde::Serialize;

use crate::array::{DType, DTypeKind, Scalar, Spec};
use crate::pipeline::{Pipeline, Stage};
use crate::store::{Format, Place, arrays};
use crate::transform::{BitOrder, CastTo, ScaleOffset, Step, TriangleKind};

/// One way to open a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// The program or library.
    pub program: &'static str,
    /// What to call; Python.
    pub code: String,
    /// What that gives.
    pub gives: String,
}

/// How Python opens the array at `place`, which holds `shown`; the shortest way first. `layout` tells the filters of HDF5.
pub(super) fn readings(place: &Place, format: Format, shown: &Spec, pipeline: &Pipeline, layout: &str) -> Vec<Reading> {
    let path = python(&place.path.display().to_string());
    let reading = |program, code, gives| Reading { program, code, gives };
    match format {
        Format::Npy => vec![
            reading("numpy", format!("np.load({path})"), shown.to_string()),
            reading("numpy", format!("np.load({path}, mmap_mode='r')"), format!("{shown}, read as it is used")),
        ],
        Format::Npz => {
            let alone = arrays(&place.path).unwrap_or_default();
            let name = place.member.as_deref().or(alone.first().map(String::as_str)).unwrap_or("NAME");
            let name = python(name.strip_suffix(".npy").unwrap_or(name));
            let needs = if layout.contains("zstd") { ", with Python 3.14 or newer" } else { "" };
            vec![reading("numpy", format!("np.load({path})[{name}]"), format!("{shown}{needs}"))]
        }
        Format::Hdf5 => hdf5(place, &path, shown, pipeline, layout),
    }
}

fn hdf5(place: &Place, path: &str, shown: &Spec, pipeline: &Pipeline, layout: &str) -> Vec<Reading> {
    let name = match &place.member {
        Some(member) => format!("/{}", member.trim_matches('/')),
        None => usual_name(shown.dtype()).to_owned(),
    };
    let (group, leaf) = name.rsplit_once('/').unwrap_or(("", &name));
    let (whole, quoted) = (shown.to_string(), python(&name));
    if layout.contains("ndcompact") {
        let file = shell(&place.to_string());
        return vec![
            Reading {
                program: "compact",
                code: format!("compact {file} -o plain.h5"),
                gives: format!("a file of {whole} that every program reads"),
            },
            Reading {
                program: "h5py",
                code: format!("h5py.File({path})[{quoted}][...]"),
                gives: format!("{whole}, where the filter ndcompact ({}) is at hand", crate::filter::ID),
            },
        ];
    }
    let plugin = ["zstd", "lz4"].into_iter().find(|codec| layout.contains(codec));
    let (import, path_set) = match plugin {
        Some(_) => ("import hdf5plugin; ", "; HDF5_PLUGIN_PATH must name the folder of hdf5plugin's filters"),
        None => ("", ""),
    };
    let decoded = pipeline.stages().last().and_then(|stage| match &stage.step {
        Step::ScaleOffset(s) if s.cf().is_some() => Some(&stage.io.input),
        _ => None,
    });
    let group = if group.is_empty() { String::new() } else { format!(", group={}", python(group)) };
    vec![
        Reading { program: "h5py", code: format!("{import}h5py.File({path})[{quoted}][...]"), gives: whole.clone() },
        Reading {
            program: "PyTables",
            code: format!("tables.open_file({path}).get_node({quoted}).read()"),
            gives: format!("{whole}{path_set}"),
        },
        Reading {
            program: "xarray",
            code: format!("{import}xr.open_dataset({path}{group}, engine='h5netcdf')[{}]", python(leaf)),
            gives: match decoded {
                Some(input) => format!("{input}, decoded by scale_factor and add_offset"),
                None => whole,
            },
        },
    ]
}

#[cfg(feature = "hdf5")]
fn usual_name(dtype: DType) -> &'static str {
    crate::store::hdf5::default_name(dtype)
}

#[cfg(not(feature = "hdf5"))]
fn usual_name(_: DType) -> &'static str {
    "/data"
}

/// What the values that such a program sees stand for, a line a step, the last step first: the order in which they are undone.
pub(super) fn notes(pipeline: &Pipeline) -> Vec<String> {
    pipeline.stages().iter().rev().filter_map(note).collect()
}

fn note(stage: &Stage) -> Option<String> {
    let length = stage.io.input.last_axis();
    match &stage.step {
        Step::Triangle(t) => {
            let order = match t.kind {
                TriangleKind::Upper | TriangleKind::Hermitian => format!("np.triu_indices({length})"),
                TriangleKind::Lower => format!("np.tril_indices({length})"),
                TriangleKind::Strict | TriangleKind::Skew => format!("np.triu_indices({length}, 1)"),
            };
            Some(format!("the last axis holds the matrix at {order}"))
        }
        Step::Cast(cast) if cast.to == CastTo::Bfloat16 => {
            Some("the uint16 are bfloat16: a.view(ml_dtypes.bfloat16)".to_owned())
        }
        Step::ScaleOffset(s) => scale_offset(s),
        Step::BitPack(pack) if stage.io.input.dtype().kind() == DTypeKind::Bool => {
            let order = if pack.order == BitOrder::Little { ", bitorder='little'" } else { "" };
            Some(format!("the bits of the booleans: np.unpackbits(a, axis=-1, count={length}{order})"))
        }
        Step::BitPack(pack) => {
            Some(format!("the last axis holds {length} integers of {} bits each; restore to get them", pack.bits))
        }
        Step::Cast(_) | Step::BitRound(_) => None,
    }
}

fn scale_offset(step: &ScaleOffset) -> Option<String> {
    let (scale, offset) = step.cf()?;
    let sign = if offset < 0.0 { '-' } else { '+' };
    let mut text = format!("value = code * {} {sign} {}", Scalar::Float(scale), Scalar::Float(offset.abs()));
    let codes = [
        (step.nan_code(), "NaN"),
        (step.pos_inf_code(), "+Inf"),
        (step.neg_inf_code(), "-Inf"),
        (step.fill_code(), "the fill value"),
    ];
    for (code, name) in codes {
        if let Some(code) = code {
            text += &format!("; {code} is {name}");
        }
    }
    Some(text)
}

/// A string as Python writes it.
fn python(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
}

/// An argument as a shell reads it.
pub(super) fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:+,=@%".contains(c);
    // A leading dash would be read as a flag.
    match text {
        text if text.starts_with('-') => shell(&format!("./{text}")),
        text if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        text => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_python_and_the_shell() {
        assert_eq!(python("it's"), r"'it\'s'");
        assert_eq!(shell("dir/a b.npy"), "'dir/a b.npy'");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell("-x.npy"), "./-x.npy");
        assert_eq!(shell("x.h5:/g/a"), "x.h5:/g/a");
    }

    #[test]
    fn a_dataset_is_opened_by_its_path() {
        let place = Place { path: "x.h5".into(), member: Some("packed/data".into()) };
        let spec = Spec::new(DType::F16, [3]).unwrap();
        let pipeline = Pipeline::bind(&spec, &[]).unwrap();
        let list = readings(&place, Format::Hdf5, &spec, &pipeline, "chunks (3): shuffle, zstd(3)");
        assert_eq!(list[0].code, "import hdf5plugin; h5py.File('x.h5')['/packed/data'][...]");
        assert!(list[2].code.contains("group='/packed', engine='h5netcdf')['data']"), "{}", list[2].code);
    }
}
