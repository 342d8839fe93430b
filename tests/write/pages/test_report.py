import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pipeline.core.case import Case
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, StudyFacts
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.report import write_report


def text_of(path: Path, case: Case, **options: Any) -> str:
    return write_report(path, case, **options).read_text(encoding="utf-8")


@pytest.fixture
def phantom_case(phantom: PhantomStudy, measured: dict[str, Any], as_case) -> Callable[..., Case]:
    """The phantom's case with some of its record changed."""

    def case(**changes: Any) -> Case:
        return as_case(phantom.image, measured | changes, phantom.label.array)

    return case


def player_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def words_of(text: str) -> str:
    """What a reader sees, roughly: no scripts, styles or tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", text)))


def test_the_tests_object_is_one_that_is_written(measured: dict[str, Any]) -> None:
    schema = json.loads((files("pipeline.measure") / "schemas" / "measurements.schema.json").read_text())
    jsonschema.validate(measured, schema)


def test_a_report_tells_all_that_was_measured(
    tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], phantom_case
) -> None:
    for name in ("seg_ed.dcm", "seg_phase_07.dcm", "seg_phase_08.dcm"):  # of 8 phases, which count from 0 in names
        (tmp_path / name).touch()
    text = text_of(tmp_path / "report.html", phantom_case())
    words = words_of(text)
    for part in (
        "phantom0003",
        "fail",
        "Not for diagnosis",
        f"{measured['left_ventricle']['ef_percent']:.1f}",
        f"{measured['right_ventricle']['edv_ml']:.1f}",
        "61.2",
        "EF, blood alone % 62.6",
        "A gap.",
        "the localiser was left out",
        "papillary muscles count as cavity",
        "the apex is not measured",
        "view.clean_up",
        "corrected by hand",
        "time after the R wave, ms",
        "End-systole, phase",
    ):
        assert part in words, part
    assert 'href="seg_ed.dcm"' in text
    assert "seg_es.dcm" not in text
    assert "seg_phase_07.dcm segmentation at phase 8 (DICOM SEG)" in words
    assert "seg_phase_08.dcm" not in text
    assert f'data-phase="{measured["es_phase"]}" data-slice="2"' in text


def test_intervals_stand_below_their_numbers_and_the_dice_says_what_it_is(
    tmp_path: Path, measured: dict[str, Any], calibrate: Callable[[dict[str, Any]], None], phantom_case
) -> None:
    assert "It is not calibrated, and too high." in words_of(text_of(tmp_path / "before.html", phantom_case()))
    calibrate(measured)
    words = words_of(text_of(tmp_path / "after.html", phantom_case()))
    assert words.count("111 to 135") == 1  # the main number's
    assert words.count("111.2 to 134.8") == 1  # the table's
    assert words.count("90.0 to 101.0") == 1
    assert "would lie in 90 of 100 patients" in words
    assert "From a mean of 0.900 a phase passes." in words
    measured["intervals"] = None  # a reader has left slices out
    words = words_of(text_of(tmp_path / "without.html", phantom_case()))
    assert "of 100 patients" not in words
    assert "From a mean of 0.900 a phase passes." in words


def test_a_report_needs_no_network_and_no_other_file(
    tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], phantom_case
) -> None:
    text = text_of(tmp_path / "report.html", phantom_case())
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert set(re.findall(r'(?:src|href)="([^":#]*:?)', text)) == {"", "data:"}
    assert "default-src 'none'" in text
    assert text.count("<img data-frame=") == phantom.image.n_phases
    assert " style=" not in text  # the content policy forbids styles in elements
    assert not re.search(r"<[^>]+ on[a-z]+=", text)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_player_knows_every_outline(
    tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], phantom_case
) -> None:
    player = player_of(text_of(tmp_path / "report.html", phantom_case()))
    assert np.array(player["outlines"]).shape == (8, 8, 3)
    assert player["start"]["phase"] == measured["ed_phase"]
    assert player["marks"] == {str(measured["ed_phase"]): "ED", str(measured["es_phase"]): "ES"}
    assert player["step_ms"] == pytest.approx(60_000 / phantom.patient.heart_rate_bpm / 8, abs=0.01)


def test_nobody_is_named_unless_asked(
    tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], phantom_case
) -> None:
    identity = {"name": "DOE^JANE", "id": "4711", "birth_date": "1970-01-31"}
    assert "DOE" not in text_of(tmp_path / "a.html", phantom_case())
    words = words_of(text_of(tmp_path / "b.html", phantom_case(), identity=identity))
    assert "Name DOE^JANE ID 4711 Birth date 1970-01-31" in words


def test_a_report_links_to_its_worklist_where_there_is_one(tmp_path: Path, phantom_case) -> None:
    case = phantom_case(case="a b#1")
    text = text_of(tmp_path / "a.html", case, worklist="../index.html")
    assert [f'href="../index.html#{step}=a%20b%231"' in text for step in ("before", "at", "after")] == [True] * 3
    assert "index.html" not in text_of(tmp_path / "b.html", case)


def test_uids_of_the_study_are_left_out(tmp_path: Path, phantom_case) -> None:
    case = phantom_case()
    facts = StudyFacts(study_uid="1.2.840.99", manufacturer="ACME & Co")
    text = text_of(tmp_path / "r.html", replace(case, cine=replace(case.cine, facts=facts)))
    assert "1.2.840.99" not in text
    assert "ACME &amp; Co" in text


def test_what_is_put_in_is_escaped(
    tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], phantom_case
) -> None:
    evil = "</script><script>alert(1)</script>"
    measured["quality"]["flags"][0]["message"] = evil
    case = phantom_case(case=evil, notes=[evil], settings={evil: evil})
    text = text_of(tmp_path / "report.html", case, identity={"name": evil}, worklist="../index.html")
    assert "<script>alert" not in text
    assert "</script><script" not in text
    assert len(re.findall("<style>", text)) == 1
    case = phantom_case(case='"; } </style><style>')  # it stands in the style as well, at the foot of each page
    text = text_of(tmp_path / "report.html", case)
    assert len(re.findall("</style>", text)) == 1


@pytest.mark.parametrize("missing", ["wall", "quality", "confidence", "bsa_m2", "left_ventricle", "times_ms"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_any_part_may_be_missing(
    tmp_path: Path, measured: dict[str, Any], phantom_case, missing: str, how: str
) -> None:
    if how == "absent":
        del measured[missing]
    else:
        measured[missing] = None
    words = words_of(text_of(tmp_path / "report.html", phantom_case()))
    reasons = {
        "wall": "The wall was not measured",
        "quality": "was not assessed",
    }
    assert reasons.get(missing, "phantom0003") in words
    assert "None" not in words


@pytest.mark.parametrize(("n_phases", "reason"), [(1, "A single phase: there is no curve"), (2, "Two phases")])
def test_few_phases_and_an_empty_record_give_a_report(tmp_path: Path, as_case, n_phases: int, reason: str) -> None:
    cine = Cine(np.zeros((n_phases, 9, 7, 1), np.float32), Grid((9, 7, 1), np.diag([1.0, 2.0, 8.0, 1.0])))
    text = text_of(tmp_path / "case7" / "r.html", as_case(cine, {}))
    words = words_of(text)
    assert reason in words
    assert "case7 not assessed" in words
    assert player_of(text)["tile_mm"] == [9.0, 14.0]
    assert "None" not in words


def test_a_real_cine_stays_small(tmp_path: Path, cmr_data: Path, as_case) -> None:
    from pipeline.read.cine import read_cine

    folder = cmr_data / "sunnybrook" / "dicom" / "SCD0000101"
    cine = read_cine([str(path) for path in sorted(folder.rglob("*")) if path.is_file()])
    labels = np.zeros(cine.array.shape, np.uint8)
    labels[:, 80:190, 100:195, 1:11] = 1  # the size of that heart with both ventricles
    path = write_report(tmp_path / "report.html", as_case(cine, {}, labels))
    assert path.stat().st_size < 2_500_000
