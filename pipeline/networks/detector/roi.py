"""Regions of interest: features out of boxes, and masks back onto the image.

He, Gkioxari, Dollar, Girshick: Mask R-CNN, arXiv 1703.06870, 2017. Boxes are those of `networks.detector.boxes`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["paste_masks", "pyramid_level", "roi_align"]

_LEAST_PIXELS = 1e-3
_LEAST_CELLS = 14
"""A box of 224 pixels lies on the map of stride 16 (Lin et al., arXiv 1612.03144, 2017, equation 1)."""


def pyramid_level(boxes: torch.Tensor, strides: Sequence[int]) -> torch.Tensor:
    """Index of the level that a box's features come from: the square root of its area spans 14 to 28 cells there.

    Args:
        boxes: (..., 4).
        strides: pixels a cell of each level, finest first, each twice the one before.

    Returns:
        (...) integers, the first or last level for smaller or larger boxes.

    >>> pyramid_level(torch.tensor([[0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 112.0, 112.0]]), (4, 8)).tolist()
    [0, 1]
    """
    edge = (boxes[..., 2:] - boxes[..., :2]).clamp(min=_LEAST_PIXELS).prod(dim=-1).sqrt()
    return (edge / (_LEAST_CELLS * strides[0])).log2().floor().clamp(0, len(strides) - 1).long()


def roi_align(
    levels: Sequence[torch.Tensor],
    boxes: torch.Tensor,
    *,
    size: int,
    strides: Sequence[int] = (1,),
    samples: int = 2,
) -> torch.Tensor:
    """RoIAlign: cut each box into size x size bins, each the mean of bilinear samples. Coordinates are not rounded.

    Cell i of a map covers the pixels i * stride to (i + 1) * stride. Samples beyond the centres of the outermost cells
    take these cells' values.

    Args:
        levels: maps (N, C, ., .), finest first. A box is cut out of its `pyramid_level`.
        boxes: (N, R, 4).
        size: bins along each axis.
        strides: of the levels.
        samples: along each axis of a bin.

    Returns:
        (N, R, C, size, size) float32.

    >>> image = torch.arange(16.0).view(1, 1, 4, 4)
    >>> roi_align([image], torch.tensor([[[1.0, 1.0, 3.0, 3.0]]]), size=2, samples=1).tolist()
    [[[[[5.0, 6.0], [9.0, 10.0]]]]]
    """
    atlas = _side_by_side(levels)
    cells = _sample_cells(levels, boxes, strides, n=size * samples)
    rows, columns = ((2 * cells + 1) / cells.new_tensor(atlas.shape[2:]) - 1).unbind(dim=-1)
    n_images, n_boxes, n = rows.shape
    shape = (n_images, n_boxes, n, n)
    # grid_sample names the last axis first, and its extent is -1 to 1
    grid = torch.stack([columns.unsqueeze(2).expand(shape), rows.unsqueeze(3).expand(shape)], dim=-1)
    sampled = functional.grid_sample(atlas, grid.flatten(1, 2), align_corners=False)
    bins = sampled.unflatten(2, (n_boxes, size, samples)).unflatten(5, (size, samples)).mean(dim=(4, 6))
    return bins.transpose(1, 2)


def paste_masks(masks: torch.Tensor, boxes: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resample masks bilinearly from their boxes' grids to the image's.

    Args:
        masks: (N, R, m, m), 0 to 1.
        boxes: (N, R, 4).
        size: (X, Y) of the image.

    Returns:
        (N, R, X, Y), 0 at pixels whose centre is outside the box.

    >>> box = torch.tensor([[[1.0, 0.0, 3.0, 1.0]]])
    >>> paste_masks(torch.ones(1, 1, 2, 2), box, (4, 2)).tolist()
    [[[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]]]
    """
    n_images, n_boxes, edge = masks.shape[:3]
    along = []
    for axis in (0, 1):
        low, high = boxes[..., axis, None], boxes[..., 2 + axis, None]
        centres = torch.arange(size[axis], device=boxes.device) + 0.5
        along.append((2 * (centres - low) / (high - low).clamp(min=_LEAST_PIXELS) - 1).flatten(0, 1))
    rows, columns = along
    shape = (len(rows), size[0], size[1])
    grid = torch.stack([columns.unsqueeze(1).expand(shape), rows.unsqueeze(2).expand(shape)], dim=-1)
    flat = masks.float().reshape(n_images * n_boxes, 1, edge, edge)
    pasted = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(dim=-1).unsqueeze(1)
    return (pasted * inside).reshape(n_images, n_boxes, size[0], size[1])


def _side_by_side(levels: Sequence[torch.Tensor]) -> torch.Tensor:
    """All levels in one float32 map, one behind the other along X and padded along Y, so that one call samples all."""
    widest = max(level.shape[3] for level in levels)
    return torch.cat([functional.pad(level.float(), (0, widest - level.shape[3])) for level in levels], dim=2)


def _sample_cells(
    levels: Sequence[torch.Tensor], boxes: torch.Tensor, strides: Sequence[int], *, n: int
) -> torch.Tensor:
    """Positions of the n samples along each axis of `_side_by_side`, in cells: (N, R, n, 2), never between levels."""
    sizes = boxes.new_tensor([level.shape[2:] for level in levels])
    starts = functional.pad(sizes.cumsum(0)[:-1, :1], (0, 1, 1, 0))
    level = pyramid_level(boxes, strides)
    low, high = (boxes / boxes.new_tensor(strides)[level].unsqueeze(-1)).unsqueeze(2).chunk(2, dim=-1)
    places = (torch.arange(n, device=boxes.device) + 0.5) / n
    cells = (low + (high - low) * places.unsqueeze(-1) - 0.5).clamp(min=0)
    return torch.minimum(cells, sizes[level].unsqueeze(2) - 1) + starts[level].unsqueeze(2)
