"""Load pretrained weights into our networks, tensor by tensor. Layouts are described in `layouts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.resnet import ResNet
from pipeline.networks.layers.vgg import VGG
from pipeline.networks.published import DeepLabV2Caffe, DeepLabV3Torchvision, FCNTorchvision
from pipeline.networks.weights.layouts import (
    EXACT,
    LAYOUTS,
    OPTIONAL,
    bare_state,
    match_names,
    recognise_layout,
    rename,
    tell_backbone,
)
from pipeline.networks.weights.report import Changes, LoadReport, Shape, refuse_misfit

__all__ = ["adapt_channels", "load_pretrained"]

_ENCODERS: dict[str, type[nn.Module]] = {"resnet": ResNet, "vgg": VGG}
_NETWORKS: dict[str, type[nn.Module]] = {
    "deeplabv2_caffe": DeepLabV2Caffe,
    "deeplabv3_torchvision": DeepLabV3Torchvision,
    "fcn_torchvision": FCNTorchvision,
}
_COUNTER = "num_batches_tracked"  # older files lack it, and nothing is computed from it


def load_pretrained(
    network: nn.Module,
    state: Mapping[str, Any],
    *,
    layout: str = "auto",
    prefix: str = "",
    skip: Sequence[str] = (),
    strict: bool = True,
) -> LoadReport:
    """Load a state dict of a common layout into a network.

    If the number of input channels differs, the first convolution is adapted by `adapt_channels`, and with it any
    other that sees the image. Tensors of another floating type are converted.

    Args:
        network: receives the weights in place. After an error it is as before.
        state: name -> tensor, as `layouts.bare_state` takes it.
        layout: one of `LAYOUTS`, or "auto" to recognise it by its names.
        prefix: the submodule to fill. "" is the whole network, or its one encoder if the layout is an encoder's.
        skip: patterns (see `layouts.match_names`) of tensors to leave unchanged, such as another task's classifiers,
            which "*classifier*" names in torchvision's networks, and "aspp" in DeepLab v2; and of tensors that another
            network has and this one lacks, such as its "decoder".
        strict: refuse if a tensor of the target is missing or has another shape, or the state dict holds one that the
            target lacks. Otherwise load what fits.

    Returns:
        A report on every tensor.

    Raises:
        ConfigError: an unknown layout, no such submodule, no encoder or more than one, or a pattern without match.
        BundleError: not a state dict, nothing fits, or, if `strict`, not everything does.
    """
    if layout not in ("auto", *LAYOUTS):
        raise ConfigError(f"`layout` must be auto or one of {', '.join(LAYOUTS)}, got {layout!r}")
    names = list(network.state_dict())
    bare = bare_state(state, names)
    chosen = recognise_layout(bare, names) if layout == "auto" else layout
    place = _place(network, chosen, prefix)
    absent = tuple(f"{part}." for part in OPTIONAL if not any(n.startswith(f"{place}{part}.") for n in names))
    renamed = {name: rename(name, chosen) for name in bare}
    ours = {name: None if new is None or new.startswith(absent) else new for name, new in renamed.items()}
    came = {place + new: bare[name] for name, new in ours.items() if new is not None}
    needed = [name for name in names if name.startswith(place)]
    kept = {name for pattern in skip for name in match_names([*names, *came], pattern)}
    fitting, adapted, mismatched = _fit(network, came, [name for name in needed if name in came and name not in kept])
    report = LoadReport(
        layout=chosen,
        loaded=tuple(name for name in fitting if name not in adapted),
        adapted=adapted,
        skipped=tuple(name for name in needed if name in kept),
        missing=tuple(n for n in needed if n not in came and n not in kept and not n.endswith(_COUNTER)),
        mismatched=mismatched,
        unexpected=tuple(name for name in came if name not in needed and name not in kept),
        dropped=(
            *(name for name, new in ours.items() if new is None),
            *(name for name in came if name not in needed and name in kept),
        ),
        origin=_origin(network.get_submodule(place[:-1]), chosen, renamed.values()),
    )
    refuse_misfit(report, strict=strict)
    network.load_state_dict(fitting, strict=False)
    return report


def adapt_channels(weight: torch.Tensor, n_channels: int) -> torch.Tensor:
    """Make a convolution for images of another number of channels.

    Each new channel gets the sum over the old ones divided by the number of new ones. So an image whose channels are
    all equal, such as grey in a colour network, gives the same output as before. For one channel it is the plain sum.

    Args:
        weight: (C_out, C_in, ...).
        n_channels: of the new image.

    Returns:
        (C_out, n_channels, ...).

    >>> adapt_channels(torch.tensor([[1.0, 2.0, 6.0]]), 1), adapt_channels(torch.tensor([[1.0, 3.0]]), 4)
    (tensor([[9.]]), tensor([[1., 1., 1., 1.]]))
    """
    return (weight.sum(1, keepdim=True) / n_channels).expand(-1, n_channels, *weight.shape[2:]).contiguous()


def _place(network: nn.Module, layout: str, prefix: str) -> str:
    """Prefix of the names of the submodule to fill, with its dot."""
    modules = dict(network.named_modules())
    if prefix:
        if prefix not in modules:
            raise ConfigError(f"`prefix` must name a submodule of the network, got {prefix!r}")
        return f"{prefix}."
    if layout not in _ENCODERS:
        return ""
    places = [name for name, module in modules.items() if isinstance(module, _ENCODERS[layout])]
    if len(places) != 1:
        raise ConfigError(
            f"{layout} weights need the one {_ENCODERS[layout].__name__} of a network, got {places or 'none'}; "
            "name the place by `prefix`"
        )
    return f"{places[0]}." if places[0] else ""


def _fit(
    network: nn.Module, came: Mapping[str, torch.Tensor], names: Sequence[str]
) -> tuple[dict[str, torch.Tensor], Changes, Changes]:
    """The tensors to load among `names`, and the shapes of those adapted for that and of those that do not fit."""
    needed = network.state_dict()
    sees_image = _image_convolutions(network, came, names)
    fitting: dict[str, torch.Tensor] = {}
    adapted: Changes = {}
    mismatched: Changes = {}
    for name in names:
        shapes = (tuple(came[name].shape), tuple(needed[name].shape))
        if shapes[0] == shapes[1]:
            fitting[name] = came[name]
        elif name in sees_image:
            fitting[name] = adapt_channels(came[name], shapes[1][1])
            adapted[name] = shapes
        else:
            mismatched[name] = shapes
    return fitting, adapted, mismatched


def _image_convolutions(network: nn.Module, came: Mapping[str, torch.Tensor], names: Sequence[str]) -> set[str]:
    """Names of the convolutions that differ from what came as the first one does, in their input channels alone."""
    modules = dict(network.named_modules())
    shapes: dict[str, tuple[Shape, Shape]] = {}
    for name in names:
        module = modules[name.rpartition(".")[0]]
        if isinstance(module, nn.Conv2d | nn.Conv3d) and name.endswith("weight"):
            shapes[name] = (tuple(came[name].shape), tuple(module.weight.shape))
    # decoders may be registered before the encoder that sees the image
    encoders = [f"{name}." for name, module in modules.items() if name and isinstance(module, ResNet | VGG)]
    first = next((name for name in shapes if name.startswith(tuple(encoders))), next(iter(shapes), None))
    if first is None:
        return set()
    change = _channels(*shapes[first])
    return {name for name, both in shapes.items() if change is not None and _channels(*both) == change}


def _channels(came: Shape, needed: Shape) -> tuple[int, int] | None:
    """Input channels of two convolutions' weights, or `None` if they differ in more than those."""
    same = len(came) == len(needed) and (came[0], *came[2:]) == (needed[0], *needed[2:])
    return (came[1], needed[1]) if same else None


def _origin(network: nn.Module, layout: str, came: Iterable[str | None]) -> str | None:
    """What `LoadReport.origin` says. `came` has the names as here."""
    backbone = tell_backbone(came)
    if layout not in EXACT or backbone is None:
        return None
    if isinstance(network, _NETWORKS[EXACT[layout]]) and tell_backbone(network.state_dict()) == backbone:
        return None
    return f"the network `{EXACT[layout]}` with backbone={backbone}"
