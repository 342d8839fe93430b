"""Labels in which a structure was never drawn: what every loss makes of them."""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.core.labels import UNLABELLED, one_of
from pipeline.train.batches import PrepareAugmentedBatch
from pipeline.train.losses import (
    CrossEntropy,
    CrossEntropyLogJaccard,
    DiceCrossEntropy,
    Jaccard,
    LabelledLoss,
    LovaszSoftmax,
    VarianceConstrainedCrossEntropy,
)
from pipeline.train.partial import merge_partial

BG_OR_RV = one_of((0, 3))
LOSSES = [
    CrossEntropy(),
    CrossEntropyLogJaccard(),
    DiceCrossEntropy(),
    Jaccard(),
    LovaszSoftmax(),
    LovaszSoftmax(classes=[1, 2]),
    VarianceConstrainedCrossEntropy(),
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 4, 9, 7, generator=generator), torch.randint(0, 3, (3, 1, 9, 7), generator=generator)


def test_the_cross_entropy_of_two_classes_together_by_hand() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().view(1, 4, 1, 1)
    label = torch.full((1, 1, 1, 1), BG_OR_RV)
    assert CrossEntropy()(logits, label).item() == pytest.approx(-math.log(0.1 + 0.4), abs=1e-6)
    everything = torch.full((1, 1, 1, 1), one_of((0, 1, 2, 3)))
    assert CrossEntropy()(logits, everything).item() == pytest.approx(0.0, abs=1e-6)


@every_loss
def test_what_was_not_drawn_is_not_taught(loss: LabelledLoss) -> None:
    """To move probability between background and the undrawn structure, in such pixels, changes nothing."""
    logits, labels = batch()
    labels[labels == 0] = BG_OR_RV
    open_ = (labels == BG_OR_RV)[:, 0]
    other = logits.clone()
    together = torch.stack([logits[:, 0], logits[:, 3]]).logsumexp(0)
    other[:, 0] = torch.where(open_, together + math.log(0.1), logits[:, 0])
    other[:, 3] = torch.where(open_, together + math.log(0.9), logits[:, 3])
    torch.testing.assert_close(loss(logits, labels), loss(other, labels))


@every_loss
def test_gradients_are_finite_and_leave_the_balance_alone(loss: LabelledLoss) -> None:
    logits, labels = batch(1)
    labels[labels == 0] = BG_OR_RV
    labels[0, 0, :2] = UNLABELLED
    logits.requires_grad_()
    loss(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    open_ = (labels == BG_OR_RV)[:, 0]
    background, undrawn = (logits.grad[:, c][open_] for c in (0, 3))
    share = logits.detach()[:, [0, 3]].softmax(1)
    # both move by their own share of what they have together, so that their ratio stays as it is
    torch.testing.assert_close(background * share[:, 1][open_], undrawn * share[:, 0][open_], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("loss", [Jaccard(), LovaszSoftmax()], ids=lambda loss: type(loss).__name__)
def test_an_image_of_which_nothing_was_drawn_changes_no_region(loss: LabelledLoss) -> None:
    logits, labels = batch(2)
    nothing = torch.full((1, 1, 9, 7), one_of((0, 1, 2, 3)))
    with_it = loss(torch.cat([logits, torch.randn(1, 4, 9, 7)]), torch.cat([labels, nothing]))
    torch.testing.assert_close(with_it, loss(logits, labels))


def test_regions_of_an_undrawn_class_come_from_where_it_was_drawn() -> None:
    logits, labels = batch(3)
    labels[0, 0, 0, 0] = 3
    half = labels.clone()
    half[1:][half[1:] == 0] = BG_OR_RV
    alone = Jaccard(classes=[3])(logits[:1], labels[:1])
    torch.testing.assert_close(Jaccard(classes=[3])(logits, half), alone)
    none = labels[1:].clone()
    none[none == 0] = BG_OR_RV
    assert Jaccard(classes=[3])(logits[1:], none) == 0.0


def test_without_partial_labels_nothing_is_touched() -> None:
    logits, labels = batch()
    merged, truth = merge_partial(logits, labels[:, 0])
    assert merged is logits
    assert truth.drawn.all()


def test_stacks_are_merged_as_slices_are() -> None:
    logits, labels = batch(4)
    labels[labels == 0] = BG_OR_RV
    flat = CrossEntropy()(logits, labels)
    torch.testing.assert_close(CrossEntropy()(logits[..., None], labels[..., None]), flat)


def test_a_network_of_eight_classes_sees_no_eighth_in_a_partial_value() -> None:
    merged, truth = merge_partial(torch.zeros(1, 8, 1, 1), torch.full((1, 1, 1), BG_OR_RV))
    assert truth.target.tolist() == [[[0]]]
    assert truth.drawn[0].tolist() == [False, True, True, False, True, True, True, True]
    assert merged[0, 7, 0, 0] == 0


def test_partial_values_become_the_network_s_classes_as_their_members_do() -> None:
    prepare = PrepareAugmentedBatch(lambda image, label: (image, label), classes=[1, 1, 0, 1])  # the study's
    values = [0, 1, 2, 3, BG_OR_RV, one_of((0, 2)), one_of((0, 2, 3)), UNLABELLED]
    label = torch.tensor(values, dtype=torch.uint8).view(1, 1, 1, -1)
    _, mapped = prepare({"image": torch.zeros(1, 1, 1, 8), "label": label})
    either = one_of((0, 1))
    assert mapped.flatten().tolist() == [1, 1, 0, 1, 1, either, either, UNLABELLED]
