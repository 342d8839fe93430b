"""MONAI wrapper: the label map of a case as NIfTI on the input's own grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import MapTransform

from pipeline.write.nifti import write_label_map

__all__ = ["SaveSegmentationd"]
