"""Logits to labels."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import GridError
from pipeline.infer.decide import decide_labels


def test_channels_are_phase_major() -> None:
    logits = torch.zeros(2 * 3, 1, 1, 2)
    logits[0 * 3 + 2, 0, 0, 0] = 1.0  # phase 0, voxel 0: class 2
    logits[1 * 3 + 1, 0, 0, 1] = 1.0  # phase 1, voxel 1: class 1
    assert decide_labels(logits, n_classes=3)[:, 0, 0].tolist() == [[2, 0], [0, 1]]


def test_ties_go_to_the_lowest_class() -> None:
    logits = torch.tensor([1.0, 1.0, 0.0, 0.0, 2.0, 2.0]).reshape(6, 1, 1, 1)
    assert decide_labels(logits, n_classes=3).flatten().tolist() == [0, 1]


def test_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(GridError, match="4 channels a phase"):
        decide_labels(torch.zeros(6, 2, 2, 2), n_classes=4)
