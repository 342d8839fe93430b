"""Networks and losses by one word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from typer.testing import CliRunner

from pipeline import parts
from pipeline.app import cli
from pipeline.app.bundles import change_configs
from pipeline.app.checks import check_training
from pipeline.app.named import LOSSES, named_parts
from pipeline.core.errors import ConfigError
from pipeline.core.shipped import BUNDLES
from pipeline.phantom.dataset import write_dataset
from pipeline.train.losses import LabelledLoss

UNET = BUNDLES / "ventricles_mr_segmentation_unet"


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_its_place_and_is_documented(name: str) -> None:
    code = named_parts(None, name)
    json.dumps(code)
    check_training(UNET, {}, code)
    parser = ConfigParser(change_configs(UNET, code=code)["train"])
    loss = parser.get_parsed_content("loss_function").loss
    assert type(loss) is getattr(parts, LOSSES[name])
    assert isinstance(loss, LabelledLoss)
    assert f"`{name}`" in (BUNDLES.parent / "docs" / "losses.md").read_text(encoding="utf-8")


def test_losses_are_listed_and_another_is_refused(tmp_path: Path) -> None:
    listed = CliRunner().invoke(cli.app, ["losses"]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(LOSSES)
    assert all(len(line.split()) > 3 for line in listed)
    with pytest.raises(ConfigError, match="dice_cross_entropy"):
        named_parts(None, "dice")


def test_a_network_that_trains_by_its_own_loss_keeps_it() -> None:
    with pytest.raises(ConfigError, match="`mask_rcnn` trains by a loss of its own"):
        named_parts("mask_rcnn", "jaccard")
    assert {"network_def", "loss_function#loss"} <= set(named_parts("enet", "jaccard"))


def test_a_training_by_another_loss(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", n_patients=3, seed=0, n_phases=2, n_slices=3, size=48, pixel_mm=5.0, step_mm=18.0)
    settings = ["epochs=1", "batch_size=4", "window=[64,64]", "spacing_mm=[4,4,-1]", "n4=false"]
    settings += ["network_def#channels=[4,8]", "network_def#strides=[2]", "loss_function#loss#weight=0.5"]
    options = [part for one in settings for part in ("--set", one)]
    command = ["train", "--data", str(tmp_path / "data"), "-o", str(tmp_path / "run")]
    command += ["--loss", "cross_entropy_log_jaccard", *options]
    assert CliRunner().invoke(cli.app, command, catch_exceptions=False).exit_code == 0
    written = json.loads((tmp_path / "run" / "configs" / "train.json").read_text())["loss_function"]["loss"]
    assert (written["_target_"], written["weight"]) == ("pipeline.parts.CrossEntropyLogJaccard", 0.5)
