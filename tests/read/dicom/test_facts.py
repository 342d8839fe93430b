"""What the header says of the body: taken where a body can be so, else noted."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.read.dicom.series import read_dicom_cine


@pytest.mark.parametrize(
    ("elements", "fact", "value", "note"),
    [
        ({"PatientSize": "1.72"}, "height_m", 1.72, ""),
        ({"PatientSize": "172"}, "height_m", 1.72, "got 172: taken for cm"),
        ({"PatientSize": "0"}, "height_m", None, ""),
        ({"PatientSize": "17.2"}, "height_m", None, "17.2 m, which no body has"),
        ({"PatientSize": "1720"}, "height_m", None, "1720 m, which no body has"),
        ({"PatientWeight": "71"}, "weight_kg", 71.0, ""),
        ({"PatientWeight": "0"}, "weight_kg", None, ""),
        ({"PatientWeight": "71000"}, "weight_kg", None, "71000 kg, which no body has"),
        ({"PatientWeight": "-3"}, "weight_kg", None, "-3 kg, which no body has"),
        ({"PatientSex": "F"}, "sex", "F", ""),
        ({"PatientSex": "M"}, "sex", "M", ""),
        ({"PatientSex": "f"}, "sex", "F", ""),
        ({"PatientSex": "O"}, "sex", None, ""),
        ({"PatientAge": "045Y"}, "age_years", 45.0, ""),
        ({"PatientAge": "018M"}, "age_years", 1.5, ""),
        ({"PatientAge": "45"}, "age_years", None, ""),
        ({"PatientAge": "450Y"}, "age_years", None, "an age of 450 years, which nobody has"),
        ({"PatientBirthDate": "19800630", "StudyDate": "20200629"}, "age_years", 39.0, ""),
        ({"PatientBirthDate": "00000000", "StudyDate": "20200629"}, "age_years", None, ""),
        ({"PatientBirthDate": "20210101", "StudyDate": "20200629"}, "age_years", None, "which nobody has"),
        (
            {"PatientAge": "045Y", "PatientBirthDate": "19000101", "StudyDate": "20010101"},
            "age_years",
            45.0,
            "disagree by over a year: PatientAge is taken",
        ),
        ({"ManufacturerModelName": "Aera"}, "model", "Aera", ""),
        ({"MagneticFieldStrength": "1.494"}, "field_strength_t", 1.49, ""),
        ({"MagneticFieldStrength": "15000"}, "field_strength_t", 1.5, ""),
        ({"MagneticFieldStrength": "0"}, "field_strength_t", None, ""),
        ({"HeartRate": "61"}, "heart_rate_bpm", 61.0, ""),
        ({"HeartRate": "100000"}, "heart_rate_bpm", None, "100000 a minute is none that a heart has"),
        ({"NominalInterval": "0.8"}, "heart_rate_bpm", None, "75000 a minute is none that a heart has"),
    ],
)
def test_a_fact_is_taken_or_noted(study, elements: dict[str, Any], fact: str, value: float | None, note: str) -> None:
    study.cine(**elements)
    cine = read_dicom_cine(study.folder)
    assert getattr(cine.facts, fact) == pytest.approx(value)
    assert [told for told in cine.notes if note in told] == list(cine.notes)
    assert len(cine.notes) == (note != "")


def test_a_body_that_cannot_be_has_neither_height_nor_weight(study) -> None:
    study.cine(PatientSize="1.72", PatientWeight="7")
    cine = read_dicom_cine(study.folder)
    assert (cine.facts.height_m, cine.facts.weight_kg) == (None, None)
    assert "say 1.72 m and 7 kg, which no body has: nothing is indexed by them" in cine.notes[0]


@pytest.mark.parametrize("keyword", ["PatientSize", "PatientSex", "Manufacturer", "PatientAge"])
def test_a_fact_that_cannot_be_read_is_none(study, keyword: str) -> None:
    values = {"PatientSize": "1.72", "PatientSex": "F", "Manufacturer": "Makers", "PatientAge": "045Y"}
    study.cine(**values)
    tag = {"PatientSize": 0x1020, "PatientSex": 0x40, "Manufacturer": 0x70, "PatientAge": 0x1010}[keyword]
    group = 8 if keyword == "Manufacturer" else 16
    for path in study.written:
        data = path.read_bytes()
        at = data.index(group.to_bytes(2, "little") + tag.to_bytes(2, "little")) + 4
        path.write_bytes(data[:at] + b"ZZ" + data[at + 2 :])
    facts = read_dicom_cine(study.folder).facts
    found = [facts.height_m, facts.sex, facts.manufacturer, facts.age_years]
    assert found[list(values).index(keyword)] is None
    assert found.count(None) == 1
