"""Comparison with a prior study: changes by hand, the limits of repeatability, what else differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.measurements import Function, Measurements, Quality
from pipeline.core.prior import Change, Prior
from pipeline.core.subject import Subject
from pipeline.measure.prior import compare_with_prior, renew_prior


def _measured(edv: float, esv: float, **more: object) -> Measurements:
    left = Function(edv, esv, edv - esv, 100.0 * (edv - esv) / edv)
    right = Function(edv, esv, edv - esv, 100.0 * (edv - esv) / edv)
    base = Measurements("cine", 20, 10, (1.5, 1.5, 8.0), {}, myocardial_mass_g=100.0, left=left, right=right)
    return replace(base, **more)


def test_changes_and_limits_by_hand() -> None:
    """Grothues' least repeatable groups: 4.9 % of the mean EDV, so 1.96 x 4.9 % x 210 ml = 20.2 ml."""
    prior = compare_with_prior(_measured(220.0, 110.0), _measured(200.0, 80.0), case="then", same_patient_by="user")
    by_name = {change.quantity: change for change in prior.changes}
    edv, esv, ef = (by_name[f"left_ventricle_{key}"] for key in ("edv_ml", "esv_ml", "ef_percent"))
    assert (edv.before, edv.now, edv.change, edv.change_percent) == (200.0, 220.0, 20.0, 10.0)
    assert edv.limit == pytest.approx(1.96 * 0.049 * 210.0, abs=1e-3)
    assert edv.beyond is False
    assert esv.limit == pytest.approx(1.96 * 0.092 * 95.0, abs=1e-3)
    assert esv.beyond is True
    assert ef.change == pytest.approx(-10.0)  # percentage points
    assert ef.limit == pytest.approx(1.96 * 0.073 * 55.0, abs=1e-3)
    assert by_name["right_ventricle_edv_ml"].limit == pytest.approx(1.96 * 0.078 * 210.0, abs=1e-3)
    assert by_name["right_ventricle_esv_ml"].beyond is False  # 18.1 %: the right one's is hard to repeat
    stroke = by_name["left_ventricle_sv_ml"]
    assert (stroke.limit, stroke.beyond) == (None, None)  # nothing is published
    assert prior.sources == ("Grothues et al., Am J Cardiol 90:29, 2002", "Grothues et al., Am Heart J 147:218, 2004")


def test_what_only_one_of_them_has_is_not_compared() -> None:
    indexed = {"left_ventricle_edv_ml_per_m2": 100.0}
    prior = compare_with_prior(
        _measured(200.0, 80.0, indexed=indexed, bsa_m2=2.0, bsa_method="mosteller"),
        _measured(200.0, 80.0),
        case="then",
        same_patient_by="patient_id",
    )
    assert "left_ventricle_edv_ml_per_m2" not in {change.quantity for change in prior.changes}
    assert "left_ventricle_co_l_per_min" not in {change.quantity for change in prior.changes}


def test_nothing_before_has_no_percentage() -> None:
    empty = _measured(200.0, 80.0, left=Function(0.0, 0.0, 0.0, None))
    prior = compare_with_prior(_measured(200.0, 80.0), empty, case="then", same_patient_by="user")
    by_name = {change.quantity: change for change in prior.changes}
    assert by_name["left_ventricle_edv_ml"].change_percent is None
    assert "left_ventricle_ef_percent" not in by_name


def test_what_else_differs_is_said() -> None:
    now = _measured(200.0, 80.0, heart_rate_bpm=90.0, bsa_method="dubois", quality=Quality("fail"))
    before = _measured(200.0, 80.0, heart_rate_bpm=60.0, bsa_method="mosteller", spacing_mm=(1.5, 1.5, 10.0))
    notes = compare_with_prior(now, before, case="then", same_patient_by="user", notes=["said before"]).notes
    assert notes == (
        "said before",
        "the formula of the body surface is dubois now and was mosteller",
        "the heart rate is 90 a minute now and was 60",
        "slices are 8.0 mm apart now and were 10.0 mm",
        "the quality of the present study is fail",
    )
    assert compare_with_prior(before, before, case="then", same_patient_by="user").notes == ()


def test_other_countings_of_papillary_muscles_are_not_compared() -> None:
    now, before = (_measured(200.0, 80.0, papillary=papillary) for papillary in ("mass", "cavity"))
    told = compare_with_prior(now, before, case="then", same_patient_by="user")
    left = [change.quantity for change in told.changes if change.quantity.startswith(("left", "myocardial"))]
    assert not left
    sentence = "left-ventricular volumes and mass are not compared: papillary muscles count as mass now and counted as"
    assert told.notes == (f"{sentence} cavity then",)
    alike = compare_with_prior(before, before, case="then", same_patient_by="user")
    assert any(change.quantity == "left_ventricle_edv_ml" for change in alike.changes)
    again = renew_prior(now, alike, papillary="cavity")
    assert again.changes == told.changes
    assert again.notes == told.notes
    assert renew_prior(before, alike, papillary="cavity") == alike


def test_a_study_measured_again_keeps_its_prior() -> None:
    first = compare_with_prior(
        _measured(220.0, 80.0), _measured(200.0, 80.0), case="then", same_patient_by="patient_id", interval_days=365
    )
    again = renew_prior(_measured(190.0, 80.0), first, papillary="cavity")
    edv = next(change for change in again.changes if change.quantity == "left_ventricle_edv_ml")
    assert (edv.before, edv.now, edv.change) == (200.0, 190.0, -10.0)
    assert (again.case, again.interval_days, again.same_patient_by) == ("then", 365, "patient_id")


def _alone(before: float, now: float, **more: object) -> Prior:
    """The comparison of one mass with another, which nothing else was measured beside."""
    then, present = (
        replace(_measured(200.0, 80.0), myocardial_mass_g=mass, left=None, right=None) for mass in (before, now)
    )
    return compare_with_prior(present, then, case="then", same_patient_by="user", **more)


def test_a_comparison_in_full() -> None:
    """The limit is 1.96 x 4.8 % of 35 g."""
    source = "Grothues et al., Am J Cardiol 90:29, 2002"
    prior = _alone(100 / 3, 110 / 3, interval_days=-7, notes=["read twice"])
    change = Change("myocardial_mass_g", 100 / 3, 110 / 3, 3.333, 10.0, limit=3.293, beyond=True)
    assert prior == Prior("then", "user", (change,), -7, (source,), ("read twice",))


@pytest.mark.parametrize(("before", "now", "percent"), [(3.0, 2.0, -33.3), (0.5, 0.6, 20.0), (0.0, 5.0, None)])
def test_the_percentage_has_one_decimal_and_needs_something_before(
    before: float, now: float, percent: float | None
) -> None:
    assert _alone(before, now).changes[0].change_percent == percent


def test_a_fall_beyond_the_limit_is_beyond_it_too() -> None:
    for now, beyond in ((120.0, True), (80.0, True), (101.0, False), (99.0, False)):
        assert _alone(100.0, now).changes[0].beyond is beyond


def test_what_else_may_differ_is_said() -> None:
    now = _measured(200.0, 80.0, kind="few_phases", subject=Subject("M"), quality=Quality("pass"))
    before = _measured(200.0, 80.0, subject=Subject("F"), quality=Quality("review"))
    assert compare_with_prior(now, before, case="then", same_patient_by="user").notes == (
        "the kind of series is few_phases now and was cine",
        "the sex is M now and was F",
        "the quality of the prior study is review",
    )


@pytest.mark.parametrize(
    ("rate", "step_mm", "notes"),
    [
        (90.0, 9.0, ()),  # a tenth of 100 and of 10
        (89.9, 9.0, ("the heart rate is 90 a minute now and was 100",)),
        (90.0, 8.9, ("slices are 8.9 mm apart now and were 10.0 mm",)),
        (111.0, 11.0, ()),
        (
            111.2,
            11.2,
            ("the heart rate is 111 a minute now and was 100", "slices are 11.2 mm apart now and were 10.0 mm"),
        ),
        (None, 10.0, ()),
    ],
)
def test_up_to_a_tenth_is_no_difference(rate: float | None, step_mm: float, notes: tuple[str, ...]) -> None:
    now = _measured(200.0, 80.0, heart_rate_bpm=rate, spacing_mm=(1.0, 1.0, step_mm))
    before = _measured(200.0, 80.0, heart_rate_bpm=100.0, spacing_mm=(2.0, 2.0, 10.0))
    assert compare_with_prior(now, before, case="then", same_patient_by="user").notes == notes
    unknown = replace(before, heart_rate_bpm=None)
    found = compare_with_prior(now, unknown, case="then", same_patient_by="user").notes
    assert found == tuple(note for note in notes if "heart rate" not in note)


def test_what_is_unknown_in_one_study_does_not_differ() -> None:
    known = _measured(200.0, 80.0, bsa_method="dubois", subject=Subject("M"))
    for now, before in ((known, _measured(200.0, 80.0)), (_measured(200.0, 80.0), known)):
        assert compare_with_prior(now, before, case="then", same_patient_by="user").notes == ()


def test_a_study_measured_again_keeps_the_rest_of_its_comparison() -> None:
    first = _alone(100.0, 110.0, interval_days=5, notes=["read twice"])
    again = renew_prior(
        replace(_measured(1.0, 1.0), myocardial_mass_g=100.0, left=None, right=None), first, papillary="cavity"
    )
    assert again == replace(_alone(100.0, 100.0), interval_days=5, notes=("read twice",))
