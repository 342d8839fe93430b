"""What a training is asked for is refused in one sentence before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.checks import check_network, check_training
from pipeline.app.named import named_network
from pipeline.core.errors import ConfigError
from pipeline.core.shipped import BUNDLES
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
        ("augment#p_quarter_turn=often", "`augment#p_quarter_turn` must be a number, as 0.0, got 'often'"),
        ("augment#p_quarter_turn=1.5", "`p_quarter_turn` must be a fraction from 0 to 1, got 1.5"),
        ("augment#rotation=-1", "`rotation` must be 0 or more"),
        ("augment#gamma=[2]", "`gamma` must be a range"),
        ("loss_function#loss#classes=7", "`loss_function` cannot be computed as it is set"),
        ("loss_function#loss#classes=[1,7]", "`loss_function` cannot be computed as it is set"),
        ("optimizer#lr=fast", "`optimizer#lr` must be a number above 0, got 'fast'"),
        ("optimizer#eps=-1", "`optimizer` cannot be made as it is set: .*epsilon"),
        ("early_stop#patience=0", "`early_stop#patience` must be a whole number from 1 on"),
        ("network=3", "`network` is made by the program"),
        ("network_def=3", "`network_def` describes a component"),
        ("datalist=3", "`datalist` is made by the program"),
        ("split=[]", "`split` is made by the program"),
        ("metrics=[]", "`metrics` is made by the program"),
        ("memory_format=1", "`memory_format` is made by the program"),
        ("lr_scheduler#n_iterations=0", "`lr_scheduler#n_iterations` must be a whole number"),
        ("validate#inferer#overlap=5", "`validate#inferer` cannot be made as it is set: .*overlap"),
        ("batch_slices=0", "`batch_slices` must be a whole number from 1 on"),
        ("overlap=1", "`overlap` must be a number from 0 to below 1"),
        ("turns_deg=[]", "`turns_deg` must be a list of one rotation or more"),
        ("cache_dir=3", "`cache_dir` must be a path"),
        ("resume=true", "`resume` is given by `--resume`"),
        ("dataset_dir=x", "`dataset_dir` is given by `--data`"),
        ("device=cuda:77", "the device 'cuda:77' cannot be used here, got: cpu"),
        ("device=meta", "the device 'meta' cannot be used here"),
        ("augment#p_quarter_turns=0.5", "no configuration of .* has an entry"),
        ("epoch=3", "perhaps `epochs`"),
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
        "augment#p_quarter_turn": 0.75,
        "augment#size": [64, 96],
        "lr_scheduler#power": 0.5,
        "optimizer#betas": [0.8, 0.9],
        "train#handlers#4#every": 5,
        "n_iterations": 100,
    }
    check_training(UNET, settings)


@pytest.mark.parametrize(
    ("command", "setting", "words"),
    [
        ("pack", "spacing_mm=[1.5]", "`spacing_mm` must be three numbers"),
        ("pack", "normalisation=zscores", "`normalisation` must be one of"),
        ("pack", "normalisation=subtract_mean", "`train#preprocessing` cannot be made as it is set: .*mean"),
        ("pack", "window=64", "`window` must be two whole numbers"),
        ("pack", "windw=64", "perhaps `window`"),
        ("evaluate", "window=64", "`window` must be two whole numbers"),
        ("evaluate", "window=[50,50]", r"windows of \[64, 64\] would do"),
        ("evaluate", "clean_up=1", "`clean_up` must be true or false"),
        ("evaluate", "inferer#overlap=2", "`inferer` cannot be made as it is set"),
        ("evaluate", "device=cuda:77", "cannot be used here"),
        ("evaluate", "cases=3", "`cases` must be all, or the path"),
        ("evaluate", "dataset_dir=x", "is given by"),
        ("crossvalidate", "epochs=two", "`epochs` must be a whole number"),
    ],
)
def test_commands_on_data_check_their_settings_alike(command: str, setting: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = [str(tmp_path / "data"), str(tmp_path / "out")]
    data = data if command == "pack" else ["--data", data[0], "-o", data[1]]
    with pytest.raises(ConfigError, match=words) as raised:
        CliRunner().invoke(cli.app, [command, *data, "--set", setting], catch_exceptions=False)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


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
