"""Every command of a bundle's README, run as MONAI's users run them, on phantom data."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.app.package import package_bundle
from pipeline.read.cine import read_cine

from .conftest import Trained, link_packages, required_packages, run_bare, run_monai, run_monai_twice

pytestmark = pytest.mark.slow


def test_training_leaves_weights_record_curves_and_resume_point(trained: Trained) -> None:
    weights = torch.load(trained.root / "models" / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    record = json.loads((trained.root / "eval" / "run.json").read_text())
    assert len(record["split"]["train"]) == 3
    assert len(record["split"]["validation"]) == 1
    assert (trained.root / "eval" / "last.pt").is_file()
    assert list((trained.root / "eval").glob("events.out.tfevents.*"))


def test_evaluating_writes_measures_by_name(trained: Trained) -> None:
    run_monai(trained, "evaluating", "--dataset_dir", str(trained.data), config="configs/evaluate.json")
    metrics = json.loads((trained.root / "eval" / "metrics.json").read_text())
    names = ["ring", "rest"] if trained.is_study else ["left_ventricle", "myocardium", "right_ventricle"]
    overall = {"mean_accuracy", "frequency_weighted_iou", "pixel_accuracy", "mean_dice", "mean_iou"}
    means = overall if trained.is_study else {"dice_mean", "iou_mean"}
    assert set(metrics) == means | {f"{kind}_{name}" for kind in ("dice", "iou") for name in names}
    assert (trained.root / "eval" / "evaluation.html").is_file()


def test_inference_on_dicom_and_on_nifti(trained: Trained) -> None:
    for source, case in ((trained.study, "study"), (trained.nifti, "phantom0000")):
        run_monai(trained, "inference", "--dataset_dir", str(source), config="configs/inference.json")
        segmentation = read_cine(trained.root / "eval" / case / "segmentation.nii.gz")
        image = read_cine(source)
        measured = json.loads((trained.root / "eval" / case / "measurements.json").read_text())
        assert segmentation.array.shape == image.array.shape
        assert segmentation.array.dtype == np.uint8
        assert segmentation.grid.matches(image.grid)
        assert set(np.unique(segmentation.array)) <= ({0, 2} if trained.is_study else {0, 1, 2, 3})
        if trained.is_study:
            assert set(measured) == {"source"}  # whose the folder is, and nothing measured
            continue
        assert len(measured["volumes_ml"]["left_ventricle"]) == 3


def test_run_without_an_id_does_the_same(trained: Trained, tmp_path: Path) -> None:
    places = ("--output_dir", str(tmp_path), "--dataset_dir", str(trained.nifti))
    run_monai(trained, *places, config="configs/inference.json")
    assert (tmp_path / "phantom0000" / "segmentation.nii.gz").is_file()


def test_two_processes_train_together(trained: Trained, tmp_path: Path) -> None:
    overlay = "['configs/train.json','configs/multi_gpu_train.json']"
    places = (
        "--output_dir",
        str(tmp_path / "eval"),
        "--ckpt_dir",
        str(tmp_path / "models"),
        "--epochs",
        "1",
        "--val_fraction",
        "0.5",
    )
    run_monai_twice(trained, "training", "--dataset_dir", str(trained.data), *places, config=overlay)
    states = torch.load(tmp_path / "eval" / "last.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in states["model"])
    assert (tmp_path / "models" / "model.pt").is_file()


def test_package_runs_by_what_its_metadata_ask_for_alone(trained: Trained, tmp_path: Path) -> None:
    archive = package_bundle(trained.root, tmp_path / "dist")
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "empty")
    root = tmp_path / "empty" / trained.root.name
    installed = link_packages(required_packages(root), tmp_path / "site")
    options = ("--config_file", "configs/inference.json", "--bundle_root", ".", "--dataset_dir", str(trained.study))
    options += () if trained.is_study else ("--dicom_seg", "True")
    # -S leaves out the environment's own packages, this library among them
    bare = {"PYTHONPATH": str(installed)}
    run_bare(root, "import pipeline", bare, expect_failure=True)
    run_bare(
        root,
        f"import sys; sys.argv = ['monai.bundle', 'run', 'inference', *{options!r}]; "
        "import runpy; runpy.run_module('monai.bundle', run_name='__main__')",
        bare,
    )
    assert (root / "eval" / "study" / "segmentation.nii.gz").is_file()
    verify = (
        "import sys; sys.path.insert(0, '.'); import highdicom; "
        "from monai.bundle import ckpt_export, verify_net_in_out; "
        "files = {'meta_file': 'configs/metadata.json', 'config_file': 'configs/inference.json', 'bundle_root': '.'}; "
        "verify_net_in_out('network_def', **files); "
        "ckpt_export('network_def', filepath='models/verify.ts', ckpt_file='models/model.pt', **files)"
    )
    run_bare(root, verify, bare)  # as the model zoo's verifier does; highdicom, whatever so short a training labels
    assert (root / "models" / "verify.ts").is_file()


def test_a_package_that_is_not_asked_for_is_not_there(tmp_path: Path) -> None:
    installed = link_packages(["nibabel"], tmp_path / "site")
    names = {path.name for path in installed.iterdir()}
    assert {"nibabel", "numpy"} <= names  # numpy is nibabel's own wish
    assert not {"torch", "pipeline", "highdicom"} & names
