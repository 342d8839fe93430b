"""Augmentation: exact where it does nothing, aligned where it moves, never mirrored, repeatable."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.train.augment import AugmentBatch, CropBatch, Strength

STILL = {name: 0.0 for name in Strength.__dataclass_fields__ if name.startswith("p_")}


def _batch(n: int = 8, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """A wedge without any mirror symmetry, the label where the image is bright."""
    x = torch.arange(size).view(1, 1, -1, 1).float() - size / 2
    y = torch.arange(size).view(1, 1, 1, -1).float() - size / 2
    label = ((x > -8) & (x < 12) & (y > -14) & (y < 0.8 * x)).to(torch.uint8)
    return (3.0 * label.float()).expand(n, 1, -1, -1).clone(), label.expand(n, 1, -1, -1).clone()


def test_nothing_to_do_is_an_exact_crop() -> None:
    image = torch.arange(2 * 100.0).view(2, 1, 10, 10)
    cropped, label = AugmentBatch((4, 6), **STILL)(image, image.to(torch.uint8))
    torch.testing.assert_close(cropped, image[:, :, 3:7, 2:8])
    assert torch.equal(label, image[:, :, 3:7, 2:8].to(torch.uint8))


@pytest.mark.parametrize(
    ("size", "window"), [((4, 5), (slice(3, 7), slice(2, 7))), ((5, 4), (slice(2, 7), slice(3, 7)))]
)
def test_an_odd_number_cut_off_still_gives_the_slices_own_pixels(
    size: tuple[int, int], window: tuple[slice, slice]
) -> None:
    image = torch.arange(81.0).view(1, 1, 9, 9)
    cropped, label = AugmentBatch(size, **STILL)(image, image.to(torch.uint8))
    torch.testing.assert_close(cropped, image[(..., *window)])
    assert torch.equal(label, image[(..., *window)].to(torch.uint8))


def test_window_larger_than_the_slice_is_padded_with_its_lowest_value() -> None:
    image = torch.full((1, 1, 4, 4), 2.0)
    image[0, 0, 1, 1] = -1.0
    padded, label = AugmentBatch((8, 8), **STILL)(image, torch.ones(1, 1, 4, 4, dtype=torch.uint8))
    assert padded[0, 0, 0, 0] == -1.0
    torch.testing.assert_close(padded[:, :, 2:6, 2:6], image)
    assert label.sum() == 16


def test_a_stack_turned_over_swaps_the_neighbours() -> None:
    stack = torch.arange(3 * 16.0).view(1, 3, 4, 4)
    label = torch.ones(1, 1, 4, 4, dtype=torch.uint8)
    turned, same = AugmentBatch((4, 4), **STILL | {"p_stack_turn": 1.0})(stack, label)
    torch.testing.assert_close(turned, stack[:, [2, 1, 0]])
    assert torch.equal(same, label)
    torch.testing.assert_close(AugmentBatch((4, 4), **STILL)(stack, label)[0], stack)


def test_labels_of_a_stack_turn_over_with_it() -> None:
    stack, labels = torch.randn(8, 3, 4, 4), torch.arange(3).view(1, 3, 1, 1).expand(8, 3, 4, 4)
    turned, turned_labels = AugmentBatch((4, 4), **STILL | {"p_stack_turn": 0.5})(stack, labels)
    for sample in range(8):
        over = bool(turned_labels[sample, 0, 0, 0] == 2)
        torch.testing.assert_close(turned[sample], stack[sample].flip(0) if over else stack[sample])
        torch.testing.assert_close(turned_labels[sample], labels[sample].flip(0) if over else labels[sample])


def test_label_follows_its_image() -> None:
    torch.manual_seed(0)
    image, label = AugmentBatch((64, 64), **(STILL | {"p_spatial": 1.0}))(*_batch(16))
    assert label.dtype == torch.uint8
    agreement = ((image > 1.5) == (label > 0)).float().mean((1, 2, 3))
    assert agreement.min() > 0.985


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    image, label = _batch(1)
    augment = AugmentBatch((64, 64), rotation=math.pi / 2, scale=0.0, shift=0.0, **(STILL | {"p_spatial": 1.0}))
    angles = []
    for seed in range(40):
        torch.manual_seed(seed)
        angles.append(augment(image, label)[0])
    torch.manual_seed(0)
    assert max((turned - image.rot90(-1, (2, 3))).abs().mean().item() for turned in angles) > 0.1
    assert min((turned - image.rot90(1, (2, 3))).abs().mean().item() for turned in angles) < 0.1


def test_quarter_turns_are_exact_and_of_all_three_kinds() -> None:
    torch.manual_seed(0)
    image, label = _batch(32)
    turned, marks = AugmentBatch((64, 64), **(STILL | {"p_quarter_turn": 1.0}))(image, label)
    kinds = set()
    for picture, mark in zip(turned, marks, strict=True):
        fits = [k for k in (1, 2, 3) if torch.allclose(picture, image[0].rot90(k, (1, 2)), atol=1e-3)]
        assert len(fits) == 1
        assert torch.equal(mark, label[0].rot90(fits[0], (1, 2)))
        kinds.add(fits[0])
    assert kinds == {1, 2, 3}


def test_bending_keeps_image_and_label_together_and_moves_no_further_than_it_may() -> None:
    torch.manual_seed(0)
    image, label = _batch(16)
    bent, marks = AugmentBatch((64, 64), elastic=0.05, **(STILL | {"p_elastic": 1.0}))(image, label)
    assert ((bent > 1.5) == (marks > 0)).float().mean((1, 2, 3)).min() > 0.985
    assert (marks != label).flatten(1).any(1).all()
    far = functional.max_pool2d(label.float(), 2 * 4 + 1, stride=1, padding=4)  # 0.05 x 64 = 3.2 pixels along each axis
    assert not (marks.bool() & ~far.bool()).any()


def test_bending_folds_nothing_over() -> None:
    torch.manual_seed(0)
    rising = torch.arange(64.0).view(1, 1, -1, 1).expand(64, 1, 64, 64).contiguous()
    augment = AugmentBatch((64, 64), elastic=0.05, **(STILL | {"p_elastic": 1.0}))
    inner = augment(rising, rising.to(torch.uint8))[0][:, 0, 6:-6, 6:-6]
    assert inner.diff(dim=1).min() > 0


def test_the_blur_is_binomial() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 256.0
    spread = AugmentBatch((9, 9), **(STILL | {"p_blur": 1.0}))(image, image.to(torch.uint8))[0][0, 0]
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    sharp = torch.zeros(5, 5)
    sharp[2, 2] = 256.0
    soft = torch.outer(row, row)
    weight = spread[2, 2] / soft[0, 0]
    assert 0 < weight < 1
    torch.testing.assert_close(spread[2:7, 2:7], (1 - weight) * sharp + weight * soft)


def test_a_ghost_lies_half_a_field_away_along_one_axis() -> None:
    torch.manual_seed(0)
    image = torch.zeros(32, 1, 8, 8)
    image[:, 0, 1, 2] = 1.0
    ghosted = AugmentBatch((8, 8), **(STILL | {"p_ghosting": 1.0}))(image, image.to(torch.uint8))[0][:, 0]
    along_x, along_y = ghosted[:, 5, 2] > 0, ghosted[:, 1, 6] > 0
    assert torch.equal(along_x, ~along_y)
    assert along_x.any()
    assert along_y.any()
    torch.testing.assert_close(ghosted.sum((1, 2)), torch.ones(32))


def test_unlabelled_pixels_stay_unlabelled_and_outside_is_background() -> None:
    torch.manual_seed(0)
    label = torch.full((16, 1, 40, 40), 255, dtype=torch.uint8)
    _, moved = AugmentBatch((64, 64))(torch.zeros(16, 1, 40, 40), label)
    assert set(moved.unique().tolist()) == {0, 255}


def test_area_changes_by_the_square_of_the_scale_and_no_further() -> None:
    torch.manual_seed(0)
    _, label = _batch(64)
    augment = AugmentBatch((64, 64), scale=0.2, rotation=0.0, shift=0.0, **(STILL | {"p_spatial": 1.0}))
    ratio = augment(label.float(), label)[1].sum((1, 2, 3)) / label.sum((1, 2, 3))
    assert 0.8**2 * 0.9 < 1 / ratio.max() < 0.85
    assert 1.15 < 1 / ratio.min() < 1.2**2 * 1.1


def test_handedness_never_changes() -> None:
    """Three blobs of labels 1, 2, 3 keep their sense of rotation under every change of place."""
    torch.manual_seed(1)
    label = torch.zeros(64, 1, 96, 96, dtype=torch.uint8)
    for value, (x, y) in enumerate(((36, 40), (60, 44), (50, 64)), start=1):
        label[:, :, x - 4 : x + 4, y - 4 : y + 4] = value
    augment = AugmentBatch((96, 96), p_quarter_turn=0.5, p_elastic=0.5)
    _, moved = augment(label.float(), label)
    centres = torch.stack([torch.stack([(m == v).nonzero().float().mean(0)[-2:] for v in (1, 2, 3)]) for m in moved])
    first, second = centres[:, 1] - centres[:, 0], centres[:, 2] - centres[:, 0]
    assert ((first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) > 0).all()


def test_intensities_stay_sane_and_samples_differ() -> None:
    torch.manual_seed(0)
    image = torch.randn(32, 1, 64, 64)
    changed, _ = AugmentBatch((64, 64))(image, torch.zeros(32, 1, 64, 64, dtype=torch.uint8))
    assert torch.isfinite(changed).all()
    assert changed.abs().max() < 20
    assert not torch.allclose(changed, image)


@pytest.mark.parametrize("name", ["p_gamma", "p_contrast", "p_brightness", "p_bias", "p_ghosting", "p_noise", "p_blur"])
def test_each_change_acts_alone_on_the_image_alone(name: str) -> None:
    torch.manual_seed(0)
    image, label = torch.randn(4, 1, 32, 32), torch.randint(0, 4, (4, 1, 32, 32), dtype=torch.uint8)
    changed, same = AugmentBatch((32, 32), **(STILL | {name: 1.0}))(image, label)
    assert torch.equal(same, label)
    assert ((changed - image).abs().amax((1, 2, 3)) > 1e-3).all()


def test_the_seed_repeats_a_batch() -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(AugmentBatch((48, 48))(*_batch()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="2 positive"):
        AugmentBatch((0, 5))
    with pytest.raises(ConfigError, match="rotatoin"):
        AugmentBatch((5, 5), rotatoin=1.0)


def test_random_crops_are_whole_pixels_of_every_place() -> None:
    torch.manual_seed(0)
    image = torch.arange(36.0).view(1, 1, 6, 6).expand(64, 1, 6, 6)
    crops, labels = CropBatch((4, 5))(image, image.to(torch.uint8))
    assert crops.shape == (64, 1, 4, 5)
    assert torch.equal(crops.to(torch.uint8), labels)
    corners = set(crops[:, 0, 0, 0].int().tolist())
    assert corners == {6 * x + y for x in range(3) for y in range(2)}
    torch.testing.assert_close(crops[0, 0, 1, 1] - crops[0, 0, 0, 0], torch.tensor(7.0))


def test_a_crop_larger_than_its_slice_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs slices as large"):
        CropBatch((7, 4))(torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6))
