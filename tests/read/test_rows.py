"""Rows of published tables: whole, cut short, or not of the kind that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.mnms import mnms_cases
from pipeline.read.datalists.rows import columns_of, read_rows
from pipeline.read.datalists.sunnybrook import sunnybrook_cases
from pipeline.read.datalists.sunnybrook_cavity import cavity_cases


def _table(folder: Path, *lines: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


def test_cells_are_stripped_and_those_that_a_row_lacks_are_empty(tmp_path: Path) -> None:
    table = _table(tmp_path, " a ,b", "1, 2 ", "", "3", "4,5,6", '"7,8",')
    assert columns_of(table) == ["a", "b"]
    assert read_rows(table, needed=["b"]) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": ""},
        {"a": "4", "b": "5"},
        {"a": "7,8", "b": ""},
    ]


def test_letters_that_are_not_utf_8_are_replaced(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(b"a,b\nM\xfcller,1")
    assert read_rows(table, needed=["a"]) == [{"a": "M\ufffdller", "b": "1"}]


@pytest.mark.parametrize("content", ["", "x" * 200_000 + ",b"])
def test_what_is_no_table_has_no_columns(tmp_path: Path, content: str) -> None:
    table = _table(tmp_path, content)
    assert columns_of(table) == []
    with pytest.raises(DatasetError, match=r"t\.csv must have the columns a, b, it lacks a \[.*t\.csv\]"):
        read_rows(table, needed=["a", "b"])


def test_a_row_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t\.csv must be valid CSV \(field larger .*\[.*t\.csv\]"):
        read_rows(_table(tmp_path, "a,b", "1," + "x" * 200_000), needed=["a"])


def test_a_row_cut_short_is_told_by_each_layout(tmp_path: Path) -> None:
    mnms = _table(tmp_path / "mnms", "External code,ED,ES", "A0,3").parent
    (mnms / "A0").mkdir()
    (mnms / "A0" / "A0_sa_gt.nii.gz").touch()
    with pytest.raises(DatasetError, match="must state ED and ES of A0 as numbers from 0 on"):
        mnms_cases(mnms)
    cavities = _table(tmp_path / "c", "case,phase,slices,slices_with_epi", "SC-1,ED,2", name="cases.csv").parent
    with pytest.raises(DatasetError, match="must count slices and slices_with_epi of SC-1_ED"):
        cavity_cases(cavities)
    for row, told in (("P1", "'P1' and ''"), (",SC-1", "'' and 'SC-1'")):
        studies = _table(tmp_path / "s", "patient_id,original_id", row, name="link.csv").parent
        with pytest.raises(DatasetError, match=f"each row must name a patient twice, got {told}"):
            sunnybrook_cases(studies, label_dir=tmp_path)
