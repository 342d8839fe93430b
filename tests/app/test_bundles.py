"""Finding, copying and overriding bundles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_code, apply_overrides, copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer.digests import state_digest


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


def test_a_copy_over_weights_changes_nothing_or_is_refused(tmp_path: Path) -> None:
    run = copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "run", {"epochs": 5})
    (run / "models" / "model.pt").write_bytes(b"weights")
    state_digest(run, run / "models" / "model.pt")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    copy_bundle(find_bundle(DEFAULT_BUNDLE), run, {"epochs": 5})
    with pytest.raises(ConfigError, match="weights that were trained by other settings"):
        copy_bundle(find_bundle(DEFAULT_BUNDLE), run, {"epochs": 6})
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_copy_is_not_made_within_the_bundle(tmp_path: Path) -> None:
    run = copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "run")
    for place in (run, run / "models" / "copy"):
        with pytest.raises(ConfigError, match="into itself"):
            copy_bundle(run, place)


def test_a_copy_says_that_it_is_one_and_claims_nothing_of_its_source(tmp_path: Path) -> None:
    source = find_bundle(DEFAULT_BUNDLE)
    run = copy_bundle(source, tmp_path / "run", {"context": 1, "normalisation": "zscore"})
    train, metadata = (json.loads((run / "configs" / f"{name}.json").read_text()) for name in ("train", "metadata"))
    assert train["generated"].startswith(f"Copied from the bundle {source.name}")
    assert (metadata["performance"], metadata["data_source"]) == ("Not measured yet.", "Not trained yet.")
    assert metadata["image_classes"].startswith("3 channels, short-axis cine MRI, `zscore`")
    assert metadata["network_data_format"]["inputs"]["image"]["num_channels"] == 3
    text = "".join(path.read_text() for path in (run / "docs").iterdir())
    assert "0.909" not in text
    assert "ACDC" not in text + json.dumps(metadata)


def test_a_setting_that_a_class_offers_can_be_given_though_no_file_spells_it_out(tmp_path: Path) -> None:
    settings = {"augment#p_quarter_turn": 0.75, "loss_function#loss#_target_": "pipeline.parts.Jaccard"}
    settings |= {"loss_function#loss#smooth": 0.5, "train#handlers#4#every": 7}
    run = copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "run", dict(reversed(settings.items())))
    config = json.loads((run / "configs" / "train.json").read_text())
    parser = ConfigParser(config)
    assert parser.get_parsed_content("augment").strength.p_quarter_turn == 0.75
    assert parser.get_parsed_content("loss_function#loss").smooth == 0.5
    assert config["train"]["handlers"][4] == {"_target_": "pipeline.parts.StopOnNan", "every": 7}
    for key in ("augment#p_quarter_turns", "augment#settings", "loss_function#loss#args", "augment#strength#rotation"):
        with pytest.raises(ConfigError, match=key):
            copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "other", {key: 1})


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
