"""The second stage: which boxes are whose, and which outputs learn from them."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.labels import UNLABELLED
from pipeline.networks.detector.boxes import encode_boxes
from pipeline.networks.detector.instances import Instances, label_instances
from pipeline.networks.detector.roi_heads import RoIHeads

KINDS = [(1,), (1, 2)]
ELSEWHERE = [0.0, 40.0, 16.0, 64.0]


def _heads() -> RoIHeads:
    torch.manual_seed(0)
    return RoIHeads(4, 2, strides=(4, 8), hidden=6)


def _levels(n: int = 1) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(n, 4, 16, 16), torch.randn(n, 4, 8, 8)]


def _truth() -> Instances:
    """A cavity of 12 x 12 pixels in an epicardium of 24 x 24: no box is near both."""
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 20:44, 8:32] = 2
    label[0, 0, 26:38, 14:26] = 1
    return label_instances(label, KINDS)


def _answering(heads: RoIHeads, kind: list[float], deltas: list[float], pixel: list[float]) -> RoIHeads:
    """Heads that give the same answer for every box."""
    for layer, answer in ((heads.kind, kind), (heads.deltas, deltas), (heads.pixel, pixel)):
        torch.nn.init.zeros_(layer.weight)
        layer.bias.data = torch.tensor(answer)
    return heads


def test_parameters_by_hand() -> None:
    boxes = 4 * 49 * 6 + 6 + 6 * 6 + 6 + (6 + 1) * 3 + (6 + 1) * 8
    masks = 4 * (9 * 4 * 4 + 4) + 4 * 4 * 4 + 4 + (4 + 1) * 2
    assert sum(p.numel() for p in _heads().parameters()) == boxes + masks


def test_outputs_of_the_papers_sizes() -> None:
    boxes = torch.rand(2, 5, 4) * torch.tensor([10.0, 10.0, 10.0, 10.0]) + torch.tensor([0.0, 0.0, 20.0, 20.0])
    logits, deltas = _heads().classify(_levels(2), boxes)
    assert (logits.shape, deltas.shape) == ((2, 5, 3), (2, 5, 2, 4))
    assert _heads().segment(_levels(2), boxes).shape == (2, 5, 2, 28, 28)


def test_each_kind_refines_the_box_its_own_way() -> None:
    box, goals = (
        torch.tensor([[[4.0, 4.0, 24.0, 24.0]]]),
        torch.tensor([[[0.0, 0.0, 9.0, 9.0], [4.0, 4.0, 24.0, 24.0]]]),
    )
    deltas = encode_boxes(goals, box, (10, 10, 5, 5)).unsqueeze(1)
    torch.testing.assert_close(_heads().refine(deltas, box), goals.unsqueeze(1))


def test_right_answers_cost_nothing() -> None:
    heads = _answering(_heads(), [30.0, 0.0, 0.0], [0.0] * 8, [0.0, 0.0])
    empty = label_instances(torch.zeros(1, 1, 64, 64), KINDS)
    losses = heads.losses(_levels(), torch.tensor([[ELSEWHERE]]), empty)
    assert [loss.item() for loss in losses] == [pytest.approx(0, abs=1e-6)] * 3


def test_true_boxes_are_drawn_from_beside_the_proposals() -> None:
    heads = _answering(_heads(), [0.0, 0.0, 0.0], [0.0] * 8, [0.0, 0.0])
    kind, box, mask = heads.losses(_levels(), torch.tensor([[ELSEWHERE]]), _truth())
    assert kind.item() == pytest.approx(torch.tensor(3.0).log().item())
    assert box == 0  # a true box needs no shift
    assert mask.item() == pytest.approx(torch.tensor(2.0).log().item())


def test_absent_kinds_are_no_boxes_to_draw() -> None:
    """Their places in the list of true boxes would else be counted as empty."""
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 20:44, 8:32] = 2
    true_box = [20.0, 8.0, 44.0, 32.0]
    truth = label_instances(label, [(1,), (2,)])
    heads = _answering(_heads(), [0.0, 0.0, 30.0], [0.0] * 8, [0.0, 0.0])
    kind, *_ = heads.losses(_levels(), torch.tensor([[true_box] * 3]), truth)
    assert kind.item() == pytest.approx(0, abs=1e-6)  # all four are the second kind's, none is empty


def test_a_box_is_an_instances_from_half_of_it_on() -> None:
    heads = _answering(_heads(), [0.0, 30.0, 0.0], [0.0] * 8, [0.0, 0.0])
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 16:32, 16:32] = 1
    truth = label_instances(label, [(1,)])
    # IoU 16 * 16 / (16 * 31) = 0.52 and 16 * 16 / (16 * 33) = 0.48
    near, far = [16.0, 16.0, 47.0, 32.0], [16.0, 16.0, 49.0, 32.0]
    assert heads.losses(_levels(), torch.tensor([[near] * 9]), truth, n=8)[0].item() == pytest.approx(0, abs=1e-6)
    loss = heads.losses(_levels(), torch.tensor([[far] * 9]), truth, n=8)[0].item()
    assert loss == pytest.approx(30 * 7 / 8, rel=1e-4)  # 7 negatives beside the true box


def test_a_quarter_is_positive_at_most() -> None:
    heads = _answering(_heads(), [30.0, 0.0, 0.0], [0.0] * 8, [0.0, 0.0])
    proposals = torch.cat([_truth().boxes.repeat(1, 20, 1), torch.tensor([[ELSEWHERE] * 30])], dim=1)
    assert heads.losses(_levels(), proposals, _truth(), n=32)[0].item() == pytest.approx(30 * 8 / 32, rel=1e-4)


def test_the_regression_of_the_true_kind_alone_is_asked() -> None:
    box = torch.tensor([[[22.0, 10.0, 46.0, 34.0]]])  # the epicardium's, 2 pixels off
    right = encode_boxes(_truth().boxes[0, 1], box[0, 0], (10, 10, 5, 5)).tolist()
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 20:44, 8:32] = 2
    truth = label_instances(label, KINDS)
    truth = truth._replace(boxes=truth.boxes * torch.tensor([[0.0], [1.0]]))
    for deltas, expected in (([9.0] * 4 + right, 0), (right + [9.0] * 4, None)):
        heads = _answering(_heads(), [0.0] * 3, deltas, [0.0, 0.0])
        _, loss, _ = heads.losses(_levels(), box.repeat(1, 400, 1), truth, n=4)
        assert loss.item() == pytest.approx(0, abs=1e-5) if expected == 0 else loss > 1


def test_the_mask_of_the_true_kind_alone_is_asked() -> None:
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 20:44, 8:32] = 2  # the second kind, which fills its box
    truth = label_instances(label, KINDS)
    proposals = truth.boxes[:, 1:].repeat(1, 9, 1)
    for pixel, right in (([-30.0, 30.0], True), ([30.0, -30.0], False)):
        *_, loss = _answering(_heads(), [0.0] * 3, [0.0] * 8, pixel).losses(_levels(), proposals, truth)
        assert loss.item() == pytest.approx(0 if right else 30, abs=1e-6)


def test_the_mask_is_that_within_the_box() -> None:
    """A box of twice the mask's extent along x: half of its bins are inside."""
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 16:30, 16:32] = 1
    truth = label_instances(label, [(1,)])
    heads = _answering(_heads(), [0.0] * 3, [0.0] * 8, [30.0, 0.0])
    boxes = torch.tensor([[[16.0, 16.0, 44.0, 32.0]]])
    loss = heads._mask_loss(_levels(), boxes, truth, torch.zeros(1, 1, dtype=torch.long), torch.tensor([[True]]))
    assert loss.item() == pytest.approx(15)


def test_unlabelled_pixels_count_for_nothing_in_masks() -> None:
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, 16:30, 16:32] = 1
    label[0, 0, 30:, :] = UNLABELLED
    truth = label_instances(label, [(1,)])
    heads = _answering(_heads(), [0.0] * 3, [0.0] * 8, [30.0, 0.0])
    boxes = torch.tensor([[[16.0, 16.0, 44.0, 32.0]]])
    loss = heads._mask_loss(_levels(), boxes, truth, torch.zeros(1, 1, dtype=torch.long), torch.tensor([[True]]))
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_unlabelled_places_are_not_empty_ones() -> None:
    heads = _answering(_heads(), [-30.0, 0.0, 0.0], [0.0] * 8, [0.0, 0.0])
    label = torch.zeros(1, 1, 64, 64)
    label[0, 0, :, 40:] = UNLABELLED
    losses = heads.losses(_levels(), torch.tensor([[ELSEWHERE]]), label_instances(label, KINDS))
    assert [loss.item() for loss in losses] == [0, 0, 0]


def test_every_parameter_learns() -> None:
    heads = _heads()
    sum(heads.losses(_levels(), torch.tensor([[ELSEWHERE, [22.0, 10.0, 46.0, 34.0]]]), _truth())).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in heads.parameters())
