"""Configuration layers (`configs/*.yaml`) -> complete bundles (`bundles/<name>/`), byte for byte the same each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml
from monai.bundle import ConfigParser

import pipeline
from pipeline.app.configs import OVERLAYS, apply_code
from pipeline.core.digests import file_digest
from pipeline.core.errors import ConfigError
from pipeline.infer.digests import WEIGHTS_DIGESTS

__all__ = ["bundle_names", "outdated_files", "render_bundle", "render_files"]

GENERATED = "Rendered from configs/{layers} by `make bundles`: change those, not this file."


def bundle_names(configs: Path) -> list[str]:
    """Names of the bundles that `configs/recipes.yaml` describes, sorted."""
    return sorted(_recipes(configs)["bundles"])


def render_bundle(configs: Path, name: str, destination: Path) -> None:
    """Write a bundle's files into a folder except `models/`. Weights found there are stated in the metadata.

    Args:
        configs: folder of the layers, with `recipes.yaml`.
        name: a bundle in the recipes.
        destination: the bundle's folder, created if missing.

    Raises:
        ConfigError: unknown bundle, or an override of an entry that no layer defines.
    """
    for relative, content in render_files(configs, name, destination).items():
        target = destination / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    (destination / "models").mkdir(exist_ok=True)


def render_files(configs: Path, name: str, destination: Path) -> dict[str, str]:
    """Every rendered file of a bundle: path inside the bundle -> text, see `render_bundle`."""
    recipes = _recipes(configs)
    if name not in recipes["bundles"]:
        raise ConfigError(f"bundle must be one of {sorted(recipes['bundles'])}, got {name!r}")
    recipe = recipes["bundles"][name]
    further = recipe.get("further", {})
    rendered = {
        key: _render_config(configs, recipe, key, [*layers, *further.get(key, [])])
        for key, layers in recipes["layers"].items()
    }
    rendered["metadata"] |= _read_weights_statement(destination)
    files = {f"configs/{key}.json": json.dumps(content, indent=4) + "\n" for key, content in rendered.items()}
    files["configs/logging.conf"] = (configs / "logging.conf").read_text(encoding="utf-8")
    files["LICENSE"] = (configs / "LICENSE").read_text(encoding="utf-8")
    for document in sorted((configs / recipe.get("docs", "docs")).iterdir()):
        facts = {"bundle": name, **_flatten(rendered["metadata"])}
        files[f"docs/{document.name}"] = Template(document.read_text(encoding="utf-8")).substitute(facts)
    return files


def outdated_files(configs: Path, bundles: Path) -> list[Path]:
    """Files below `bundles` that differ from those rendered from the layers, or are missing."""
    wanted = {
        bundles / name / path: text
        for name in bundle_names(configs)
        for path, text in render_files(configs, name, bundles / name).items()
    }
    return [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def _render_config(configs: Path, recipe: Mapping[str, Any], key: str, layers: list[str]) -> dict[str, Any]:
    paths = [configs / f"{recipe.get(layer, layer)}.yaml" for layer in layers]
    header = {"generated": GENERATED.format(layers=", ".join(str(path.relative_to(configs)) for path in paths))}
    if key in OVERLAYS:
        return header | yaml.safe_load(paths[0].read_text(encoding="utf-8"))
    parser = ConfigParser(ConfigParser.load_config_files([str(path) for path in paths]))
    apply_code(parser, recipe["overrides"].get(key, {}))
    content: dict[str, Any] = parser.get()
    if "library_version" in content:
        content["library_version"] = pipeline.__version__
    return (content | header) if key == "metadata" else (header | content)


def _read_weights_statement(bundle: Path) -> dict[str, Any]:
    digests = {f"models/{path.name}": file_digest(path) for path in sorted((bundle / "models").glob("*.pt"))}
    return {WEIGHTS_DIGESTS: digests} if digests else {}


def _recipes(configs: Path) -> dict[str, Any]:
    recipes: dict[str, Any] = yaml.safe_load((configs / "recipes.yaml").read_text(encoding="utf-8"))
    return recipes


def _flatten(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The metadata's plain entries, for the documents' placeholders."""
    return {key: str(value) for key, value in metadata.items() if isinstance(value, (str, int, float))}
