import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, RV, UNLABELLED
from pipeline.measure.scores import (
    VolumeScore,
    by_patient,
    function_agreement,
    mean_dice_by_patient,
    patient_functions,
    phase_roles,
    score_volume,
    summarise,
)

GRID = Grid((10, 10, 4), np.diag([1.0, 1.0, 10.0, 1.0]))


def _heart(cavity: int, *, right: int = 3) -> np.ndarray:
    """Slabs along X: `cavity` rows of LV, two of wall, `right` of RV; a row is 0.4 ml."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:cavity] = LV.value
    labels[cavity : cavity + 2] = MYO.value
    labels[cavity + 2 : cavity + 2 + right] = RV.value
    return labels


def _scores(patient: str = "a") -> list[VolumeScore]:
    ed = score_volume(_heart(4), _heart(5, right=2), GRID, patient=patient, volume="frame01")
    es = score_volume(_heart(2), _heart(2), GRID, patient=patient, volume="frame09")
    return ed + es


def test_a_volumes_rows_by_hand() -> None:
    left, wall, right = _scores()[:3]
    assert (left.structure, wall.structure, right.structure) == (LV.name, MYO.name, RV.name)
    assert left.true_ml == pytest.approx(1.6)
    assert left.found_ml == pytest.approx(2.0)
    assert left.dice == pytest.approx(2 * 4 / 9)
    assert left.iou == pytest.approx(4 / 5)
    assert left.hausdorff_mm == pytest.approx(1.0)
    assert wall.dice == pytest.approx(0.5)


def test_structures_absent_and_missed() -> None:
    empty = np.zeros(GRID.shape, np.uint8)
    rows = score_volume(_heart(4, right=0), empty, GRID, patient="a", volume="ED")
    missed, absent = rows[0], rows[2]
    assert (missed.dice, missed.found_ml) == (0.0, 0.0)
    assert missed.hd95_mm == pytest.approx(np.sqrt(10**2 + 10**2 + 40**2))
    assert absent.dice is absent.hd95_mm is None


def test_unlabelled_slices_count_for_neither_side() -> None:
    truth = _heart(4)
    truth[:, :, 2:] = UNLABELLED
    left = score_volume(truth, _heart(4), GRID, patient="a", volume="ED")[0]
    assert left.dice == 1.0
    assert left.true_ml == left.found_ml == pytest.approx(0.8)


def test_roles_follow_the_truth_and_function_its_phases() -> None:
    scores = _scores()
    assert phase_roles(scores) == {("a", "frame01"): "ED", ("a", "frame09"): "ES"}
    pairs = {pair.quantity: (pair.true, pair.found) for pair in patient_functions(scores)}
    assert pairs["lv_edv"] == pytest.approx((1.6, 2.0))
    assert pairs["lv_ef"] == pytest.approx((50.0, 60.0))
    assert pairs["rv_ef"] == pytest.approx((0.0, -50.0))
    assert pairs["lv_mass"] == pytest.approx((0.8 * 1.05, 0.8 * 1.05))
    assert function_agreement(patient_functions(scores))["lv_ef"].bias == pytest.approx(10.0)


def test_a_patient_with_one_volume_has_no_function() -> None:
    scores = score_volume(_heart(4), _heart(4), GRID, patient="a", volume="ED")
    assert phase_roles(scores) == {}
    assert patient_functions(scores) == []
    assert [row["phase"] for row in summarise(scores)] == ["all"] * 4


def test_means_by_patient_and_in_the_summary() -> None:
    scores = _scores("a") + _scores("b")
    assert by_patient(scores, structure=LV.name) == {name: pytest.approx([8 / 9, 1.0]) for name in "ab"}
    ed_mean = (8 / 9 + 0.5 + 4 / 5) / 3
    assert mean_dice_by_patient(scores)["b"] == pytest.approx([ed_mean, 1.0])
    rows = {(row["structure"], row["phase"]): row for row in summarise(scores)}
    assert rows["mean", "all"]["dice"] == pytest.approx((ed_mean + 1) / 2)
    assert rows["mean", "ED"]["n"] == 2
    assert rows[LV.name, "ES"]["hd95_mm"] == 0.0
