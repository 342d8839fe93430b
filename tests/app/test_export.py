"""A bundle's network in other formats: the same logits at any size, or nothing."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.export import export_bundle, export_network
from pipeline.app.export_formats import FORMATS
from pipeline.core.errors import BundleError, ConfigError

SIZES = {(2, 1, 64, 64), (3, 1, 96, 128), (1, 1, 128, 64)}
SMALL = [torch.ones(1, 1, 8, 8), torch.ones(2, 1, 12, 16)]


class FixedSize(nn.Module):
    """Gives at one size other logits than at the rest, which a trace cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Twice the image where it is eight pixels wide, thrice elsewhere."""
        return x * 2 if x.shape[2] == 8 else x * 3


class Noisy(nn.Module):
    """Gives other logits at every call."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add noise."""
        return x + torch.rand_like(x)


@pytest.mark.parametrize("format_name", list(FORMATS))
def test_the_file_gives_the_networks_logits_and_tells_what_it_is(
    untrained_bundle: Path, tmp_path: Path, format_name: str
) -> None:
    exported = export_bundle(untrained_bundle, tmp_path / "made" / "model", format_name=format_name)
    assert set(exported.differences) == SIZES
    assert max(exported.differences.values()) < 1e-5
    content = exported.path.read_bytes()
    logits = FORMATS[format_name].open(content)(torch.randn(5, 1, 48, 80))
    assert logits.shape == (5, 4, 48, 80)
    assert b"Not for diagnosis" in content
    assert list(exported.path.parent.iterdir()) == [exported.path]


def test_torchscript_holds_what_monai_s_own_export_holds(untrained_bundle: Path, tmp_path: Path) -> None:
    path = export_bundle(untrained_bundle, tmp_path / "model.ts", format_name="torchscript").path
    files = {"metadata.json": "", "inference.json": ""}
    torch.jit.load(io.BytesIO(path.read_bytes()), _extra_files=files)
    assert json.loads(files["metadata.json"])["name"] == "A training of ventricles_mr_segmentation_unet"
    assert json.loads(files["inference.json"])["window"] == [64, 64]


@pytest.mark.parametrize("format_name", ["export", "onnx"])
def test_a_network_of_one_size_is_refused(format_name: str) -> None:
    with pytest.raises(BundleError, match=r"FixedSize was not written.* at \(2, 1, 12, 16\)"):
        export_network(FixedSize(), SMALL, {}, format_name=format_name)


def test_other_logits_are_refused() -> None:
    with pytest.raises(BundleError, match=r"at \(1, 1, 8, 8\) its logits differ by 0\.\d+, more than 0\.00"):
        export_network(Noisy(), SMALL, {"metadata": {}, "inference": {}}, format_name="torchscript")


def test_what_torchscript_cannot_hold_is_named() -> None:
    class Untyped(nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return {"a": 1, 2: x}

    with pytest.raises(BundleError, match=r"Untyped cannot be written as torchscript .*; try export or onnx"):
        export_network(Untyped(), SMALL, {"metadata": {}, "inference": {}}, format_name="torchscript")


def test_nothing_is_left_of_a_refused_export(tmp_path: Path) -> None:
    copy = copy_bundle(find_bundle("ventricles_mr_segmentation_unet"), tmp_path / "copy")
    with pytest.raises(BundleError, match="train it first"):
        export_bundle(copy, tmp_path / "model.onnx", format_name="onnx")
    with pytest.raises(ConfigError, match="one of torchscript, export, onnx, got 'tflite'"):
        export_bundle(copy, tmp_path / "model.onnx", format_name="tflite")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"to onnx needs {package}: pip install 'cardiac-mr-pipeline\[export\]'"):
        export_network(FixedSize(), SMALL, {}, format_name="onnx")
