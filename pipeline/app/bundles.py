"""Bundles as folders: find one, copy one with other settings, run one of its workflows.

A bundle's own configurations are code, and so are `code` entries here. `overrides` come from users and are only data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from pipeline.app.card import unevaluated, write_card
from pipeline.app.configs import (
    announce_configs,
    apply_code,
    apply_overrides,
    change_configs,
    read_configs,
    write_configs,
)
from pipeline.app.own_network import require_own_network
from pipeline.app.trust import require_trusted
from pipeline.core.errors import BundleError, ConfigError
from pipeline.core.shipped import BUNDLES
from pipeline.infer.devices import require_device

__all__ = [
    "COPIED",
    "apply_code",
    "apply_overrides",
    "change_configs",
    "copy_bundle",
    "find_bundle",
    "open_workflow",
    "run_workflow",
]

COPIED = "Copied from the bundle"
"""Begins the head of a copy's configurations."""
_LEFT_BEHIND = ("models", "eval", "configs", "docs")
"""Folders of a bundle that a copy has of its own, or not at all."""


def find_bundle(bundle: str | Path) -> Path:
    """Folder of a bundle, given its path or the name of one in `BUNDLES`.

    Raises:
        BundleError: there is no such bundle; it has code of its own and is not trusted, see `app.trust`; or its network
            is a user's own that cannot be imported.
    """
    for folder in (Path(bundle), BUNDLES / bundle):
        inference = folder / "configs" / "inference.json"
        if inference.is_file():
            require_trusted(folder)
            require_own_network(folder, json.loads(inference.read_text(encoding="utf-8")))
            return folder
    known = sorted(path.name for path in BUNDLES.glob("*") if (path / "configs").is_dir())
    raise BundleError(f"no bundle at {str(bundle)!r}: give a folder with configs/inference.json, or one of {known}")


def copy_bundle(
    source: Path,
    destination: Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    code: Mapping[str, Any] | None = None,
) -> Path:
    """Copy a bundle without its weights, changing entries in all of its configurations that have them.

    So a run's folder is itself a bundle whose training, evaluation and inference agree. Its card is its own: it claims
    nothing of the source's weights. A run that is there already is left as it is if its settings are these ones.

    Args:
        source: the bundle's folder.
        destination: the copy's folder; its configurations are replaced whole, other files of its own stay.
        overrides: id (`network_def#channels`) -> value, data that is never evaluated.
        code: id -> entry in the configuration's own language, such as a component or `$...`. Never from users. Applied
            first.

    Returns:
        `destination`.

    Raises:
        ConfigError: an id that no configuration of the bundle has; an override that is not data; a copy into itself,
            or over weights that were trained by other settings.
    """
    configs = change_configs(source, overrides, code=code)  # before anything is written: it refuses
    if source.resolve() in (destination.resolve(), *destination.resolve().parents):
        raise ConfigError(f"a bundle cannot be copied into itself, got {destination}: choose another folder")
    name = source.resolve().name
    configs = {key: content | _origin(content, name) for key, content in configs.items()}
    if "metadata" in configs:
        configs["metadata"] |= unevaluated(configs, name)
    if _has_weights(destination):
        _require_same(configs, destination)
        return destination
    announce_configs(destination)
    shutil.copytree(source, destination, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    (destination / "models").mkdir(exist_ok=True)
    write_configs(destination, configs, rest=source / "configs")
    write_card(destination)
    return destination


def _origin(config: Mapping[str, Any], source: str) -> dict[str, str]:
    """What stands at the head of a copy's configuration in place of where the source's was rendered from."""
    return {"generated": f"{COPIED} {source}, for a training of its own."} if "generated" in config else {}


def _has_weights(bundle: Path) -> bool:
    return any((bundle / "models").glob("*.pt"))


def _require_same(configs: Mapping[str, Mapping[str, Any]], destination: Path) -> None:
    """Refuse to put other settings on top of weights that were trained without them."""
    there = read_configs(destination)
    for name in configs.keys() - {"metadata"}:
        if configs[name] != there.get(name):
            raise ConfigError(
                f"{destination} holds weights that were trained by other settings: choose another folder, or go on "
                "with that training by `--resume`"
            )


def run_workflow(
    root: Path, *, config: str, run_id: str, overrides: Mapping[str, Any], code: Mapping[str, Any] | None = None
) -> None:
    """Run a bundle as `python -m monai.bundle run RUN_ID` does, but refuse overrides that do not exist.

    Args:
        root: the bundle's folder.
        config: name of the configuration, such as `train`.
        run_id: id of the expressions to run, such as `training`.
        overrides: id -> value, data that is never evaluated. `bundle_root` is set automatically.
        code: id -> entry in the configuration's own language, never from users.

    Raises:
        ConfigError: an override that does not exist, or is not data.
    """
    workflow = open_workflow(root, config=config, run_id=run_id, overrides=overrides, code=code)
    workflow.run()
    workflow.finalize()


def open_workflow(
    root: Path,
    *,
    config: str | Sequence[str],
    run_id: str,
    overrides: Mapping[str, Any],
    code: Mapping[str, Any] | None = None,
) -> ConfigWorkflow:
    """A bundle's workflow, ready to run and to inspect afterwards.

    Arguments as for `run_workflow`; of several configurations, a later one is merged over the first.
    """
    names = [config] if isinstance(config, str) else list(config)
    workflow = ConfigWorkflow(
        config_file=[str(root / "configs" / f"{name}.json") for name in names],
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=str(root / "configs" / "logging.conf"),
        run_id=run_id,
        workflow_type="train" if names[0] == "train" else "infer",
    )
    apply_code(workflow.parser, code or {})
    apply_overrides(workflow.parser, {"bundle_root": str(root), **overrides})
    if "device" in workflow.parser:
        require_device(workflow.parser.get_parsed_content("device"))
    workflow.initialize()
    return workflow
