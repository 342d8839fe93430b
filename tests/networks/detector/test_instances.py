"""Label maps to instances and back."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.core.labels import UNLABELLED
from pipeline.networks.detector.instances import heart_kinds, label_instances, membership, overlaps, semantic_logits

HEART = heart_kinds(4)


def _short_axis() -> torch.Tensor:
    """(1, 1, 6, 8): a cavity of one pixel at (2, 3), its ring, and a right ventricle in two pieces."""
    label = torch.zeros(1, 1, 6, 8, dtype=torch.uint8)
    label[0, 0, 1:4, 2:5] = 2
    label[0, 0, 2, 3] = 1
    label[0, 0, 5, 0:2] = label[0, 0, 4, 6] = 3
    return label


def test_boxes_by_hand() -> None:
    found = label_instances(_short_axis(), HEART)
    assert found.boxes.tolist() == [[[2, 3, 3, 4], [1, 2, 4, 5], [4, 0, 6, 7]]]
    assert found.boxes.dtype == torch.float32
    assert found.present.tolist() == [[True, True, True]]
    assert found.masks.sum(dim=(2, 3)).tolist() == [[1, 9, 3]]
    assert found.labelled.all()


def test_the_whole_heart_is_a_kind_like_any_other() -> None:
    found = label_instances(_short_axis(), [(1, 2, 3)])
    assert found.boxes.tolist() == [[[1, 0, 6, 7]]]
    assert found.masks.sum() == 12


def test_slices_without_a_heart_have_nothing_and_stay_in_the_batch() -> None:
    found = label_instances(torch.cat([torch.zeros_like(_short_axis()), _short_axis()]), HEART)
    assert found.present.tolist() == [[False] * 3, [True] * 3]
    assert found.boxes[0].tolist() == [[0] * 4] * 3
    assert not found.masks[0].any()
    assert found.labelled[0].all()


def test_at_the_images_edge() -> None:
    found = label_instances(torch.full((1, 1, 3, 5), 1), HEART)
    assert found.boxes[0, :2].tolist() == [[0, 0, 3, 5]] * 2


def test_unlabelled_pixels_are_in_no_kind() -> None:
    label = _short_axis()
    label[0, 0, 3] = UNLABELLED
    found = label_instances(label, HEART)
    assert found.boxes[0, 1].tolist() == [1, 2, 3, 5]
    assert found.labelled[0, 0].all(dim=1).tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_any_type_of_label_will_do(dtype: torch.dtype) -> None:
    assert label_instances(_short_axis().to(dtype), HEART).boxes.equal(label_instances(_short_axis(), HEART).boxes)


def test_overlaps_pass_over_absent_kinds() -> None:
    label = _short_axis()
    label[label == 3] = 0
    iou = overlaps(torch.tensor([[[1.0, 2.0, 4.0, 5.0], [0.0, 0.0, 0.0, 0.0]]]), label_instances(label, HEART))
    torch.testing.assert_close(iou, torch.tensor([[[1 / 9, 1.0, -1.0], [0.0, 0.0, -1.0]]]))


@pytest.mark.parametrize("kinds", [HEART, [(1,), (2,), (3,)], [(1, 2, 3), (1, 2), (1,)], [(0, 1, 2), (0, 1), (0,)]])
def test_certain_masks_give_the_label_map_back(kinds: list[tuple[int, ...]]) -> None:
    label = _short_axis()
    found = label_instances(label, kinds)
    assert semantic_logits(found.masks, membership(kinds, 4)).argmax(1, keepdim=True).equal(label.long())


def test_a_class_is_as_likely_as_its_kinds_and_the_others_not() -> None:
    p = torch.tensor([0.7, 0.9, 0.2])
    within = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)
    expected = torch.where(within, p, 1 - p).prod(dim=1)
    softmax = semantic_logits(p.view(1, 3, 1, 1), membership(HEART, 4)).softmax(1).flatten()
    torch.testing.assert_close(softmax, expected / expected.sum())


def test_logits_are_finite_where_masks_are_certain() -> None:
    assert semantic_logits(torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1, 1), membership(HEART, 4)).isfinite().all()


def test_class_0_may_be_the_structure() -> None:
    """As in the study of 2017, where class 0 is the wall and class 1 the rest."""
    logits = semantic_logits(torch.tensor([0.9]).view(1, 1, 1, 1), membership([(0,)], 2))
    torch.testing.assert_close(logits.softmax(1).flatten(), torch.tensor([0.9, 0.1]))


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_the_hearts_kinds_tell_classes_apart(n: int) -> None:
    assert membership(heart_kinds(n), n).shape == (n - 1, n)


@pytest.mark.parametrize(
    "kinds",
    [
        [(1, 2), (3,)],  # 1 and 2 in the same kinds
        [(0,), (1,), (2,), (3,)],  # no background
        [(1,), (2,)],  # 0 and 3 both in none
        [(1,), (1, 2), (3,), (4,)],  # no class 4
        [],
    ],
)
def test_kinds_that_do_not_tell_classes_apart_are_refused(kinds: list[tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match="tell 4 classes apart"):
        membership(kinds, 4)
