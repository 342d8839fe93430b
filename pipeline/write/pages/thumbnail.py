"""A small picture of a study for the worklist: one slice with its outlines."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from pipeline.core.labels import STRUCTURES
from pipeline.write.pages.outlines import outline_rings

__all__ = ["thumbnail"]

_WIDTH = 144
"""Pixels; twice the width at which it is shown, for fine screens."""

_FINER = 3
"""Times as large while outlines are drawn, which makes them smooth."""


def thumbnail(picture: np.ndarray, labels: np.ndarray, *, pixel_mm: tuple[float, float]) -> bytes:
    """Draw a slice as a small JPEG in its true proportions.

    Args:
        picture: (X, Y) uint8.
        labels: (X, Y) label map.
        pixel_mm: width and height of a pixel.
    """
    width, height = (n * mm for n, mm in zip(picture.shape, pixel_mm, strict=True))
    size = _WIDTH, max(1, round(_WIDTH * height / width))
    large = _FINER * size[0], _FINER * size[1]
    drawn = Image.fromarray(picture.T).resize(large, Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(drawn)
    for structure in reversed(STRUCTURES):
        for ring in outline_rings(labels == structure.value):
            scaled = ring * np.divide(large, picture.shape)
            pen.line([*map(tuple, scaled), tuple(scaled[0])], fill=structure.rgb, width=2 * _FINER, joint="curve")
    buffer = io.BytesIO()
    drawn.resize(size, Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=80, optimize=True)
    return buffer.getvalue()
