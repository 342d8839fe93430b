"""Bundles as folders: find one, copy one with other settings, run one of its workflows.

A bundle's own configurations are code, and so are `code` entries here. `overrides` come from users and are only data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

import pipeline
from pipeline.app.own_network import require_own_network
from pipeline.app.plain import as_entries
from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer.digests import WEIGHTS_DIGESTS

__all__ = [
    "BUNDLES",
    "CONFIGS",
    "apply_code",
    "apply_overrides",
    "change_configs",
    "copy_bundle",
    "find_bundle",
    "open_workflow",
    "run_workflow",
]

_ROOT = Path(pipeline.__file__).parent.parent
BUNDLES = _ROOT / "bundles"
"""Folder of this checkout's bundles."""
CONFIGS = _ROOT / "configs"
"""Folder of the layers that the bundles are rendered from."""


def find_bundle(bundle: str | Path) -> Path:
    """Folder of a bundle, given its path or the name of one in `BUNDLES`.

    Raises:
        BundleError: there is no such bundle, or its network is a user's own that cannot be imported.
    """
    for folder in (Path(bundle), BUNDLES / bundle):
        inference = folder / "configs" / "inference.json"
        if inference.is_file():
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

    The folder of a training is therefore itself a bundle whose training, evaluation and inference agree.

    Args:
        source: the bundle's folder.
        destination: the copy's folder. Its configurations are replaced, its models and results stay.
        overrides: id (`network_def#channels`) -> value, data that is never evaluated.
        code: id -> entry in the configuration's own language, such as a component or `$...`. Never from users. Applied
            first.

    Returns:
        `destination`.

    Raises:
        ConfigError: an id that no configuration of the bundle has, or an override that is not data.
    """
    configs = change_configs(source, overrides, code=code)  # before anything is written: it refuses
    shutil.copytree(source, destination, dirs_exist_ok=True, ignore=shutil.ignore_patterns("models", "eval", "configs"))
    (destination / "models").mkdir(exist_ok=True)
    written = destination / "configs.partial"
    shutil.rmtree(written, ignore_errors=True)  # of a run that was killed
    shutil.copytree(source / "configs", written)
    for name, content in configs.items():
        (written / f"{name}.json").write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    _replace_folder(written, destination / "configs")
    return destination


def change_configs(
    source: Path, overrides: Mapping[str, Any] | None = None, *, code: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """A bundle's configurations, by name, with entries changed in all that have them. Arguments as for `copy_bundle`.

    Raises:
        ConfigError: an id that no configuration of the bundle has, or an override that is not data.
    """
    entries = dict(code or {}) | as_entries(overrides or {})
    known: set[str] = set()
    configs: dict[str, dict[str, Any]] = {}
    for path in sorted((source / "configs").glob("*.json")):
        parser = ConfigParser(json.loads(path.read_text(encoding="utf-8")))
        for key, value in entries.items():
            if key in parser:  # one by one: another network has other settings for the next ones to change
                parser[key] = value
                known.add(key)
        parser.get().pop(WEIGHTS_DIGESTS, None)  # of weights that stayed behind
        configs[path.stem] = parser.get()
    unknown = sorted(set(entries) - known)
    if unknown:
        raise ConfigError(f"no configuration of {source.name} has an entry {unknown}; see its configs/train.json")
    return configs


def _replace_folder(new: Path, old: Path) -> None:
    """Put one folder in another's place, whole."""
    aside = old.with_name(f"{old.name}.before")
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)


def apply_overrides(parser: ConfigParser, overrides: Mapping[str, Any]) -> None:
    """Change entries of a configuration to a user's values, which stay data, see `pipeline.app.plain`.

    Args:
        parser: the configuration.
        overrides: id (`train#trainer#max_epochs`) -> value.

    Raises:
        ConfigError: an id that does not exist (a typing mistake, for instance), or a value that is not data.
    """
    apply_code(parser, as_entries(overrides))


def apply_code(parser: ConfigParser, entries: Mapping[str, Any]) -> None:
    """Change entries of a configuration to others in its own language: MONAI evaluates them.

    Args:
        parser: the configuration.
        entries: id -> entry, from the program or from a bundle's layers, never from users.

    Raises:
        ConfigError: an id that does not exist.
    """
    for key, entry in entries.items():
        if key not in parser:
            raise ConfigError(f"the configuration has no entry {key!r}; it has {sorted(parser.get())}")
        parser[key] = entry


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
    root: Path, *, config: str, run_id: str, overrides: Mapping[str, Any], code: Mapping[str, Any] | None = None
) -> ConfigWorkflow:
    """A bundle's workflow, ready to run and to inspect afterwards. Arguments as for `run_workflow`."""
    workflow = ConfigWorkflow(
        config_file=str(root / "configs" / f"{config}.json"),
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=str(root / "configs" / "logging.conf"),
        run_id=run_id,
        workflow_type="train" if config == "train" else "infer",
    )
    apply_code(workflow.parser, code or {})
    apply_overrides(workflow.parser, {"bundle_root": str(root), **overrides})
    workflow.initialize()
    return workflow
