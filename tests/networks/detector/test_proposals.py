"""The region proposal network: anchors, what they are matched with, and what is proposed."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.core.labels import UNLABELLED
from pipeline.networks.detector.boxes import pairwise_iou
from pipeline.networks.detector.instances import label_instances
from pipeline.networks.detector.proposals import Proposals, RegionProposals


def _network(**settings: object) -> RegionProposals:
    torch.manual_seed(0)
    return RegionProposals(4, **({"strides": (4, 8), "anchor_sizes": (16, 32)} | settings))


def _levels(size: tuple[int, int] = (64, 48), n: int = 1) -> list[torch.Tensor]:
    return [torch.randn(n, 4, size[0] // stride, size[1] // stride) for stride in (4, 8)]


def _found(network: RegionProposals, levels: list[torch.Tensor], objectness: torch.Tensor | float) -> Proposals:
    """Outputs in which every anchor stays as it is."""
    anchors = network.anchors(levels)
    logits = torch.zeros(len(levels[0]), len(anchors)) + objectness
    return Proposals(torch.empty(0), logits, torch.zeros(*logits.shape, 4), anchors)


def _label(*box: int, size: tuple[int, int] = (64, 48)) -> torch.Tensor:
    label = torch.zeros(1, 1, *size)
    if box:
        label[0, 0, box[0] : box[2], box[1] : box[3]] = 1
    return label


def test_anchors_by_hand() -> None:
    anchors = _network(scales=(1.0,)).anchors(_levels())
    assert anchors.shape == (16 * 12 * 3 + 8 * 6 * 3, 4)
    # of size 16 at stride 4, the first place's centre is (2, 2); y over x is a half, 1, 2: 16 * sqrt 2 = 22.6
    assert anchors[:3].tolist() == [[-9, -4, 13, 8], [-6, -6, 10, 10], [-4, -9, 8, 13]]
    assert anchors[4].tolist() == [-6, -2, 10, 14]  # the next place is along y
    assert anchors[3 * 12 + 1].tolist() == [-2, -6, 14, 10]  # a row later along x
    assert anchors[16 * 12 * 3 + 1].tolist() == [-12, -12, 20, 20]


def test_sizes_are_half_an_octave_apart() -> None:
    anchors = _network(aspect_ratios=(1.0,)).anchors(_levels())
    edges = (anchors[:, 2] - anchors[:, 0]).unique().tolist()
    assert edges == [16, 24, 32, 44]  # 23 and 45, halves rounded
    assert [edge / 16 for edge in edges] == pytest.approx([1, 2**0.5, 2, 8**0.5], rel=0.07)


def test_a_square_of_any_size_meets_an_anchor_half_way() -> None:
    """The worst is between two sizes, and half a stride off."""
    anchors = _network(strides=(4, 8, 16, 32), anchor_sizes=(16, 32, 64, 128)).anchors(
        [torch.zeros(1, 4, 160 // stride, 160 // stride) for stride in (4, 8, 16, 32)]
    )
    for edge in range(16, 129, 4):
        box = torch.tensor([[80 - edge / 2, 80 - edge / 2, 80 + edge / 2, 80 + edge / 2]])
        assert pairwise_iou(box, anchors).max() > 0.6


def test_outputs_are_in_the_anchors_order() -> None:
    network, levels = _network(), _levels()
    found = network(levels, (64, 48))
    features = torch.relu(network.conv(levels[0]))
    x, y, anchor = 5, 7, 3
    place = (x * 12 + y) * 6 + anchor
    torch.testing.assert_close(found.objectness[0, place], network.objectness(features)[0, anchor, x, y])
    deltas = network.deltas(features)[0, 4 * anchor : 4 * anchor + 4, x, y]
    torch.testing.assert_close(found.deltas[0, place], deltas)


def test_the_best_anchors_are_proposed_clipped_and_without_copies() -> None:
    network, levels = _network(n_proposals=10), _levels(n=2)
    torch.nn.init.normal_(network.objectness.weight)
    found = network(levels, (64, 48))
    assert found.boxes.shape == (2, 10, 4)
    assert not found.boxes.requires_grad
    assert (found.boxes >= 0).all()
    assert (found.boxes <= torch.tensor([64.0, 48.0, 64.0, 48.0])).all()
    best = found.anchors[found.objectness[0].argmax()].clamp(min=0).minimum(torch.tensor([64.0, 48.0, 64.0, 48.0]))
    assert pairwise_iou(found.boxes[0, :1], best[None]) > 0.9  # regressions start small
    iou = pairwise_iou(found.boxes, found.boxes) - torch.eye(10)
    assert iou.max() <= 0.7


def test_every_level_sends_candidates() -> None:
    network, levels = _network(n_candidates=5), _levels()
    torch.nn.init.normal_(network.objectness.weight)
    objectness = [torch.arange(1152.0)[None], torch.arange(288.0)[None] - 1e6]
    assert network._best_of_each_level(objectness).tolist() == [
        [1151, 1150, 1149, 1148, 1147, 1439, 1438, 1437, 1436, 1435]
    ]
    assert network(levels, (64, 48)).boxes.shape == (1, 64, 4)  # more than there are candidates: repeated


def test_anchors_on_an_instance_should_be_positive_and_those_elsewhere_negative() -> None:
    network, levels = _network(scales=(1.0,), aspect_ratios=(1.0,)), _levels()
    anchors = network.anchors(levels)
    target = int((anchors == torch.tensor([22.0, 18.0, 38.0, 34.0])).all(1).nonzero())
    truth = label_instances(_label(22, 18, 38, 34), [(1,)])
    iou = pairwise_iou(anchors, truth.boxes[0])[:, 0]
    assert iou[target] == 1
    counted = (iou >= 0.7) | (iou < 0.3)
    assert 0 < (~counted).sum() < counted.sum()
    for doubtful in (-20.0, 20.0):
        right = torch.where(iou >= 0.7, 20.0, -20.0).where(counted, doubtful)
        losses = network.losses(_found(network, levels, right), truth, n=1000)
        assert [loss.item() for loss in losses] == [pytest.approx(0, abs=1e-6)] * 2
    right[target] = -20.0
    loss, _ = network.losses(_found(network, levels, right), truth, n=1000)
    assert loss.item() == pytest.approx(20 / int(counted.sum()), rel=1e-4)


def test_an_instance_that_fits_no_anchor_has_its_best_one() -> None:
    network, levels = _network(scales=(1.0,), aspect_ratios=(1.0,)), _levels()
    truth = label_instances(_label(22, 18, 26, 22), [(1,)])  # 4 x 4 pixels in anchors of 16 x 16
    anchors = network.anchors(levels)
    iou = pairwise_iou(anchors, truth.boxes[0])[:, 0]
    assert iou.max() < 0.1
    right = torch.where(iou == iou.max(), 20.0, -20.0)
    loss, regression = network.losses(_found(network, levels, right), truth, n=1000)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert regression > 0


def test_an_absent_kind_makes_no_anchor_positive() -> None:
    network, levels = _network(), _levels()
    truth = label_instances(_label(), [(1,), (2,)])
    loss, regression = network.losses(_found(network, levels, -20.0), truth)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert regression == 0


def test_half_of_the_anchors_drawn_are_positive_at_most() -> None:
    network, levels = _network(anchor_sizes=(32, 64)), _levels()
    truth = label_instances(_label(14, 10, 46, 42), [(1,)])
    anchors = network.anchors(levels)
    n_positive = int((pairwise_iou(anchors, truth.boxes[0]) >= 0.7).sum())
    assert n_positive > 2
    loss, _ = network.losses(_found(network, levels, 20.0), truth, n=4)  # right for positives, 20 for each negative
    assert loss.item() == pytest.approx(20 * 2 / 4, rel=1e-4)


def test_unlabelled_places_are_not_empty_ones() -> None:
    network, levels = _network(), _levels()
    label = _label()
    label[0, 0, 32:] = UNLABELLED
    truth = label_instances(label, [(1,)])
    anchors = network.anchors(levels)
    doubtful = torch.where((anchors[:, 0] + anchors[:, 2]) / 2 > 40, 20.0, -20.0)  # wrong, but no one knows
    assert network.losses(_found(network, levels, doubtful), truth, n=2000)[0].item() == pytest.approx(0, abs=1e-6)
    assert network.losses(_found(network, levels, -doubtful), truth, n=2000)[0] > 1


def test_every_parameter_learns() -> None:
    network = _network()
    truth = label_instances(_label(20, 16, 36, 32), [(1,)])
    sum(network.losses(network(_levels(), (64, 48)), truth)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_one_anchor_size_a_level_is_needed() -> None:
    with pytest.raises(ConfigError, match="each of 2 levels"):
        _network(anchor_sizes=(16,))
