"""ACDC's folders: what `Info.cfg` says, and which of its files are meant (data sets as a whole: test_datasets)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.acdc import acdc_cases, looks_like_acdc


def _patient(folder: Path, info: str = "ED: 1\nES: 12\n", *files: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "Info.cfg").write_text(info)
    for name in files:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("inside", [".", "p1", "training/p1"])
def test_patients_are_found_up_to_two_folders_down(tmp_path: Path, inside: str) -> None:
    assert not looks_like_acdc(tmp_path)
    _patient(tmp_path / "set" / inside)
    assert looks_like_acdc(tmp_path / "set")
    assert len(acdc_cases(tmp_path / "set")) == 2


def test_patients_deeper_down_are_not(tmp_path: Path) -> None:
    _patient(tmp_path / "a" / "b" / "p1")
    assert not looks_like_acdc(tmp_path)
    assert acdc_cases(tmp_path) == []


def test_frames_have_two_digits_or_more(tmp_path: Path) -> None:
    ed, es = acdc_cases(_patient(tmp_path / "patient003", "ED: 4\nES: 112\nWeight: 70\n"))
    assert [Path(case["image"]).name for case in (ed, es)] == [
        "patient003_frame04.nii.gz",
        "patient003_frame112.nii.gz",
    ]
    assert Path(es["label"]).name == "patient003_frame112_gt.nii.gz"
    assert (ed["patient"], ed["phase"], es["phase"], ed["scheme"]) == ("patient003", "ED", "ES", "acdc")
    assert ed["weight_kg"] == es["weight_kg"] == 70.0
    assert "height_cm" not in ed


def test_what_is_not_stated_is_left_out_and_lines_may_be_odd(tmp_path: Path) -> None:
    info = "\ufeff\nno colon here\n ED :  1 \nES: 12\nGroup:  a: b \nHeight: 184.5\n"
    for case in acdc_cases(_patient(tmp_path / "p", info)):
        assert (case["group"], case["height_cm"]) == ("a: b", 184.5)
        assert "weight_kg" not in case


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ([], "p_frame01.nii.gz"),
        (["p_frame01.nii"], "p_frame01.nii"),
        (["p_frame01.nii.gz"], "p_frame01.nii.gz"),
        (["p_frame01.nii", "p_frame01.nii.gz"], "p_frame01.nii.gz"),
    ],
)
def test_the_uncompressed_file_is_taken_where_it_alone_is_there(tmp_path: Path, files: list[str], taken: str) -> None:
    assert Path(acdc_cases(_patient(tmp_path / "p", "ED: 1\nES: 12\n", *files))[0]["image"]).name == taken


@pytest.mark.parametrize(
    ("info", "phase"), [("ES: 1\n", "ED"), ("ED: 1\n", "ES"), ("ED: 1\nES: -3\n", "ES"), ("ED: x\nES: 1", "ED")]
)
def test_frames_that_are_not_numbered_are_refused(tmp_path: Path, info: str, phase: str) -> None:
    with pytest.raises(DatasetError, match=rf"frame number of {phase}, got .*Info\.cfg\]"):
        acdc_cases(_patient(tmp_path / "p", info))


@pytest.mark.parametrize("line", ["Height: unknown", "Weight: 70,5", "Weight:"])
def test_a_height_or_weight_that_is_no_number_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(DatasetError, match=r"height and weight as numbers .*Info\.cfg\]"):
        acdc_cases(_patient(tmp_path / "p", f"ED: 1\nES: 12\n{line}\n"))
