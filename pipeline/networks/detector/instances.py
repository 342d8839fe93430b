"""Between label maps and instances, both ways: each kind of instance is a set of classes, found once in a slice or not.

Kinds may lie within one another, as the left ventricle's cavity lies within its epicardium. What is in no kind is the
background.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from pipeline.core.errors import ConfigError
from pipeline.core.labels import LV, MYO, UNLABELLED
from pipeline.networks.detector.boxes import pairwise_iou

__all__ = ["Instances", "heart_kinds", "label_instances", "membership", "overlaps", "semantic_logits"]

_LEAST = 1e-4
"""Probability used in place of 0, so that logits stay finite."""


class Instances(NamedTuple):
    """Instances of K kinds in a batch of label maps.

    Attributes:
        boxes: (N, K, 4) as (x0, y0, x1, y1) in pixels, zeros if absent.
        present: (N, K) bool.
        masks: (N, K, X, Y) bool.
        labelled: (N, 1, X, Y) bool, false if the labels are `UNLABELLED`.
    """

    boxes: torch.Tensor
    present: torch.Tensor
    masks: torch.Tensor
    labelled: torch.Tensor


def heart_kinds(out_channels: int) -> tuple[tuple[int, ...], ...]:
    """Each class but 0 is a kind, the myocardium together with the cavity it encloses, so that every kind is a disc.

    >>> heart_kinds(4)
    ((1,), (1, 2), (3,))
    """
    return tuple((LV.value, MYO.value) if value == MYO.value else (value,) for value in range(1, out_channels))


def membership(kinds: Sequence[Sequence[int]], out_channels: int) -> torch.Tensor:
    """Which class belongs to which kind: (K, out_channels) of 0 and 1.

    Raises:
        ConfigError: a class that does not exist, two classes in the same kinds, or not just one class in none.

    >>> membership([(1,), (1, 2)], 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    """
    rows = [[float(value in kind) for value in range(out_channels)] for kind in kinds]
    columns = list(zip(*rows, strict=True))
    known = all(value in range(out_channels) for kind in kinds for value in kind)
    if not known or len(set(columns)) < out_channels or not any(not any(column) for column in columns):
        raise ConfigError(
            f"kinds of instances must tell {out_channels} classes apart and leave one, the background, out; "
            f"got {[tuple(kind) for kind in kinds]}"
        )
    return torch.tensor(rows)


def label_instances(labels: torch.Tensor, kinds: Sequence[Sequence[int]]) -> Instances:
    """Find the instances of each kind. All pixels of its classes form one instance, connected or not.

    Args:
        labels: (N, 1, X, Y) classes, or `UNLABELLED`.
        kinds: classes of each kind.

    Returns:
        The instances. A slice that holds none has none present.

    >>> found = label_instances(torch.tensor([[[[0, 2, 2], [0, 2, 1]]]]), [(1,), (1, 2), (3,)])
    >>> found.boxes.tolist(), found.present.tolist()
    ([[[1.0, 2.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]]], [[True, True, False]])
    """
    masks = torch.cat([torch.isin(labels, labels.new_tensor(list(kind))) for kind in kinds], dim=1)
    present = masks.flatten(2).any(dim=2)
    low, high = [], []
    for axis in (2, 3):
        occupied = masks.any(dim=5 - axis).to(torch.uint8)
        low.append(occupied.argmax(dim=2))
        high.append(labels.shape[axis] - occupied.flip(2).argmax(dim=2))
    boxes = torch.stack([*low, *high], dim=-1) * present.unsqueeze(-1)
    return Instances(boxes.float(), present, masks, labels != UNLABELLED)


def overlaps(boxes: torch.Tensor, truth: Instances) -> torch.Tensor:
    """IoU (N, B, K) of boxes (N, B, 4) with the instances, or -1 if a kind is absent."""
    return pairwise_iou(boxes, truth.boxes).where(truth.present.unsqueeze(1), -1.0)


def semantic_logits(probabilities: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """Logits of classes from each kind's own probability at each pixel.

    A class lies within its kinds and outside the others. With kinds taken as independent, its probability is a product
    over them. The softmax of the logits given here is that product, among the classes that there are.

    Args:
        probabilities: (N, K, X, Y), 0 to 1.
        members: (K, out_channels) from `membership`.

    Returns:
        (N, out_channels, X, Y): the sum over a class's kinds of log p / (1 - p), and 0 for the background.

    >>> p = torch.tensor([0.8, 0.9]).view(1, 2, 1, 1)
    >>> semantic_logits(p, membership([(1,), (1, 2)], 3)).softmax(1).flatten()  # in proportion 0.02, 0.72, 0.18
    tensor([0.0217, 0.7826, 0.1957])
    """
    logits = torch.logit(probabilities.float(), eps=_LEAST)
    return (logits.unsqueeze(2) * members[:, :, None, None]).sum(dim=1)  # a matrix product would round under autocast
