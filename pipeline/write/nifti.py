"""Label maps to NIfTI, on exactly the input's grid."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from pipeline.core.errors import ConfigError, GridError, LabelError
from pipeline.core.files import move_whole
from pipeline.core.geometry import Grid
from pipeline.core.storage import to_stored_affine, to_stored_order

__all__ = ["write_label_map"]

SHEAR_TOLERANCE_MM = 1e-3
"""How far apart sform and qform may place a corner before the qform is left out as unable to say it."""

_SCANNER = 1
_UNKNOWN = 0


def write_label_map(
    path: str | Path,
    labels: np.ndarray,
    *,
    affine: np.ndarray,
    times_ms: Sequence[float] | None = None,
    n_axes: int | None = None,
    slice_axis: int = 2,
) -> Path:
    """Write a label map. Reading it back gives the same array and, to float32's precision, the same affine.

    sform and qform are both set (code 1, scanner), the unit is mm. A quaternion cannot express shear: for a sheared
    affine the qform's code is 0 and only the sform counts. For ACDC, whose headers the reader repairs, pass the
    repaired affine: the voxels are the input's own, and the output states their true spacing, unlike the input.

    Args:
        path: ends in .nii or .nii.gz. Parent folders are created. The file appears whole or not at all.
        labels: (T, X, Y, Z) uint8.
        affine: (4, 4), voxel index to RAS+ mm, the input's own.
        times_ms: time of each phase; the first goes to `toffset`, the mean step to `pixdim[4]`, as milliseconds.
        n_axes: 3 or 4 axes in the file, as in the input; `None`: 3 for one phase, else 4.
        slice_axis: which axis of the file, 0 to 2, Z becomes, as in the input.

    Returns:
        The path.

    Raises:
        ConfigError: a path with another extension.
        LabelError: `labels` is not uint8.
        GridError: shapes, times or affine do not fit, or several phases are to have 3 axes.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise ConfigError(f"`path` must end in .nii or .nii.gz, got {path.name}")
    _check(labels, times_ms, n_axes)
    labels = to_stored_order(labels, slice_axis)
    grid = Grid((labels.shape[1], labels.shape[2], labels.shape[3]), to_stored_affine(affine, slice_axis))
    axes = n_axes or (3 if labels.shape[0] == 1 else 4)
    image = nib.Nifti1Image(labels[0] if axes == 3 else np.moveaxis(labels, 0, -1), None, dtype=np.uint8)
    _place(image, grid)
    _set_times(image.header, times_ms)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        nib.save(image, Path(folder) / path.name)
        move_whole(Path(folder) / path.name, path)
    return path


def _check(labels: np.ndarray, times_ms: Sequence[float] | None, n_axes: int | None) -> None:
    if labels.dtype != np.uint8:
        raise LabelError(f"a label map must be uint8, got {labels.dtype}")
    if labels.ndim != 4:
        raise GridError(f"a label map must be (T, X, Y, Z), got shape {labels.shape}")
    if n_axes not in (None, 3, 4) or (n_axes == 3 and labels.shape[0] != 1):
        raise GridError(f"`n_axes` must be 4, or 3 for a single phase; got {n_axes} for {labels.shape[0]} phases")
    if times_ms is not None and len(times_ms) != labels.shape[0]:
        raise GridError(f"`times_ms` must have {labels.shape[0]} values, got {len(times_ms)}")


def _place(image: nib.Nifti1Image, grid: Grid) -> None:
    """State the grid in sform, qform and pixdim, leaving the qform's code at 0 if it cannot express it."""
    image.set_qform(grid.affine, code=_SCANNER, strip_shears=True)
    image.set_sform(grid.affine, code=_SCANNER)
    if not Grid(grid.shape, image.header.get_qform()).matches(grid, tolerance_mm=SHEAR_TOLERANCE_MM):
        image.header["qform_code"] = _UNKNOWN


def _set_times(header: nib.Nifti1Header, times_ms: Sequence[float] | None) -> None:
    if times_ms is None or len(times_ms) < 2:
        header.set_xyzt_units("mm")
        return
    header.set_xyzt_units("mm", "msec")
    header["toffset"] = times_ms[0]
    header["pixdim"][4] = (times_ms[-1] - times_ms[0]) / (len(times_ms) - 1)
