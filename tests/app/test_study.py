"""The 2017 study's own training, as settings for a bundle of its networks, on phantoms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.bundles import find_bundle, open_workflow
from pipeline.app.checks import check_training
from pipeline.core.shipped import CONFIGS
from pipeline.phantom.dataset import write_dataset
from pipeline.train.finetune import STUDY_RATES
from pipeline.train.plan import read_plan

NETWORKS = ("deeplabv2", "deeplabv3")


def _protocol(network: str) -> Path:
    return CONFIGS / "study" / "protocol" / f"{network}.yaml"


def _bundle(network: str) -> str:
    return f"heart_mr_contour_segmentation_{network}"


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patients")
    write_dataset(folder, n_patients=4, seed=0, n_phases=1, n_slices=4, size=48, pixel_mm=5.0, step_mm=20.0)
    return folder


@pytest.mark.parametrize("network", NETWORKS)
def test_the_protocol_is_the_studys(network: str) -> None:
    settings = read_plan(_protocol(network))
    check_training(find_bundle(_bundle(network)), settings)
    assert settings["rates"] == dict(STUDY_RATES)
    said = {"resized_to": [513, 513, -1], "crop": [450, 450], "batch_size": 2, "learning_rate": 2.5e-4}
    said |= {"optimizer#momentum": 0.9, "weight_decay": 5e-4, "network_def#backbone": "resnet101", "n4": False}
    said |= {"iterations": 100_000 if network == "deeplabv2" else 25_000}
    assert settings.items() >= said.items()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_training_by_the_protocol(network: str, patients: Path, tmp_path: Path) -> None:
    small: dict[str, Any] = {"resized_to": [65, 65, -1], "window": [65, 65], "crop": [57, 57], "iterations": 4}
    small |= {"network_def#backbone": "resnet18", "batch_size": 4}
    small |= {"lr_scheduler#n_constant": 2} if network == "deeplabv3" else {}
    options = [part for key, value in small.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["train", "--data", str(patients), "-o", str(tmp_path / "run"), "--bundle", _bundle(network)]
    command += ["--plan", str(_protocol(network)), *options]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    workflow = open_workflow(
        tmp_path / "run", config="train", run_id="training", overrides={"dataset_dir": str(patients)}
    )
    get = workflow.parser.get_parsed_content
    batch = next(iter(get("train#dataloader")))
    image, label = get("train#trainer").prepare_batch(batch, "cpu", False)
    assert (image.shape[1:], label.shape[1:]) == ((1, 57, 57), (1, 57, 57))
    assert set(label.unique().tolist()) == {0, 1}
    assert get("optimizer").defaults["momentum"] == 0.9
    rates = {group["initial_lr"] for group in get("optimizer").param_groups}
    assert sorted(rates) == pytest.approx([2.5e-4, 2.5e-3, 5e-3])


def test_the_loss_of_the_bundles_is_over_the_ring_at_the_scores_own_size() -> None:
    parser = ConfigParser(json.loads((find_bundle(_bundle("deeplabv2")) / "configs" / "train.json").read_text()))
    loss, network = (parser.get_parsed_content(key) for key in ("loss_function", "network_def"))
    outputs = network.train()(torch.zeros(2, 1, 65, 65))
    assert [tuple(one.shape[2:]) for one in outputs] == [(9, 9), (9, 9), (7, 7), (5, 5)]
    sure = torch.full((1, 2, 9, 9), -50.0)
    labels = torch.ones(1, 1, 65, 65, dtype=torch.uint8)
    labels[..., ::8, ::8] = 0  # the ring, where the scores lie, and nowhere else
    sure[:, 0] = 50.0
    assert loss(sure, labels).item() == pytest.approx(0.0, abs=1e-4)
    even = torch.zeros(1, 2, 9, 9)
    dice = 1 - 2 * 0.5 * 81 / (0.5 * 81 + 81)
    assert loss((even, even), labels).item() == pytest.approx(2 * (math.log(2) + dice), abs=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_of_the_bundles_fit_into_25_megabytes(network: str) -> None:
    parser = ConfigParser(json.loads((find_bundle(_bundle(network)) / "configs" / "inference.json").read_text()))
    states = parser.get_parsed_content("network_def").state_dict()
    assert sum(2 * value.numel() for value in states.values()) < 24.6e6  # in half precision, and room for names
