"""What a training is asked for is refused in one sentence before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.bundles import BUNDLES
from pipeline.app.checks import check_network, check_training
from pipeline.app.named import named_network
from pipeline.core.errors import ConfigError
from pipeline.networks.registry import NETWORKS

UNET = BUNDLES / "ventricles_mr_segmentation_unet"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("schedule=pollly", "`schedule` must be one of constant, poly, cosine, got 'pollly'"),
        ("loss_function#loss#_target_=pipeline.parts.LovazSoftmax", "pipeline.parts.LovazSoftmax"),
        ("epochs=two", "`epochs` must be a whole number from 1 on, got 'two'"),
        ("epochs=2.5", "`epochs` must be a whole number from 1 on"),
        ("epochs=true", "`epochs` must be a whole number from 1 on"),
        ("batch_size=0", "`batch_size` must be a whole number from 1 on, got 0"),
        ("learning_rate=-1", "`learning_rate` must be a number above 0, got -1"),
        ("learning_rate=NaN", "`learning_rate` must be a number above 0"),
        ("val_fraction=1", "`val_fraction`"),
        ("n_folds=1", "`n_folds`"),
        ("average_decay=1", "`average_decay`"),
        ("max_minutes=0", "`max_minutes`"),
        ("keep=first", "`keep` must be one of best, last"),
        ("normalisation=zscores", "`normalisation` must be one of"),
        ("normalisation=subtract_mean", "`image_transforms` cannot be made as it is set: .*mean"),
        ("spacing_mm=[1.5,1.5]", "`spacing_mm` must be three numbers"),
        ("window=64", "`window` must be two whole numbers"),
        ("window=[50,50]", r"windows of \[50, 50\].* windows of \[64, 64\] would do"),
        ("network_def#strides=[2,2]", "`network_def` cannot be made as it is set: .*strides"),
        ("network_def#norm=BETCH", "`network_def` cannot be made"),
        ("augment#rotation=wide", "`augment#rotation` must be a number, as 0.7, got 'wide'"),
        ("n4=1", "`n4` must be true or false, as True, got 1"),
        ("turns_deg=15", "`turns_deg` must be a list"),
        ("unfreeze=3", "`unfreeze` must be a mapping"),
        ('rates={"encoder":-1}', "`rates` must be a mapping"),
        ('rates={"no_such_layer":0.1}', "`optimizer#params` cannot be made.*no_such_layer"),
        ('unfreeze={"3":"no_such_layer"}', "no_such_layer"),
        ("loss_function=jaccard", "`loss_function` describes a component"),
        ("loss_function#loss#_target_=torch.nn.Linear", "`loss_function` cannot be made"),
        ("crf_settings#n_iterations=many", "must be a number, as 5"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_nothing_is_written(setting: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        _train(tmp_path, "--set", setting)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def _train(out: Path, *options: str) -> None:
    CliRunner().invoke(cli.app, ["train", "--data", "x", "-o", str(out / "run"), *options], catch_exceptions=False)


def test_an_unknown_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unett"):
        _train(tmp_path, "--network", "unett")
    assert list(tmp_path.iterdir()) == []


def test_a_cross_validation_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    command = ["crossvalidate", "--data", str(tmp_path / "data"), "-o", str(tmp_path / "out"), "--set", "epochs=two"]
    with pytest.raises(ConfigError, match="epochs"):
        CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bundle", sorted(BUNDLES.glob("*_segmentation_*")), ids=lambda path: path.name)
def test_every_bundle_passes_as_it_is(bundle: Path) -> None:
    check_training(bundle, {})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_named_network_passes(name: str) -> None:
    check_training(UNET, {"window": [96, 96]}, named_network(name))


def test_good_settings_pass() -> None:
    settings: dict[str, Any] = {
        "epochs": 3,
        "max_minutes": 2,
        "window": [64, 96],
        "context": 1,
        "rates": {"model": 0.5},
        "unfreeze": {"2": ["model.0"]},
        "loss_function#loss#_target_": "pipeline.parts.LovaszSoftmax",
        "network_def#channels": [4, 8, 16],
        "network_def#strides": [2, 2],
        "augment#rotation": 0,
        "cache_dir": "cache",
        "title": "3",
        "average_decay": 0,
    }
    check_training(UNET, settings)


def test_a_batch_of_one_that_a_normalisation_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch"):
        check_training(BUNDLES / "ventricles_mr_segmentation_deeplabv3plus", {"batch_size": 1})


def test_a_fold_must_be_one_of_them() -> None:
    with pytest.raises(ConfigError, match="`fold` must be below `n_folds`, got 3 of 3"):
        check_training(UNET, {"n_folds": 3, "fold": 3})


def test_the_check_leaves_the_configuration_and_the_random_numbers_alone() -> None:
    text = (UNET / "configs" / "train.json").read_text()
    config, state = json.loads(text), torch.get_rng_state()
    check_network(config)
    assert config == json.loads(text)
    assert torch.equal(torch.get_rng_state(), state)
