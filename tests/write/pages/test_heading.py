from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.images import StudyFacts
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.heading import head_groups

IDENTITY = {"name": "DOE^JANE", "id": "4711", "birth_date": "1950-01-31", "study_date": "2012-03-04"}
FACTS = StudyFacts(manufacturer="SIEMENS", model="Aera", field_strength_t=1.5)
SUBJECT = {"sex": "F", "age_years": 93.2, "height_cm": 162.0, "weight_kg": 58.4}


def terms(case: Any, identity: dict[str, str]) -> dict[str, str]:
    return {term: text for _, rows in head_groups(case, identity) for term, text in rows}


@pytest.fixture
def case(phantom: PhantomStudy, measured: dict[str, Any], as_case) -> Any:
    return as_case(replace(phantom.image, facts=FACTS), measured | {"subject": SUBJECT}, phantom.label.array)


def test_the_head_tells_patient_scan_and_reading(case: Any) -> None:
    told = terms(case, {})
    assert told["Sex"] == "female"
    assert (told["Height"], told["Weight"], told["Body surface"]) == ("162 cm", "58 kg", "1.87 m² (Mosteller)")
    assert told["Scanner"] == "SIEMENS Aera, 1.5 T"
    assert told["Images"] == "cine: 8 phases, 8 slices"
    assert told["Voxels"] == "3.00 x 3.00 x 10.00 mm"
    assert told["End-diastole"] == "phase 1 (0 ms), found from the volumes"
    assert told["End-systole"].endswith("given by the user")
    assert told["Outlines"] == "ventricles_mr_segmentation_unet 0.1.0, corrected by hand"


def test_without_identity_nothing_identifies(case: Any) -> None:
    told = terms(case, {})
    assert told["Age"] == "90 years or more"
    assert not {"Name", "ID", "Birth date", "Study date", "Report date", "Institution"} & set(told)
    named = terms(case, IDENTITY)
    assert (named["Name"], named["Study date"], named["Age"]) == ("DOE^JANE", "2012-03-04", "93 years")


def test_what_is_not_known_is_left_out(phantom: PhantomStudy, as_case) -> None:
    told = terms(as_case(replace(phantom.image, facts=StudyFacts()), {}), {})
    assert set(told) == {"Images", "Voxels", "Outlines"}
    assert told["Outlines"] == "some_bundle 1.2.3, not corrected"


@pytest.mark.parametrize(
    ("years", "text"),
    [(63.99, "63 years"), (89.9, "89 years"), (1.0, "12 months"), (1 / 12, "1 month"), (2.0, "2 years")],
)
def test_ages_are_whole(case: Any, years: float, text: str) -> None:
    aged = replace(case.measurements, subject=replace(case.measurements.subject, age_years=years))
    assert terms(replace(case, measurements=aged), {})["Age"] == text
