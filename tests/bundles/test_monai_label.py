"""A bundle as MONAI Label 0.8.5 calls it (`tasks/infer/bundle.py`, `tasks/train/bundle.py`), without MONAI Label.

The server itself, unpatched, is run by `benchmarks/monai_label.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import pytest
import torch
from monai.bundle import ConfigItem, ConfigParser
from monai.data import MetaTensor
from monai.transforms import LoadImaged, SaveImaged

from pipeline.app.bundles import run_workflow
from pipeline.read.cine import read_cine

from .conftest import Trained

pytestmark = pytest.mark.slow


def _task(root: Path, device: str) -> ConfigParser:
    """The inference configuration as the server holds it: the folder and the device set, the latter as a text."""
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser.config.update({"bundle_root": str(root)})
    parser.get_parsed_content("network_def", instantiate=True)
    parser.config.update({"device": device})
    if parser.ref_resolver.items.get("device"):
        parser.ref_resolver.items["device"] = ConfigItem(config=device, id="device")
    return parser


def _asked(root: Path, image: str, **request: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """What the server makes of a request, up to its writer."""
    parser = _task(root, "cpu")
    options = parser.get_parsed_content("displayable_configs", instantiate=True)
    data: dict[str, Any] = {
        "model": root.name,
        "device": "cpu",
        **options,
        "image": image,
        "image_path": image,
        **request,
    }
    parser["displayable_configs"].update({name: data[name] for name in options})
    parser.parse()
    for transform in parser.get_parsed_content("preprocessing", instantiate=True).transforms:
        if isinstance(transform, LoadImaged):
            transform._loader.image_only = False
        data = transform(data)
    network = parser.get_parsed_content("network_def", instantiate=True)
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True), strict=False)
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer", instantiate=True)(data["image"][None], network.eval())[0]
    for transform in parser.get_parsed_content("postprocessing", instantiate=True).transforms:
        if not isinstance(transform, SaveImaged):
            data = transform(data)
    return _restored(data["pred"], data["image"].meta), data


def _restored(result: MetaTensor, meta: dict[str, Any]) -> np.ndarray:
    """`Restored` of the server: nothing to resize, by its own comparison, and a single phase without its channel."""
    size = result.shape[1:]
    assert not np.any(np.not_equal(size, meta.get("spatial_shape", size)[-len(size) :]))
    return result[0].array if result.shape[0] == 1 else result.array


def test_server_gets_one_phase_of_a_dicom_study_and_of_a_nifti_file(trained: Trained, tmp_path: Path) -> None:
    overrides = {"dataset_dir": str(trained.nifti), "output_dir": str(tmp_path)}
    run_workflow(trained.root, config="inference", run_id="inference", overrides=overrides)
    own = read_cine(tmp_path / "phantom0000" / "segmentation.nii.gz")
    for number in range(len(own.array)):
        labels, data = _asked(trained.root, str(trained.nifti), phase=number)
        np.testing.assert_array_equal(labels, own.array[number])
        assert data["result"] == {"phase": number, "n_phases": len(own.array)}
        np.testing.assert_allclose(data["image"].meta["original_affine"], own.grid.affine, atol=1e-4)
    labels, _ = _asked(trained.root, str(trained.study), phase="0")
    assert labels.shape == read_cine(trained.study).grid.shape


@pytest.mark.filterwarnings("ignore:parsing config_file:UserWarning")  # MONAI says at every run that configs are code
def test_server_trains_from_the_weights_on_the_data_it_gives(trained: Trained, tmp_path: Path) -> None:
    if trained.is_study:
        pytest.skip("no weights to fine-tune are shipped with it")
    root = Path(shutil.copytree(trained.root, tmp_path / trained.root.name, ignore=shutil.ignore_patterns("eval")))
    images = sorted((trained.data / "images").glob("*.nii.gz"))
    items = [{"image": str(path), "label": str(trained.data / "labels" / path.name)} for path in images]
    handlers = json.loads((root / "configs" / "train.json").read_text())["train"]["handlers"]
    weights = str(root / "models" / "model.pt")
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": weights,
        "load_dict": {"model": "$@network"},
        "strict": False,
    }
    before = torch.load(weights, weights_only=True)
    monai.bundle.run(
        run_id="run",
        init_id=None,
        final_id=None,
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "train.json"),
        logging_file=False,
        bundle_root=str(root),
        device="cpu",
        **{
            "train#trainer#max_epochs": 1,
            "train#dataset#data": items[:-1],
            "train#handlers": [loader, *handlers],
            "validate#dataset#data": items[-1:],
        },
    )
    after = torch.load(weights, weights_only=True)
    moved = [(after[name] - before[name]).abs().max() for name in before if before[name].ndim == 4]
    assert 0 < max(moved) < 0.1  # trained, and from the weights rather than anew
    record = json.loads((root / "eval" / "run.json").read_text())
    assert record["split"] == {"train": ["phantom0000", "phantom0001", "phantom0002"], "validation": ["phantom0003"]}
    assert record["data"]["source"] == ""
