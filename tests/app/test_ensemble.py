"""An ensemble is a bundle like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.ensemble import make_ensemble
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import BundleError, ConfigError
from pipeline.read.cine import read_cine


def test_twins_segment_as_one_of_them_does(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    twins = make_ensemble([untrained_bundle, untrained_bundle], tmp_path / "twins")
    labels = []
    for name, bundle in (("one", untrained_bundle), ("both", twins)):
        (result,) = segment_path(CaseRunner(Segmenter(bundle), tmp_path / name), studies / "two.nii.gz")
        assert result.error is None
        labels.append(read_cine(result.folder / "segmentation.nii.gz").array)
    assert (labels[0] == labels[1]).mean() > 0.999
    metadata = json.loads((twins / "configs" / "metadata.json").read_text())
    assert set(metadata["weights_sha256"]) == {"models/model.pt"}
    assert metadata["description"] == "The mean of 2 bundles: untrained, untrained."
    assert metadata["data_source"] == "Not trained yet."
    run = json.loads((untrained_bundle / "configs" / "metadata.json").read_text())["training_run"]
    assert metadata["training_run"] == f"{run} + {run}"
    assert "The mean of 2 bundles" in (twins / "docs" / "README.md").read_text()


def test_members_hold_their_own_weights(untrained_bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(untrained_bundle, other)
    states = torch.load(other / "models" / "model.pt", weights_only=True)
    torch.save({name: 2 * value for name, value in states.items()}, other / "models" / "model.pt")
    both = make_ensemble([untrained_bundle, other], tmp_path / "both")
    merged = torch.load(both / "models" / "model.pt", weights_only=True)
    assert len(merged) == 2 * len(states)
    for name, value in states.items():
        torch.testing.assert_close(merged[f"members.0.{name}"], value)
        torch.testing.assert_close(merged[f"members.1.{name}"], 2 * value)


def test_slices_of_another_size_are_refused(tmp_path: Path) -> None:
    runs = [
        copy_bundle(
            find_bundle("heart_mr_contour_segmentation_deeplabv3"), tmp_path / str(size[0]), {"resized_to": size}
        )
        for size in ([513, 513, -1], [257, 257, -1])
    ]
    with pytest.raises(ConfigError, match=r"spatial_size\[0\] is 513 and 257"):
        make_ensemble(runs, tmp_path / "out")


def test_refusals(untrained_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least two"):
        make_ensemble([untrained_bundle], tmp_path / "out")
    coarse = copy_bundle(untrained_bundle, tmp_path / "coarse", {"spacing_mm": [5.0, 5.0, -1]})
    with pytest.raises(ConfigError, match=r"pixdim\[0\] is 4.0 and 5.0"):
        make_ensemble([untrained_bundle, coarse], tmp_path / "out")
    in_3d = copy_bundle(untrained_bundle, tmp_path / "in_3d", {"inferer#_target_": "pipeline.parts.StackInferer"})
    with pytest.raises(ConfigError, match=r"inferer\.is is"):
        make_ensemble([untrained_bundle, in_3d], tmp_path / "out")
    darker = copy_bundle(untrained_bundle, tmp_path / "darker", {"normalisation": "zscore"})
    with pytest.raises(ConfigError, match="method is"):
        make_ensemble([untrained_bundle, darker], tmp_path / "out")
    refined = copy_bundle(untrained_bundle, tmp_path / "refined", {"turns_deg": [0.0, 10.0]})
    with pytest.raises(ConfigError, match="turns_deg"):
        make_ensemble([untrained_bundle, refined], tmp_path / "out")
    with pytest.raises(ConfigError, match="another folder"):
        make_ensemble([untrained_bundle, untrained_bundle], untrained_bundle)
    empty = copy_bundle(untrained_bundle, tmp_path / "empty")
    with pytest.raises(BundleError, match="train it first"):
        make_ensemble([untrained_bundle, empty], tmp_path / "out")
    with pytest.raises(BundleError, match="no bundle"):
        make_ensemble([untrained_bundle, tmp_path / "nowhere"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
