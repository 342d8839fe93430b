"""Comparison with a prior study: changes by hand, the limits of repeatability, what else differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.measurements import Function, Measurements, Quality
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


def test_a_study_measured_again_keeps_its_prior() -> None:
    first = compare_with_prior(
        _measured(220.0, 80.0), _measured(200.0, 80.0), case="then", same_patient_by="patient_id", interval_days=365
    )
    again = renew_prior(_measured(190.0, 80.0), first)
    edv = next(change for change in again.changes if change.quantity == "left_ventricle_edv_ml")
    assert (edv.before, edv.now, edv.change) == (200.0, 190.0, -10.0)
    assert (again.case, again.interval_days, again.same_patient_by) == ("then", 365, "patient_id")
