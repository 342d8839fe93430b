"""The pictures in the report of one study: a sheet of slices per phase, outlines, and the location of the crop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.pose import AS_STORED, Pose
from pipeline.write.pages.outlines import outline_path
from pipeline.write.pages.pictures import (
    brightness_range,
    direction_letters,
    heart_window,
    jpeg,
    sheet,
    sheet_columns,
    stored_range,
    to_grey,
)
from pipeline.write.pages.thumbnail import thumbnail

__all__ = ["Locator", "StudyPictures", "draw_study"]


@dataclass(frozen=True)
class Locator:
    """A whole slice with the box that was cut out of every slice.

    Attributes:
        jpeg: the picture.
        size: its width and height in pixels.
        box: (x, y, width, height) of the cut-out in pixels.
        slice_index: which slice, 0-based.
    """

    jpeg: bytes
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    slice_index: int


@dataclass(frozen=True)
class StudyPictures:
    """Pictures of a study, see `pipeline.write.pages.pictures` for the terms.

    Attributes:
        sheets: JPEG of each phase, for the player, in a wider range of brightness than is shown at first.
        window: grey levels of the sheets (0 to 255) that are shown as black and as white at first.
        still_sheets: phase -> JPEG as it is shown without the player, for `still_phases`.
        outlines: `outlines[t][z][s]` is the SVG path of structure s in slice z of phase t, in `STRUCTURES`' order.
        tile: width and height of a tile in pixels.
        pixel_mm: width and height of a pixel.
        columns: tiles in a row of a sheet.
        rows: rows of a sheet.
        edges: patient's directions at the (left, right, upper, lower) edge of a tile, or `None` if the file's axes are
            not a scanner's own.
        locator: picture that shows the location of the tiles.
        thumbnail: JPEG of the locator's slice in the first of `still_phases`, or the first phase.
    """

    sheets: tuple[bytes, ...]
    window: tuple[float, float]
    still_sheets: Mapping[int, bytes]
    outlines: tuple[tuple[tuple[str, ...], ...], ...]
    tile: tuple[int, int]
    pixel_mm: tuple[float, float]
    columns: int
    rows: int
    edges: tuple[str, str, str, str] | None
    locator: Locator
    thumbnail: bytes

    @property
    def tile_mm(self) -> tuple[float, float]:
        """Width and height of a tile in mm."""
        return round(self.tile[0] * self.pixel_mm[0], 2), round(self.tile[1] * self.pixel_mm[1], 2)

    def corner_mm(self, z: int) -> tuple[float, float]:
        """Upper left corner of a slice's tile within the sheet, in mm."""
        width, height = self.tile_mm
        return round(z % self.columns * width, 2), round(z // self.columns * height, 2)


def draw_study(
    cine: Cine, labels: np.ndarray, *, pose: Pose = AS_STORED, still_phases: Iterable[int] = ()
) -> StudyPictures:
    """Cut the region around the heart out of every slice and trace the label map.

    The range of brightness is one for the whole study, taken over the cut-outs of all phases.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid.
        pose: in which slices are shown, rather than as they are stored.
        still_phases: phases of which a picture that needs no player is drawn as well.

    Raises:
        GridError: the label map is not on the cine's grid.
    """
    if labels.shape != cine.array.shape:
        raise GridError(f"the label map must have the cine's shape {cine.array.shape}, got {labels.shape}")
    cine, labels = _laid_down(cine, pose), pose.apply(labels)
    x, y = heart_window(labels)
    cut, cut_labels = cine.array[:, x, y], labels[:, x, y]
    shown = brightness_range(cut)
    stored = stored_range(cut, shown)
    columns, stills = sheet_columns(cine.n_slices), list(still_phases)
    locator = _locate(cine, labels, shown=shown, box=(x, y))
    small = (stills or [0])[0], slice(None), slice(None), locator.slice_index
    return StudyPictures(
        sheets=tuple(jpeg(sheet(phase, columns)) for phase in to_grey(cut, stored)),
        window=_window(shown, stored),
        still_sheets={phase: jpeg(sheet(to_grey(cut[phase], shown), columns)) for phase in stills},
        outlines=tuple(_phase_outlines(phase) for phase in cut_labels),
        tile=(x.stop - x.start, y.stop - y.start),
        pixel_mm=cine.grid.spacing_mm[:2],
        columns=columns,
        rows=-(-cine.n_slices // columns),
        edges=_edges(cine),
        locator=locator,
        thumbnail=thumbnail(to_grey(cut[small], shown), cut_labels[small], pixel_mm=cine.grid.spacing_mm[:2]),
    )


def _window(shown: tuple[float, float], stored: tuple[float, float]) -> tuple[float, float]:
    """Ends of what is shown, in grey levels of what is stored."""
    low, high = stored
    scale = 255.0 / (high - low) if high > low else 0.0
    return round((shown[0] - low) * scale, 1), round((shown[1] - low) * scale, 1) if scale else 255.0


def _laid_down(cine: Cine, pose: Pose) -> Cine:
    """The cine as it is shown; slices keep their order, and so the DICOM frames that they came from."""
    array = pose.apply(cine.array)
    grid = Grid(array.shape[1:], cine.grid.affine @ pose.index_matrix(cine.grid.shape))
    return replace(cine, array=array, grid=grid)


def _phase_outlines(labels: np.ndarray) -> tuple[tuple[str, ...], ...]:
    """Outlines of the slices of one phase, (X, Y, Z)."""
    return tuple(
        tuple(outline_path(labels[:, :, z] == structure.value) for structure in STRUCTURES)
        for z in range(labels.shape[2])
    )


def _edges(cine: Cine) -> tuple[str, str, str, str] | None:
    if cine.sources is None:  # a NIfTI file's axes are often made up
        return None
    right, down = cine.grid.affine[:3, 0], cine.grid.affine[:3, 1]
    return direction_letters(-right), direction_letters(right), direction_letters(-down), direction_letters(down)


def _locate(cine: Cine, labels: np.ndarray, *, shown: tuple[float, float], box: tuple[slice, slice]) -> Locator:
    """The whole slice with most of the heart in the first phase, or the middle one if there is no heart."""
    areas = labels[0].astype(bool).sum(axis=(0, 1))
    z = int(areas.argmax()) if areas.any() else cine.n_slices // 2
    x, y = box
    picture = to_grey(cine.array[0, :, :, z], shown).T
    return Locator(
        jpeg=jpeg(picture),
        size=(picture.shape[1], picture.shape[0]),
        box=(x.start, y.start, x.stop - x.start, y.stop - y.start),
        slice_index=z,
    )
