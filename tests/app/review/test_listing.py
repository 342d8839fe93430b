"""Cases as rows of the review's worklist."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.results import write_record
from pipeline.app.review.listing import list_case


def test_a_case_that_only_failed_is_listed_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "doe"
    folder.mkdir()
    write_record(folder, {"source": {"identity": "study 1"}})
    assert list_case(folder) is None  # only bound to its study
    write_record(folder, {"source": {"identity": "study 1"}, "failed": {"error": "no short axis", "time": "2026"}})
    found = list_case(folder)
    assert found is not None
    study, row = found
    assert (study.error, row["status"], row["reasons"]) == ("no short axis", "failed", ["no short axis"])
