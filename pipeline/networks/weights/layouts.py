"""Naming schemes of state dicts, and their conversion to our names.

A *layout* is one such naming scheme:

*native*: as the network itself does.
*resnet*, *vgg*: a torchvision classifier. Its convolutions go to the network's `ResNet` or `VGG`, its fully connected
layers have no place.
*deeplab_v3*, *fcn*: torchvision's, into `DeepLabV3Torchvision` and `FCNTorchvision`. Their auxiliary classifier may be
left out. The paper's `DeepLabV3` lacks the 3x3 convolution before the classifier, and does not take them.
*deeplab_v2*, *deeplab_v2_blocks*: the ResNet-101 released for Caffe, as pytorch-deeplab-resnet and deeplab-pytorch name
it, into `DeepLabV2Caffe`. `DeepLabV2` takes them as a start: its strides lie elsewhere, so its scores are others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import torch

from pipeline.core.errors import BundleError, ConfigError

__all__ = [
    "EXACT",
    "LAYOUTS",
    "OPTIONAL",
    "bare_state",
    "match_names",
    "recognise_layout",
    "rename",
    "tell_backbone",
]

_UNITS = {"reduce": ("conv1", "bn1"), "conv3x3": ("conv2", "bn2"), "increase": ("conv3", "bn3")}
_SHORTCUT = ("downsample.0", "downsample.1")


def _block(match: re.Match[str]) -> str:
    """A unit of deeplab-pytorch, which counts stages from the stem on and blocks from 1, as ours."""
    stage, block, unit, part = match.groups()
    layer = _UNITS.get(unit, _SHORTCUT)[part == "bn"]
    return f"backbone.layer{int(stage) - 1}.{int(block) - 1}.{layer}."


_AUXILIARY: dict[str, str] = {
    r"aux_classifier\.0\.": "auxiliary.conv.conv.",
    r"aux_classifier\.1\.": "auxiliary.conv.adn.N.",
    r"aux_classifier\.4\.": "auxiliary.classifier.",
}

LAYOUTS: Mapping[str, Mapping[str, str | Callable[[re.Match[str]], str] | None]] = MappingProxyType(
    {
        "native": {},
        "resnet": {r"fc\.": None},
        "vgg": {r"classifier\.": None},
        "deeplab_v3": {
            **_AUXILIARY,
            r"classifier\.0\.convs\.([0-3])\.0\.": r"aspp.branches.\1.conv.",
            r"classifier\.0\.convs\.([0-3])\.1\.": r"aspp.branches.\1.adn.N.",
            r"classifier\.0\.convs\.4\.1\.": "aspp.image_level.1.conv.",
            r"classifier\.0\.convs\.4\.2\.": "aspp.image_level.1.adn.N.",
            r"classifier\.0\.project\.0\.": "aspp.project.conv.",
            r"classifier\.0\.project\.1\.": "aspp.project.adn.N.",
            r"classifier\.1\.": "head.conv.",
            r"classifier\.2\.": "head.adn.N.",
            r"classifier\.4\.": "classifier.",
        },
        "fcn": {
            **_AUXILIARY,
            r"classifier\.0\.": "head.conv.conv.",
            r"classifier\.1\.": "head.conv.adn.N.",
            r"classifier\.4\.": "head.classifier.",
        },
        "deeplab_v2_blocks": {
            r"layer1\.conv1\.conv\.": "backbone.conv1.",
            r"layer1\.conv1\.bn\.": "backbone.bn1.",
            r"layer([2-5])\.block(\d+)\.(reduce|conv3x3|increase|shortcut)\.(conv|bn)\.": _block,
            r"aspp\.c(\d+)\.": r"aspp.\1.",
        },
        "deeplab_v2": {r"layer5\.conv2d_list\.": "aspp.", r"(conv1|bn1|layer[1-4])\.": r"backbone.\1."},
    }
)
"""Layout -> how the start of a tensor's name (a regular expression) becomes ours (`None`: it has no place in ours)."""

OPTIONAL = ("auxiliary",)
"""Parts that a network may lack, for its logits do not need them."""

EXACT = MappingProxyType(
    {
        "deeplab_v3": "deeplabv3_torchvision",
        "fcn": "fcn_torchvision",
        "deeplab_v2": "deeplabv2_caffe",
        "deeplab_v2_blocks": "deeplabv2_caffe",
    }
)
"""Layout of a whole network -> the name here of the network that gives its very logits."""

_SIGNS = {
    "deeplab_v3": "classifier.0.convs.0.0.weight",
    "fcn": "classifier.1.running_mean",
    "deeplab_v2_blocks": "layer1.conv1.conv.weight",
    "deeplab_v2": "layer5.conv2d_list.0.weight",
    "resnet": "layer1.0.conv1.weight",
    "vgg": "features.0.weight",
}
"""Layout -> a name by which it is recognised. The first that fits counts."""

_KEYS = ("model", "state_dict")
"""Under which training scripts save a state dict."""

_WRAPPERS = ("module.", "Scale.", "scale.", "base.")
"""Before all names: of data parallelism, and of an image pyramid around the network."""


def match_names(names: Iterable[str], pattern: str) -> list[str]:
    """Choose names of parameters by a pattern.

    Args:
        names: as `named_parameters` gives them.
        pattern: a name, the name of a module above it, or a pattern in which `*` matches anything (dots too).

    Returns:
        The names that match, in their order.

    Raises:
        ConfigError: none does.

    >>> names = ["aspp.0.weight", "aspp.0.bias", "classifier.bias"]
    >>> match_names(names, "aspp"), match_names(names, "*bias")
    (['aspp.0.weight', 'aspp.0.bias'], ['aspp.0.bias', 'classifier.bias'])
    """
    found = [name for name in names if fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")]
    if not found:
        raise ConfigError(f"a pattern must match some parameter's name, got {pattern!r}, which matches none")
    return found


def bare_state(state: Mapping[str, Any], known: Iterable[str]) -> dict[str, torch.Tensor]:
    """Strip what a training script or a wrapping module added around the tensors' names.

    Args:
        state: name -> tensor, or such a dict under "model" or "state_dict".
        known: the network's own names. Once one of them appears, nothing more is taken off.

    Returns:
        Name -> tensor, without one of `module.`, `Scale.`, `scale.` or `base.` before all names.

    Raises:
        BundleError: it is empty, or holds anything but tensors.
    """
    for key in _KEYS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
    strangers = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if strangers or not state:
        found = f"other values under {', '.join(strangers[:5])}" if strangers else "none"
        raise BundleError(f"a state dict must map names to tensors, alone or under one of {_KEYS}, got {found}")
    bare, own = dict(state), set(known)
    while own.isdisjoint(bare) and (wrapper := _wrapper(bare)):
        bare = {name.removeprefix(wrapper): tensor for name, tensor in bare.items()}
    return bare


def recognise_layout(names: Iterable[str], known: Iterable[str]) -> str:
    """Recognise a layout by its names. "native" if all are `known` (the network's own) or no layout's mark is found.

    >>> recognise_layout(["features.0.weight", "classifier.6.bias"], ["backbone.features.0.weight"])
    'vgg'
    """
    found = set(names)
    if found <= set(known):
        return "native"
    return next((layout for layout, sign in _SIGNS.items() if sign in found), "native")


def rename(name: str, layout: str) -> str | None:
    """A tensor's name in a layout as ours, or `None` if it has no place in our network.

    >>> rename("classifier.0.project.0.weight", "deeplab_v3"), rename("fc.bias", "resnet"), rename("bn1.bias", "resnet")
    ('aspp.project.conv.weight', None, 'bn1.bias')
    """
    for start, ours in LAYOUTS[layout].items():
        if match := re.match(start, name):
            if ours is None:
                return None
            return (ours(match) if callable(ours) else match.expand(ours)) + name[match.end() :]
    return name


def tell_backbone(names: Iterable[str | None]) -> str | None:
    """The ResNet that tensors of a whole network, named as here, belong to; `None` if they are no ResNet's.

    >>> tell_backbone(["backbone.layer3.5.conv1.weight", "backbone.layer3.5.conv3.weight"])
    'resnet50'
    """
    found = set(names)
    if "backbone.layer3.22.conv3.weight" in found:
        return "resnet101"
    if "backbone.layer3.5.conv1.weight" in found:
        return "resnet50" if "backbone.layer3.5.conv3.weight" in found else "resnet34"
    return "resnet18" if "backbone.layer3.1.conv2.weight" in found else None


def _wrapper(names: Iterable[str]) -> str:
    """Known prefix of all names, or "" if there is none."""
    return next((wrapper for wrapper in _WRAPPERS if all(name.startswith(wrapper) for name in names)), "")
