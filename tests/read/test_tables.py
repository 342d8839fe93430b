"""Anyone's own table, CSV or JSON, row by row (data sets as a whole: test_datasets)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.tables import find_table, table_cases
from pipeline.read.datasets import load_datalist

ROW = {"image": "i.nii", "label": "l.nii", "patient": "P1", "scheme": "cmr"}
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1)


def _json(folder: Path, rows: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps(rows))
    return path


def test_the_csv_is_taken_before_the_json(tmp_path: Path) -> None:
    assert find_table(tmp_path) is None
    (tmp_path / "datalist.csv").mkdir()  # a folder is no table
    (tmp_path / "datalist.json").touch()
    assert find_table(tmp_path) == tmp_path / "datalist.json"
    (tmp_path / "datalist.csv").rmdir()
    (tmp_path / "datalist.csv").touch()
    assert find_table(tmp_path) == tmp_path / "datalist.csv"


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]) -> None:
    rows = [{**ROW, "patient": patient, "remark": remark} for patient, remark in cells]
    folder = tmp_path_factory.getbasetemp()
    with (folder / "written.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for path in (folder / "written.csv", _json(folder, rows), _json(folder, {"training": rows})):
        assert [(case["patient"], case["remark"]) for case in table_cases(path)] == cells


def test_paths_are_meant_from_the_table_s_folder(tmp_path: Path) -> None:
    (case,) = table_cases(_json(tmp_path, [ROW | {"image": "a/i.nii", "label": "/elsewhere/l.nii"}]))
    assert (case["image"], case["label"]) == (str(tmp_path / "a/i.nii"), "/elsewhere/l.nii")


def test_numbers_are_names_and_no_phase_is_an_empty_one(tmp_path: Path) -> None:
    (case,) = table_cases(_json(tmp_path, [ROW | {"patient": 12, "phase": None}]))
    assert (case["patient"], case["phase"]) == ("12", "")
    (case,) = table_cases(_json(tmp_path, [ROW | {"patient": 0}]))
    assert case["patient"] == "0"
    (case,) = table_cases(_json(tmp_path, [ROW | {"phase": "ED"}]))
    assert case["phase"] == "ED"


def test_a_row_s_own_scheme_goes_before_that_of_all(tmp_path: Path) -> None:
    own, none = ROW | {"scheme": "acdc"}, {key: value for key, value in ROW.items() if key != "scheme"}
    cases = table_cases(_json(tmp_path, [own, none, none | {"scheme": ""}]), scheme="mnms")
    assert [case["scheme"] for case in cases] == ["acdc", "mnms", "mnms"]
    with pytest.raises(DatasetError, match="entry 2 must state its label `scheme`"):
        table_cases(_json(tmp_path, [own, none]))


def test_everything_that_a_row_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"entry 3 .* lacks image, patient \["):
        table_cases(_json(tmp_path, [ROW, ROW, {"label": "l.nii", "image": None}]))


def test_surplus_cells_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.CSV"
    path.write_text("image,label,patient,scheme\ni.nii,l.nii,P1,cmr,surplus\n", encoding="utf-8-sig")
    (case,) = table_cases(path)
    assert set(case) == {"image", "label", "patient", "scheme", "phase"}


@pytest.mark.parametrize("content", [b'image,label\n"open,1\n', b"image,label\n\xff\xfe,1\n"])
def test_what_is_no_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"valid CSV .*mine\.csv\]"):
        table_cases(tmp_path / "mine.csv")
    with pytest.raises(DatasetError, match="valid CSV"):
        table_cases(tmp_path / "absent.csv")


@pytest.mark.parametrize("rows", [3, {"training": {}}, {"other": []}, [1], [[ROW]], [ROW, 1]])
def test_json_that_is_no_list_of_objects_is_refused(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(DatasetError, match=r"list of objects.*mine\.json\]"):
        table_cases(_json(tmp_path, rows))


def test_a_row_is_a_case_in_full_and_keeps_what_else_it_tells(tmp_path: Path) -> None:
    assert table_cases(_json(tmp_path, [ROW | {"centre": 4}])) == [
        {
            "image": str(tmp_path / "i.nii"),
            "label": str(tmp_path / "l.nii"),
            "patient": "P1",
            "scheme": "cmr",
            "centre": 4,
            "phase": "",
        }
    ]


def test_refusals_in_full(tmp_path: Path) -> None:
    def refusal(rows: Any) -> str:
        path = _json(tmp_path, rows)
        with pytest.raises(DatasetError) as caught:
            table_cases(path)
        return str(caught.value).removesuffix(f" [{path}]")

    need = "must state image, label and patient; it lacks"
    assert refusal([ROW, {"scheme": "cmr"}]) == f"entry 2 {need} image, label, patient"
    assert refusal([ROW | {"label": ""}]) == f"entry 1 {need} label"
    assert refusal([ROW | {"scheme": ""}]) == "entry 1 must state its label `scheme`, or give one for all"
    assert refusal([1]) == "a JSON data list must be a list of objects, alone or under `training`"
    (tmp_path / "mine.csv").write_text('image,label\n"open,1\n')
    with pytest.raises(DatasetError) as caught:
        table_cases(tmp_path / "mine.csv")
    assert str(caught.value) == f"a data list must be valid CSV (unexpected end of data) [{tmp_path / 'mine.csv'}]"


@pytest.mark.parametrize("name", ["mine.txt", "folder"])
def test_what_is_no_table_by_its_name_is_refused(tmp_path: Path, name: str) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).touch()
    with pytest.raises(DatasetError) as caught:
        load_datalist(tmp_path / name, layout="table")
    told = "a table must be a .csv or .json list, or a folder with datalist.csv or datalist.json"
    assert str(caught.value) == f"{told} [{tmp_path / name}]"
