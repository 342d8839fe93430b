"""Which image files are label maps: a folder of a data set holds both, and nobody wants masks segmented as patients."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.read.formats import name_of, read_volume

__all__ = ["MAX_LABELS", "is_label_map"]

MAX_LABELS = 12
"""Distinct values that a label map has at most: background, a heart's structures, and what else some data sets draw.
A picture of 8 bits that uses so few grey levels shows nothing."""

_MAX_VALUE = 2000
"""Label values reach some hundreds in whole-heart data sets (MM-WHS: 205 to 850)."""

_MAX_NAMED_LABELS = 64
"""Distinct values of a file that is named like a label map, at most: whole bodies are drawn with some dozens."""

_NAMES = re.compile(
    r"(^|[^a-z])(gt|seg|segmentations?|segm|labels?|labelmap|masks?|manual|annotations?)([^a-z]|$)", re.IGNORECASE
)


def is_label_map(path: Path) -> bool:
    """Whether an image file is a label map: by its whole numbers of few values, or by its name.

    A name alone does not do, for `cine_seg` may be of a segmented acquisition: that has the grey levels of a picture.

    Args:
        path: of a format that `formats.read_volume` reads. One that cannot be read is told by its name.

    >>> is_label_map(Path("patient001_frame01_gt.nii.gz")), is_label_map(Path("out/segmentation.nii.gz"))
    (True, True)
    """
    named = bool(_NAMES.search(name_of(path)))
    try:
        array = read_volume(path).array
    except PipelineError:
        return named
    return not _is_picture(array) if named else _has_few_values(array)


def _is_picture(array: np.ndarray) -> bool:
    """Whether there are more grey levels than labels can be, and not from 0 to 1, as probabilities are."""
    return len(np.unique(_sample(array))) > _MAX_NAMED_LABELS and float(np.nanmax(array)) > 1.0


def _has_few_values(array: np.ndarray) -> bool:
    if array.dtype.kind not in "iu" and not np.array_equal(array, np.round(array)):
        return False
    some = np.unique(_sample(array))
    if len(some) > MAX_LABELS or some[0] < 0 or some[-1] > _MAX_VALUE:
        return False
    every = np.unique(array)
    return bool(2 <= len(every) <= MAX_LABELS and every[0] == 0 and every[-1] <= _MAX_VALUE)


def _sample(array: np.ndarray) -> np.ndarray:
    return array.ravel()[:: max(1, array.size // 4096)]
