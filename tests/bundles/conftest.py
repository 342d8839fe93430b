"""Bundles trained for a moment on a few tiny phantom patients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.render import bundle_names
from pipeline.core.shipped import CONFIGS
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_dataset
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from tests.forks import Forked

SCAN = {"n_phases": 3, "n_slices": 5, "size": 48, "pixel_mm": 5.0, "step_mm": 18.0}
QUICK = {"epochs": 2, "val_interval": 1, "batch_size": 8, "window": [64, 64], "spacing_mm": [4.0, 4.0, -1]}
ENVIRONMENT = {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
STUDY = {**QUICK, "iterations": 4}
del STUDY["epochs"]
TINY = {
    "ventricles_mr_segmentation_unet": {**QUICK, "network_def#channels": [4, 8, 16], "network_def#strides": [2, 2]},
    "ventricles_mr_segmentation_deeplabv3plus": {**QUICK, "network_def#decoder_channels": 8},
    "heart_mr_contour_segmentation_deeplabv2": STUDY,
    "heart_mr_contour_segmentation_deeplabv3": STUDY,
}


@dataclass(frozen=True)
class Trained:
    """A bundle's folder after `monai.bundle run training`, and the data it was trained on."""

    root: Path
    data: Path

    @property
    def study(self) -> Path:
        """A DICOM study of a patient who was not trained on."""
        return self.data / "study"

    @property
    def is_study(self) -> bool:
        """Whether it is one of the 2017 study's, which draw the myocardium alone."""
        return self.root.name.startswith("heart_mr_contour")

    @property
    def forks(self) -> bool:
        """Whether its commands are forked, see `tests.forks`; those of one bundle are started as users start them."""
        return self.root.name != DEFAULT_BUNDLE

    @property
    def nifti(self) -> Path:
        """A NIfTI cine."""
        return self.data / "images" / "phantom0000.nii.gz"


def run_module(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` as a user would, and fail with its output."""
    environment = os.environ | ENVIRONMENT | (env or {})
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


def run_monai(trained: Trained, *arguments: str, config: str) -> None:
    """`python -m monai.bundle run ...` in the bundle's folder; `config` as MONAI's option takes it."""
    command = ("monai.bundle", "run", *arguments, "--config_file", config, "--bundle_root", ".")
    if trained.forks:
        Forked(*command, cwd=trained.root, env=ENVIRONMENT, output=trained.data / "said.txt").require_success()
    else:
        run_module(*command, cwd=trained.root)


def run_monai_twice(trained: Trained, *arguments: str, config: str) -> None:
    """The same by two processes that train together, as `torchrun` starts them."""
    command = ("monai.bundle", "run", *arguments, "--config_file", config, "--bundle_root", ".")
    if not trained.forks:
        run_module("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", *command, cwd=trained.root)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = ENVIRONMENT | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    ranks = [
        Forked(*command, cwd=trained.root, env=group | own, output=trained.data / f"said{own['RANK']}.txt")
        for own in ({"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2))
    ]
    for rank in ranks:
        rank.require_success()


@pytest.fixture(scope="session", params=bundle_names(CONFIGS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Each bundle in turn, trained by MONAI's own command."""
    folder = tmp_path_factory.mktemp(request.param)
    data = folder / "data"
    write_dataset(data, n_patients=4, seed=0, **SCAN)
    write_study(make_cine(make_patient(50), **SCAN), data / "study")
    root = copy_bundle(find_bundle(request.param), folder / request.param, TINY[request.param])
    bundle = Trained(root, data)
    run_monai(bundle, "training", "--dataset_dir", str(data), config="configs/train.json")
    return bundle


def required_packages(root: Path) -> list[str]:
    """What a bundle's metadata ask a user to install, as MONAI's model zoo reads them."""
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    return ["monai", "torch", "numpy", *metadata["required_packages_version"]]


def link_packages(names: Iterable[str], folder: Path) -> Path:
    """A folder of packages with these, and what they themselves need, as `pip install` would leave it."""
    folder.mkdir()
    wanted, seen = list(names), set[str]()
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # of another platform, or a GPU's
            continue
        needs = [Requirement(text) for text in found.requires or ()]
        wanted += [one.name for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]
        for top in {Path(path).parts[0] for path in found.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists() and not top.endswith(".pth"):
                (folder / top).symlink_to(found.locate_file(top))
    return folder


def run_bare(cwd: Path, code: str, env: dict[str, str], *, expect_failure: bool = False) -> None:
    """Run code by an interpreter without its site-packages, in another folder than the code's."""
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-W", "ignore", "-c", code]
        if sys.version_info >= (3, 11)
        else [sys.executable, "-S", "-W", "ignore", "-c", "import sys; sys.path.remove(''); " + code],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == expect_failure, done.stdout[-2000:] + done.stderr[-5000:]
