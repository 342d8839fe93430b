"""Naming schemes of state dicts, and their conversion to our names.

A *layout* is one such naming scheme:

*native*: as the network itself does.
*resnet*, *vgg*: a torchvision classifier. Its convolutions go to the network's `ResNet` or `VGG`, its fully connected
layers have no place.
*deeplab_v3*: torchvision's, into `DeepLabV3`. Its auxiliary classifier has no place, nor has the 3x3 convolution before
its classifier (`classifier.1` and `.2`), which the paper's network lacks. So the scores are not torchvision's, and the
classifier needs training even if the classes are the same. Its dilations are those of `output_stride=8` and
`multi_grid=(1, 1, 1)`.
*deeplab_v2*: the ResNet-101 converted from Caffe, into `DeepLabV2`. That network expects blue before red, has its
strides on a block's first 1x1 convolution (ours: on the 3x3) and rounds pooled sizes up: fine to start from, not to
repeat its scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import torch

from pipeline.core.errors import BundleError, ConfigError

__all__ = ["LAYOUTS", "bare_state", "match_names", "recognise_layout", "rename"]

LAYOUTS: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "native": {},
        "resnet": {r"fc\.": None},
        "vgg": {r"classifier\.": None},
        "deeplab_v3": {
            r"aux_classifier\.": None,
            r"classifier\.0\.convs\.([0-3])\.0\.": r"aspp.branches.\1.conv.",
            r"classifier\.0\.convs\.([0-3])\.1\.": r"aspp.branches.\1.adn.N.",
            r"classifier\.0\.convs\.4\.1\.": "aspp.image_level.1.conv.",
            r"classifier\.0\.convs\.4\.2\.": "aspp.image_level.1.adn.N.",
            r"classifier\.0\.project\.0\.": "aspp.project.conv.",
            r"classifier\.0\.project\.1\.": "aspp.project.adn.N.",
            r"classifier\.[12]\.": None,
            r"classifier\.4\.": "classifier.",
        },
        "deeplab_v2": {r"layer5\.conv2d_list\.": "aspp.", r"(conv1|bn1|layer[1-4])\.": r"backbone.\1."},
    }
)
"""Layout -> how the start of a tensor's name (a regular expression) becomes ours (`None`: it has no place in ours)."""

_SIGNS = {
    "deeplab_v3": "classifier.0.convs.0.0.weight",
    "deeplab_v2": "layer5.conv2d_list.0.weight",
    "resnet": "layer1.0.conv1.weight",
    "vgg": "features.0.weight",
}
"""Layout -> a name by which it is recognised. The first that fits counts."""

_KEYS = ("model", "state_dict")
"""Under which training scripts save a state dict."""

_WRAPPERS = ("module.", "Scale.", "scale.")
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
        Name -> tensor, without `module.`, `Scale.` or `scale.` before all names.

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
            return None if ours is None else match.expand(ours) + name[match.end() :]
    return name


def _wrapper(names: Iterable[str]) -> str:
    """Known prefix of all names, or "" if there is none."""
    return next((wrapper for wrapper in _WRAPPERS if all(name.startswith(wrapper) for name in names)), "")
