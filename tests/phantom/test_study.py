"""The phantom's truth: closed form against counted pixels, determinism, plausibility."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from pipeline.measure.function import volumes_ml
from pipeline.phantom.anatomy import contraction, crescent_area_mm2, lens_area_mm2, make_patient, section
from pipeline.phantom.study import make_cine


@pytest.mark.parametrize("seed", [0, 7, 23])
def test_masks_agree_with_the_closed_form(seed: int) -> None:
    study = make_cine(make_patient(seed), n_phases=3, n_slices=10, size=240, pixel_mm=1.2)
    counted = volumes_ml(study.label.array, study.label.grid)
    for name, exact in study.truth.volumes_ml.items():
        assert counted[name] == pytest.approx(exact, rel=0.02)


def test_lens_and_crescent_by_hand() -> None:
    # unit discs one radius apart share 2 pi / 3 - sqrt(3) / 2
    assert lens_area_mm2(1.0, 1.0, 1.0) == pytest.approx(2 * math.pi / 3 - math.sqrt(3) / 2)
    assert crescent_area_mm2(2.0, 1.0, 0.0) == pytest.approx(3 * math.pi)
    assert crescent_area_mm2(1.0, 2.0, 0.5) == pytest.approx(0.0)


def test_patients_repeat_by_seed_and_vary() -> None:
    assert make_patient(5) == make_patient(5)
    fractions = [make_cine(make_patient(seed), size=32, pixel_mm=9.0).truth.ef_percent for seed in range(20)]
    assert min(fractions) < 40 < 60 < max(fractions)
    assert all(20 < fraction < 75 for fraction in fractions)
    first, again = (make_cine(make_patient(5), size=32, pixel_mm=9.0).image.array for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_muscle_keeps_its_volume_and_thickens() -> None:
    patient = make_patient(2)
    rest, squeezed = (section(patient, depth_mm=20.0, time=time) for time in (0.0, 0.37))
    assert rest.areas_mm2[1] == pytest.approx(squeezed.areas_mm2[1])
    assert squeezed.cavity_mm < rest.cavity_mm
    assert squeezed.epicardium_mm - squeezed.cavity_mm > rest.epicardium_mm - rest.cavity_mm


def test_cavity_is_enclosed_by_muscle() -> None:
    label = make_cine(make_patient(4), n_phases=2).label.array
    for t in range(2):
        for k in range(label.shape[3]):
            cavity = label[t, :, :, k] == 1
            if cavity.sum() < 50:  # towards the apex the wall is thinner than a pixel
                continue
            rim = ndimage.binary_dilation(cavity) & ~cavity
            assert set(np.unique(label[t, :, :, k][rim])) <= {2}


def test_ends_of_the_stack_are_empty_and_the_right_ventricle_is_on_the_left() -> None:
    label = make_cine(make_patient(1)).label.array[0]
    assert not label[:, :, -1].any()
    middle = label[:, :, 6]
    assert np.argwhere(middle == 3)[:, 0].mean() < np.argwhere(middle == 1)[:, 0].mean()


def test_contraction_is_periodic() -> None:
    assert contraction(0.2) == pytest.approx(contraction(1.2))


def test_the_wall_s_thickness_is_the_difference_of_radii() -> None:
    patient = make_patient(2)
    truth = make_cine(patient, n_phases=2, n_slices=10, size=32, pixel_mm=9.0).truth
    at_ed, at_es = truth.wall_mm
    circles = section(patient, depth_mm=15.0, time=0.0)
    assert at_ed[7] == circles.epicardium_mm - circles.cavity_mm == circles.wall_mm  # (10 - 1.5 - 7) x 10 mm deep
    assert at_ed[9] == at_es[9] == 0.0  # above the base
    assert len(at_ed) == len(at_es) == 10
    assert all(thick > thin for thin, thick in zip(at_ed, at_es, strict=True) if thin > 0)
