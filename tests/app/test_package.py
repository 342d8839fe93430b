"""Packages hold what a bundle needs and nothing a run left behind."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.package import package_bundle
from pipeline.core.errors import BundleError


def test_contents_and_repeatability(untrained_bundle: Path, tmp_path: Path) -> None:
    (untrained_bundle / "eval").mkdir(exist_ok=True)
    (untrained_bundle / "eval" / "run.json").write_text("{}")
    archive = package_bundle(untrained_bundle, tmp_path / "a")
    names = zipfile.ZipFile(archive).namelist()
    expected = ("configs/inference.json", "models/model.pt", "LICENSE", "docs/README.md", "pipeline/core/labels.py")
    assert {f"untrained/{name}" for name in expected} <= set(names)
    assert not [name for name in names if "/eval/" in name or name.endswith(".pyc")]
    assert archive.read_bytes() == package_bundle(untrained_bundle, tmp_path / "b").read_bytes()


def test_no_weights_no_package(tmp_path: Path) -> None:
    copy = copy_bundle(find_bundle("ventricles_mr_segmentation_unet"), tmp_path / "copy")
    with pytest.raises(BundleError, match="train it first"):
        package_bundle(copy, tmp_path)
