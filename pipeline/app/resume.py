"""What may change when a run goes on, and what is the run: its network, data, split, seed and the like stay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monai.bundle import ConfigParser

from pipeline.app.configs import apply_overrides, change_configs, read_configs
from pipeline.app.offers import present_value
from pipeline.app.plain import as_entries
from pipeline.core.errors import ConfigError
from pipeline.train.checkpoints import read_checkpoint
from pipeline.train.record import data_digests, read_record, require_same_data

__all__ = [
    "MAY_CHANGE",
    "changed_configs",
    "open_configuration",
    "progress_of",
    "require_alike",
    "require_own_data",
    "require_same_parts",
]

_COMPUTED = "how it is computed, from here on"
MAY_CHANGE: Mapping[str, str] = MappingProxyType(
    {
        "epochs": "the training ends there, and its schedule with it",
        "iterations": "the training ends there, and its schedule with it",
        "max_minutes": "the time of all starts together; the schedule ends with it",
        "learning_rate": "the base rate from the next iteration on, times the schedule's factor there",
        "weight_decay": "from the next iteration on",
        "schedule": "its shape from the next iteration on",
        "warmup_iterations": "of the whole schedule, as if it had been so from the start",
        "patience": "counted from the best validation so far",
        "val_interval": "from the next epoch on",
        "device": _COMPUTED,
        "amp": _COMPUTED,
        "compile": _COMPUTED,
        "deterministic": _COMPUTED,
        "cache_dir": "where prepared volumes are kept",
        "tracking": "where curves go, from here on",
    }
)
"""Setting -> what its change means when a run goes on; all others stay as the run has them."""
_BETWEEN_FOLDS = frozenset(
    {"max_minutes", "device", "amp", "compile", "deterministic", "cache_dir", "tracking", "fold"}
)
"""What may differ between the folds of one cross-validation."""
_NO_SETTINGS = frozenset({"generated", "library_version"})


def changed_configs(run: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The configurations that a run goes on with: its own, but for what may change.

    Args:
        run: the run's folder.
        settings: id -> value, what the user asks for beside `--resume`; what the run has already counts for nothing.

    Raises:
        ConfigError: a setting that the run does not have, or that would make another run of it.
    """
    own = read_configs(run)
    parsers = [ConfigParser(dict(config)) for config in own.values()]
    wanted = {key: value for key, value in settings.items() if not _has(parsers, key, as_entries({key: value})[key])}
    changed = change_configs(run, wanted)
    refused = sorted(set(wanted) - set(MAY_CHANGE))
    if refused:
        had = ", ".join(f"`{key}` is {_present(parsers, key)!r}, not {wanted[key]!r}" for key in refused)
        raise ConfigError(
            f"{run} goes on as it was begun, and there {had}: start a new run in another folder, or leave it out; "
            f"may change: {', '.join(key for key in MAY_CHANGE if any(key in parser for parser in parsers))}"
        )
    return changed | {name: own[name] for name in ("metadata",) if name in own}


def require_same_parts(run: Path, code: Mapping[str, Any]) -> None:
    """Refuse another network or loss than those that a run has, named again when it goes on.

    Args:
        run: the run's folder.
        code: id -> entry, as `named.named_parts` gives them.

    Raises:
        ConfigError: they are others.
    """
    parser = ConfigParser(read_configs(run)["train"])
    for key, entry in code.items():
        if not isinstance(entry, Mapping) or key not in parser:
            continue
        own, named = (_name_of(one) for one in (parser[key], entry))
        if own != named:
            raise ConfigError(f"{run} goes on as it was begun, and there `{key}` is {own}, not {named}")


def _name_of(component: Any) -> str:
    named = component if isinstance(component, Mapping) else {}
    return str(named.get("name") or str(named.get("_target_", component)).rpartition(".")[2])


def require_alike(run: Path, configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a fold of a cross-validation that was trained otherwise than the others would be.

    Args:
        run: folder of the fold.
        configs: the configurations that it would be begun with now, by name.

    Raises:
        ConfigError: they differ in more than a time limit and the way of computing.
    """
    own, wanted = (_flat(one["train"]) for one in (read_configs(run), configs))
    differing = sorted(key for key in own.keys() | wanted.keys() if own.get(key) != wanted.get(key))
    differing = [key for key in differing if key.partition("#")[0] not in _BETWEEN_FOLDS | _NO_SETTINGS]
    if differing:
        key = differing[0]
        raise ConfigError(
            f"all folds must be trained alike, but {run} has {own.get(key)!r} for `{key}`, not {wanted.get(key)!r}: "
            "repeat the command with the settings that it was begun with, or choose another folder"
        )


def open_configuration(run: Path, config: Mapping[str, Any], data: Path) -> ConfigParser:
    """A run's configuration of its training, resolved where it is and on some data, as if it went on."""
    parser = ConfigParser(deepcopy(dict(config)))
    apply_overrides(parser, {"bundle_root": str(run), "dataset_dir": str(data), "resume": True})
    return parser


def require_own_data(parser: ConfigParser) -> None:
    """Refuse other data than those that a run was begun on.

    Args:
        parser: of `open_configuration`.

    Raises:
        DatasetError: the data cannot be listed, or are others.
    """
    record = read_record(Path(parser.get_parsed_content("output_dir")) / "run.json")
    if record is not None:
        require_same_data(record, data_digests(case for part in parser.get_parsed_content("split") for case in part))


def progress_of(output: Path) -> tuple[int, int]:
    """Epochs that a run has completed, one that its time broke off included, and iterations; 0 where it has not begun.

    Args:
        output: the run's folder of checkpoints.

    Raises:
        BundleError: the checkpoint cannot be read.
    """
    path = output / "last.pt"
    if not path.is_file():
        return 0, 0
    trainer = read_checkpoint(path, in_place=True)["trainer"]
    return math.ceil(trainer["iteration"] / trainer["epoch_length"]), int(trainer["iteration"])


def _has(parsers: list[ConfigParser], key: str, entry: Any) -> bool:
    present = [parser[key] for parser in parsers if key in parser]
    return bool(present) and all(one == entry and isinstance(one, bool) == isinstance(entry, bool) for one in present)


def _present(parsers: list[ConfigParser], key: str) -> Any:
    return next((value for value in (present_value(parser, key) for parser in parsers) if value is not None), None)


def _flat(config: Any, place: str = "") -> dict[str, Any]:
    """Id -> value of everything plain in a configuration."""
    items = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    if not items:
        return {place: config}
    return {key: value for name, item in items for key, value in _flat(item, f"{place}#{name}".strip("#")).items()}
