"""Slices with outlines for a page of a PDF: pictures of the pixels, and outlines as lines that stay sharp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable

from pipeline.core.labels import STRUCTURES
from pipeline.write.pages.outlines import outline_rings
from pipeline.write.pages.overlay import choose_slices
from pipeline.write.pages.pictures import brightness_range, heart_window, to_grey

__all__ = ["SliceTable"]

_LINE, _GAP = 0.7, 1.0 * mm
_CAPTION, _LEADING = 6.0, 8.0
_LARGEST_TILE = 40 * mm


class SliceTable(Flowable):
    """A row per phase, a column per slice, cut to the region around the heart.

    Args:
        image: (T, X, Y, Z) intensities.
        labels: (T, X, Y, Z) label map.
        phases: name -> phase.
        pixel_mm: width and height of a pixel, so that proportions are true.
        font: of the captions.
    """

    def __init__(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        *,
        phases: Mapping[str, int],
        pixel_mm: tuple[float, float],
        font: str,
    ) -> None:
        super().__init__()
        self._phases, self._font, self._slices = phases, font, choose_slices(labels)
        x, y = heart_window(labels)
        self._labels, cut = labels[:, x, y], image[:, x, y]
        self._grey = to_grey(cut, brightness_range(cut))
        self._shape_mm = tuple(n * size for n, size in zip(cut.shape[1:3], pixel_mm, strict=True))

    def wrap(self, width: float, _: float) -> tuple[float, float]:
        """Width and height on the page, in points."""
        across = min((width - _GAP * (len(self._slices) - 1)) / len(self._slices), _LARGEST_TILE)
        self._tile = across, across * self._shape_mm[1] / self._shape_mm[0]
        return width, len(self._phases) * (self._tile[1] + _LEADING + _GAP) + _LEADING

    def draw(self) -> None:
        """Draw it, the first phase on top."""
        step_x, step_y = self._tile[0] + _GAP, self._tile[1] + _LEADING + _GAP
        for row, (name, phase) in enumerate(reversed(list(self._phases.items()))):
            for column, k in enumerate(self._slices):
                self.canv.saveState()
                self.canv.translate(column * step_x, _LEADING + row * step_y)
                self._draw_tile(f"{name}, slice {k + 1}", self._grey[phase, :, :, k], self._labels[phase, :, :, k])
                self.canv.restoreState()
        self._draw_legend()

    def _draw_tile(self, caption: str, picture: np.ndarray, labels: np.ndarray) -> None:
        width, height = self._tile
        self.canv.drawImage(ImageReader(Image.fromarray(np.ascontiguousarray(picture.T))), 0, 0, width, height)
        self.canv.setLineWidth(_LINE)
        for structure in reversed(STRUCTURES):  # the cavity last, or the wall would hide its outline
            self.canv.setStrokeColorRGB(*(level / 255 for level in structure.rgb))
            for ring in outline_rings(labels == structure.value):
                places = ring / picture.shape * self._tile
                self._draw_ring(np.stack([places[:, 0], height - places[:, 1]], axis=1))
        self.canv.setFont(self._font, _CAPTION)
        self.canv.drawString(0, height + 2.0, caption)

    def _draw_ring(self, points: np.ndarray) -> None:
        path: Any = self.canv.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        path.close()
        self.canv.drawPath(path, stroke=1, fill=0)

    def _draw_legend(self) -> None:
        self.canv.setFont(self._font, _CAPTION)
        left = 0.0
        for structure in STRUCTURES:
            self.canv.setStrokeColorRGB(*(level / 255 for level in structure.rgb))
            self.canv.setLineWidth(2 * _LINE)
            self.canv.line(left, 2.0, left + 4 * mm, 2.0)
            self.canv.drawString(left + 5 * mm, 0, structure.short)
            left += 8 * mm + self.canv.stringWidth(structure.short, self._font, _CAPTION)
