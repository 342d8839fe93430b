"""Losses over several logits: how they are weighed, and what becomes of the labels."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.core.labels import UNLABELLED
from pipeline.networks.deeplab_v1_v2 import DeepLabV2
from pipeline.train.compound_losses import AuxiliaryLoss
from pipeline.train.losses import CrossEntropy, DiceCrossEntropy, Jaccard


def _batch(size: tuple[int, int] = (6, 5)) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = [torch.randn(2, 3, *size, generator=generator) for _ in range(3)]
    return logits, torch.randint(0, 3, (2, 1, *size), generator=generator)


def test_auxiliary_outputs_are_weighed() -> None:
    outputs, labels = _batch()
    loss = DiceCrossEntropy()
    main, *others = [loss(one, labels).item() for one in outputs]
    assert AuxiliaryLoss(loss)(tuple(outputs), labels).item() == pytest.approx(main + 0.4 * sum(others), abs=1e-6)
    assert AuxiliaryLoss(loss, weight=0.0)(outputs, labels).item() == pytest.approx(main, abs=1e-6)


def test_plain_logits_pass_through() -> None:
    outputs, labels = _batch()
    assert AuxiliaryLoss(Jaccard())(outputs[0], labels).item() == Jaccard()(outputs[0], labels).item()


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"0 or more, got -0\.1"):
        AuxiliaryLoss(CrossEntropy(), weight=-0.1)


def test_labels_follow_each_scale_by_nearest_neighbour() -> None:
    labels = torch.tensor([0, 1, UNLABELLED, 2, 0, UNLABELLED], dtype=torch.uint8).view(1, 1, 1, 6)
    coarse = torch.randn(1, 3, 1, 3)  # pixel centres fall on pixels 1, 3 and 5 of the labels
    at_coarse = torch.tensor([1, 2, UNLABELLED], dtype=torch.uint8).view(1, 1, 1, 3)
    fine = torch.randn(1, 3, 1, 6)
    expected = CrossEntropy()(fine, labels) + CrossEntropy()(coarse, at_coarse)
    assert AuxiliaryLoss(CrossEntropy(), weight=1.0)((fine, coarse), labels).item() == pytest.approx(
        expected.item(), abs=1e-6
    )


def test_deeplab_v2_trains_on_its_pyramid_and_its_maximum() -> None:
    torch.manual_seed(0)
    network = DeepLabV2(1, 2, backbone="resnet18", scales=(1.0, 0.75, 0.5)).train()
    x, labels = torch.randn(2, 1, 40, 32), torch.randint(0, 2, (2, 1, 40, 32))
    outputs = network(x)
    loss = AuxiliaryLoss(CrossEntropy(), weight=1.0)(outputs, labels)
    picked = labels[:, :, 1::2, 1::2]
    half = CrossEntropy()(outputs[3], picked)
    others = AuxiliaryLoss(CrossEntropy(), weight=1.0)(outputs[:3], labels)
    assert loss.item() == pytest.approx((half + others).item(), abs=1e-5)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
