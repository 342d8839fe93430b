"""Blood told from papillary muscles and trabeculae by brightness."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.labels import LV, MYO, RV
from pipeline.core.measurements import BloodVolumes
from pipeline.measure.blood import blood_mask, measure_blood, papillary_as_wall
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import measure_study

BLOOD, WALL = 300, 100


def a_phase(cavity: int = 10, papillary: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z) image and labels: in each of 3 slices a square cavity with a square of muscle, in a wall 2 wide."""
    labels = np.zeros((20, 20, 3), np.uint8)
    image = np.full((20, 20, 3), 30)
    labels[1 : 5 + cavity, 1 : 5 + cavity] = MYO.value
    image[1 : 5 + cavity, 1 : 5 + cavity] = WALL
    labels[3 : 3 + cavity, 3 : 3 + cavity] = LV.value
    image[3 : 3 + cavity, 3 : 3 + cavity] = BLOOD
    image[4 : 4 + papillary, 4 : 4 + papillary] = WALL
    return image, labels


def test_muscle_in_the_cavity_is_no_blood() -> None:
    image, labels = a_phase()
    blood = blood_mask(image, labels)
    assert blood is not None
    assert blood.sum(axis=(0, 1)).tolist() == [100 - 16] * 3
    assert not blood[4:8, 4:8].any()
    assert not blood[labels != LV.value].any()


def test_each_slice_has_its_own_brightness() -> None:
    image, labels = a_phase()
    image[..., 1] *= 5  # its wall is brighter than the others' blood
    image[..., 2] -= 20
    blood = blood_mask(image, labels)
    assert blood is not None
    assert blood.sum(axis=(0, 1)).tolist() == [84, 84, 84]


def test_half_of_both_is_blood_no_more() -> None:
    image, labels = a_phase(papillary=0)
    image[3, 3], image[4, 4] = (BLOOD + WALL) // 2, (BLOOD + WALL) // 2 + 1
    blood = blood_mask(image, labels)
    assert blood is not None
    assert not blood[3, 3].any()
    assert blood[4, 4].all()


def test_a_few_voxels_are_judged_by_the_whole_phase() -> None:
    image, labels = a_phase()
    labels[..., 2][labels[..., 2] == LV.value] = MYO.value
    labels[4, 4:7, 2] = LV.value  # three voxels of muscle in a slice without blood
    blood = blood_mask(image, labels)
    assert blood is not None
    assert blood.sum(axis=(0, 1)).tolist() == [84, 84, 0]


@pytest.mark.parametrize("change", ["no contrast", "no wall", "no cavity", "dark blood", "nothing"])
def test_what_cannot_be_told_is_none(change: str) -> None:
    image, labels = a_phase(papillary=0)
    if change == "no contrast":
        image[image == BLOOD] = 125
    elif change == "no wall":
        labels[labels == MYO.value] = RV.value
    elif change == "no cavity":
        labels[labels == LV.value] = MYO.value
    elif change == "dark blood":
        image = -image
    else:
        labels[:] = 0
    assert blood_mask(image, labels) is None


def a_cine(*phases: tuple[np.ndarray, np.ndarray]) -> tuple[Cine, np.ndarray]:
    grid = Grid((20, 20, 3), np.diag([2.0, 2.0, 10.0, 1.0]))  # 0.04 ml a voxel
    return Cine(np.stack([image for image, _ in phases]), grid), np.stack([labels for _, labels in phases])


def test_volumes_mass_and_ejection_fraction() -> None:
    cine, labels = a_cine(a_phase(10, 4), a_phase(6, 4))
    found = measure_blood(cine, labels, ed=0, es=1)
    assert found is not None
    assert found.edv_ml == pytest.approx(84 * 3 * 0.04)
    assert found.esv_ml == pytest.approx(20 * 3 * 0.04)
    assert found.sv_ml == pytest.approx(64 * 3 * 0.04)
    assert found.ef_percent == pytest.approx(100 * 64 / 84, abs=5e-4)
    assert found.myocardial_mass_g == pytest.approx((14 * 14 - 84) * 3 * 0.04 * 1.05)


def test_one_phase_without_contrast_leaves_none() -> None:
    flat = a_phase(6, 0)
    flat[0][flat[1] > 0] = WALL
    assert measure_blood(*a_cine(a_phase(), flat), ed=0, es=1) is None


def test_a_study_states_both_conventions() -> None:
    cine, labels = a_cine(a_phase(10, 4), a_phase(6, 4))
    measured = measure_study(cine, labels)
    assert measured.left is not None
    assert measured.left.edv_ml == pytest.approx(100 * 3 * 0.04)
    assert measured.blood == measure_blood(cine, labels, ed=0, es=1)
    assert type(measured).from_json(measured.to_json()).blood == measured.blood
    assert measure_study(*a_cine(a_phase())).blood is None  # a single phase has no function
    without = measure_study(cine, labels, excluded_slices=[0]).blood
    assert without is not None
    assert without.edv_ml == pytest.approx(84 * 2 * 0.04)


def test_the_cavity_of_counted_labels_is_its_blood_alone() -> None:
    cine, labels = a_cine(a_phase(10, 4), a_phase(6, 4))
    labels[1, ..., 2] = 0
    before = labels.copy()
    counted = papillary_as_wall(cine, labels)
    assert counted is not None
    assert (labels == before).all()
    assert (counted == LV.value).sum(axis=(1, 2)).tolist() == [[84, 84, 84], [20, 20, 0]]
    assert ((counted != 0) == (labels != 0)).all()
    assert (counted[labels != LV.value] == labels[labels != LV.value]).all()
    labels[1] = 0  # a phase without a cavity has nothing to tell
    assert papillary_as_wall(cine, labels) is not None
    flat = a_phase(6, 0)
    flat[0][flat[1] > 0] = WALL
    assert papillary_as_wall(*a_cine(a_phase(), flat)) is None


def test_a_study_that_counts_papillary_muscles_as_mass() -> None:
    cine, labels = a_cine(a_phase(10, 4), a_phase(6, 4))
    drawn = measure_study(cine, labels)
    measured = measure_study(cine, labels, choice=PhaseChoice(papillary="mass"))
    assert (drawn.papillary, measured.papillary) == ("cavity", "mass")
    assert measured.left is not None
    assert measured.blood is not None
    for key in ("edv_ml", "esv_ml", "sv_ml", "ef_percent"):
        assert getattr(measured.left, key) == getattr(measured.blood, key)
    assert measured.myocardial_mass_g == measured.blood.myocardial_mass_g
    assert measured.blood == drawn.blood
    assert measured.volumes_ml["left_ventricle"] == pytest.approx([84 * 3 * 0.04, 20 * 3 * 0.04])
    assert measured.slices is not None
    assert drawn.slices is not None
    for own, before in zip(measured.slices, drawn.slices, strict=True):
        assert own.ed.left_ventricle_cm2 == pytest.approx(84 * 0.04)
        assert own.ed.thickness_mm == before.ed.thickness_mm
    assert (measured.wall, measured.motion, measured.quality) == (drawn.wall, drawn.motion, drawn.quality)
    told = [sentence for sentence in measured.conventions if "papillary" in sentence]
    assert [sentence.split(",")[1] for sentence in told] == [" told by brightness"]
    assert type(measured).from_json(measured.to_json()).to_json() == measured.to_json()


def test_papillary_muscles_that_cannot_be_told_stay_cavity_and_are_noted() -> None:
    flat = a_phase(6, 0)
    flat[0][flat[1] > 0] = WALL
    cine, labels = a_cine(a_phase(), flat)
    measured = measure_study(cine, labels, choice=PhaseChoice(papillary="mass"))
    assert measured.papillary == "cavity"
    assert measured.left == measure_study(cine, labels).left
    assert measured.notes[-1].startswith("papillary muscles count as cavity, for blood and wall cannot be told apart")


@pytest.mark.parametrize(("blood", "told"), [(130, True), (129, False)])
def test_blood_is_told_from_a_contrast_of_thirteen_to_ten(blood: int, told: bool) -> None:
    image, labels = a_phase(papillary=0)
    image[image == BLOOD] = blood
    assert (blood_mask(image, labels) is not None) is told


def test_the_scale_of_intensities_does_not_matter() -> None:
    """Down to fractions of 1, and to a wall of nothing."""
    image, labels = a_phase()
    for scaled in (image / 1000.0, np.where(image == BLOOD, 1, 0), np.where(image == BLOOD, 0.25, -0.5)):
        blood = blood_mask(scaled, labels)
        assert blood is not None
        assert blood.sum(axis=(0, 1)).tolist() == [84, 84, 84]
    assert blood_mask(np.zeros_like(image), labels) is None


@pytest.mark.parametrize(("n_cavity", "n_wall", "bright"), [(20, 20, 10), (19, 100, 19), (30, 19, 30)])
def test_twenty_voxels_have_a_level_of_their_own(n_cavity: int, n_wall: int, bright: int) -> None:
    """A slice five times as bright, ten voxels of its cavity muscle: by the others' level all of it would be blood."""
    image, labels = a_phase(papillary=0)
    drawn, values = np.zeros(400, np.uint8), np.zeros(400)
    drawn[:n_cavity], values[:n_cavity] = LV.value, 5 * BLOOD
    drawn[200 : 200 + n_wall], values[200 : 200 + n_wall] = MYO.value, 5 * WALL
    values[:10] = 5 * WALL
    labels[..., 2], image[..., 2] = drawn.reshape(20, 20), values.reshape(20, 20)
    blood = blood_mask(image, labels)
    assert blood is not None
    assert blood.sum(axis=(0, 1)).tolist() == [100, 100, bright]


def test_contrast_is_needed_at_end_diastole_too() -> None:
    flat = a_phase(6, 0)
    flat[0][flat[1] > 0] = WALL
    assert measure_blood(*a_cine(flat, a_phase()), ed=0, es=1) is None


def test_three_decimals_of_all_and_the_phases_that_were_asked_for() -> None:
    """Voxels of 350/27 mm3: 252 and 60 of blood, 336 of muscle at end-diastole."""
    cine, labels = a_cine(a_phase(6, 4), a_phase(8, 4), a_phase(10, 4))
    odd = Cine(cine.array, Grid((20, 20, 3), np.diag([5 / 3, 7 / 3, 10 / 3, 1.0])))
    assert measure_blood(odd, labels, ed=2, es=0) == BloodVolumes(
        edv_ml=3.267, esv_ml=0.778, sv_ml=2.489, ef_percent=76.19, myocardial_mass_g=4.573
    )
