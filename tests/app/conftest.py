"""A miniature of `configs/` with hand-worked content, a bundle with random weights, and a folder of studies."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_nifti
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine

_FILES = {
    "configs/LICENSE": "terms\n",
    "configs/base.yaml": "library_version: x\nfolder: /data\nsteps: [z]\n",
    "configs/net/small.yaml": (
        "network_def:\n  _target_: torch.nn.Conv2d\n  in_channels: 1\n  out_channels: 2\n  kernel_size: 1\n"
    ),
    "configs/train.yaml": "# a comment\nloss:\n  weight: 1.0e-3\n+steps: [a]\n",
    "configs/overlay.yaml": "folder: /other\n",
    "configs/metadata/base.yaml": "version: 0.1.0\nauthors: us\n",
    "configs/metadata/small.yaml": "name: Small\n",
    "configs/logging.conf": "[loggers]\n",
    "configs/docs/README.md": "# $name $version of $bundle\n",
    "configs/recipes.yaml": (
        "layers:\n"
        "  train: [base, network, train]\n"
        "  multi_gpu_train: [overlay]\n"
        "  metadata: [metadata/base, metadata]\n"
        "bundles:\n"
        "  tiny:\n"
        "    network: net/small\n"
        "    metadata: metadata/small\n"
        "    overrides:\n"
        "      train:\n"
        "        network_def#out_channels: 4\n"
    ),
}


@pytest.fixture
def tiny_configs(tmp_path: Path) -> Path:
    """The folder `configs/` of the miniature."""
    for name, text in _FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "configs"


@pytest.fixture(scope="session")
def untrained_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a small network and random weights: it runs, and is wrong.

    Where random weights see a heart, and in which pose, is chance, and so is what bfloat16 makes of a narrow decision:
    all are left out, so that a machine's arithmetic does not decide a test.
    """
    root = tmp_path_factory.mktemp("bundles") / "untrained"
    settings = {
        "network_def#channels": [4, 8, 16],
        "network_def#strides": [2, 2],
        "window": [64, 64],
        "spacing_mm": [4.0, 4.0, -1],
        "amp": False,
        "focus": False,
        "poses": False,
    }
    copy_bundle(find_bundle(DEFAULT_BUNDLE), root, settings)
    parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
    torch.manual_seed(0)
    torch.save(parser.get_parsed_content("network_def").state_dict(), root / "models" / "model.pt")
    return root


@pytest.fixture(scope="session")
def namesakes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two patients' studies on one grid, in folders of one name, as archives unpack."""
    root = tmp_path_factory.mktemp("archives")
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    folders = [root / place / "Doe" for place in ("first", "second")]
    for folder in folders:
        write_study(phantom, folder, extras=False)
    restate(folders[1], StudyInstanceUID="1.2.3.4", PatientID="4711")
    return folders


def restate(folder: Path, **elements: str) -> None:
    """Change elements of all DICOM files in a folder."""
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.update(elements)
        header.save_as(path)


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOM cine, a NIfTI cine, a static NIfTI volume, and a study with a phase missing."""
    folder = tmp_path_factory.mktemp("studies")
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    write_study(phantom, folder / "one")
    write_nifti(folder / "two.nii.gz", phantom.image)
    write_nifti(folder / "three.nii", phantom.image, n_phases=1)
    files = write_study(phantom, folder / "broken", extras=False)
    files[4].unlink()
    restate(folder / "broken", StudyInstanceUID="1.2.3.4")  # a study of its own
    (folder / "notes.txt").write_text("not an image")
    return folder
