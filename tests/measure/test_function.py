"""Volumes and ventricular function, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.geometry import Grid
from pipeline.core.measurements import Function
from pipeline.measure.function import body_surface_m2, ventricular_function, volumes_ml
from pipeline.measure.volume_curve import Rates
from pipeline.read.cine import read_label

GRID = Grid((10, 10, 2), np.diag([-2.0, -2.0, 10.0, 1.0]))  # 0.04 ml a voxel


def _labels() -> np.ndarray:
    """100 voxels of LV and 50 of MYO; one voxel that nobody labelled."""
    labels = np.zeros((1, 10, 10, 2), dtype=np.uint8)
    labels[0, :, :, 0] = 1
    labels[0, :, :, 1].flat[:50] = 2
    labels[0, 9, 9, 1] = 255
    return labels


def test_volumes_by_hand() -> None:
    assert volumes_ml(_labels(), GRID) == {
        "left_ventricle": pytest.approx([4.0]),
        "myocardium": pytest.approx([2.0]),
        "right_ventricle": (0.0,),
    }


def test_volume_comes_from_the_affine_whatever_the_axes() -> None:
    angle = 0.6
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = Grid(GRID.shape, turn @ GRID.affine)
    assert volumes_ml(_labels(), oblique)["myocardium"] == pytest.approx([2.0])


def test_function_by_hand() -> None:
    found = ventricular_function([100.0, 40.0], ed=0, es=1, heart_rate_bpm=70, rates=Rates(300.0, 250.0))
    assert (found.sv_ml, found.ef_percent, found.co_l_per_min) == pytest.approx((60.0, 60.0, 4.2))
    assert (found.peak_ejection_rate_ml_per_s, found.peak_filling_rate_ml_per_s) == (300.0, 250.0)


def test_what_is_not_known_is_none() -> None:
    empty = ventricular_function([0.0, 0.0], ed=0, es=1)
    assert (empty.sv_ml, empty.ef_percent, empty.co_l_per_min, empty.peak_filling_rate_ml_per_s) == (
        0,
        None,
        None,
        None,
    )
    assert ventricular_function([40.0, 50.0], ed=0, es=1).ef_percent == pytest.approx(-25.0)


def test_body_surface() -> None:
    assert body_surface_m2(height_m=1.6, weight_kg=36.0) == pytest.approx(np.sqrt(1.6))
    assert body_surface_m2(height_m=1.0, weight_kg=1.0, method="dubois") == pytest.approx(0.007184 * 100**0.725)
    with pytest.raises(ConfigError, match="mosteller"):
        body_surface_m2(height_m=1.7, weight_kg=70.0, method="boyd")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="above 0"):
        body_surface_m2(height_m=0.0, weight_kg=70.0)


def test_acdc_volumes_use_the_true_spacing(cmr_data) -> None:
    label = read_label(cmr_data / "acdc" / "patient001" / "patient001_frame01_gt.nii.gz", scheme="acdc")
    edv = volumes_ml(label.array, label.grid)["left_ventricle"][0]
    assert edv == pytest.approx(295.5, abs=0.1)  # a dilated ventricle; the file's own affine would give 12 ml


def test_half_a_millilitre_has_an_ejection_fraction() -> None:
    assert ventricular_function([0.5, 0.25], ed=0, es=1) == Function(0.5, 0.25, 0.25, 50.0)


@pytest.mark.parametrize(("height_m", "weight_kg"), [(0.0, 70.0), (1.7, 0.0), (1.7, -1.0)])
def test_a_body_without_height_or_weight_is_refused_and_told(height_m: float, weight_kg: float) -> None:
    with pytest.raises(ConfigError) as refused:
        body_surface_m2(height_m=height_m, weight_kg=weight_kg)
    assert str(refused.value) == (
        f"body surface needs a height and a weight above 0, got {height_m} m and {weight_kg} kg"
    )


def test_a_small_body_has_a_surface() -> None:
    """A preterm infant's: sqrt(36 * 0.4 / 3600)."""
    assert body_surface_m2(height_m=0.36, weight_kg=0.4) == pytest.approx(np.sqrt(0.004))


def test_another_formula_is_refused_and_told() -> None:
    with pytest.raises(ConfigError, match=r"""^`method` must be "mosteller" or "dubois", got 'boyd'$"""):
        body_surface_m2(height_m=1.7, weight_kg=70.0, method="boyd")  # type: ignore[arg-type]
