"""A label map onto its image's grid: by what both headers say, or voxel by voxel where the label's has lost it.

A label's affine is *lost* where it has no position or no spacing: the identity and its mirror images, which programs
write that were given an array alone, and anything along the axes with its origin at exactly 0.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.labels import UNLABELLED, is_structure

__all__ = ["lay_on_grid", "lay_on_phases"]

_SAME = 0.5
"""Of a voxel: grids whose corner voxels lie closer than this along each axis are one grid, rounded otherwise."""
_OUTSIDE = 0.01
"""Fraction of what is drawn that may lie outside the image: a label may be cut with less care than its image."""


def lay_on_phases(labels: np.ndarray, n_phases: int, drawn_phases: list[int] | None) -> np.ndarray:
    """Give a label map the phases of its image.

    Args:
        labels: (T, X, Y, Z) uint8, our values.
        n_phases: of the image.
        drawn_phases: 0-based phases that somebody has drawn, where stated. A label of as many phases holds those alone.

    Returns:
        (n_phases, X, Y, Z), unlabelled in phases that the label does not have.

    Raises:
        GridError: another number of phases, and nobody says which they are.

    >>> lay_on_phases(np.ones((1, 1, 1, 1), np.uint8), 3, [1]).ravel().tolist()
    [255, 1, 255]
    """
    if len(labels) == n_phases:
        return labels
    if drawn_phases is None or len(drawn_phases) != len(labels) or not set(drawn_phases) <= set(range(n_phases)):
        have, want = (f"{n} phase{'s' * (n > 1)}" for n in (len(labels), n_phases))
        raise GridError(
            f"label and image must have the same phases, got {have} and {want}; draw on the cine, pair the label with "
            "the image of its phase, or state `drawn_phases`, the label's phases in the cine from 0"
        )
    laid = np.full((n_phases, *labels.shape[1:]), UNLABELLED, dtype=np.uint8)
    laid[sorted(drawn_phases)] = labels
    return laid


def lay_on_grid(labels: np.ndarray, grid: Grid | None, image: Grid) -> tuple[np.ndarray, tuple[str, ...]]:
    """Lay a label map onto its image's grid.

    Args:
        labels: (T, X, Y, Z) uint8, our values.
        grid: the label's own; `None` where its header says nothing that can be believed.
        image: the image's.

    Returns:
        (T, *image.shape) uint8, `UNLABELLED` where the label does not reach; and a sentence on what was done, if
        anything was. Grids that differ in the order or direction of their axes alone lose no voxel; between others each
        voxel takes the value of the nearest one.

    Raises:
        GridError: the two cannot be brought together, or what is drawn would be lost.
    """
    same_shape = labels.shape[1:] == image.shape
    if grid is None:
        _require(
            same_shape, f"a label whose header contradicts itself must have its image's shape {image.shape}", labels
        )
        return labels, ()
    to_label = np.linalg.inv(grid.affine) @ image.affine
    if same_shape and _corners_apart(to_label, image.shape) <= _SAME:
        return labels, ()
    if _is_turned(to_label, grid.shape, image.shape):
        return _sample(labels, to_label, image.shape), ("stored along other axes than its image; turned onto its grid",)
    if same_shape and _is_lost(grid):
        return _by_index(labels, grid, image)
    if same_shape and _is_lost(image):
        return _by_index_beside_lost_image(labels, grid, image)
    if not same_shape and _is_lost(grid):
        wanted = f"a label without a position of its own must have its image's shape {image.shape} or extent"
        _require(_covers(to_label, grid.shape, image.shape), wanted, labels)
    return _move(labels, to_label, grid, image)


def _by_index(labels: np.ndarray, grid: Grid, image: Grid) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label has no position: its image's is taken, unless the label alone states a spacing that can be believed."""
    taken = "its affine is lost; the image's is taken, for their shapes agree"
    if _states_nothing(grid) or _agree_on_spacing(grid, image):
        return labels, (taken,)
    if _is_lost(image):
        return _by_index_beside_lost_image(labels, grid, image)
    stated, other = (_spell(one.spacing_mm) for one in (grid, image))
    return labels, (f"{taken}, though it states a spacing of {stated} mm and its image {other} mm",)


def _by_index_beside_lost_image(labels: np.ndarray, grid: Grid, image: Grid) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label's header knows more than the image's: of use where they agree on the spacing, else nothing is sure."""
    if _agree_on_spacing(grid, image):
        return labels, ("its image has no position; they are taken as one grid, for shapes and spacings agree",)
    stated, lost = (_spell(one.spacing_mm) for one in (grid, image))
    raise GridError(
        f"image and label must state one spacing, but the image's affine is lost ({lost} mm) and the label states "
        f"another ({stated} mm); correct the image's header"
    )


def _move(labels: np.ndarray, to_label: np.ndarray, grid: Grid, image: Grid) -> tuple[np.ndarray, tuple[str, ...]]:
    """By position; refused where more than a little of what is drawn would fall off the image."""
    outside = _share_outside(labels, np.linalg.inv(to_label), image.shape)
    if outside > _OUTSIDE:
        raise GridError(
            f"a label must lie on its image, but {outside:.0%} of what is drawn lies outside by the affines; copy the "
            "image's header to the label if it was drawn on this image"
        )
    moved = _sample(labels, to_label, image.shape)
    if is_structure(labels).any() and not is_structure(moved).any():
        raise GridError("a label must lie on its image, but all that is drawn lies between the image's slices")
    from_to = " to ".join(f"{_spell(one.shape)} voxels of {_spell(one.spacing_mm)} mm" for one in (grid, image))
    reached = float(_nearest(to_label, grid.shape, image.shape)[1].mean())
    rest = f"; it covers {reached:.0%} of its image, the rest is unlabelled" if reached < 1 else ""
    return moved, (f"moved onto its image's grid by the affines, from {from_to}{rest}",)


def _nearest(
    to_label: np.ndarray, label_shape: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """For each voxel of the image the nearest one of the label (3, X, Y, Z), and whether it lies in that voxel."""
    places = np.indices(shape).reshape(3, -1)
    found = np.rint(to_label[:3, :3] @ places + to_label[:3, 3:]).astype(np.int64)
    limits = np.array(label_shape)[:, None]
    inside = ((found >= 0) & (found < limits)).all(axis=0)
    return found.clip(0, limits - 1).reshape(3, *shape), inside.reshape(shape)


def _sample(labels: np.ndarray, to_label: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    (i, j, k), inside = _nearest(to_label, labels.shape[1:], shape)
    return np.where(inside, labels[:, i, j, k], np.uint8(UNLABELLED))


def _share_outside(labels: np.ndarray, to_image: np.ndarray, shape: tuple[int, ...]) -> float:
    """Fraction of the drawn voxels whose centres lie outside the image."""
    drawn = np.argwhere(is_structure(labels))[:, 1:].T
    if not drawn.size:
        return 0.0
    places = to_image[:3, :3] @ drawn + to_image[:3, 3:]
    return float(((places < -0.5) | (places > np.array(shape)[:, None] - 0.5)).any(axis=0).mean())


def _corners(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the corner voxels, (4, 8)."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    return np.vstack([corners, np.ones(8)])


def _corners_apart(to_label: np.ndarray, shape: tuple[int, ...]) -> float:
    """By how many voxels, along any axis, the corners of two grids of one shape are apart."""
    corners = _corners(shape)
    return float(np.abs((to_label @ corners - corners)[:3]).max())


def _is_turned(to_label: np.ndarray, label_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether both grids have the same voxels in another order: axes swapped or reversed."""
    linear = to_label[:3, :3]
    order = np.abs(np.rint(linear)).astype(int)
    if not ((order.sum(axis=0) == 1).all() and (order.sum(axis=1) == 1).all()):
        return False
    if tuple(order @ np.array(shape)) != tuple(label_shape):
        return False
    found = (to_label @ _corners(shape))[:3]
    wanted = np.sort(_corners(label_shape)[:3], axis=1)
    return bool(np.abs(np.sort(found, axis=1) - wanted).max() <= _SAME)


def _is_lost(grid: Grid) -> bool:
    linear, origin = grid.affine[:3, :3], grid.affine[:3, 3]
    along_axes = np.allclose(linear, np.diag(np.diag(linear)), atol=1e-6)
    return bool(along_axes and (np.allclose(origin, 0.0, atol=1e-6) or np.allclose(np.abs(linear), np.eye(3))))


def _states_nothing(grid: Grid) -> bool:
    """Whether a lost affine does not even state a spacing."""
    return bool(np.allclose(grid.spacing_mm, 1.0))


def _agree_on_spacing(grid: Grid, image: Grid) -> bool:
    return bool(np.allclose(grid.spacing_mm, image.spacing_mm, rtol=1e-2))


def _covers(to_label: np.ndarray, label_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether the label's box is the image's, to within a voxel of either."""
    edges = _corners(shape)
    edges[:3] += np.where(edges[:3] > 0, 0.5, -0.5)
    low, high = (to_label @ edges)[:3].min(axis=1), (to_label @ edges)[:3].max(axis=1)
    voxel = np.maximum(1.0, np.abs(to_label[:3, :3]).sum(axis=1))
    return bool((np.abs(low + 0.5) <= voxel).all() and (np.abs(high - np.array(label_shape) + 0.5) <= voxel).all())


def _require(holds: bool, wanted: str, labels: np.ndarray) -> None:
    if not holds:
        raise GridError(f"{wanted}, got {labels.shape[1:]}; save the label with the image's affine")


def _spell(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
