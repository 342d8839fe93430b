import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.measurements import Flag, Measurements, Quality
from pipeline.write.pages.worklist import Study, worst_first, write_worklist

NOTHING = Measurements("few_phases", n_phases=2, n_slices=3, spacing_mm=(3.0, 3.0, 10.0), volumes_ml={})


def judged(verdict: str, n_flags: int = 0, confidence: float | None = None) -> Measurements:
    quality = Quality(verdict, (Flag("r", "review", "m"),) * n_flags)
    expected = None if confidence is None else {"myocardium": [0.99, confidence]}
    return replace(NOTHING, quality=quality, confidence=expected)


def test_the_worst_come_first() -> None:
    studies = [
        Study("passed", measured=judged("pass")),
        Study("unsure", measured=judged("pass", confidence=0.8)),
        Study("sure", measured=judged("pass", confidence=0.9)),
        Study("one", measured=judged("review", 1, 0.5)),
        Study("three", measured=judged("review", 3, 0.9)),
        Study("unknown", measured=NOTHING),
        Study("failed", measured=judged("fail", 1)),
        Study("error", error="cannot be read"),
    ]
    order = ["error", "failed", "one", "three", "unknown", "unsure", "sure", "passed"]
    assert [study.case for study in worst_first(studies)] == order
    assert [study.case for study in worst_first(studies[::-1])] == order


def test_a_row_shows_numbers_reasons_and_a_link(tmp_path: Path, measured: dict[str, Any]) -> None:
    flags = measured["quality"]["flags"]
    flags += [dict(flags[0], message="third"), dict(flags[0], message="fourth")]
    flags += [dict(flags[0], message="A note.", severity="note")]
    studies = [
        Study("a b#1", "a b#1/report.html", Measurements.from_json(measured)),
        Study("<b>", error="slice 3 is missing"),
    ]
    text = write_worklist(tmp_path / "new" / "index.html", studies).read_text(encoding="utf-8")
    assert 'href="a%20b%231/report.html"' in text
    assert "&lt;b&gt;" in text
    assert f'<td data-value="{measured["left_ventricle"]["edv_ml"]}" data-head="LV EDV">' in text
    assert "A gap. A jump. <span" in text
    assert "and 2 more" in text
    assert "A note." not in text  # only worth knowing
    assert "slice 3 is missing" in text
    assert text.index("slice 3 is missing") < text.index("A gap.")
    assert "Not for diagnosis" in text
    assert not re.search(r"https?://", text)


def test_a_row_tells_what_a_reader_decided_and_shows_a_picture(tmp_path: Path) -> None:
    studies = [
        Study("a b", measured=judged("pass"), review="accepted", thumbnail="a b/thumbnail.jpg"),
        Study("c", measured=judged("pass")),
    ]
    text = write_worklist(tmp_path / "index.html", studies).read_text(encoding="utf-8")
    assert '<tr data-verdict="pass" data-review="accepted">' in text
    assert '<img src="a%20b/thumbnail.jpg" loading="lazy"' in text
    assert text.count("<img") == 1
    assert '<option value="unreviewed">unreviewed (1)</option><option value="accepted">accepted (1)</option>' in text
    assert "rejected" not in text.split("<body>")[1].split("<script>")[0]


@pytest.mark.parametrize(("n", "words"), [(0, "no study"), (1, "1 study: 1 pass")])
def test_few_studies(tmp_path: Path, n: int, words: str) -> None:
    path = write_worklist(tmp_path / "index.html", [Study("a", measured=judged("pass"))] * n)
    assert words in path.read_text(encoding="utf-8")
