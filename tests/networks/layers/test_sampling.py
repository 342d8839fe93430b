"""Boxes drawn for a detector's losses."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.labels import UNLABELLED
from pipeline.networks.detector.instances import label_instances
from pipeline.networks.layers.sampling import Sample, box_loss, draw_sample, labelled_share, masked_mean


def _flags(*numbers: int, n: int = 20) -> torch.Tensor:
    return torch.isin(torch.arange(n), torch.tensor(numbers, dtype=torch.long))


def test_few_positives_are_all_drawn_and_negatives_fill_up() -> None:
    torch.manual_seed(0)
    drawn = draw_sample(_flags(3, 7)[None], _flags(*range(10, 20))[None], n=8, share=0.5)
    assert drawn.positive.tolist() == [[True] * 2 + [False] * 6]
    assert drawn.valid.all()
    assert set(drawn.chosen[0, :2].tolist()) == {3, 7}
    assert len(set(drawn.chosen[0, 2:].tolist())) == 6
    assert set(drawn.chosen[0, 2:].tolist()) <= set(range(10, 20))


def test_many_positives_take_their_share_and_no_more() -> None:
    torch.manual_seed(0)
    drawn = draw_sample(_flags(*range(10))[None], _flags(*range(10, 20))[None], n=8, share=0.25)
    assert drawn.positive.sum() == 2
    assert (drawn.chosen < 10).tolist() == drawn.positive.tolist()


def test_too_few_of_either_leave_the_rest_invalid_in_each_image() -> None:
    positive = torch.stack([_flags(1), _flags(), _flags()])
    negative = torch.stack([_flags(2, 3), _flags(4), _flags()])
    drawn = draw_sample(positive, negative, n=6, share=0.5)
    assert drawn.valid.sum(dim=1).tolist() == [3, 1, 0]
    assert drawn.positive.sum(dim=1).tolist() == [1, 0, 0]
    assert set(drawn.chosen[0][drawn.valid[0]].tolist()) == {1, 2, 3}
    assert drawn.chosen[1][drawn.valid[1]].tolist() == [4]


def test_every_box_has_the_same_chance() -> None:
    torch.manual_seed(0)
    positive, negative = _flags(*range(4), n=8).expand(4000, 8), _flags(*range(4, 8), n=8).expand(4000, 8)
    drawn = draw_sample(positive, negative, n=2, share=0.5)
    assert drawn.valid.all()
    torch.testing.assert_close(drawn.chosen.flatten().bincount() / 4000, torch.full((8,), 0.25), atol=0.03, rtol=0)


def test_fewer_boxes_than_asked_for() -> None:
    drawn = draw_sample(_flags(0, 1, n=3)[None], _flags(2, n=3)[None], n=8, share=0.25)
    assert drawn.positive.tolist() == [[True, True, False]]
    assert drawn.valid.all()


def test_share_of_a_box_that_is_labelled() -> None:
    label = torch.zeros(1, 1, 8, 8)
    label[..., 4:] = UNLABELLED
    boxes = torch.tensor([[[0.0, 0.0, 8.0, 4.0], [0.0, 4.0, 8.0, 8.0], [0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 16.0]]])
    torch.testing.assert_close(labelled_share(boxes, label_instances(label, [(1,)])), torch.tensor([[1, 0, 0.5, 0.25]]))


def test_masked_mean() -> None:
    values = torch.tensor([1.0, 5.0, 9.0])
    assert masked_mean(values, torch.tensor([True, True, False])) == 3
    assert masked_mean(values, torch.zeros(3, dtype=torch.bool)) == 0


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (1.0, (0.5 * 0.25 + 1.5) / 3),
        (0.25, (0.5 - 0.125 + 2 - 0.125) / 3),
    ],  # x^2 / 2 beta within, |x| - beta / 2 beyond
)
def test_box_loss_by_hand(beta: float, expected: float) -> None:
    deltas = torch.tensor([[[0.5, -2.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0], [7.0, 7.0, 7.0, 7.0]]])
    goals = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [float("nan")] * 4, [1.0, 1.0, 1.0, 1.0], [0.0] * 4]])
    drawn = Sample(
        torch.arange(4)[None], torch.tensor([[True, False, True, False]]), torch.tensor([[True, True, True, False]])
    )
    assert box_loss(deltas, goals, drawn, beta=beta).item() == pytest.approx(expected)
