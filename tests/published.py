"""State dicts as others publish them: every name and shape, with random values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import torch

Shapes = Mapping[str, tuple[int, ...]]
Unit = tuple[str, str, tuple[int, ...]]

_POOL = 1 << 24
"""Random numbers that all tensors are cut from: drawing each of 60 million anew takes longer than a test."""
BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
SIZES = {
    ("fcn", "resnet50"): 35_322_218,
    ("fcn", "resnet101"): 54_314_346,
    ("deeplab_v3", "resnet50"): 42_004_074,
    ("deeplab_v3", "resnet101"): 60_996_202,
}
"""Parameters that torchvision states of its weights, 21 classes and the auxiliary classifier among them."""


def published_shapes(layout: str, *, backbone: str = "resnet50", n_classes: int = 21) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a layout's state dict (`num_batches_tracked` too where it has them)."""
    if layout == "deeplab_v2":
        rows = dict(_convolutions_and_norms(_residual(backbone), counters=False))
        return rows | _scores([f"layer5.conv2d_list.{branch}" for branch in range(4)], n_classes, 2048, kernel=3)
    if layout == "deeplab_v2_blocks":
        rows = dict(_convolutions_and_norms(_in_blocks(backbone), counters=True))
        rows |= _scores([f"aspp.c{branch}" for branch in range(4)], n_classes, 2048, kernel=3)
        return {f"base.{name}": shape for name, shape in rows.items()}
    units = [(f"backbone.{conv}", f"backbone.{norm}", shape) for conv, norm, shape in _residual(backbone)]
    units.append(("aux_classifier.0", "aux_classifier.1", (256, 1024, 3, 3)))
    if layout == "fcn":
        units.append(("classifier.0", "classifier.1", (512, 2048, 3, 3)))
    else:
        units += _pyramid()
    rows = dict(_convolutions_and_norms(units, counters=True))
    width = 512 if layout == "fcn" else 256
    return rows | _scores(["classifier.4"], n_classes, width) | _scores(["aux_classifier.4"], n_classes, 256)


def published_state(layout: str, *, backbone: str = "resnet50", n_classes: int = 21) -> dict[str, torch.Tensor]:
    """A state dict of a layout; values are random, and such that features stay of the order of 1."""
    generator = torch.Generator().manual_seed(7)
    shapes = published_shapes(layout, backbone=backbone, n_classes=n_classes)
    return {name: _random(name, shape, generator) for name, shape in shapes.items()}


def _random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(20_000)
    if len(shape) == 4:
        fan_in = shape[1] * shape[2] * shape[3]
        return _cut(shape, generator) * (2 / fan_in) ** 0.5
    drawn = torch.rand(shape, generator=generator)
    return 0.5 + drawn if name.endswith(("running_var", "weight")) else drawn - 0.5


def _cut(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Normally distributed numbers, from a random place of the pool on."""
    n = math.prod(shape)
    start = int(torch.randint(_POOL - n, (), generator=generator))
    return _pool()[start : start + n].reshape(shape)


@lru_cache
def _pool() -> torch.Tensor:
    return torch.randn(_POOL, generator=torch.Generator().manual_seed(8))


def _residual(backbone: str) -> list[Unit]:
    """Convolution, normalisation, shape of a ResNet of bottlenecks, as torchvision and pytorch-deeplab-resnet name."""
    units: list[Unit] = [("conv1", "bn1", (64, 3, 7, 7))]
    n_in = 64
    for stage, depth in enumerate(BLOCKS[backbone]):
        width = 64 * 2**stage
        for block in range(depth):
            at = f"layer{stage + 1}.{block}"
            shapes = ((width, n_in, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            units += [(f"{at}.conv{i}", f"{at}.bn{i}", shape) for i, shape in enumerate(shapes, start=1)]
            if block == 0:
                units.append((f"{at}.downsample.0", f"{at}.downsample.1", (4 * width, n_in, 1, 1)))
            n_in = 4 * width
    return units


def _in_blocks(backbone: str) -> list[Unit]:
    """The same as deeplab-pytorch names it."""
    words = {"conv1": "reduce", "conv2": "conv3x3", "conv3": "increase", "downsample": "shortcut"}
    (_, _, stem), *others = _residual(backbone)
    units: list[Unit] = [("layer1.conv1.conv", "layer1.conv1.bn", stem)]
    for conv, _, shape in others:
        layer, block, unit, *_ = conv.split(".")
        at = f"layer{int(layer[-1]) + 1}.block{int(block) + 1}.{words[unit]}"
        units.append((f"{at}.conv", f"{at}.bn", shape))
    return units


def _pyramid() -> list[Unit]:
    """torchvision's atrous pyramid and the convolution behind it."""
    at = "classifier.0.convs"
    units: list[Unit] = [(f"{at}.0.0", f"{at}.0.1", (256, 2048, 1, 1))]
    units += [(f"{at}.{branch}.0", f"{at}.{branch}.1", (256, 2048, 3, 3)) for branch in (1, 2, 3)]
    units.append((f"{at}.4.1", f"{at}.4.2", (256, 2048, 1, 1)))
    units.append(("classifier.0.project.0", "classifier.0.project.1", (256, 1280, 1, 1)))
    return [*units, ("classifier.1", "classifier.2", (256, 256, 3, 3))]


def _convolutions_and_norms(units: Sequence[Unit], *, counters: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    for conv, norm, shape in units:
        yield f"{conv}.weight", shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{norm}.{part}", shape[:1]
        if counters:
            yield f"{norm}.num_batches_tracked", ()


def _scores(names: Sequence[str], n_classes: int, n_in: int, *, kernel: int = 1) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        shapes |= {f"{name}.weight": (n_classes, n_in, kernel, kernel), f"{name}.bias": (n_classes,)}
    return shapes
