"""RoIAlign and its inverse: by hand, and on images that bilinear sampling gives back exactly."""

from __future__ import annotations

import pytest
import torch

from pipeline.networks.detector.roi import paste_masks, pyramid_level, roi_align


def _linear(size: tuple[int, int], stride: int = 1) -> torch.Tensor:
    """A map (1, 1, X, Y) whose cells hold 2 x + 3 y + 1 at their centres in pixels."""
    x, y = (stride * (torch.arange(n) + 0.5) for n in size)
    return (2 * x[:, None] + 3 * y[None] + 1)[None, None]


def _bin_centres(low: float, high: float, size: int) -> torch.Tensor:
    return low + (torch.arange(size) + 0.5) * (high - low) / size


def test_bins_on_pixels_by_hand() -> None:
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])[None, None]
    box = torch.tensor([[[1.0, 0.0, 3.0, 2.0]]])  # rows 1 and 2, columns 0 and 1
    assert roi_align([image], box, size=2, samples=1).tolist() == [[[[[4.0, 5.0], [7.0, 8.0]]]]]
    assert roi_align([image], box, size=1, samples=2).item() == 6.0  # their mean


def test_half_a_pixel_is_half_of_each_by_hand() -> None:
    image = torch.tensor([[0.0, 10.0, 20.0, 30.0]]).expand(4, 4)[None, None]
    box = torch.tensor([[[0.0, 0.5, 4.0, 2.5]]])
    assert roi_align([image], box, size=2, samples=1)[0, 0, 0].tolist() == [[5.0, 15.0], [5.0, 15.0]]


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 4])
def test_a_linear_image_is_given_back_exactly(samples: int, stride: int) -> None:
    image = _linear((16, 12), stride)
    x0, y0, x1, y1 = (stride * edge for edge in (2.3, 1.7, 9.1, 10.9))
    bins = roi_align([image], torch.tensor([[[x0, y0, x1, y1]]]), size=7, strides=(stride,), samples=samples)
    x, y = _bin_centres(x0, x1, 7), _bin_centres(y0, y1, 7)
    torch.testing.assert_close(bins[0, 0, 0], 2 * x[:, None] + 3 * y[None] + 1)


def test_beyond_the_outermost_centres_the_edge_goes_on() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    bins = roi_align([image], torch.tensor([[[-4.0, -4.0, 6.0, 6.0]]]), size=5, samples=1)[0, 0, 0]
    assert bins[0, 0] == 1
    assert bins[0, 4] == 2
    assert bins[4, 0] == 3
    assert bins[4, 4] == 4


def test_level_is_that_of_the_papers_equation() -> None:
    # k = floor(4 + log2(edge / 224)), with stride 4 at k = 2: 224 lies at stride 16
    edges = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 2000.0])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), edges, edges], dim=1)
    expected = (4 + (edges / 224).log2()).floor().clamp(2, 5).long() - 2
    assert pyramid_level(boxes, (4, 8, 16, 32)).tolist() == expected.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_level_follows_the_area() -> None:
    assert pyramid_level(torch.tensor([0.0, 0.0, 56.0, 224.0]), (4, 8)) == 1
    assert pyramid_level(torch.zeros(4), (4, 8)) == 0


def test_each_box_is_cut_from_its_own_level() -> None:
    """Levels of different sizes, told apart by their values; a box that reaches over the edge meets no other level."""
    levels = [torch.full((1, 1, n, n + 2), float(value)) for n, value in ((40, 1), (20, 2), (10, 3))]
    boxes = torch.tensor(
        [[[0.0, 0.0, 30, 30], [-50, -50, 400, 400], [0, 0, 70, 70], [-9, 100, 20, 200], [20, 20, 80, 80]]]
    )
    bins = roi_align(levels, boxes, size=3, strides=(4, 8, 16))
    assert [sorted(set(one.flatten().tolist())) for one in bins[0].round(decimals=4)] == [[1], [3], [1], [1], [1]]
    larger = roi_align(levels, boxes * 2, size=3, strides=(4, 8, 16))
    assert [one.mean().round().item() for one in larger[0]] == [1, 3, 2, 1, 2]


def test_several_levels_of_one_linear_image_agree() -> None:
    levels = [_linear((128 // stride, 160 // stride), stride) for stride in (4, 8)]
    boxes = torch.tensor([[[10.0, 20.0, 90.0, 70.0], [10.0, 20.0, 120.0, 150.0]]])
    assert pyramid_level(boxes, (4, 8)).tolist() == [[0, 1]]
    bins = roi_align(levels, boxes, size=7, strides=(4, 8))
    for box, one in zip(boxes[0], bins[0, :, 0], strict=True):
        x, y = _bin_centres(box[0], box[2], 7), _bin_centres(box[1], box[3], 7)
        torch.testing.assert_close(one, 2 * x[:, None] + 3 * y[None] + 1)


def test_images_of_a_batch_and_channels_keep_apart() -> None:
    torch.manual_seed(0)
    image, boxes = torch.randn(2, 3, 8, 9), torch.tensor([[[0.0, 1.0, 4.0, 6.0]], [[2.0, 2.0, 7.0, 5.0]]])
    bins = roi_align([image], boxes, size=4)
    assert bins.shape == (2, 1, 3, 4, 4)
    for n in range(2):
        for channel in range(3):
            alone = roi_align([image[n, channel][None, None]], boxes[n, None], size=4)
            torch.testing.assert_close(bins[n, 0, channel], alone[0, 0, 0])


def test_gradient_reaches_the_four_neighbours_of_a_sample() -> None:
    image = torch.zeros(1, 1, 4, 4, requires_grad=True)
    roi_align([image], torch.tensor([[[1.0, 1.0, 2.5, 2.5]]]), size=1, samples=1).sum().backward()  # at (1.75, 1.75)
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = torch.tensor([[0.75 * 0.75, 0.75 * 0.25], [0.25 * 0.75, 0.25 * 0.25]])
    torch.testing.assert_close(image.grad[0, 0], expected)


def test_no_boxes_give_no_bins() -> None:
    assert roi_align([torch.zeros(1, 3, 4, 4)], torch.zeros(1, 0, 4), size=2).shape == (1, 0, 3, 2, 2)


def test_pasting_by_hand() -> None:
    # two bins of two pixels each along x, one of two pixels along y; centres at 0.25, 0.75, 1.25, 1.75 bins
    mask = torch.tensor([[[[0.0, 0.0], [1.0, 1.0]]]])
    pasted = paste_masks(mask, torch.tensor([[[1.0, 2.0, 5.0, 4.0]]]), (6, 5))[0, 0]
    assert pasted[:, 2].tolist() == [0.0, 0.0, 0.25, 0.75, 1.0, 0.0]
    assert pasted[3].tolist() == [0.0, 0.0, 0.75, 0.75, 0.0]


def test_pasting_back_what_was_cut_out_is_the_identity_within_the_box() -> None:
    image = _linear((20, 18))
    box = torch.tensor([[[4.0, 3.0, 14.0, 15.0]]])
    pasted = paste_masks(roi_align([image], box, size=24)[:, :, 0], box, (20, 18))[0, 0]
    torch.testing.assert_close(pasted[5:13, 4:14], image[0, 0, 5:13, 4:14])
    assert (
        pasted[:4].abs().sum()
        == pasted[:, :3].abs().sum()
        == pasted[14:].abs().sum()
        == pasted[:, 15:].abs().sum()
        == 0
    )


def test_an_empty_box_pastes_nothing_but_numbers() -> None:
    assert paste_masks(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 4), (3, 3)).tolist() == [[[[0.0] * 3] * 3]]
