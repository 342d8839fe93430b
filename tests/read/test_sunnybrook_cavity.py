"""Sunnybrook's cavities: partly drawn, and said so case by case."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.sunnybrook_cavity import cavity_cases, looks_like_cavities
from pipeline.read.datasets import checked_datalist, load_datalist
from pipeline.read.labels import read_case_label
from pipeline.read.nifti import read_nifti

TABLE = "case,phase,slices,slices_with_epi,slice_order,spacing_mm,spacing_is,phase_index\n"


def write(folder: Path, *rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cases.csv").write_text(TABLE + "\n".join(rows) + "\n")
    for row in rows:
        label = np.zeros((8, 8, 2), np.uint8)
        label[2:6, 2:6] = 2 if row.split(",")[3] == "2" else 0
        label[3:5, 3:5] = 1
        name = "_".join(row.split(",")[:2])
        image = np.random.default_rng(0).integers(0, 9, label.shape).astype(np.int16)
        for ending, array in (("", image), ("_gt", label)):
            nib.save(nib.Nifti1Image(array, np.diag([-1.3, -1.3, 8, 1])), folder / f"{name}{ending}.nii.gz")
    return folder


def test_what_is_not_drawn_is_not_background(tmp_path: Path) -> None:
    folder = write(tmp_path, "SC-1,ED,2,2,contiguous,1.3,assumed,19", "SC-1,ES,2,0,contiguous,1.3,true,7")
    ed, es = checked_datalist(folder)
    assert (ed["patient"], ed["phase"], ed["drawn_structures"], ed["note"][:11]) == (
        "SC-1",
        "ED",
        ["LV", "MYO"],
        "its spacing",
    )
    assert (es["phase"], es["drawn_structures"], "note" in es) == ("ES", ["LV"], False)
    values = []
    for case in (ed, es):
        image = read_nifti(case["image"])
        values.append(np.unique(read_case_label(case, grid=image.grid, n_phases=1).array).tolist())
    assert values == [[1, 2, 137], [1, 141]]


def test_a_wall_in_some_slices_is_no_wall(tmp_path: Path) -> None:
    write(tmp_path, "SC-1,ED,2,0,c,1,true,1")
    (tmp_path / "cases.csv").write_text(TABLE + "SC-1,ED,2,1,c,1,true,1\n")
    assert load_datalist(tmp_path)[0]["drawn_structures"] == ["LV"]


def test_a_table_that_does_not_count_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "SC-1,ED,2,0,c,1,true,1")
    (tmp_path / "cases.csv").write_text(TABLE + "SC-1,ED,2,,c,1,true,1\n")
    with pytest.raises(DatasetError, match="slices_with_epi of SC-1_ED"):
        load_datalist(tmp_path)


def test_the_nineteen_patients(cmr_data: Path) -> None:
    cases = checked_datalist(cmr_data / "sunnybrook_cavity")
    assert len(cases) == 38
    assert Counter(case["group"] for case in cases) == {"HF-I": 8, "HF-NI": 12, "HYP": 10, "N": 8}
    assert [f"{c['patient']} {c['phase']}" for c in cases if "MYO" in c["drawn_structures"]] == [
        "SC-HF-I-09 ED",
        "SC-HF-NI-11 ED",
        "SC-N-03 ED",
    ]


def test_a_row_is_a_case_in_full(tmp_path: Path) -> None:
    write(tmp_path / "a", "SC-1,ED,2,2,contiguous,1.3,assumed,19")
    case = {
        "image": str(tmp_path / "a" / "SC-1_ED.nii.gz"),
        "label": str(tmp_path / "a" / "SC-1_ED_gt.nii.gz"),
        "patient": "SC-1",
        "phase": "ED",
        "scheme": "cmr",
        "drawn_structures": ["LV", "MYO"],
        "note": "its spacing is assumed: not for volumes",
    }
    assert cavity_cases(tmp_path / "a") == [case]
    assert load_datalist(tmp_path / "a", scheme="mnms") == [case | {"scheme": "mnms"}]


@pytest.mark.parametrize(("name", "group"), [("SC-HF-NI-07", "HF-NI"), ("SC-N-02", "N"), ("p1", None), ("SC-7", None)])
def test_a_patients_name_says_the_diagnosis(tmp_path: Path, name: str, group: str | None) -> None:
    write(tmp_path / "a", f"{name},ED,2,2,contiguous,1.3,true,19")
    assert cavity_cases(tmp_path / "a")[0].get("group") == group


@pytest.mark.parametrize("lacks", ["case", "phase", "slices", "slices_with_epi"])
def test_a_table_of_cases_has_its_columns(tmp_path: Path, lacks: str) -> None:
    assert not looks_like_cavities(tmp_path)
    (tmp_path / "cases.csv").write_text("")
    assert not looks_like_cavities(tmp_path)
    columns = [name for name in ("case", "phase", "slices", "slices_with_epi") if name != lacks]
    (tmp_path / "cases.csv").write_text(",".join(columns), encoding="utf-8-sig")
    assert not looks_like_cavities(tmp_path)
    (tmp_path / "cases.csv").write_text(",".join(["more", *columns, lacks]), encoding="utf-8-sig")
    assert looks_like_cavities(tmp_path)


@pytest.mark.parametrize("counts", [",2", "2,", "two,2", "2,-1"])
def test_a_row_that_does_not_count_is_named(tmp_path: Path, counts: str) -> None:
    (tmp_path / "cases.csv").write_text(f"{TABLE}\nSC-1,ES,{counts}\n")
    with pytest.raises(DatasetError) as caught:
        cavity_cases(tmp_path)
    told = "the table must count slices and slices_with_epi of SC-1_ES"
    assert str(caught.value) == f"{told} [{tmp_path / 'cases.csv'}]"
