"""What a training is asked for is tried before anything is written: names, values, and the network on one batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ReferenceResolver
from torch import nn

from pipeline.app.bundles import change_configs
from pipeline.app.rules import RULES, check_kind, check_rule
from pipeline.core.errors import ConfigError
from pipeline.read.datasets import checked_datalist
from pipeline.train.finetune import ProgressiveUnfreezing

__all__ = ["check_network", "check_training", "require_sound_data"]

_PREPARED_AS_USUAL = "pipeline.parts.PrepareAugmentedBatch"
"""With it a network in training takes images alone."""
_PARTS = ("image_transforms", "label_transforms", "train#to_grid", "loss_function", "augment", "optimizer#params")
"""What is made beside the network, where a configuration has it; all that needs no data."""
_DEVICES = ("meta", "cpu")
_MULTIPLES = (8, 16, 32, 64)
"""Of which a window's sides may have to be."""


def check_training(bundle: Path, settings: Mapping[str, Any], code: Mapping[str, Any] | None = None) -> None:
    """Refuse a training that could not run, before anything of it is written.

    Args:
        bundle: folder of the bundle to train.
        settings: id -> value, a user's.
        code: id -> entry, the program's own, as of a network by name.

    Raises:
        ConfigError: an unknown id; a value that its entry cannot have; a network, loss, transform or augmentation
            that cannot be made, or a network that cannot take the windows of the training.
    """
    changed = change_configs(bundle, settings, code=code)
    parsers = [ConfigParser(config) for config in change_configs(bundle, code=code).values()]
    for key, value in settings.items():
        _check_value(key, value, parsers)
    n_folds, fold = (changed["train"].get(key) for key in ("n_folds", "fold"))
    if isinstance(n_folds, int) and isinstance(fold, int) and 0 < n_folds <= fold:
        raise ConfigError(f"`fold` must be below `n_folds`, got {fold} of {n_folds}")
    check_network(changed["train"])


def require_sound_data(data: Path, settings: Mapping[str, Any]) -> None:
    """Refuse data to train on before a run's folder is made; the run's own workflow, once it is there, does so too.

    Args:
        data: data set or pack.
        settings: id -> value, a user's; `scheme` and `extra_data` are minded.

    Raises:
        ConfigError, DatasetError: see `read.datasets.checked_datalist`.
    """
    checked_datalist(data, scheme=settings.get("scheme"))
    if settings.get("extra_data"):
        checked_datalist(settings["extra_data"])


def check_network(config: Mapping[str, Any]) -> None:
    """Make a training's network and what hangs on it without memory, and give it two windows.

    Args:
        config: the configuration `train`, which stays as it is.

    Raises:
        ConfigError: see `check_training`.
    """
    parsers = {device: _parser(config) for device in _DEVICES}
    parser = parsers[_device_of(parsers)]
    for part in _PARTS:
        if part in parser:
            _made(parser, part)
    if parser.get("unfreeze"):
        ProgressiveUnfreezing(parser.get_parsed_content("network_def"), parser.get_parsed_content("unfreeze"))
    for size in _sizes(parser):
        failure = _failure(parsers, size)
        if failure is not None:
            other = _fitting(parsers, size)
            advice = f"; windows of {list(other)} would do" if other else ""
            raise ConfigError(f"the network cannot take windows of {list(size)}: {failure}{advice}")


def _check_value(key: str, value: Any, parsers: Sequence[ConfigParser]) -> None:
    parts = ReferenceResolver.split_id(key)
    if key in RULES:
        check_rule(key, value)
    elif parts[0] != "network_def" and parts[-1] not in ("_target_", "_disabled_"):  # a network judges its own settings
        present = next((parser[key] for parser in parsers if key in parser), None)
        check_kind(key, value, present)


def _parser(config: Mapping[str, Any]) -> ConfigParser:
    parser = ConfigParser(copy.deepcopy(dict(config)))
    parser["network"] = "@network_def"  # on no device
    return parser


def _made(parser: ConfigParser, part: str, *, device: str = "cpu") -> Any:
    """A part of a configuration.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return parser.get_parsed_content(part)
    except Exception as error:
        raise ConfigError(f"`{part}` cannot be made as it is set: {_reason(error)}") from error


def _device_of(parsers: Mapping[str, ConfigParser]) -> str:
    """Where the network can be made: without memory, unless its constructor looks at weights.

    Raises:
        ConfigError: nowhere.
    """
    try:
        _made(parsers["meta"], "network_def", device="meta")
    except ConfigError:
        _made(parsers["cpu"], "network_def")
        return "cpu"
    return "meta"


def _sizes(parser: ConfigParser) -> list[tuple[int, ...]]:
    """Sizes of what the network sees, in training and in inference; in 3D with the slices of a training stack."""
    sizes = [parser.get_parsed_content(key) for key in ("augment#size", "window") if key in parser]
    depth = [parser["train#dataset#depth"]] if "train#dataset#depth" in parser else []
    return list(dict.fromkeys((*size, *depth) for size in sizes))


def _failure(parsers: Mapping[str, ConfigParser], size: tuple[int, ...]) -> str | None:
    """Why the network cannot take windows of a size: without memory, or where it is too special for that, with it."""
    failure = None
    for device in _DEVICES:
        try:
            _run(parsers[device], size, device)
        except Exception as error:  # whatever a network may raise
            failure = _reason(error)
        else:
            return None
    return failure


def _run(parser: ConfigParser, size: tuple[int, ...], device: str) -> None:
    """Give the network two windows, as in inference and as in training."""
    network = _made(parser, "network_def", device=device)
    n_channels = 1 + 2 * int(parser.get_parsed_content("context"))
    wanted = (2, int(parser.get_parsed_content("n_classes")), *size)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"a network must be a torch.nn.Module, got {type(network).__name__}")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        logits = network.eval()(torch.zeros(2, n_channels, *size, device=device))
        if not isinstance(logits, torch.Tensor) or logits.shape != wanted:
            raise ConfigError(f"it must give logits of shape {wanted}, got {_described(logits)}")
        if parser.get("train#trainer#prepare_batch#_target_") == _PREPARED_AS_USUAL:
            batch = min(2, int(parser.get_parsed_content("batch_size")))
            network.train()(torch.zeros(batch, n_channels, *size, device=device))


def _fitting(parsers: Mapping[str, ConfigParser], size: tuple[int, ...]) -> tuple[int, ...] | None:
    """The next larger window that the network takes, if there is one."""
    for multiple in _MULTIPLES:
        larger = (*(math.ceil(side / multiple) * multiple for side in size[:2]), *size[2:])
        if larger != size and _failure(parsers, larger) is None:
            return larger
    return None


def _described(output: Any) -> str:
    return str(tuple(output.shape)) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"


def _reason(error: BaseException) -> str:
    """The first line of what lies beneath an error that others wrapped, as MONAI does."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
