"""Rendering of bundles from layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pipeline
from pipeline.app.cli import app
from pipeline.app.render import bundle_names, outdated_files, render_bundle, render_files
from pipeline.core.errors import ConfigError
from pipeline.core.shipped import BUNDLES, CONFIGS


def test_layers_merge_in_order_and_overrides_edit_leaves(tiny_configs: Path) -> None:
    train = json.loads(render_files(tiny_configs, "tiny", tiny_configs)["configs/train.json"])
    assert train["generated"].startswith("Rendered from configs/base.yaml, net/small.yaml, train.yaml")
    assert train["library_version"] == pipeline.__version__
    assert train["network_def"]["out_channels"] == 4
    assert train["network_def"]["in_channels"] == 1
    assert train["loss"]["weight"] == 0.001
    assert train["steps"] == ["z", "a"]


def test_overlay_stays_as_it_is_and_documents_are_filled(tiny_configs: Path) -> None:
    files = render_files(tiny_configs, "tiny", tiny_configs)
    assert json.loads(files["configs/multi_gpu_train.json"])["folder"] == "/other"
    assert files["docs/README.md"] == "# Small 0.1.0 of tiny\n"
    assert files["LICENSE"] == "terms\n"


def test_a_bundle_may_lay_further_layers_on_top_and_have_its_own_documents(tiny_configs: Path) -> None:
    (tiny_configs / "own").mkdir()
    (tiny_configs / "own" / "NOTES.md").write_text("$bundle\n")
    (tiny_configs / "more.yaml").write_text("loss#weight: 2.0\n")
    recipes = tiny_configs / "recipes.yaml"
    recipes.write_text(
        recipes.read_text().replace("    overrides:", "    docs: own\n    further: {train: [more]}\n    overrides:")
    )
    files = render_files(tiny_configs, "tiny", tiny_configs)
    train = json.loads(files["configs/train.json"])
    assert train["loss"]["weight"] == 2.0
    assert train["generated"].startswith("Rendered from configs/base.yaml, net/small.yaml, train.yaml, more.yaml")
    assert files["docs/NOTES.md"] == "tiny\n"
    assert "docs/README.md" not in files


def test_render_is_repeatable_and_notices_changes(tiny_configs: Path, tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    missing = outdated_files(tiny_configs, bundles)
    assert {path.name for path in missing} >= {"train.json", "metadata.json", "README.md", "LICENSE"}
    render_bundle(tiny_configs, "tiny", bundles / "tiny")
    assert outdated_files(tiny_configs, bundles) == []
    path = bundles / "tiny" / "configs" / "train.json"
    path.write_text(path.read_text().replace("/data", "/elsewhere"))
    assert outdated_files(tiny_configs, bundles) == [path]


def test_mistyped_override_is_refused(tiny_configs: Path) -> None:
    recipes = tiny_configs / "recipes.yaml"
    recipes.write_text(recipes.read_text().replace("out_channels", "out_chanels"))
    with pytest.raises(ConfigError, match="network_def#out_chanels"):
        render_files(tiny_configs, "tiny", tiny_configs)


def test_unknown_bundle_is_refused(tiny_configs: Path) -> None:
    with pytest.raises(ConfigError, match="tiny"):
        render_files(tiny_configs, "large", tiny_configs)


def test_the_checkouts_bundles_are_rendered_from_its_layers() -> None:
    assert len(bundle_names(CONFIGS)) >= 2
    assert outdated_files(CONFIGS, BUNDLES) == []


def test_the_bundles_terms_are_the_checkouts() -> None:
    assert (CONFIGS / "LICENSE").read_text() == (CONFIGS.parent / "LICENSE").read_text()


def test_the_command_renders_elsewhere_without_weights(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["bundle", "render", "-o", str(tmp_path / "new")]).exit_code == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(bundle_names(CONFIGS))
    assert not list((tmp_path / "new").rglob("*.pt"))
