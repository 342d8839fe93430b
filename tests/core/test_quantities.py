"""The quantities by which hearts are compared: their names, their words, and those that a study has."""

from __future__ import annotations

from pipeline.core.measurements import Function, Measurements
from pipeline.core.quantities import QUANTITIES, quantities
from pipeline.core.wall import Curve, Motion


def test_a_study_s_quantities_in_order() -> None:
    left = Function(120.0, 50.0, 70.0, 58.3, 4.2)
    right = Function(0.0, 0.0, 0.0, None)
    strain = {"global": Curve((0.0, -20.0), -20.0)}
    measured = Measurements(
        "few_phases",
        2,
        8,
        (1.0, 1.0, 8.0),
        {},
        myocardial_mass_g=100.0,
        left=left,
        right=right,
        motion=Motion((), strain),
        indexed={"left_ventricle_edv_ml_per_m2": 60.0},
    )
    found = quantities(measured)
    assert list(found) == [name for name in QUANTITIES if name in found]
    assert found["left_ventricle_co_l_per_min"] == 4.2
    assert found["left_ventricle_edv_ml_per_m2"] == 60.0
    assert found["circumferential_strain_percent"] == -20.0
    assert found["right_ventricle_edv_ml"] == 0.0
    assert "right_ventricle_ef_percent" not in found
    assert quantities(Measurements("single_phase", 1, 8, (1.0, 1.0, 8.0), {})) == {}


def test_every_quantity_has_words_and_a_unit() -> None:
    assert len(QUANTITIES) == 21
    assert QUANTITIES["left_ventricle_co_l_per_min_per_m2"].words == "LV cardiac index"
    assert QUANTITIES["left_ventricle_edv_ml_per_m2"].unit == "ml/m²"
    assert "left_ventricle_ef_percent_per_m2" not in QUANTITIES
    assert len({quantity.words for quantity in QUANTITIES.values()}) == len(QUANTITIES)
