"""`cmr check`: a table for people, JSON for programs, and one gate before every command on labelled data."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.check import as_json, as_text, check_data
from pipeline.core.errors import DatasetError, own_error
from pipeline.phantom.dataset import write_dataset


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three patients, one of them under two names."""
    write_dataset(tmp_path / "data", n_patients=3, n_phases=2, n_slices=3, size=48, pixel_mm=5.0, step_mm=18.0)
    for kind in ("images", "labels"):
        shutil.copy(tmp_path / "data" / kind / "phantom0001.nii.gz", tmp_path / "data" / kind / "phantom0002.nii.gz")
    return tmp_path / "data"


def spoil(data: Path) -> None:
    """One label loses its affine, another everything in it."""
    first, last = (data / "labels" / f"phantom000{n}.nii.gz" for n in (0, 2))
    array = np.asarray(nib.load(first).dataobj)
    nib.save(nib.Nifti1Image(array, np.eye(4)), first)
    nib.save(nib.Nifti1Image(np.zeros_like(array), nib.load(last).affine), last)


def cmr(*arguments: str | Path, exit_code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def test_a_sound_data_set(data: Path) -> None:
    said = cmr("check", data)
    lines = said.splitlines()
    assert " ".join(lines[0].split()) == "case voxels phases spacing, mm drawn in structures"
    assert " ".join(lines[1].split()) == "phantom0000 48 x 48 x 3 2 5 x 5 x 18 all LV MYO RV ok"
    assert "phantom0001 and phantom0002 share an image" in said
    assert said.rstrip().endswith("3 cases of 3 patients: all can be used")


def test_faults_are_told_with_their_files_and_end_in_exit_code_1(data: Path) -> None:
    spoil(data)
    said = cmr("check", data, exit_code=1)
    assert "phantom0002: label: a label needs something drawn in it" in said
    assert "phantom0000: label: its affine is lost; the image's is taken" in said
    assert "3 cases of 3 patients: 1 cannot be used as they are" in said
    assert [line.split()[-1] for line in said.splitlines()[1:4]] == ["note", "ok", "FAULT"]
    told = json.loads(cmr("check", data, "--json", exit_code=1))
    assert (told["n_cases"], told["n_cases_with_faults"], told["twins"]) == (3, 1, [["phantom0001", "phantom0002"]])
    assert [len(case["faults"]) for case in told["cases"]] == [0, 0, 1]
    assert told["cases"][0]["notes"][0]["about"] == "label"
    assert told["cases"][1]["shape"] == [48, 48, 3, 2]


def test_notes_that_differ_in_numbers_are_told_once(cmr_data: Path, tmp_path: Path) -> None:
    for patient in ("patient001", "patient002"):
        shutil.copytree(cmr_data / "acdc" / patient, tmp_path / patient)
    checked = check_data(tmp_path)
    assert as_text(checked).count("affine rescaled") == 1
    assert "patient001 ED and 3 more: image: affine rescaled from 1 x 1 x 1 mm to pixdim's 1.5625" in as_text(checked)
    assert as_json(checked)["cases"][2]["spacing_mm"] == pytest.approx([1.3671875, 1.3671875, 10.0], abs=1e-3)


def test_the_twins_of_acdc_are_found(cmr_data: Path, tmp_path: Path) -> None:
    for patient in ("patient074", "patient075", "patient076"):
        shutil.copytree(cmr_data / "acdc" / patient, tmp_path / patient)
    assert check_data(tmp_path).twins == [frozenset({"patient074", "patient076"})]


def test_a_scheme_is_taken_by_every_command(data: Path, tmp_path: Path) -> None:
    table = data / "datalist.csv"
    table.write_text(table.read_text().replace("scheme", "remark"))
    for path in (data / "labels").iterdir():
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * np.uint8(10), image.affine), path)
    scheme = "10=LV,20=MYO,30=RV"
    assert "all can be used" in cmr("check", data, "--scheme", scheme)
    cmr("plan", data, "--scheme", scheme, "-o", tmp_path / "plan.yaml")
    small = ["--set", "spacing_mm=[8,8,-1]", "--set", "window=[32,32]", "--set", "n4=false"]
    assert "3 patients" in cmr("pack", data, tmp_path / "a.pack", "--scheme", scheme, *small)
    assert "ok" in cmr("check", tmp_path / "a.pack")
    for command in (["check", data], ["plan", data, "-o", tmp_path / "plan.yaml"], ["pack", data, tmp_path / "b.pack"]):
        with pytest.raises(DatasetError, match="label `scheme`"):
            cmr(*command)


def test_every_command_passes_the_gate_before_it_writes_anything(
    data: Path, untrained_bundle: Path, tmp_path: Path
) -> None:
    spoil(data)
    out = tmp_path / "out"
    for command in (
        ["train", "--data", data, "-o", out],
        ["crossvalidate", "--data", data, "-o", out],
        ["evaluate", "--data", data, "--bundle", untrained_bundle, "-o", out],
        ["plan", data, "-o", out],
        ["pack", data, out],
        ["baseline", data, out],
    ):
        with pytest.raises((DatasetError, RuntimeError)) as raised:  # MONAI wraps what its workflows raise
            cmr(*command)
        reason = own_error(raised.value)
        assert isinstance(reason, DatasetError)
        assert re.search(r"1 of 3 cases cannot be used[\s\S]*phantom0002: label: a label needs", str(reason))
        assert not out.exists()


def test_pseudo_refuses_all_bad_studies_together(untrained_bundle: Path, data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(np.zeros((8, 8, 2), np.int16), np.eye(4)), data / "images" / f"{name}.nii.gz")
    with pytest.raises(DatasetError, match=r"2 of 5 studies cannot be used:\n  a: .*\n  b: "):
        cmr("pseudo", data / "images", "-o", tmp_path / "out", "--bundle", untrained_bundle)
    assert not (tmp_path / "out").exists()
