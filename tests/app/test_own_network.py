"""A network of a user's own, named by its module."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.bundles import find_bundle
from pipeline.app.checks import check_training
from pipeline.app.named import named_network
from pipeline.app.own_network import describe_own_network
from pipeline.core.errors import BundleError, ConfigError
from pipeline.core.shipped import BUNDLES
from pipeline.phantom.dataset import write_dataset

UNET = BUNDLES / "ventricles_mr_segmentation_unet"
MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, *, width=4, act=nn.ReLU):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1), act(), nn.Conv2d(width, out_channels, 1)
        )

    def forward(self, x):
        return self.body(x)

class Half(Net):
    def forward(self, x):
        return super().forward(x)[..., ::2]

class Several(Net):
    def forward(self, x):
        return [super().forward(x)]

class OneArgument(nn.Module):
    def __init__(self, channels):
        super().__init__()

class Demanding(Net):
    def __init__(self, in_channels, out_channels, depth):
        super().__init__(in_channels, out_channels, width=2 * depth)

number = 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with the user's module; afterwards it is as if it had never been imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "users_nets.py").write_text(MODULE)
    (tmp_path / "users_broken.py").write_text("raise ValueError('not today')")
    yield tmp_path
    for name in ("users_nets", "users_broken"):
        sys.modules.pop(name, None)


def test_its_settings_are_spelled_out() -> None:
    assert describe_own_network("users_nets:Net") == {
        "_target_": "users_nets.Net", "in_channels": "$1 + 2 * @context", "out_channels": "@n_classes", "width": 4
    }  # fmt: skip
    assert describe_own_network("users_nets:Demanding")["depth"] is None


def test_the_working_folder_is_searched_last(here: Path) -> None:
    (here / "torch.py").write_text("raise SystemError")
    describe_own_network("users_nets:Net")
    assert sys.path[-1] == str(here)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:Net", "cannot be imported.*no_such_module"),
        ("users_nets:Missing", "cannot be imported.*Missing"),
        ("users_broken:Net", "cannot be imported.*not today"),
        ("users_nets:number", "must be a class, got int"),
        ("users_nets:OneArgument", "in_channels and out_channels"),
        ("users nets:Net", "module:Class"),
        (":Net", "module:Class"),
        ("users_nets:$exit()", "module:Class"),
    ],
)
def test_what_cannot_be_a_network_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        named_network(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("users_nets:Half", r"logits of shape \(2, 4, 176, 176\), got \(2, 4, 176, 88\)"),
        ("users_nets:Several", "logits of shape .* got a list"),
        ("users_nets:Demanding", "cannot be made"),
    ],
)
def test_a_network_of_other_shapes_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_training(UNET, {}, named_network(name))


def test_a_setting_without_a_default_is_given() -> None:
    check_training(UNET, {"network_def#depth": 2}, named_network("users_nets:Demanding"))


def test_it_trains_and_segments_and_is_missed_elsewhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(here / "data", n_patients=3, seed=0, n_phases=2, n_slices=3, size=48, pixel_mm=5.0, step_mm=18.0)
    settings = ("epochs=1", "batch_size=4", "val_interval=1", "window=[64,64]", "spacing_mm=[4,4,-1]", "n4=false")
    options = [part for one in (*settings, "network_def#width=8") for part in ("--set", one)]
    _cmr("train", "--data", "data", "-o", "run", "--network", "users_nets:Net", *options)
    definition = json.loads((here / "run" / "configs" / "inference.json").read_text())["network_def"]
    assert (definition["_target_"], definition["width"]) == ("users_nets.Net", 8)
    (image,) = sorted((here / "data" / "images").glob("*0000*"))
    _cmr("segment", str(image), "-o", "out", "--bundle", "run", "--no-objects")
    sys.modules.pop("users_nets")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(here)])
    monkeypatch.chdir(here / "data")
    with pytest.raises(BundleError, match=r"users_nets\.Net, which is not installed"):
        find_bundle("../run")


def _cmr(*arguments: str) -> None:
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
