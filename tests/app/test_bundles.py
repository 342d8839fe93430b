"""Finding, copying and overriding bundles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_code, apply_overrides, copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.errors import BundleError, ConfigError


def test_find_by_name_and_by_path() -> None:
    by_name = find_bundle(DEFAULT_BUNDLE)
    assert find_bundle(by_name) == by_name


def test_find_names_what_there_is() -> None:
    with pytest.raises(BundleError, match=DEFAULT_BUNDLE):
        find_bundle("ventricles_ct")


def test_copy_writes_overrides_into_every_configuration_that_has_them(tmp_path: Path) -> None:
    source = find_bundle(DEFAULT_BUNDLE)
    copy = copy_bundle(source, tmp_path / "run", {"network_def#channels": [8, 16], "epochs": 2})
    configs = {path.stem: json.loads(path.read_text()) for path in (copy / "configs").glob("*.json")}
    for name in ("train", "evaluate", "inference"):
        assert configs[name]["network_def"]["channels"] == [8, 16]
    assert configs["train"]["epochs"] == 2
    assert "epochs" not in configs["inference"]
    assert json.loads((source / "configs" / "train.json").read_text())["epochs"] != 2
    assert (copy / "models").is_dir()
    assert (copy / "LICENSE").is_file()


def test_copy_keeps_what_a_run_has_made(tmp_path: Path) -> None:
    copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path)
    (tmp_path / "models" / "model.pt").write_bytes(b"weights")
    copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path, {"epochs": 5})
    assert (tmp_path / "models" / "model.pt").read_bytes() == b"weights"


def test_copy_refuses_mistyped_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epoch_count"):
        copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path, {"epoch_count": 5})


def test_apply_overrides_refuses_mistyped_names() -> None:
    parser = ConfigParser({"train": {"epochs": 3}})
    apply_overrides(parser, {"train#epochs": 4})
    assert parser["train#epochs"] == 4
    with pytest.raises(ConfigError, match="train#epoch'"):
        apply_overrides(parser, {"train#epoch": 5})


def test_overrides_are_data_and_code_is_evaluated(tmp_path: Path) -> None:
    parser = ConfigParser({"name": "", "n": 2})
    apply_overrides(parser, {"name": "$1 + @n"})
    assert parser.get_parsed_content("name") == "$1 + @n"
    apply_code(parser, {"name": "$1 + @n"})
    assert parser.get_parsed_content("name") == 3
    with pytest.raises(ConfigError, match="nam'"):
        apply_code(parser, {"nam": 1})


def test_a_copy_holds_code_of_the_program_and_overrides_of_the_user_which_go_before_it(tmp_path: Path) -> None:
    code = {"network_def": {"_target_": "torch.nn.Identity", "n": "$1 + 1"}, "epochs": "$1 + 1", "seed": "$2 + 3"}
    copy = copy_bundle(
        find_bundle(DEFAULT_BUNDLE), tmp_path / "run", {"epochs": "@seed", "network_def#n": "$1"}, code=code
    )
    parser = ConfigParser(ConfigParser.load_config_file(str(copy / "configs" / "train.json")))
    assert parser.get_parsed_content("seed") == 5
    assert parser.get_parsed_content("epochs") == "@seed"
    assert parser["network_def#_target_"] == "torch.nn.Identity"
    assert parser.get_parsed_content("network_def#n") == "$1"
