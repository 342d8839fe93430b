"""All that is said of a study's label map, in one value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.certainty import NetworkReport
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.core.pose import AS_STORED, Pose, PoseFinding
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.measure.certainty.calibration import Calibration, DiceCurve
from pipeline.measure.certainty.judging import judge_certainty
from pipeline.measure.function import volumes_ml
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.study import hear_network, measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import PhantomStudy, make_cine


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(6), n_phases=6, size=100, pixel_mm=1.9)


def _sums(agreed: np.ndarray, *, absent: tuple[int, int] | None = None) -> ProbabilitySums:
    """Of one slice of 100 pixels each, (T, structures, 1), 90 of them sure and 110 possible."""
    decided, expected = np.full(agreed.shape, 100.0), np.full(agreed.shape, 100.0)
    if absent is not None:
        decided[absent] = 0.0
    return ProbabilitySums(decided, agreed, expected, decided * 0.9, decided * 1.1)


def _calibration(*, pass_dice: float = 0.88, fail_dice: float = 0.7) -> Calibration:
    """Expects what the network does, less 0.05; one volume of twenty is an odds ratio of e lower."""
    knots = (-2.0, 6.0)
    curve = DiceCurve((0.0,) * 4, (1.0,) * 4, (1.0, 0.0, 0.0, 0.0), 0.0, knots, (0.1, 0.9), -1.0)
    limits = {"sv_ml": (-1.0, 2.0), "ef_percent": (-0.5, 0.5)}
    return Calibration(
        curves={structure.name: curve for structure in STRUCTURES},
        volumes={"left_ventricle": (-0.1, 0.2), "myocardium": (-0.5, 0.5), "right_ventricle": (-10.0, 0.0)},
        functions={"left_ventricle": limits, "right_ventricle": limits},
        level=0.9,
        pass_dice=pass_dice,
        fail_dice=fail_dice,
        weights_sha256="",
        made_from={},
    )


def test_numbers_are_those_of_the_labels_and_the_readers_notes_come_first(study: PhantomStudy) -> None:
    cine = replace(study.image, notes=("a series was passed over",))
    measured = measure_study(cine, study.label.array, choice=PhaseChoice(es=3))
    alone = measure_cine(
        study.label.array, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=PhaseChoice(es=3)
    )
    assert measured.left == alone.left
    assert (measured.es_phase, measured.es_from) == (3, "given")
    assert measured.notes == ("a series was passed over", *alone.notes)
    assert measured.confidence is None
    assert measured.quality is not None


def test_confidence_is_told_by_structure_and_judged(study: PhantomStudy) -> None:
    agreed = np.full((6, 3, 1), 97.0)
    agreed[:, 2] = 50.0
    sums = _sums(agreed, absent=(2, 1))
    told = hear_network(study.image, study.label.array, sums=sums)
    measured = measure_study(study.image, study.label.array, told=told)
    assert list(measured.confidence) == ["left_ventricle", "myocardium", "right_ventricle"]
    assert measured.confidence["myocardium"] == (0.97, 0.97, None, 0.97, 0.97, 0.97)
    assert (measured.certainty, measured.intervals) == (None, None)
    assert {flag.rule for flag in measured.quality.flags if flag.severity == "fail"} == {"low_confidence"}
    assert measured.quality.verdict == "fail"


def test_the_pose_is_noted_kept_and_flagged_where_the_header_lies(study: PhantomStudy) -> None:
    found = PoseFinding(Pose(True, True, False), AS_STORED, True, 1.5, 1.25)
    measured = measure_study(study.image, study.label.array, told=NetworkReport(pose=found))
    assert measured.notes[0] == found.sentence()
    assert "1.50 times" in measured.notes[0]
    assert "header_pose" in {flag.rule for flag in measured.quality.flags}
    again = Measurements.from_json(measured.to_json())
    assert again.pose == found
    assert again.notes == measured.notes


def test_a_calibration_gives_dice_and_intervals(study: PhantomStudy) -> None:
    """Logit of 0.95 is 2.944: (2.944 + 2) / 8 of the way from 0.1 to 0.9. A fifth of each volume is not sure."""
    sums = _sums(np.full((6, 3, 1), 95.0))
    labels = study.label.array
    told = hear_network(study.image, labels, sums=sums, calibration=_calibration(pass_dice=0.5))
    measured = measure_study(study.image, labels, told=told)
    expected = 0.1 + 0.8 * (np.log(0.95 / 0.05) + 2.0) / 8.0
    assert measured.confidence["myocardium"] == (round(expected, 4),) * 6
    odds = expected / (1 - expected) / np.e
    assert measured.certainty.dice_low["myocardium"][0] == pytest.approx(odds / (1 + odds), abs=1e-4)
    left, wall = measured.left, measured.myocardial_mass_g
    assert measured.intervals["left_ventricle_edv_ml"] == pytest.approx(
        (left.edv_ml * 0.98, left.edv_ml * 1.04), abs=1e-3
    )
    assert measured.intervals["myocardial_mass_g"] == pytest.approx((wall * 0.9, wall * 1.1), abs=1e-3)
    assert measured.intervals["right_ventricle_esv_ml"][0] == 0.0  # no volume is below nothing
    stroke = 0.2 * np.hypot(left.edv_ml, left.esv_ml)
    assert measured.intervals["left_ventricle_sv_ml"] == pytest.approx(
        (left.sv_ml - stroke, left.sv_ml + 2 * stroke), abs=1e-3
    )
    ratio = left.esv_ml / left.edv_ml  # 100 * hypot(ratio * 0.2, ratio * 0.2)
    half = 0.5 * 100 * ratio * 0.2 * np.sqrt(2)
    assert measured.intervals["left_ventricle_ef_percent"] == pytest.approx(
        (left.ef_percent - half, left.ef_percent + half), abs=2e-3
    )
    assert "low_confidence" not in {flag.rule for flag in measured.quality.flags}
    again = Measurements.from_json(measured.to_json())
    assert again.certainty.functions == measured.certainty.functions
    assert again.to_json() == measured.to_json()


@pytest.mark.parametrize(("limits", "severity"), [((0.6, 0.5), "review"), ((0.9, 0.6), "fail"), ((0.55, 0.5), None)])
def test_the_verdict_follows_the_calibrated_mean(
    study: PhantomStudy, limits: tuple[float, float], severity: str | None
) -> None:
    """Expected: 0.594 of each structure."""
    told = hear_network(
        study.image,
        study.label.array,
        sums=_sums(np.full((6, 3, 1), 95.0)),
        calibration=_calibration(pass_dice=limits[0], fail_dice=limits[1]),
    )
    flags = measure_study(study.image, study.label.array, told=told).quality.flags
    found = [flag for flag in flags if flag.rule == "low_confidence"]
    assert {flag.severity for flag in found} == ({severity} if severity else set())
    assert [flag.threshold for flag in found] == [limits[0]] * (2 if severity else 0)
    expected = f"A mean Dice of 0.594 is to be expected, below {limits[0]:.3f} (left ventricle 0.59, "
    assert all(flag.message.startswith(expected) for flag in found)


def test_certainty_is_of_all_slices_and_of_the_networks_labels(study: PhantomStudy) -> None:
    told = hear_network(
        study.image, study.label.array, sums=_sums(np.full((6, 3, 1), 95.0)), calibration=_calibration()
    )
    less = measure_study(study.image, study.label.array, told=told, excluded_slices=[0])
    assert (less.confidence, less.certainty, less.intervals) == (told.expected_dice, told.certainty, None)
    again = NetworkReport(less.confidence, less.certainty)  # as a record keeps it, with the slice taken back
    whole = measure_study(study.image, study.label.array, told=told)
    assert measure_study(study.image, study.label.array, told=again).intervals == whole.intervals
    assert told.of_other_labels().expected_dice is None


FOUND = PoseFinding(Pose(True, True, False), AS_STORED, False, 1.5, 1.25)


def test_what_a_network_tells_with_and_without_its_parts(study: PhantomStudy) -> None:
    cine, labels, sums = study.image, study.label.array, _sums(np.full((6, 3, 1), 95.0))
    assert hear_network(cine, labels, sums=None) == NetworkReport()
    assert hear_network(cine, labels, sums=None, pose=FOUND, calibration=_calibration()) == NetworkReport(pose=FOUND)
    plain = dict.fromkeys((structure.name for structure in STRUCTURES), (0.95,) * 6)
    assert hear_network(cine, labels, sums=sums, pose=FOUND) == NetworkReport(plain, None, FOUND)
    calibrated = hear_network(cine, labels, sums=sums, pose=FOUND, calibration=_calibration())
    volumes = np.array(list(volumes_ml(labels, cine.grid).values())).T
    assert calibrated == NetworkReport(*judge_certainty(_calibration(), sums, volumes), FOUND)
    assert calibrated.certainty is not None
    for column, (name, spreads) in enumerate(calibrated.certainty.spread_ml.items()):
        assert name == STRUCTURES[column].name
        assert spreads == pytest.approx(0.2 * volumes[:, column], abs=1e-4)


def test_notes_come_in_order(study: PhantomStudy) -> None:
    cine, labels = replace(study.image, notes=("a series was passed over",)), study.label.array.copy()
    labels[2] = 0
    measured = measure_study(cine, labels, told=NetworkReport(pose=FOUND), excluded_slices=[4, 0])
    assert measured.notes == (
        "a series was passed over",
        FOUND.sentence(),
        "excluded from all measurements by the reader: slice(s) 1, 5; what is drawn there stays in the label map",
        "phase 3 was passed over for ED and ES: its left-ventricular volume sticks out of the beat",
    )
    assert measured.pose == FOUND


def test_a_single_phase_has_no_intervals_and_no_blood(study: PhantomStudy) -> None:
    cine = replace(study.image, array=study.image.array[:1], times_ms=None, sources=None)
    told = hear_network(cine, study.label.array[:1], sums=_sums(np.full((1, 3, 1), 95.0)), calibration=_calibration())
    measured = measure_study(cine, study.label.array[:1], told=told)
    assert (measured.intervals, measured.blood) == (None, None)
    assert measured.certainty == told.certainty
    assert measured.quality is not None


def test_intervals_have_three_decimals_and_are_of_what_is_known(study: PhantomStudy) -> None:
    """The wall is absent at end-diastole, and the right ventricle at end-systole."""
    labels = study.label.array
    sums = _sums(np.full((6, 3, 1), 95.0))
    measured = measure_study(
        study.image, labels, told=hear_network(study.image, labels, sums=sums, calibration=_calibration())
    )
    assert measured.intervals is not None
    ends = [end for interval in measured.intervals.values() for end in interval]
    assert ends == [round(end, 3) for end in ends]
    assert any(end != round(end, 2) for end in ends)
    assert measured.ed_phase is not None
    assert measured.es_phase is not None
    sums.decided[measured.ed_phase, 1] = sums.decided[measured.es_phase, 2] = 0.0
    told = hear_network(study.image, labels, sums=sums, calibration=_calibration())
    known = measure_study(study.image, labels, told=told).intervals
    assert known is not None
    assert list(known) == [
        *(f"left_ventricle_{key}" for key in ("edv_ml", "esv_ml", "sv_ml", "ef_percent")),
        "right_ventricle_edv_ml",
    ]
    assert {name: measured.intervals[name] for name in known} == known


def test_end_systolic_volumes_have_intervals_of_their_own(study: PhantomStudy) -> None:
    """A fifth of each volume is not sure: from 0.1 of that below to 0.2 above, and for the mass a half either way."""
    labels = study.label.array
    told = hear_network(study.image, labels, sums=_sums(np.full((6, 3, 1), 95.0)), calibration=_calibration())
    measured = measure_study(study.image, labels, told=told)
    left, mass_g = measured.left, measured.myocardial_mass_g
    assert measured.intervals is not None
    assert left is not None
    assert mass_g is not None
    assert measured.intervals["left_ventricle_esv_ml"] == pytest.approx(
        (left.esv_ml * 0.98, left.esv_ml * 1.04), abs=2e-3
    )
    assert measured.intervals["myocardial_mass_g"] == pytest.approx((mass_g * 0.9, mass_g * 1.1), abs=2e-3)
    assert list(measured.intervals) == [
        "myocardial_mass_g",
        *(
            f"{side}_{key}"
            for side in ("left_ventricle", "right_ventricle")
            for key in ("edv_ml", "esv_ml", "sv_ml", "ef_percent")
        ),
    ]
