"""A miniature of `configs/`, so that rendering is tested by hand-worked content."""

from __future__ import annotations

from pathlib import Path

import pytest

_FILES = {
    "LICENSE": "terms\n",
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
