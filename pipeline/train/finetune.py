"""Fine-tuning of pretrained networks: learning rates by part, and parts that are unfrozen one after the other."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer.weights import read_weights
from pipeline.networks.weights.layouts import match_names
from pipeline.networks.weights.pretrained import load_pretrained

__all__ = ["STUDY_RATES", "ProgressiveUnfreezing", "parameter_groups", "start_from"]

_log = logging.getLogger(__name__)

STUDY_RATES: Mapping[str, float] = MappingProxyType({"aspp": 10.0, "aspp*bias": 20.0})
"""The 2017 study's factors on DeepLab v2: ASPP weights 10, ASPP biases 20, the backbone 1 (weight decay 5e-4)."""


def start_from(network: nn.Module, path: str | Path | None, *, skip: Sequence[str] = ()) -> nn.Module:
    """Load pretrained weights from a file and log the outcome key by key, see `networks.weights.pretrained`.

    Args:
        network: receives the weights in place.
        path: a state dict as torch saves it, in any known layout (`None` changes nothing).
        skip: patterns (see `layouts.match_names`) of parameters that stay as they are.

    Returns:
        The same network.

    Raises:
        BundleError: there is no such file, it cannot be read, or its weights do not fit.
        ConfigError: a pattern that matches nothing.
    """
    if path is not None:
        if not Path(path).is_file():
            raise BundleError(f"`pretrained` must name a file of weights, and there is none at {path}")
        _log.info("weights from %s:\n%s", path, load_pretrained(network, read_weights(path), skip=skip))
    return network


def parameter_groups(
    network: nn.Module,
    *,
    base_rate: float,
    rates: Mapping[str, float] = MappingProxyType({}),
    weight_decay: float = 0.0,
    no_decay: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Sort a network's parameters into an optimizer's groups by learning rate and weight decay.

    Args:
        network: every parameter is in one group, frozen ones too, which may be unfrozen later.
        base_rate: learning rate of parameters that no pattern matches.
        rates: pattern (see `layouts.match_names`) -> factor on the base rate. Of several that match, the longest
            pattern counts.
        weight_decay: of parameters that no pattern matches.
        no_decay: patterns of parameters without weight decay, such as ("*bias",).

    Returns:
        Dicts with `params`, `lr` and `weight_decay`, in the order in which the network has the first of each. The
        `lr` is the group's base rate, which a schedule multiplies.

    Raises:
        ConfigError: a pattern that matches nothing, or a negative rate, factor or weight decay.

    >>> network = nn.ModuleDict({"backbone": nn.Linear(2, 2), "aspp": nn.Linear(2, 2)})
    >>> groups = parameter_groups(network, base_rate=0.5, rates=STUDY_RATES)
    >>> [(len(group["params"]), group["lr"]) for group in groups]
    [(2, 0.5), (1, 5.0), (1, 10.0)]
    """
    if min(base_rate, weight_decay, *rates.values()) < 0:
        raise ConfigError(
            f"rates and weight decay must be 0 or more, got {base_rate}, {dict(rates)} and {weight_decay}"
        )
    parameters = dict(_unwrap(network).named_parameters())
    factors = dict.fromkeys(parameters, 1.0)
    for pattern in sorted(rates, key=len):
        factors.update(dict.fromkeys(match_names(parameters, pattern), rates[pattern]))
    decays = dict.fromkeys(parameters, weight_decay)
    for pattern in no_decay:
        decays.update(dict.fromkeys(match_names(parameters, pattern), 0.0))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault((base_rate * factors[name], decays[name]), []).append(parameter)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]


class ProgressiveUnfreezing:
    """Freezes parts of a network and lets them train from given epochs on (Howard and Ruder, ULMFiT, 2018).

    A frozen parameter gets no gradient, so no optimizer moves it. A batch normalisation whose parameters are frozen
    uses its running statistics, which do not change. Only the epoch matters, so a resumed run needs no state. With
    several processes it is refused, because gradients are gathered for the parameters that could train at the start.

    Args:
        network: the network in training.
        schedule: epoch (the first is 1) -> pattern or patterns (see `layouts.match_names`) of the parameters that are
            frozen until then. Of several epochs for one parameter the first counts.

    Raises:
        ConfigError: an epoch below 1, a pattern that matches nothing, or nothing left that trains from the start.
    """

    def __init__(self, network: nn.Module, schedule: Mapping[int | str, str | Sequence[str]]) -> None:
        self.network = _unwrap(network)
        self._parameters = dict(self.network.named_parameters())
        self._starts = _starts(list(self._parameters), schedule)
        if all(self._starts.get(name, 1) > 1 for name in self._parameters):
            raise ConfigError("some parameter must train from epoch 1 on, but the schedule freezes all of them")
        self._norms = {
            module: max(self._starts.get(f"{name}.{own}", 1) for own, _ in module.named_parameters())
            for name, module in self.network.named_modules()
            if isinstance(module, _BatchNorm) and module.affine
        }
        self._still: list[nn.Module] = []

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer.

        Raises:
            ConfigError: there are several processes.
        """
        if idist.get_world_size() > 1:
            raise ConfigError("progressive unfreezing needs a training of one process, got several")
        engine.add_event_handler(Events.EPOCH_STARTED, self)
        # trainers put the whole network into training mode at every iteration, after any event they give
        self.network.register_forward_pre_hook(self._hold_still)

    def __call__(self, engine: Engine) -> None:
        """Freeze and unfreeze for the epoch that starts."""
        self.apply(engine.state.epoch)

    def apply(self, epoch: int) -> None:
        """Freeze what starts to train after `epoch` (from 1), unfreeze all else that the schedule names."""
        for name, start in self._starts.items():
            parameter = self._parameters[name]
            parameter.requires_grad_(epoch >= start)
            if epoch < start:
                parameter.grad = None
        self._still = [module for module, start in self._norms.items() if epoch < start]
        if epoch in self._starts.values():
            _log.info("epoch %d: %d tensors start to train", epoch, list(self._starts.values()).count(epoch))

    def _hold_still(self, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:  # noqa: ARG002, torch's hook
        for module in self._still:
            module.eval()


def _starts(names: Sequence[str], schedule: Mapping[int | str, str | Sequence[str]]) -> dict[str, int]:
    """First epoch in which each parameter trains that the schedule names."""
    starts: dict[str, int] = {}
    for key, patterns in schedule.items():
        if not str(key).isdigit() or int(key) < 1:  # JSON spells keys as strings
            raise ConfigError(f"epochs of the schedule must be whole numbers from 1 on, got {key!r}")
        epoch = int(key)
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            for name in match_names(names, pattern):
                starts[name] = min(epoch, starts.get(name, epoch))
    return starts


def _unwrap(network: nn.Module) -> nn.Module:
    return network.module if isinstance(network, DistributedDataParallel) else network
