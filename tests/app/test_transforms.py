"""DICOM Segmentations at the end of a bundle's own inference configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import SaveImaged

from pipeline.app.bundles import run_workflow
from pipeline.app.transforms import SegmentationSaveImaged
from pipeline.core.errors import ConfigError
from pipeline.read.cine import read_cine
from pipeline.read.dicom.segmentation import read_segmentation


def test_a_bundle_run_ends_in_segmentations(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    overrides = {"dataset_dir": str(studies / "one"), "output_dir": str(tmp_path), "dicom_seg": True}
    run_workflow(untrained_bundle, config="inference", run_id="inference", overrides=overrides)
    cine = read_cine(studies / "one")
    labels = read_cine(tmp_path / "one" / "segmentation.nii.gz").array
    found = [read_segmentation(path, cine) for path in sorted((tmp_path / "one").glob("seg_*.dcm"))]
    assert 1 <= len(found) <= 2
    for phase, decoded in (pair for one in found for pair in one.items()):
        np.testing.assert_array_equal(decoded, labels[phase])


def test_it_is_one_of_monai_s_and_refuses_other_formats(untrained_bundle: Path, tmp_path: Path) -> None:
    save = SegmentationSaveImaged("pred", str(tmp_path), bundle_root=str(untrained_bundle))
    assert isinstance(save, SaveImaged)
    with pytest.raises(ConfigError, match="two is of another format"):
        save({"pred": MetaTensor(torch.ones(1, 2, 2, 2, dtype=torch.uint8)), "case": "two"})
