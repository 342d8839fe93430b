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

_NAMES = re.compile(
    r"(^|[^a-z])(gt|seg|segmentations?|segm|labels?|labelmap|masks?|manual|annotations?)([^a-z]|$)", re.IGNORECASE
)


def is_label_map(path: Path) -> bool:
    """Whether an image file is a label map: by its name, or by its whole numbers of few values.

    Args:
        path: of a format that `formats.read_volume` reads. One that cannot be read is none, and is told of when read.

    >>> is_label_map(Path("patient001_frame01_gt.nii.gz")), is_label_map(Path("out/segmentation.nii.gz"))
    (True, True)
    """
    return bool(_NAMES.search(name_of(path))) or _has_few_values(path)


def _has_few_values(path: Path) -> bool:
    try:
        array = read_volume(path).array
    except PipelineError:
        return False
    if array.dtype.kind not in "iu" and not np.array_equal(array, np.round(array)):
        return False
    some = np.unique(array.ravel()[:: max(1, array.size // 4096)])
    if len(some) > MAX_LABELS or some[0] < 0 or some[-1] > _MAX_VALUE:
        return False
    every = np.unique(array)
    return bool(2 <= len(every) <= MAX_LABELS and every[0] == 0 and every[-1] <= _MAX_VALUE)
