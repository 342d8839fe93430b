"""Losses over several logits: how they are weighed, and what becomes of the labels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.core.labels import UNLABELLED
from pipeline.networks.deeplab_v1_v2 import DeepLabV2
from pipeline.networks.published import DeepLabV2Caffe
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


class _Told(nn.Module):
    """A loss that notes the labels it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[list] = []

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self.labels.append(labels.squeeze().tolist())
        return CrossEntropy()(logits, labels)


def _line(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8).view(1, 1, 1, -1)


def test_labels_of_seventeen_pixels_at_stride_8_by_areas_and_by_corners() -> None:
    # areas: 17 / 3 pixels each, centres 2.8, 8.5, 14.2; corners: pixels 0, 8, 16, as features of stride 8 lie
    labels = _line(list(range(17)))
    logits = torch.zeros(1, 17, 1, 3)
    for corners, picked in ((False, [2, 8, 14]), (True, [0, 8, 16])):
        told = _Told()
        assert AuxiliaryLoss(told, corners=corners)(logits, labels).item() == pytest.approx(math.log(17))
        assert told.labels == [picked]
    assert AuxiliaryLoss(CrossEntropy(), corners=True)(torch.zeros(1, 17, 1, 1), labels).isfinite()


def test_the_studys_loss_of_deeplab_v2_by_hand() -> None:
    # the maximum and scale 1 have 2 x 2 scores of a 16 x 16 image, scale 0.5 has 1 x 1; only the far quarter is class 1
    labels = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    labels[:, :, 8:, 8:] = 1
    even, sure = torch.zeros(1, 2, 2, 2), torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1)
    found = AuxiliaryLoss(CrossEntropy(), weight=1.0)((even, even, sure), labels)
    assert found.item() == pytest.approx(2 * math.log(2) + math.log(4 / 3))  # at its centre, pixel 8, 8, lies class 1


def test_the_studys_deeplab_v2_trains_at_the_features_stride() -> None:
    torch.manual_seed(0)
    network = DeepLabV2Caffe(1, 2, backbone="resnet18", upsampled=False).train()
    x, labels, told = torch.randn(2, 1, 49, 33), torch.randint(0, 2, (2, 1, 49, 33)), _Told()
    outputs = network(x)
    loss = AuxiliaryLoss(told, weight=1.0, corners=True)(outputs, labels)
    # of 49 x 33, 37 x 25 and 25 x 17 pixels
    assert [tuple(one.shape[2:]) for one in outputs] == [(7, 5), (7, 5), (5, 4), (4, 3)]
    assert told.labels[0] == told.labels[1] == labels[:, 0, ::8, ::8].tolist()
    assert told.labels[3] == labels[:, 0, ::16, ::16].tolist()
    assert loss.item() == pytest.approx(
        sum(
            nn.functional.cross_entropy(one, torch.tensor(given)).item()
            for one, given in zip(outputs, told.labels, strict=True)
        )
    )
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
