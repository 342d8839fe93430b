"""DiceCrossEntropy against MONAI's own loss, by hand, and with unlabelled pixels."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DiceCELoss

from pipeline.core.labels import UNLABELLED
from pipeline.train.losses import DiceCrossEntropy


def _random_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 9, 7, generator=generator)
    labels = torch.randint(0, 4, (3, 1, 9, 7), generator=generator)
    return logits, labels


def test_equals_monai_where_all_is_labelled() -> None:
    logits, labels = _random_batch()
    reference = DiceCELoss(
        softmax=True, to_onehot_y=True, batch=True, include_background=False, smooth_nr=1e-5, smooth_dr=1e-5
    )
    assert DiceCrossEntropy()(logits, labels).item() == pytest.approx(reference(logits, labels).item(), abs=1e-5)


def test_uniform_logits_by_hand() -> None:
    # two classes, p = 1/2 everywhere; 4 pixels, one of class 1: Dice ratio 2 * 0.5 / (2 + 1) = 1/3
    logits = torch.zeros(1, 2, 2, 2)
    labels = torch.tensor([[[[1, 0], [0, 0]]]])
    assert DiceCrossEntropy(smooth=0.0)(logits, labels).item() == pytest.approx(math.log(2) + 2 / 3, abs=1e-6)


def test_unlabelled_pixels_change_nothing() -> None:
    logits, labels = _random_batch()
    labels[..., :3] = UNLABELLED
    loss = DiceCrossEntropy()
    cropped = loss(logits[..., 3:], labels[..., 3:])
    assert loss(logits, labels).item() == pytest.approx(cropped.item(), abs=1e-6)
    disturbed = logits.clone()
    disturbed[..., :3] += 5.0 * torch.randn_like(disturbed[..., :3])
    assert loss(disturbed, labels).item() == pytest.approx(cropped.item(), abs=1e-6)


def test_nothing_labelled_gives_zero_with_gradient() -> None:
    logits = torch.randn(2, 4, 5, 5, requires_grad=True)
    loss = DiceCrossEntropy()(logits, torch.full((2, 1, 5, 5), UNLABELLED))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == 0.0


def test_perfect_prediction_approaches_zero() -> None:
    _, labels = _random_batch()
    logits = 50.0 * torch.nn.functional.one_hot(labels[:, 0], 4).movedim(-1, 1).float()
    assert DiceCrossEntropy()(logits, labels).item() < 1e-4
