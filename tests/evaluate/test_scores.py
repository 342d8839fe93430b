import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, RV, STRUCTURES, UNLABELLED, one_of
from pipeline.evaluate.scores import (
    FUNCTION_UNITS,
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


def _row(patient: str, volume: str, structure: str = LV.name, **values: float | None) -> VolumeScore:
    """A row of any numbers, for what only groups and averages them."""
    plain = {"dice": 1.0, "iou": 1.0, "hausdorff_mm": 0.0, "hd95_mm": 0.0, "assd_mm": 0.0, "true_ml": 1.0}
    return VolumeScore(patient, volume, structure, **(plain | {"found_ml": 1.0} | values))  # type: ignore[arg-type]


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


def test_every_cell_of_the_summary_by_hand() -> None:
    """Two patients, two phases, two structures drawn; medians are not means, and what is absent is passed over."""
    scores = [
        _row("a", "v1", true_ml=9.0, dice=0.9, iou=0.8, hd95_mm=2.0, assd_mm=1.0),
        _row("a", "v2", true_ml=4.0, dice=0.5, iou=0.3, hd95_mm=9.0, assd_mm=4.0),
        _row("b", "v1", true_ml=3.0, dice=0.7, iou=0.6, hd95_mm=4.0, assd_mm=None),
        _row("b", "v2", true_ml=8.0, dice=None, iou=None, hd95_mm=None, assd_mm=2.5),
    ]
    scores += [
        _row(*place, MYO.name, dice=0.1, iou=0.1, hd95_mm=50.0, assd_mm=20.0)
        for place in (("a", "v1"), ("a", "v2"), ("b", "v1"), ("b", "v2"))
    ]
    scores += [
        _row(*place, RV.name, dice=None, iou=None, hd95_mm=None, assd_mm=None)
        for place in (("a", "v1"), ("a", "v2"), ("b", "v1"), ("b", "v2"))
    ]
    rows = summarise(scores)
    assert [(row["phase"], row["structure"]) for row in rows] == [
        (phase, name) for phase in ("all", "ED", "ES") for name in (*(s.name for s in STRUCTURES), "mean")
    ]
    cells = {(row.pop("structure"), row.pop("phase")): row for row in rows}
    assert cells[LV.name, "all"] == {
        "n": 3,
        "dice": pytest.approx(0.7),
        "interval": [pytest.approx(0.7), pytest.approx(0.7)],  # either patient's mean is 0.7
        "dice_median": pytest.approx(0.7),
        "iou": pytest.approx((0.8 + 0.3 + 0.6) / 3),
        "hd95_mm": pytest.approx(5.0),
        "hd95_median_mm": 4.0,
        "assd_mm": pytest.approx(2.5),
    }
    ed, es = cells[LV.name, "ED"], cells[LV.name, "ES"]  # a's v1 and b's v2; the others
    assert (ed["n"], ed["dice"], ed["hd95_mm"], ed["assd_mm"]) == (1, 0.9, 2.0, 1.75)
    assert (es["n"], es["dice"], es["dice_median"]) == (2, pytest.approx(0.6), pytest.approx(0.6))
    assert (es["interval"], es["hd95_median_mm"]) == ([pytest.approx(0.5), pytest.approx(0.7)], 6.5)
    mean = cells["mean", "all"]  # of each volume's two structures; b's v2 has the wall alone
    assert mean["dice"] == pytest.approx((0.5 + 0.3 + 0.4 + 0.1) / 4)
    assert mean["dice_median"] == pytest.approx(0.35)
    absent = cells[RV.name, "all"]
    assert (absent["n"], absent["dice_median"], absent["hd95_median_mm"]) == (0, None, None)
    assert all(np.isnan(absent[key]) for key in ("dice", "iou", "hd95_mm", "assd_mm"))


def test_the_median_is_not_the_mean() -> None:
    scores = [
        _row("a", f"v{n}", s.name, dice=dice, hd95_mm=far)
        for n, (dice, far) in enumerate([(0.9, 1), (0.8, 2), (0.1, 9)])
        for s in STRUCTURES
    ]
    row = summarise(scores)[0]
    assert (row["dice"], row["dice_median"]) == (pytest.approx(0.6), 0.8)
    assert (row["hd95_mm"], row["hd95_median_mm"]) == (4.0, 2.0)


def test_a_structure_s_row_counts_its_own_volumes_alone() -> None:
    """Else the table's rows would be of all structures together, or of none."""
    scores = [
        _row("a", "v1", s.name, dice=dice, hd95_mm=10 * dice)
        for s, dice in zip(STRUCTURES, (0.9, 0.5, 0.2), strict=True)
    ]
    rows = summarise(scores)
    assert [(row["dice"], row["hd95_mm"], row["n"]) for row in rows[:3]] == [
        (0.9, 9.0, 1),
        (0.5, 5.0, 1),
        (0.2, 2.0, 1),
    ]


def test_rows_in_any_order_give_the_same_summary() -> None:
    scores = _scores("a") + _scores("b")
    for backward, forward in zip(summarise(scores[::-1]), summarise(scores), strict=True):
        assert backward == {
            key: value if isinstance(value, str) else pytest.approx(value) for key, value in forward.items()
        }


def test_phases_without_volumes_are_left_out_and_those_after_them_are_not() -> None:
    assert summarise([]) == []
    flat = [_row("a", name, s.name, true_ml=5.0) for name in ("v1", "v2") for s in STRUCTURES]
    assert phase_roles(flat) == {}  # neither is larger
    assert {row["phase"] for row in summarise(flat)} == {"all"}


def test_the_volume_between_ed_and_es_has_no_role() -> None:
    scores = [_row("a", name, true_ml=ml) for name, ml in (("v1", 50.0), ("v2", 90.0), ("v3", 40.0))]
    scores.append(_row("a", "v1", RV.name, true_ml=500.0))
    assert phase_roles(scores) == {("a", "v2"): "ED", ("a", "v3"): "ES"}


def test_values_are_grouped_in_the_order_of_volumes_and_none_is_nan() -> None:
    scores = [_row("b", "v2", dice=0.2), _row("b", "v1", dice=None), _row("a", "v1", dice=0.4, assd_mm=3.0)]
    grouped = by_patient(scores, structure=LV.name)
    assert grouped["a"] == [0.4]
    assert np.isnan(grouped["b"][0])
    assert grouped["b"][1] == 0.2
    assert by_patient(scores, structure=LV.name, key="assd_mm")["a"] == [3.0]
    assert by_patient(scores, structure=RV.name) == {}


def test_a_mean_over_structures_needs_all_of_them() -> None:
    two_volumes = [_row("a", name, s.name) for name in ("v1", "v2") for s in (LV, MYO, RV)]
    with pytest.raises(ValueError, match="shorter"):
        mean_dice_by_patient(two_volumes[:-1])


def test_every_quantity_of_function_has_its_unit_and_value() -> None:
    """Truth: LV 1.6 to 0.8 ml, RV 1.2 to 1.2, wall 0.8; predicted: LV 2.0 to 0.8, RV 0.8 to 1.2."""
    pairs = {pair.quantity: (pair.true, pair.found) for pair in patient_functions(_scores())}
    assert list(pairs) == list(FUNCTION_UNITS)
    assert pairs == {
        "lv_edv": pytest.approx((1.6, 2.0)),
        "lv_esv": pytest.approx((0.8, 0.8)),
        "lv_ef": pytest.approx((50.0, 60.0)),
        "lv_mass": pytest.approx((0.84, 0.84)),
        "rv_edv": pytest.approx((1.2, 0.8)),
        "rv_esv": pytest.approx((1.2, 1.2)),
        "rv_ef": pytest.approx((0.0, -50.0)),
    }
    assert FUNCTION_UNITS == {
        "lv_edv": "ml",
        "lv_esv": "ml",
        "lv_ef": "%",
        "lv_mass": "g",
        "rv_edv": "ml",
        "rv_esv": "ml",
        "rv_ef": "%",
    }


def test_patients_function_comes_by_name_and_without_a_cavity_has_no_fraction() -> None:
    pairs = patient_functions(_scores("b") + _scores("a"))
    assert [pair.patient for pair in pairs] == ["a"] * 7 + ["b"] * 7
    scores = [
        _row("c", name, s.name, true_ml=ml if s is LV else 0.0, found_ml=0.0)
        for name, ml in (("v1", 90.0), ("v2", 30.0))
        for s in STRUCTURES
    ]
    found = {pair.quantity: (pair.true, pair.found) for pair in patient_functions(scores)}
    assert found["lv_ef"] == (pytest.approx(100 * 60 / 90), None)
    assert found["rv_ef"] == (None, None)
    assert function_agreement(patient_functions(scores))["lv_ef"].n == 0


def test_agreement_is_of_each_quantity_s_own_pairs() -> None:
    found = function_agreement(patient_functions(_scores("a") + _scores("b")))
    assert set(found) == set(FUNCTION_UNITS)
    assert (found["lv_edv"].n, found["lv_edv"].bias) == (2, pytest.approx(0.4))
    assert (found["rv_edv"].n, found["rv_edv"].bias) == (2, pytest.approx(-0.4))


def test_a_structure_that_nobody_drew_has_no_score() -> None:
    drawn, found = _heart(4), _heart(5, right=2)
    partial = np.where((drawn == RV.value) | (drawn == 0), one_of((0, RV.value)), drawn).astype(np.uint8)
    full = {row.structure: row for row in score_volume(drawn, found, GRID, patient="a", volume="ED")}
    rows = {row.structure: row for row in score_volume(partial, found, GRID, patient="a", volume="ED")}
    assert (rows[LV.name], rows[MYO.name]) == (full[LV.name], full[MYO.name])
    right = rows[RV.name]
    assert (right.dice, right.iou, right.hd95_mm, right.true_ml, right.found_ml) == (None,) * 5


def test_function_of_what_nobody_drew_is_unknown() -> None:
    scores = [
        _row("a", name, s.name, true_ml=None if s is RV else ml, found_ml=None if s is RV else ml)
        for name, ml in (("ED", 90.0), ("ES", 30.0))
        for s in STRUCTURES
    ]
    found = {pair.quantity: (pair.true, pair.found) for pair in patient_functions(scores)}
    assert found["lv_edv"] == (90.0, 90.0)
    assert found["rv_edv"] == found["rv_esv"] == found["rv_ef"] == (None, None)
    assert function_agreement(patient_functions(scores))["rv_edv"].n == 0
    no_left = [_row("a", name, LV.name, true_ml=None, found_ml=None) for name in ("ED", "ES")]
    assert phase_roles(no_left) == {}
