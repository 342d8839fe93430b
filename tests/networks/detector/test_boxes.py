"""Arithmetic of boxes: by hand, and against MONAI's."""

from __future__ import annotations

import pytest
import torch
from monai.apps.detection.utils.box_coder import BoxCoder
from monai.data.box_utils import box_iou, clip_boxes_to_image, non_max_suppression

from pipeline.networks.detector.boxes import clip_boxes, decode_boxes, encode_boxes, pairwise_iou, suppress

ONE = (1.0, 1.0, 1.0, 1.0)


def _random_boxes(*shape: int, extent: float = 40.0) -> torch.Tensor:
    low = extent * torch.rand(*shape, 2)
    return torch.cat([low, low + 1 + extent / 2 * torch.rand(*shape, 2)], dim=-1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_iou_by_hand() -> None:
    box = torch.tensor([[0.0, 0.0, 4.0, 2.0]])
    others = torch.tensor([[0.0, 0.0, 4.0, 2.0], [2.0, 1.0, 6.0, 3.0], [4.0, 0.0, 8.0, 2.0], [1.0, 1.0, 2.0, 2.0]])
    # the second shares 2 x 1 of 8 + 8 - 2; the third touches; the fourth lies within
    torch.testing.assert_close(pairwise_iou(box, others), torch.tensor([[1.0, 2 / 14, 0.0, 1 / 8]]))


def test_iou_of_empty_boxes_is_0() -> None:
    assert pairwise_iou(torch.zeros(1, 4), torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])).tolist() == [
        [0, 0]
    ]


def test_iou_is_monais_in_each_image_of_a_batch() -> None:
    boxes, others = _random_boxes(2, 7), _random_boxes(2, 5)
    for index, iou in enumerate(pairwise_iou(boxes, others)):
        torch.testing.assert_close(iou, box_iou(boxes[index], others[index]))


def test_encoding_by_hand() -> None:
    reference, box = torch.tensor([0.0, 0.0, 10.0, 20.0]), torch.tensor([5.0, 0.0, 25.0, 10.0])
    # centres (5, 10) -> (15, 5): shifts 10 / 10 and -5 / 20; sizes doubled and halved
    log2 = 0.6931472
    torch.testing.assert_close(encode_boxes(box, reference, ONE), torch.tensor([1.0, -0.25, log2, -log2]))
    torch.testing.assert_close(
        encode_boxes(box, reference, (10, 10, 5, 5)), torch.tensor([10.0, -2.5, 5 * log2, -5 * log2])
    )


def test_decoding_undoes_encoding() -> None:
    boxes, references, weights = _random_boxes(2, 9), _random_boxes(2, 9), (10.0, 10.0, 5.0, 5.0)
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, references, weights), references, weights), boxes)


def test_both_are_monais_with_the_growth_bounded_alike() -> None:
    boxes, references = _random_boxes(9), _random_boxes(9)
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    torch.testing.assert_close(encode_boxes(boxes, references, coder.weights), coder.encode_single(boxes, references))
    deltas = 20 * torch.randn(9, 4)
    assert (deltas[:, 2:] / 5 > 4.14).any()
    torch.testing.assert_close(decode_boxes(deltas, references, coder.weights), coder.decode_single(deltas, references))


def test_growth_is_bounded() -> None:
    grown = decode_boxes(torch.tensor([0.0, 0.0, 50.0, 0.0]), torch.tensor([0.0, 0.0, 2.0, 2.0]), ONE)
    torch.testing.assert_close(grown, torch.tensor([1 - 62.5, 0.0, 1 + 62.5, 2.0]))


def test_an_empty_box_encodes_to_finite_numbers() -> None:
    assert encode_boxes(torch.zeros(4), torch.zeros(4), ONE).tolist() == [0, 0, 0, 0]


def test_clipping_is_monais() -> None:
    boxes = _random_boxes(2, 9) - 10
    for index, clipped in enumerate(clip_boxes(boxes, (20, 30))):
        expected, _ = clip_boxes_to_image(boxes[index], (20, 30), remove_empty=False)
        torch.testing.assert_close(clipped, expected)


def test_clipping_follows_the_axes_order() -> None:
    assert clip_boxes(torch.tensor([[0.0, 0.0, 99.0, 99.0]]), (5, 7)).tolist() == [[0, 0, 5, 7]]


def test_suppression_by_hand() -> None:
    # the second overlaps with the first by 9 / 11, the third with the second by 9 / 11 but with the first by 8 / 12
    boxes = torch.tensor([[0.0, 0.0, 10.0, 1.0], [1.0, 0.0, 11.0, 1.0], [2.0, 0.0, 12.0, 1.0]]).unsqueeze(0)
    scores = torch.tensor([[3.0, 2.0, 1.0]])
    assert suppress(boxes, scores, n_kept=2, threshold=0.7).tolist() == [[0, 2]]  # who is gone suppresses no one
    assert suppress(boxes, scores, n_kept=2, threshold=0.6).tolist() == [[0, 0]]
    assert suppress(boxes, scores, n_kept=3, threshold=0.9).tolist() == [[0, 1, 2]]


def test_suppression_is_monais_in_each_image_of_a_batch() -> None:
    boxes, scores = _random_boxes(3, 60), torch.randn(3, 60)
    for index, kept in enumerate(suppress(boxes, scores, n_kept=60, threshold=0.4)):
        expected = non_max_suppression(boxes[index], scores[index], 0.4).tolist()
        assert 5 < len(expected) < 55
        assert kept.tolist() == expected + expected[:1] * (60 - len(expected))


def test_empty_boxes_are_kept_once() -> None:
    assert suppress(torch.zeros(1, 2, 4), torch.tensor([[1.0, 2.0]]), n_kept=3, threshold=0.5).tolist() == [[1, 0, 1]]
