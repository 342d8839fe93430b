"""The cohort's table: from records alone, kept up to date without reading all of them again, safe with two at it."""

from __future__ import annotations

import csv
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.app import case_table, cli, pacing
from pipeline.app.case_table import CaseTable
from pipeline.app.pacing import Seldom
from pipeline.core.errors import ConfigError, InputError
from pipeline.write.cohort_columns import COLUMNS

RECORD = {
    "case": "one",
    "kind": "cine",
    "n_phases": 20,
    "n_slices": 9,
    "spacing_mm": [1.5, 1.5, 8.0],
    "subject": {"sex": "F", "age_years": 41.0, "height_cm": 170.0, "weight_kg": 65.0},
    "papillary": "mass",
    "ed_phase": 0,
    "es_phase": 7,
    "ed_from": "curve",
    "es_from": "given",
    "heart_rate_bpm": 62.0,
    "myocardial_mass_g": 101.25,
    "left_ventricle": {"edv_ml": 140.5, "esv_ml": 55.0, "sv_ml": 85.5, "ef_percent": 60.854, "co_l_per_min": 5.301},
    "right_ventricle": {"edv_ml": 150.0, "esv_ml": 66.0, "sv_ml": 84.0, "ef_percent": None},
    "bsa_m2": 1.752,
    "bsa_method": "mosteller",
    "indexed": {"left_ventricle_edv_ml_per_m2": 80.2, "myocardial_mass_g_per_m2": 57.8},
    "wall": {"segments": [{"ed_mm": 8.0}, {"ed_mm": None}, {"ed_mm": 11.0}]},
    "confidence": {"left_ventricle": [0.95] * 20, "myocardium": [0.9] * 20, "right_ventricle": [None] * 20},
    "quality": {"verdict": "review", "flags": [{"rule": "slice_gap", "message": "A gap,\n=seen."}]},
    "corrected": False,
    "pseudonym": None,
    "bundle": {"name": "b", "version": "1"},
    "software": {"cardiac-mr-pipeline": "0.1.0"},
    "source": {"identity": "study 1.2.3", "path": "/in/one"},
}


def _record(out: Path, name: str, record: dict[str, Any]) -> Path:
    path = out / name / "measurements.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def _rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as file:
        return {row["case_name"]: row for row in csv.DictReader(file)}


def test_a_row_has_the_record_s_values(tmp_path: Path) -> None:
    _record(tmp_path, "one", RECORD)
    CaseTable(tmp_path).update()
    (row,) = _rows(tmp_path).values()
    stated = {name: value for name, value in row.items() if value and name != "recorded_at"}
    assert stated == {
        **{"case_name": "one", "status": "done", "reason": "A gap, =seen.", "verdict": "review", "n_flags": "1"},
        **{"flags": "slice_gap", "corrected": "0", "sex": "F", "age_years": "41.0", "height_cm": "170.0"},
        **{"weight_kg": "65.0", "bsa_m2": "1.752", "bsa_method": "mosteller", "heart_rate_bpm": "62.0"},
        "papillary": "mass",
        **{"kind": "cine", "n_phases": "20", "n_slices": "9", "spacing_x_mm": "1.5", "spacing_y_mm": "1.5"},
        **{"spacing_z_mm": "8.0", "ed_phase": "0", "es_phase": "7", "ed_from": "curve", "es_from": "given"},
        **{"lv_edv_ml": "140.5", "lv_esv_ml": "55.0", "lv_sv_ml": "85.5", "lv_ef_percent": "60.854"},
        **{"lv_co_l_per_min": "5.301", "rv_edv_ml": "150.0", "rv_esv_ml": "66.0", "rv_sv_ml": "84.0"},
        **{"lv_mass_g": "101.25", "lv_edv_ml_per_m2": "80.2", "lv_mass_g_per_m2": "57.8"},
        **{"wall_ed_mean_mm": "9.5", "wall_ed_max_mm": "11.0", "confidence_lv_ed": "0.95"},
        **{"confidence_lv_es": "0.95", "confidence_myo_ed": "0.9", "confidence_myo_es": "0.9"},
        **{"bundle": "b", "bundle_version": "1", "software_version": "0.1.0"},
        **{"identity": "study 1.2.3", "source_path": "/in/one"},
    }


def test_under_a_pseudonym_nothing_tells_who_it_is(tmp_path: Path) -> None:
    hidden = {"identity": "keyed 0a1b", "path": None}
    _record(tmp_path, "P-01-02", RECORD | {"pseudonym": "P-01", "source": hidden})
    _record(tmp_path, "P-03-04", {"source": hidden, "failed": {"error": "cut short [...]"}})
    CaseTable(tmp_path).update()
    assert {row["identity"] + row["source_path"] for row in _rows(tmp_path).values()} == {""}


def test_failed_cases_stay_and_claimed_folders_are_none(tmp_path: Path) -> None:
    _record(tmp_path, "bad", {"source": RECORD["source"], "failed": {"error": "a slice is missing", "time": "now"}})
    _record(tmp_path, "worse", RECORD | {"failed": {"error": "later on", "time": "now"}})
    _record(tmp_path, "claimed", {"source": RECORD["source"]})
    _record(tmp_path, "torn", {}).write_text("{")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").touch()
    CaseTable(tmp_path).update()
    rows = _rows(tmp_path)
    assert {name: row["status"] for name, row in rows.items()} == {"bad": "failed", "torn": "failed", "worse": "failed"}
    assert (rows["bad"]["reason"], rows["worse"]["reason"]) == ("a slice is missing", "later on")
    assert rows["worse"]["lv_edv_ml"] == "140.5"  # of the attempt before
    assert "must be JSON" in rows["torn"]["reason"]


def test_intervals_and_the_reason_for_a_verdict(tmp_path: Path) -> None:
    """A note is worth knowing and is no reason."""
    intervals = {"left_ventricle_ef_percent": [52.5, 66.0], "myocardial_mass_g": [95.0, 108.5]}
    flag = {"rule": "area_jump", "severity": "note", "message": "A jump."}
    judged = {"intervals": intervals, "quality": {"verdict": "pass", "flags": [flag]}}
    _record(tmp_path, "one", RECORD | judged)
    CaseTable(tmp_path).update()
    row = _rows(tmp_path)["one"]
    assert (row["lv_ef_percent_lower"], row["lv_ef_percent_upper"]) == ("52.5", "66.0")
    assert (row["lv_mass_g_lower"], row["lv_mass_g_upper"]) == ("95.0", "108.5")
    assert row["rv_edv_ml_lower"] == ""
    assert (row["verdict"], row["flags"], row["reason"]) == ("pass", "area_jump", "")


def test_only_what_has_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [_record(tmp_path, f"case{number}", RECORD) for number in range(5)]
    read: list[str] = []

    def count(path: Path) -> dict[str, Any]:
        read.append(path.parent.name)
        return json.loads(path.read_text())

    monkeypatch.setattr(case_table, "read_record", count)
    CaseTable(tmp_path).update()
    assert len(read) == 5
    before = (tmp_path / "cohort.csv").stat().st_ino
    CaseTable(tmp_path).update()  # as another process would
    assert (len(read), (tmp_path / "cohort.csv").stat().st_ino) == (5, before)
    _record(tmp_path, "case2", RECORD | {"myocardial_mass_g": 1.0})
    paths[4].unlink()
    CaseTable(tmp_path).update()
    assert read[5:] == ["case2"]
    assert _rows(tmp_path)["case2"]["lv_mass_g"] == "1.0"
    assert list(_rows(tmp_path)) == ["case0", "case1", "case2", "case3"]
    (tmp_path / "cohort_dictionary.csv").write_text("of another version")
    CaseTable(tmp_path).update()
    assert len(read) == 6 + 4


def test_a_growing_cohort_is_not_written_at_every_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update, clock = Seldom(CaseTable(tmp_path).update), iter([0.0, 1.0, 5.0, 21.5, 22.0])
    monkeypatch.setattr(pacing.time, "monotonic", lambda: next(clock))
    for number in range(3):  # at 0 s, which takes a second; at 5 s, too early; at 21.5 s
        _record(tmp_path, f"case{number}", RECORD)
        update()
        assert len(_rows(tmp_path)) == (1, 1, 3)[number]


def _grow(out: Path, first: int) -> None:
    for number in range(first, first + 15):
        _record(out, f"case{number:02d}", RECORD)
        CaseTable(out).update()


def test_two_processes_lose_no_row(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_grow, args=(tmp_path, first)) for first in (0, 15)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(_rows(tmp_path)) == 30
    assert not list(tmp_path.glob("*.partial"))


def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient,age\n1,2\n")
    with pytest.raises(ConfigError, match="is another; move it away"):
        CaseTable(tmp_path)
    assert (tmp_path / "cohort.csv").read_text() == "patient,age\n1,2\n"


def test_the_command_makes_it_anew(tmp_path: Path) -> None:
    _record(tmp_path, "one", RECORD)
    CaseTable(tmp_path).update()
    text = (tmp_path / "cohort.csv").read_text()
    (tmp_path / "cohort.csv").write_text(text.replace("140.5", "999"))
    ran = CliRunner().invoke(cli.app, ["table", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "cohort.csv").read_text() == text
    ran = CliRunner().invoke(cli.app, ["table", str(tmp_path / "nowhere")])
    assert isinstance(ran.exception, InputError)


def test_parquet_has_types_and_stays_up_to_date(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    _record(tmp_path, "one", RECORD)
    CaseTable(tmp_path, parquet=True).update()
    _record(tmp_path, "two", RECORD | {"corrected": True})
    CaseTable(tmp_path).update()
    table = parquet.read_table(tmp_path / "cohort.parquet")
    assert table.column_names == [column.name for column in COLUMNS]
    one, two = table.to_pylist()
    assert (one["lv_edv_ml"], one["n_phases"], one["corrected"], one["rv_ef_percent"]) == (140.5, 20, False, None)
    assert two["corrected"] is True
    assert table.schema.field("lv_edv_ml").metadata[b"unit"] == b"ml"


def test_without_pyarrow_it_is_refused_before_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.write.parquet.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="Parquet needs pyarrow: pip install"):
        CaseTable(tmp_path, parquet=True)
