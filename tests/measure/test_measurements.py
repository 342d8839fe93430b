"""Volumes, phases and function, worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.measure.function import body_surface_m2, peak_rates_ml_per_s, ventricular_function, volumes_ml
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import make_cine
from pipeline.read.cine import read_label

GRID = Grid((10, 10, 4), np.diag([-2.0, -2.0, 10.0, 1.0]))  # 0.04 ml a voxel


def _beat() -> np.ndarray:
    """100, 50 and 75 voxels of LV; 50 of MYO throughout; 80, 40 and 60 of RV."""
    labels = np.zeros((3, 10, 10, 4), dtype=np.uint8)
    for t, (left, right) in enumerate(((100, 80), (50, 40), (75, 60))):
        labels[t, :, :, 0].flat[:left] = 1
        labels[t, :, :, 1].flat[:50] = 2
        labels[t, :, :, 2].flat[:right] = 3
    labels[0, 0, 0, 3] = 255
    return labels


def test_function_by_hand() -> None:
    facts = StudyFacts(heart_rate_bpm=60.0, height_m=1.8, weight_kg=80.0)
    measured = measure_cine(_beat(), GRID, times_ms=(0, 300, 600), facts=facts)
    assert measured["volumes_ml"]["left_ventricle"] == pytest.approx([4.0, 2.0, 3.0])
    assert (measured["ed_phase"], measured["es_phase"]) == (0, 1)
    left = measured["left_ventricle"]
    rates = {"peak_ejection_rate_ml_per_s": None, "peak_filling_rate_ml_per_s": None}  # three phases are no curve
    volumes = {"edv_ml": 4.0, "esv_ml": 2.0, "sv_ml": 2.0, "ef_percent": 50.0, "co_l_per_min": 0.12}
    assert left == pytest.approx(volumes | rates)
    assert measured["right_ventricle"]["edv_ml"] == pytest.approx(3.2)
    assert measured["myocardial_mass_g"] == pytest.approx(2.0 * 1.05)
    assert measured["bsa_m2"] == 2.0
    assert measured["indexed"]["left_ventricle_edv_ml_per_m2"] == pytest.approx(2.0)
    assert "Not for diagnosis" in measured["disclaimer"]
    json.dumps(measured, allow_nan=False)


def test_static_volume_has_volumes_alone() -> None:
    measured = measure_cine(_beat()[:1], GRID)
    assert measured["volumes_ml"]["left_ventricle"] == pytest.approx([4.0])
    assert "ed_phase" not in measured
    assert "left_ventricle" not in measured


def test_without_a_cavity_there_is_no_fraction() -> None:
    measured = measure_cine(np.zeros((2, 10, 10, 4), dtype=np.uint8), GRID)
    assert measured["left_ventricle"]["ef_percent"] is None
    assert measured["left_ventricle"]["co_l_per_min"] is None
    json.dumps(measured, allow_nan=False)


def test_volume_comes_from_the_affine_whatever_the_axes() -> None:
    angle = 0.6
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = Grid(GRID.shape, turn @ GRID.affine)
    assert volumes_ml(_beat(), oblique)["myocardium"] == pytest.approx(volumes_ml(_beat(), GRID)["myocardium"])


def test_rates_by_hand() -> None:
    # 20 ml in 100 ms either way; between beats as long as the mean step
    assert peak_rates_ml_per_s([100, 80, 60, 40, 60, 80], times_ms=(0, 100, 200, 300, 400, 500)) == pytest.approx(
        (200, 200)
    )
    # the same curve without times, one beat a second: 6 steps of 167 ms
    assert peak_rates_ml_per_s([100, 80, 60, 40, 60, 80], times_ms=None, heart_rate_bpm=60) == pytest.approx((120, 120))
    assert peak_rates_ml_per_s([100, 40, 80], times_ms=None) is None


def test_a_cine_has_rates_and_a_wall() -> None:
    study = make_cine(make_patient(6), n_phases=12, size=100, pixel_mm=1.9)
    measured = measure_cine(study.label.array, study.label.grid, times_ms=study.label.times_ms)
    left, volumes = measured["left_ventricle"], measured["volumes_ml"]["left_ventricle"]
    steepest = max(np.diff(volumes)) / (study.label.times_ms[1] / 1000)
    assert left["peak_filling_rate_ml_per_s"] == pytest.approx(steepest, rel=0.25)
    assert (measured["ed_phase"], measured["es_phase"]) == (study.truth.ed_phase, study.truth.es_phase)
    assert len(measured["wall"]["segments"]) == 17


def test_phases_may_be_given() -> None:
    measured = measure_cine(_beat(), GRID, choice=PhaseChoice(es=2))
    assert (measured["es_phase"], measured["es_from"], measured["ed_from"]) == (2, "given", "curve")
    assert measured["left_ventricle"]["ef_percent"] == pytest.approx(25.0)


def test_output_and_body_surface() -> None:
    assert ventricular_function([100.0, 40.0], ed=0, es=1, heart_rate_bpm=70).co_l_per_min == pytest.approx(4.2)
    assert body_surface_m2(height_m=1.6, weight_kg=36.0) == pytest.approx(np.sqrt(1.6))


def test_acdc_volumes_use_the_true_spacing(cmr_data) -> None:
    label = read_label(cmr_data / "acdc" / "patient001" / "patient001_frame01_gt.nii.gz", scheme="acdc")
    edv = volumes_ml(label.array, label.grid)["left_ventricle"][0]
    assert 80 < edv < 400  # a dilated ventricle; the file's own affine would give 12 ml
    assert edv == pytest.approx(295.5, abs=0.1)
