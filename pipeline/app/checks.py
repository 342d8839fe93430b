"""Check a training's settings before anything is written: names, values, and the network on one batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from pipeline.app.settings import check_settings
from pipeline.core.errors import ConfigError, DatasetError, first_line
from pipeline.read.datasets import checked_datalist
from pipeline.train.finetune import ProgressiveUnfreezing, start_from

__all__ = ["check_loss", "check_made", "check_network", "check_training"]

_PREPARED_AS_USUAL = "pipeline.parts.PrepareAugmentedBatch"
"""With it a network in training takes images alone."""
_PARTS = (
    "image_transforms",
    "label_transforms",
    "train#to_grid",
    "loss_function",
    "augment",
    "crops",
    "optimizer#params",
    "validate#inferer",
    "inferer",
    "label_map_transforms",
    "confidence_transforms",
    "time_limit",
)
"""What is made beside the network, where a configuration has it; all that needs no data."""
_DEVICES = ("meta", "cpu")
_MULTIPLES = (8, 16, 32, 64)
"""A window's sides may have to be multiples of one of these."""


def check_training(
    bundle: Path, settings: Mapping[str, Any], code: Mapping[str, Any] | None = None, *, data: Path | None = None
) -> None:
    """Refuse a training that could not run, before anything of it is written.

    Args:
        bundle: folder of the bundle to train.
        settings: id -> value, a user's.
        code: id -> entry, the program's own, as of a network by name.
        data: what to train on; `None` leaves it unlooked at.

    Raises:
        ConfigError: an unknown id; a value that its entry cannot have; a network, loss, transform or augmentation
            that cannot be made, or a network that cannot take the windows of the training; a device that is not there.
        DatasetError: data that cannot be listed or do not pass `read.gate`, or too few patients.
        BundleError: weights to start from that cannot be read, or do not fit.
    """
    changed = check_settings(bundle, settings, code)["train"]
    n_folds, fold = (changed.get(key) for key in ("n_folds", "fold"))
    if isinstance(n_folds, int) and isinstance(fold, int) and 0 < n_folds <= fold:
        raise ConfigError(f"`fold` must be below `n_folds`, got {fold} of {n_folds}")
    check_network(changed)
    check_loss(changed)
    if any(key.startswith("optimizer#") for key in settings):
        check_made(changed, ("optimizer",))
    parser = _parser(changed)
    if parser.get("pretrained"):
        get = parser.get_parsed_content
        start_from(get("network_def"), get("pretrained"), skip=get("pretrained_skip"))
    if data is not None:
        _check_data(parser, data)


def check_loss(config: Mapping[str, Any]) -> None:
    """Try a training's loss on two small windows, where the network trains on images and labels as most do.

    Raises:
        ConfigError: it cannot be computed.
    """
    parser = _parser(config)
    if parser.get("train#trainer#prepare_batch#_target_") != _PREPARED_AS_USUAL:
        return
    loss, n_classes = _make(parser, "loss_function"), int(parser.get_parsed_content("n_classes"))
    try:
        with torch.random.fork_rng(devices=[]):
            value = loss(torch.zeros(2, n_classes, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
    except Exception as error:
        raise ConfigError(f"`loss_function` cannot be computed as it is set: {_reason(error)}") from error
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise ConfigError(f"`loss_function` must give one number, got {_describe(value)}")


def check_made(config: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Make parts of a configuration that need no data.

    Raises:
        ConfigError: one cannot be made as it is set.
    """
    parser = _parser(config)
    for part in parts:
        _make(parser, part)


def check_network(config: Mapping[str, Any]) -> None:
    """Build a training's network and the parts that depend on it on the meta device, and run it on two windows.

    Args:
        config: the configuration `train`, which is not changed.

    Raises:
        ConfigError: see `check_training`.
    """
    parsers = {device: _parser(config) for device in _DEVICES}
    parser = parsers[_device_of(parsers)]
    for part in _PARTS:
        if part in parser:
            _make(parser, part)
    if parser.get("unfreeze"):
        ProgressiveUnfreezing(parser.get_parsed_content("network_def"), parser.get_parsed_content("unfreeze"))
    for size in _sizes(parser):
        failure = _failure(parsers, size)
        if failure is not None:
            other = _fitting(parsers, size)
            advice = f"; windows of {list(other)} would do" if other else ""
            raise ConfigError(f"the network cannot take windows of {list(size)}: {failure}{advice}")


def _check_data(parser: ConfigParser, data: Path) -> None:
    """Let what is trained on pass the gate, see `read.gate`."""
    patients = {case["patient"] for case in checked_datalist(data, scheme=parser.get("scheme"))}
    needed = max(2, int(parser.get("n_folds") or 0))
    if len(patients) < needed:
        raise DatasetError(f"the training needs at least {needed} patients, got {len(patients)}", data)
    if parser.get("extra_data"):
        checked_datalist(parser.get_parsed_content("extra_data"))


def _parser(config: Mapping[str, Any]) -> ConfigParser:
    parser = ConfigParser(copy.deepcopy(dict(config)))
    parser["network"] = "@network_def"  # on no device
    return parser


def _make(parser: ConfigParser, part: str, *, device: str = "cpu") -> Any:
    """A part of a configuration.

    Raises:
        ConfigError: it cannot be built.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return parser.get_parsed_content(part)
    except Exception as error:
        raise ConfigError(f"`{part}` cannot be made as it is set: {_reason(error)}") from error


def _device_of(parsers: Mapping[str, ConfigParser]) -> str:
    """Device on which the network can be built: "meta", unless its constructor reads weights.

    Raises:
        ConfigError: it cannot be built on any.
    """
    try:
        _make(parsers["meta"], "network_def", device="meta")
    except ConfigError:
        _make(parsers["cpu"], "network_def")
        return "cpu"
    return "meta"


def _sizes(parser: ConfigParser) -> list[tuple[int, ...]]:
    """Sizes of the network's input in training and in inference, in 3D with the slices of a training stack."""
    sizes = [parser.get_parsed_content(key) for key in ("augment#size", "window", "crop") if parser.get(key)]
    depth = [parser["train#dataset#depth"]] if "train#dataset#depth" in parser else []
    return list(dict.fromkeys((*size, *depth) for size in sizes))


def _failure(parsers: Mapping[str, ConfigParser], size: tuple[int, ...]) -> str | None:
    """Reason why the network cannot take windows of a size, tried on the meta device or, if that fails, in memory."""
    failure = None
    for device in _DEVICES:
        try:
            _run(parsers[device], size, device)
        except Exception as error:  # noqa: BLE001 whatever a network may raise
            failure = _reason(error)
        else:
            return None
    return failure


def _run(parser: ConfigParser, size: tuple[int, ...], device: str) -> None:
    """Give the network two windows, as in inference and as in training."""
    network = _make(parser, "network_def", device=device)
    n_channels = 1 + 2 * int(parser.get_parsed_content("context"))
    wanted = (2, int(parser.get_parsed_content("n_classes")), *size)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"a network must be a torch.nn.Module, got {type(network).__name__}")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        logits = network.eval()(torch.zeros(2, n_channels, *size, device=device))
        if not isinstance(logits, torch.Tensor) or logits.shape != wanted:
            raise ConfigError(f"it must give logits of shape {wanted}, got {_describe(logits)}")
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


def _describe(output: Any) -> str:
    return str(tuple(output.shape)) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"


def _reason(error: BaseException) -> str:
    """The first line of the error inside the exceptions that wrap it, as MONAI does."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
