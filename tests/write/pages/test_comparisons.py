"""Tables of references, prior study, motion and slices: what is shown of each, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.measurements import Measurements
from pipeline.core.reference import Reference, References
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.comparisons import comparisons
from pipeline.write.pages.report import write_report


@pytest.fixture
def value(measured: dict[str, Any]) -> Measurements:
    return Measurements.from_json(measured)


def _reference(**more: Any) -> Reference:
    row = {"quantity": "left_ventricle_edv_ml", "value": 230.0, "lower": 103.28, "upper": 228.72, "position": "above"}
    whole = {"mean": 166.0, "sd": 32.0, "z": 2.0, "age_from": 45.0, "age_to": 74.0, "source": "A"}
    return Reference(**row | whole | more)


def test_reference_rows_in_words(value: Measurements) -> None:
    rows = (
        _reference(),
        _reference(source="B", lower=None),
        _reference(upper=None, age_to=None),
        _reference(age_from=None),
    )
    shown = comparisons(replace(value, references=References(rows, ("RV: none",))))["references"]
    assert [row.range for row in shown["rows"]] == ["103.3 to 228.7", "up to 228.7", "from 103.3", "103.3 to 228.7"]
    assert [row.ages for row in shown["rows"]] == ["45 to 74", "45 to 74", "from 45", "up to 74"]
    assert [row.source for row in shown["rows"]] == [1, 2, 1, 1]
    assert (shown["sources"], shown["not_compared"]) == (["A", "B"], ("RV: none",))


def test_changes_in_words(value: Measurements) -> None:
    shown = comparisons(value)["prior"]
    assert [row.verdict for row in shown["rows"]] == ["within", "beyond", "not known"]
    assert shown["rows"][0].quantity.words == "LV end-diastolic volume"


def test_sections_without_anything_are_not_there(value: Measurements, phantom: PhantomStudy) -> None:
    nothing = replace(value, references=None, prior=None, motion=None, slices=None)
    assert set(comparisons(nothing).values()) == {None}


def test_the_report_shows_them(phantom: PhantomStudy, measured: dict[str, Any], as_case, tmp_path) -> None:
    measured["prior"]["case"] = "<b>then</b>"
    page = write_report(tmp_path / "report.html", as_case(phantom.image, measured, phantom.label.array)).read_text()
    for words in (
        "Beside reference values",
        "Petersen et al.",
        "RV end-diastolic volume",
        "Beside the prior study &lt;b&gt;then&lt;/b&gt;",
        "<strong>beyond</strong>",
        "365 days before. Told to be of one patient by the same PatientID.",
        "slices are 8.0 mm apart now and were 10.0 mm",
        "Circumferential strain of the midline",
        "Motion by segment",
        "Slice by slice",
        "volumes and motion",
    ):
        assert words in page, words
    strain = measured["motion"]["strain_percent"]["global"]["at_es"]
    assert f'<th scope="row">Global</th><td>{strain:.1f}</td>' in page
