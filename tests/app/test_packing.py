"""A pack stands for the data set that it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline.app.bundles import find_bundle
from pipeline.app.cli import app
from pipeline.app.packing import pack_dataset
from pipeline.core.errors import ConfigError, DatasetError, own_error
from pipeline.core.labels import LV, MYO, RV, one_of
from pipeline.phantom.dataset import write_dataset
from pipeline.read.datasets import load_datalist
from pipeline.read.packs import read_packed_stacks
from pipeline.train.splits import split_patients

SETTINGS = {"spacing_mm": [8.0, 8.0, -1], "window": [32, 32]}
TRAINING = {"network_def#channels": [4, 8], "network_def#strides": [2], "batch_size": 4, "epochs": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packing") / "data"
    write_dataset(folder, n_patients=4, n_phases=2, n_slices=4, size=32, pixel_mm=8.0, step_mm=20.0)
    return folder


@pytest.fixture(scope="module")
def pack(data: Path) -> Path:
    pack_dataset(find_bundle("ventricles_mr_segmentation_unet"), [data], data / "a.pack", overrides=SETTINGS, bits=16)
    return data / "a.pack"


def options(settings: dict) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_split_is_that_of_the_data_set(data: Path, pack: Path) -> None:
    parts = [[{case["patient"] for case in part} for part in split_patients(load_datalist(p))] for p in (data, pack)]
    assert parts[0] == parts[1]


def test_several_data_sets_are_one(data: Path, tmp_path: Path) -> None:
    more, out = tmp_path / "more", tmp_path / "two.pack"
    write_dataset(more, n_patients=1, n_phases=2, n_slices=4, size=32, pixel_mm=8.0, step_mm=20.0, seed=7)
    ours, theirs = (sorted({case["patient"] for case in load_datalist(source)}) for source in (data, more))
    said = run("pack", data, more, out, *options(SETTINGS))
    assert "5 patients, 10 stacks, 40 slices in" in said
    assert sorted({case["patient"] for case in load_datalist(out)}) == sorted(ours + theirs)
    table = more / "datalist.csv"
    table.write_text(table.read_text().replace(f",{theirs[0]},", f",{ours[0]},"))
    with pytest.raises(DatasetError, match=rf"{ours[0]} is in .*data as well: leave one out"):
        pack_dataset(find_bundle("ventricles_mr_segmentation_unet"), [data, more], tmp_path / "b", overrides=SETTINGS)
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_a_training_from_a_pack_gives_the_weights_of_one_from_the_images(
    data: Path, pack: Path, tmp_path: Path
) -> None:
    settings = options(SETTINGS | TRAINING)
    run("train", "--data", data, "--out", tmp_path / "images", *settings)
    run("train", "--pack", pack, "--out", tmp_path / "pack", *settings)
    one, other = (torch.load(tmp_path / name / "models" / "model.pt", weights_only=True) for name in ("images", "pack"))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_packing_by_command_says_what_it_cost(data: Path, tmp_path: Path) -> None:
    said = run("pack", data, tmp_path / "b.pack", "--bits", 6, *options(SETTINGS))
    assert "4 patients, 8 stacks, 32 slices" in said
    assert "rounded to 6 bits: 0.0" in said


def test_a_training_takes_data_or_a_pack(data: Path, pack: Path, tmp_path: Path) -> None:
    for arguments in ((), ("--data", data, "--pack", pack)):
        with pytest.raises(ConfigError, match="one of the two"):
            run("train", "--out", tmp_path / "run", *arguments)
    (tmp_path / "no.pack").write_text("nothing")
    with pytest.raises(DatasetError, match="cmr pack"):
        run("train", "--pack", tmp_path / "no.pack", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_preparation_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        run("train", "--pack", pack, "--out", tmp_path / "run", *options(SETTINGS | TRAINING | {"n4": "false"}))
    assert "as the training asks" in str(own_error(caught.value))


def test_what_was_not_drawn_is_open_in_a_pack_and_trains(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    shutil.copytree(data, folder)
    for path in (folder / "labels").iterdir():
        stored = nib.load(path)
        left = np.where(np.asarray(stored.dataobj) == RV.value, 0, np.asarray(stored.dataobj)).astype(np.uint8)
        nib.save(nib.Nifti1Image(left, stored.affine), path)
    run("pack", folder, folder / "p.pack", *options(SETTINGS))
    stacks = read_packed_stacks(folder / "p.pack", range(len(load_datalist(folder / "p.pack"))))
    # what lies beyond the image is padded as background
    assert {value for stack in stacks for value in np.unique(stack.label)} <= {
        0,
        LV.value,
        MYO.value,
        one_of((0, RV.value)),
    }
    assert all((stack.label == one_of((0, RV.value))).sum() > 100 for stack in stacks)
    run("train", "--pack", folder / "p.pack", "--out", tmp_path / "run", *options(SETTINGS | TRAINING))
    validation = json.loads((tmp_path / "run" / "eval" / "validation.json").read_text())
    text = json.dumps(validation)
    assert "dice_left_ventricle" in text


def _lost(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(image.dataobj), np.eye(4))


def _reversed(image: nib.Nifti1Image) -> nib.Nifti1Image:
    affine = image.affine @ np.diag([-1, 1, -1, 1])
    affine[:3, 3] = (image.affine @ [image.shape[0] - 1, 0, image.shape[2] - 1, 1])[:3]
    return nib.Nifti1Image(np.asarray(image.dataobj)[::-1, :, ::-1], affine)


@pytest.mark.parametrize("store", [_lost, _reversed])
def test_labels_stored_otherwise_are_prepared_as_those_stored_well(
    store: Callable[[nib.Nifti1Image], nib.Nifti1Image], data: Path, pack: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "data")
    for path in (tmp_path / "data" / "labels").iterdir():
        nib.save(store(nib.load(path)), path)
    run("pack", tmp_path / "data", tmp_path / "a.pack", "--bits", 16, *options(SETTINGS))
    n_stacks = len(load_datalist(pack))
    pairs = zip(*(read_packed_stacks(file, range(n_stacks)) for file in (pack, tmp_path / "a.pack")), strict=True)
    for well, otherwise in pairs:
        np.testing.assert_array_equal(well.label, otherwise.label)
        np.testing.assert_array_equal(well.stored, otherwise.stored)
