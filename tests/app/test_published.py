"""Fine-tuning from published weights is one command, and refused in one sentence where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.core.errors import BundleError
from pipeline.phantom.dataset import write_dataset
from tests.published import published_state

SETTINGS: dict[str, Any] = {
    "epochs": 1,
    "val_interval": 1,
    "batch_size": 4,
    "learning_rate": 1e-5,
    "window": [48, 48],
    "spacing_mm": [5.0, 5.0, -1],
    "n4": False,
}


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patients")
    write_dataset(folder, n_patients=3, seed=0, n_phases=1, n_slices=4, size=48, pixel_mm=5.0, step_mm=20.0)
    return folder


def _save(layout: str, path: Path) -> dict[str, torch.Tensor]:
    state = published_state(layout)
    torch.save(state, path)
    return state


def _train(patients: Path, out: Path, network: str, **settings: Any) -> None:
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["train", "--data", str(patients), "-o", str(out), "--network", network, *given]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("network", "layout", "skip", "same"),
    [
        ("deeplabv3_torchvision", "deeplab_v3", "*classifier*", {"classifier.1.weight": "head.conv.weight"}),
        ("fcn_torchvision", "fcn", "*classifier*", {"classifier.0.weight": "head.conv.conv.weight"}),
        ("deeplabv2_caffe", "deeplab_v2", "aspp", {"layer4.2.conv2.weight": "backbone.layer4.2.conv2.weight"}),
    ],
)
def test_fine_tuning_from_published_weights(
    network: str, layout: str, skip: str, same: dict[str, str], patients: Path, tmp_path: Path
) -> None:
    state = _save(layout, tmp_path / "published.pth")
    start = {"pretrained": str(tmp_path / "published.pth"), "pretrained_skip": [skip]}
    _train(patients, tmp_path / "run", network, **SETTINGS, **start, **{"network_def#backbone": "resnet50"})
    trained = torch.load(tmp_path / "run" / "models" / "model.pt", weights_only=True)
    for theirs, ours in same.items():
        assert not torch.equal(trained[ours], state[theirs])
        torch.testing.assert_close(trained[ours], state[theirs], atol=2e-4, rtol=0)  # a few steps of 1e-5
    stem = next(name for name in state if name.endswith("conv1.weight"))
    torch.testing.assert_close(trained["backbone.conv1.weight"], state[stem].sum(1, keepdim=True), atol=2e-4, rtol=0)
    assert {
        trained[name].shape[0] for name in trained if name.endswith("classifier.bias") or "aspp.0.bias" in name
    } == {4}
    scores = json.loads((tmp_path / "run" / "eval" / "validation.json").read_text())
    assert 0 <= scores["dice_mean"] <= 1


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(patients: Path, tmp_path: Path) -> None:
    _save("fcn", tmp_path / "published.pth")
    settings = {**SETTINGS, "pretrained": str(tmp_path / "published.pth"), "network_def#backbone": "resnet50"}
    with pytest.raises(BundleError, match="they fit the network `fcn_torchvision` with backbone=resnet50"):
        _train(patients, tmp_path / "run", "deeplabv3_torchvision", **settings)
    with pytest.raises(
        BundleError, match=r"leave \[auxiliary.classifier, head.classifier\] as they are by .*`pretrained_"
    ):
        _train(patients, tmp_path / "run", "fcn_torchvision", **settings)
    with pytest.raises(BundleError, match="`pretrained` must name a file of weights, and there is none at"):
        _train(patients, tmp_path / "run", "fcn_torchvision", **settings | {"pretrained": str(tmp_path / "no.pth")})
    assert not (tmp_path / "run").exists()
