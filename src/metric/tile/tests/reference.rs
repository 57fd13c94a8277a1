//! Values of NumPy 2.4, SciPy 1.17 and scikit-image 0.26 for fields of [`Pair::field`], printed by a program that makes
//! the same fields: `numpy.std`, `numpy.corrcoef`, `structural_similarity(x, y, data_range=x.max() - x.min())`,
//! `scipy.stats.ks_2samp`, `numpy.histogram(e, 120, (-m, m))`; DSSIM by ldcpy's steps with `scipy.ndimage.convolve`.

use super::{Pair, assert_close};
use crate::metric::tile::Tiling;

struct Reference {
    pair: Pair,
    std: (f64, f64),
    pearson: f64,
    autocorrelation: &'static [f64],
    ssim: Option<f64>,
    dssim: Option<(f64, u64)>,
    ks: f64,
    /// Sum of counts times the square of their place, counted from 1.
    histogram: u64,
    /// Of the largest order of magnitude: exponent, count, largest, mean.
    magnitude: (i32, u64, f64, f64),
    /// Of each axis the worst index, its RMSE and its largest error.
    axes: &'static [(usize, f64, f64)],
}

fn check(reference: &Reference) {
    let found = reference.pair.measure(&Tiling::new(&reference.pair.shape));
    assert_close("std of x", found.std_x, reference.std.0, 1e-14);
    assert_close("std of y", found.std_y, reference.std.1, 1e-14);
    assert_close("pearson", found.pearson, reference.pearson, 1e-14);
    for (found, expected) in found.autocorrelation.iter().zip(reference.autocorrelation) {
        assert_close("autocorrelation", *found, *expected, 1e-12);
    }
    if let Some(ssim) = reference.ssim {
        assert_close("ssim", found.ssim, ssim, 1e-12);
    }
    if let Some((dssim, plane)) = reference.dssim {
        assert_close("dssim", found.dssim, dssim, 1e-12);
        assert_eq!(found.dssim_plane, Some(plane));
    }
    let ks = found.ks;
    assert!(ks.distance <= reference.ks + 1e-15 && reference.ks <= ks.distance + ks.error + 1e-15, "{ks:?}");
    assert!(ks.error <= 2.5 / reference.pair.x.len() as f64, "{ks:?}");
    let counts = found.histogram.unwrap().counts;
    assert_eq!(counts.iter().zip(1u64..).map(|(n, i)| n * i * i).sum::<u64>(), reference.histogram);
    let top = found.magnitudes.last().unwrap();
    assert_eq!((top.exponent, top.count), (reference.magnitude.0, reference.magnitude.1));
    assert_close("largest by magnitude", top.max_abs, reference.magnitude.2, 0.0);
    assert_close("mean by magnitude", top.mean_abs, reference.magnitude.3, 1e-14);
    assert_eq!(found.axes.len(), reference.axes.len());
    for (found, (worst, rmse, max_abs)) in found.axes.iter().zip(reference.axes) {
        assert_eq!(found.worst, Some(*worst));
        assert_close("rmse", found.slices[*worst].rmse.0, *rmse, 1e-14);
        assert_close("max", found.slices[*worst].max_abs, *max_abs, 0.0);
    }
}

#[test]
fn figures_of_a_plane_are_those_of_numpy_and_scikit_image() {
    check(&Reference {
        pair: Pair::field(&[40, 33], 1, 0.01, 0),
        std: (0.6601144906450865, 0.6600722928795004),
        pearson: 0.9999905874740281,
        autocorrelation: &[0.019578915126136395, -0.001649511016979133],
        ssim: Some(0.9999902142946071),
        dssim: Some((0.9999633511900674, 0)),
        ks: 0.003787878787878788,
        histogram: 6477764,
        magnitude: (1, 434, 0.0049997422156522475, 0.002392465406745556),
        axes: &[(4, 0.00330108716949401, 0.0048724536565730725), (6, 0.003164778580631437, 0.0048634862138909885)],
    });
}

#[test]
fn figures_of_a_volume_are_those_of_numpy_and_scikit_image() {
    check(&Reference {
        pair: Pair::field(&[9, 21, 26], 2, 0.1, 0),
        std: (0.6613161254113292, 0.6619744299890067),
        pearson: 0.9990721911604813,
        autocorrelation: &[-0.014342541688042757, 0.010243422220891205, 0.0016522328186119083],
        ssim: Some(0.9990750944487397),
        dssim: Some((0.9982357449023893, 3)),
        ks: 0.004680504680504681,
        histogram: 23939308,
        magnitude: (1, 1602, 0.04999684046568431, 0.024797621620265425),
        axes: &[
            (4, 0.0290898608819627, 0.049485225105926345),
            (20, 0.030101102262371848, 0.049595201077019535),
            (18, 0.03007919262481898, 0.049580949928162976),
        ],
    });
}

#[test]
fn figures_of_four_axes_are_those_of_numpy_and_of_scikit_image_volume_by_volume() {
    check(&Reference {
        pair: Pair::field(&[2, 8, 12, 15], 3, 0.5, 0),
        std: (0.6583450120266475, 0.6771410722646884),
        pearson: 0.9765673066215499,
        autocorrelation: &[0.01613667041506095, 0.028513774137375533, 0.005415016617829083, -0.013365426160657739],
        ssim: Some(0.9766361631919556),
        dssim: Some((0.9613872156237472, 11)),
        ks: 0.014583333333333334,
        histogram: 14123877,
        magnitude: (1, 947, 0.2495891867017983, 0.12597162352709593),
        axes: &[
            (0, 0.1474032948610947, 0.24990549566549136),
            (1, 0.1507679134562705, 0.24990549566549136),
            (8, 0.15332655761714195, 0.2495891867017983),
            (0, 0.15236253877346403, 0.2486131251903807),
        ],
    });
}

#[test]
fn figures_of_a_line_are_those_of_numpy_and_it_has_no_windows() {
    let pair = Pair::field(&[500], 4, 0.01, 0);
    let found = pair.whole();
    assert!(found.ssim.is_nan() && found.dssim.is_nan());
    check(&Reference {
        pair,
        std: (0.6535881488416921, 0.6536473309952237),
        pearson: 0.9999896418700399,
        autocorrelation: &[0.009111374369738027],
        ssim: None,
        dssim: None,
        ks: 0.006,
        histogram: 2493095,
        magnitude: (1, 162, 0.004990511499742389, 0.0026042049604887334),
        axes: &[(488, 0.004990511499742389, 0.004990511499742389)],
    });
}

#[test]
fn missing_values_are_left_out_as_numpy_leaves_them_out() {
    check(&Reference {
        pair: Pair::field(&[6, 19, 23], 5, 0.2, 97),
        std: (0.6566969838261462, 0.6571858824729119),
        pearson: 0.9960744843923033,
        autocorrelation: &[-0.027007363366351973, 0.016792892101011574, -0.02839880066421161],
        ssim: None,
        dssim: Some((0.9952765038013995, 0)),
        ks: 0.006939090208172706,
        histogram: 12456748,
        magnitude: (1, 846, 0.09986764586309649, 0.05180094982330311),
        axes: &[
            (1, 0.05931304623922305, 0.09980312163975436),
            (13, 0.06264443731474746, 0.09958893280134062),
            (15, 0.0641504611186171, 0.09985390394338145),
        ],
    });
}
