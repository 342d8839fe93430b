"""Losses against MONAI's own, by hand, and with unlabelled pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import nn

from pipeline.core.labels import UNLABELLED
from pipeline.train.losses import (
    CrossEntropy,
    CrossEntropyLogJaccard,
    DiceCrossEntropy,
    Jaccard,
    LovaszSoftmax,
    VarianceConstrainedCrossEntropy,
)

ALL = [
    CrossEntropy,
    CrossEntropyLogJaccard,
    DiceCrossEntropy,
    Jaccard,
    LovaszSoftmax,
    VarianceConstrainedCrossEntropy,
]
every_loss = pytest.mark.parametrize("make", ALL)


def _random_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 9, 7, generator=generator)
    labels = torch.randint(0, 4, (3, 1, 9, 7), generator=generator)
    return logits, labels


def _row(probabilities: list[float], labels: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of two classes in one row of pixels, from the probabilities of class 1; and the row's labels."""
    p = torch.tensor(probabilities)
    return torch.stack([1 - p, p]).log().view(1, 2, 1, -1), torch.tensor(labels).view(1, 1, 1, -1)


def test_equals_monai_where_all_is_labelled() -> None:
    logits, labels = _random_batch()
    reference = DiceCELoss(
        softmax=True, to_onehot_y=True, batch=True, include_background=False, smooth_nr=1e-5, smooth_dr=1e-5
    )
    assert DiceCrossEntropy()(logits, labels).item() == pytest.approx(reference(logits, labels).item(), abs=1e-5)


def test_jaccard_equals_monai_where_all_is_labelled() -> None:
    logits, labels = _random_batch()
    reference = DiceLoss(
        softmax=True, to_onehot_y=True, batch=True, include_background=False, jaccard=True, smooth_nr=2.0, smooth_dr=2.0
    )
    assert Jaccard(smooth=1.0)(logits, labels).item() == pytest.approx(reference(logits, labels).item(), abs=1e-6)


def test_uniform_logits_by_hand() -> None:
    # two classes, p = 1/2 everywhere; 4 pixels, one of class 1: Dice ratio 2 * 0.5 / (2 + 1) = 1/3
    logits = torch.zeros(1, 2, 2, 2)
    labels = torch.tensor([[[[1, 0], [0, 0]]]])
    assert CrossEntropy()(logits, labels).item() == pytest.approx(math.log(2), abs=1e-6)
    assert DiceCrossEntropy(smooth=0.0)(logits, labels).item() == pytest.approx(math.log(2) + 2 / 3, abs=1e-6)
    # Jaccard ratio 0.5 / (2 + 1 - 0.5) = 1/5
    assert Jaccard(smooth=0.0)(logits, labels).item() == pytest.approx(4 / 5, abs=1e-6)
    found = CrossEntropyLogJaccard(weight=2.0, smooth=0.0)(logits, labels).item()
    assert found == pytest.approx(math.log(2) + 2.0 * math.log(5), abs=1e-6)


def test_jaccard_is_a_ratio_of_sums_over_the_batch() -> None:
    logits, labels = _row([0.9, 0.6, 0.2], [1, 1, 0])
    assert Jaccard(smooth=0.0)(logits, labels).item() == pytest.approx(1 - 1.5 / (1.7 + 2 - 1.5), abs=1e-6)
    apart = (logits.permute(3, 1, 2, 0), labels.permute(3, 1, 2, 0))  # each pixel an image
    assert Jaccard(smooth=0.0)(*apart).item() == pytest.approx(1 - 1.5 / 2.2, abs=1e-6)


def test_log_jaccard_leaves_out_classes_that_labels_lack() -> None:
    logits, labels = _random_batch()
    labels[labels == 3] = 0
    only = CrossEntropyLogJaccard(classes=[1, 2])
    assert CrossEntropyLogJaccard()(logits, labels).item() == pytest.approx(only(logits, labels).item(), abs=1e-6)
    background = torch.zeros_like(labels)
    found = CrossEntropyLogJaccard()(logits, background).item()
    assert found == pytest.approx(CrossEntropy()(logits, background).item(), abs=1e-6)


def test_lovasz_by_hand() -> None:
    logits, labels = _row([0.9, 0.4, 0.2], [1, 1, 0])
    # class 1: errors 0.6, 0.2, 0.1 in falling order, Jaccard loss as they come 1/2, 2/3, 1, so steps 1/2, 1/6, 1/3
    one = 0.6 / 2 + 0.2 / 6 + 0.1 / 3
    # class 0: the same errors, Jaccard loss 1/2, 1, 1
    zero = 0.6 / 2 + 0.2 / 2
    assert LovaszSoftmax(classes=[1])(logits, labels).item() == pytest.approx(one, abs=1e-6)
    assert LovaszSoftmax()(logits, labels).item() == pytest.approx((one + zero) / 2, abs=1e-6)


def test_lovasz_of_certain_answers_is_the_jaccard_loss_of_classes_present() -> None:
    _, labels = _random_batch()
    labels[labels == 3] = 2
    guess = labels.roll(1, dims=3)
    logits = 60.0 * nn.functional.one_hot(guess[:, 0], 4).movedim(-1, 1).float()
    ratios = [
        ((labels == c) & (guess == c)).sum().item() / ((labels == c) | (guess == c)).sum().item() for c in range(3)
    ]
    assert LovaszSoftmax()(logits, labels).item() == pytest.approx(1 - sum(ratios) / 3, abs=1e-6)


def test_variance_by_hand() -> None:
    # pieces 0.9, 0.7 (mean 0.8, variance 0.01 for either class) and 0.6, 0.6; the background may vary
    logits, labels = _row([0.9, 0.7, 0.1, 0.6, 0.6, 0.3], [1, 1, 0, 1, 1, 0])
    added = VarianceConstrainedCrossEntropy(weight=3.0)(logits, labels) - CrossEntropy()(logits, labels)
    assert added.item() == pytest.approx(3.0 * (0.02 + 0.0) / 2, abs=1e-6)


def test_instances_are_pieces_of_one_class_in_one_image() -> None:
    logits = torch.zeros(2, 3, 2, 4)
    # class 1 joined over a corner, class 2 beside it; in the second image one piece more: 3 instances of 2, 2, 1 pixels
    labels = torch.tensor([[[1, 0, 0, 2], [0, 1, 0, 2]], [[0, 0, 0, 0], [0, 0, 1, 0]]]).unsqueeze(1)
    logits[0, 1, 0, 0] = 50.0  # probabilities (0, 1, 0) against (1/3, 1/3, 1/3): variances 1/36, 1/9, 1/36
    added = VarianceConstrainedCrossEntropy()(logits, labels) - CrossEntropy()(logits, labels)
    assert added.item() == pytest.approx((1 / 36 + 1 / 9 + 1 / 36) / 3, abs=1e-6)


def test_labels_without_structure_have_no_variance() -> None:
    logits, labels = _random_batch()
    found = VarianceConstrainedCrossEntropy()(logits, torch.zeros_like(labels))
    assert found.item() == CrossEntropy()(logits, torch.zeros_like(labels)).item()


@pytest.mark.parametrize(
    "make", [DiceCrossEntropy, Jaccard, CrossEntropyLogJaccard, LovaszSoftmax, VarianceConstrainedCrossEntropy]
)
def test_class_0_may_be_the_structure(make: Callable[..., nn.Module]) -> None:
    logits, labels = _random_batch()
    logits, labels = logits[:, :2], labels % 2
    named = make(classes=[0])(logits.flip(1), 1 - labels)
    assert named.item() == pytest.approx(make(classes=[1])(logits, labels).item(), abs=1e-6)
    assert named.item() != pytest.approx(make(classes=[1])(logits.flip(1), 1 - labels).item(), abs=1e-6)


@every_loss
def test_unlabelled_pixels_change_nothing(make: Callable[[], nn.Module]) -> None:
    logits, labels = _random_batch()
    labels[..., :3] = UNLABELLED
    loss = make()
    cropped = loss(logits[..., 3:], labels[..., 3:])
    assert loss(logits, labels).item() == pytest.approx(cropped.item(), abs=1e-6)
    disturbed = logits.clone()
    disturbed[..., :3] += 5.0 * torch.randn_like(disturbed[..., :3])
    assert loss(disturbed, labels).item() == pytest.approx(cropped.item(), abs=1e-6)


@every_loss
def test_nothing_labelled_gives_zero_with_gradient(make: Callable[[], nn.Module]) -> None:
    logits = torch.randn(2, 4, 5, 5, requires_grad=True)
    loss = make()(logits, torch.full((2, 1, 5, 5), UNLABELLED, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == 0.0


@every_loss
def test_perfect_prediction_approaches_zero(make: Callable[[], nn.Module]) -> None:
    _, labels = _random_batch()
    logits = 50.0 * nn.functional.one_hot(labels[:, 0], 4).movedim(-1, 1).float()
    assert 0 <= make()(logits, labels).item() < 1e-4


@every_loss
def test_gradient_is_that_of_the_value(make: Callable[[], nn.Module]) -> None:
    logits, labels = _random_batch()
    labels[:, :, 0] = UNLABELLED
    logits = logits[:2, :, :3, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: make()(x, labels[:2, :, :3, :4]), (logits,))


@every_loss
def test_volumes_count_as_their_pixels_do(make: Callable[[], nn.Module]) -> None:
    logits, labels = _random_batch()
    volume = make()(logits.unsqueeze(-1), labels.unsqueeze(-1))
    assert volume.item() == pytest.approx(make()(logits, labels).item(), abs=1e-6)
