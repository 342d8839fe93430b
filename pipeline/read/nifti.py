"""NIfTI files (versions 1 and 2, one file or a pair) to `Cine`, headers checked before anything is believed."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.geometry import Grid, spacing_of
from pipeline.core.images import Cine
from pipeline.core.storage import find_slice_axis, slices_last
from pipeline.read.budget import require_affordable
from pipeline.read.nifti_files import stored_header, stored_voxels
from pipeline.read.nifti_geometry import Repair, resolve_affine
from pipeline.read.nifti_times import phase_times_ms

__all__ = ["nifti_shape", "read_nifti", "read_nifti_grid"]

_INTENTS_OF_VECTORS = frozenset({1004, 1005, 1006, 1007, 2003, 2004})  # matrices, displacements, vectors, RGB, RGBA
_LONGEST_VECTOR = 9  # a matrix; more along the fifth axis are phases, which ITK calls a vector too


def read_nifti(path: str | Path, *, repair: Repair | None = "acdc") -> Cine:
    """Read a 3D volume or a 4D cine.

    Args:
        path: a .nii or .nii.gz file, or one of an .img and .hdr pair (NIfTI, or Analyze 7.5).
        repair: the rule by which a known contradiction in the header is repaired, see
            `nifti_geometry.resolve_affine`; `None` refuses it.

    Returns:
        A cine whose array is (T, X, Y, Z): T = 1 for a 3D file, else the file's fourth axis, or the only one behind
        it that is longer than 1; Z is the slice axis wherever it is stored, see `core.storage.find_slice_axis`.
        Integers without scaling keep their type; everything else is float32, `scl_slope` and `scl_inter` applied.
        `times_ms` come from `pixdim`, see `nifti_times.phase_times_ms`. `notes` say what was repaired or is doubtful.

    Raises:
        UnreadableError: no such file, not NIfTI, truncated, corrupt, or pixels that are not real numbers.
        HeaderError: not 3D or 4D, or a header that cannot be believed, see `nifti_geometry.resolve_affine`.
    """
    path = Path(path)
    header = stored_header(path)
    shape = _shape(header, path)
    affine, notes = resolve_affine(header, repair=repair, path=str(path))
    _require_real(header, path)
    slice_axis, doubt = find_slice_axis(shape, spacing_of(affine))
    pixels, behind = _pixels(path, header)
    array, affine = slices_last(_phases_first(pixels), affine, slice_axis)
    times_ms, time_notes = phase_times_ms(header, n_phases=array.shape[0])
    notes += (*behind, *time_notes) if doubt is None else (*behind, *time_notes, doubt)
    grid = Grid((array.shape[1], array.shape[2], array.shape[3]), affine)
    return Cine(array, grid, times_ms=times_ms, notes=notes, stored_axes=len(shape), slice_axis=slice_axis)


def read_nifti_grid(path: str | Path, *, repair: Repair | None = "acdc") -> Grid:
    """Read where the voxels lie, slices last, from the header alone; arguments and errors as for `read_nifti`."""
    path = Path(path)
    header = stored_header(path)
    affine, _ = resolve_affine(header, repair=repair, path=str(path))
    shape = _shape(header, path)[:3]
    slice_axis, _ = find_slice_axis(shape, spacing_of(affine))
    array, affine = slices_last(np.broadcast_to(0, (1, *shape)), affine, slice_axis)
    return Grid((array.shape[1], array.shape[2], array.shape[3]), affine)


def nifti_shape(path: str | Path) -> tuple[int, ...]:
    """Read a file's shape as stored, (X, Y, Z) or (X, Y, Z, T), from the header alone; errors as for `read_nifti`."""
    return _shape(stored_header(Path(path)), Path(path))


def _shape(header: nib.Nifti1Header, path: Path) -> tuple[int, ...]:
    """(X, Y, Z) or (X, Y, Z, T): axes of length 1 behind the third hold nothing, but for a fourth that is the last."""
    n_axes = int(header["dim"][0])
    stored = tuple(int(n) for n in header["dim"][1 : 1 + max(n_axes, 0)])
    behind = [n for n in stored[3:] if n != 1]
    shape = (*stored[:3], *(behind or [1] * (n_axes > 3)))
    if not 3 <= len(shape) <= 4 or len(stored) != n_axes or min(stored) < 1:
        raise HeaderError(f"an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape {stored}", path)
    require_affordable(stored, path)
    return shape


def _require_real(header: nib.Nifti1Header, path: Path) -> None:
    try:
        kind = header.get_data_dtype().kind
    except (nib.spatialimages.HeaderDataError, KeyError) as error:
        raise UnreadableError(f"the file's data type is unknown to NIfTI ({error})", path) from error
    if kind not in "iuf":
        name = "RGB colours" if kind == "V" else "complex numbers"
        raise UnreadableError(f"pixels must be real numbers, got {name}; export a magnitude image", path)
    n_values = int(header["dim"][5]) if int(header["dim"][0]) >= 5 else 1
    if int(header["intent_code"]) in _INTENTS_OF_VECTORS and 1 < n_values <= _LONGEST_VECTOR:
        raise UnreadableError(f"pixels must be one real number each, got vectors of {n_values}", path)


def _pixels(path: Path, header: nib.Nifti1Header) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored pixels with scaling applied, in the file's own axis order, axes of length 1 behind the third left out."""
    stored, scaled, notes = stored_voxels(path, header)
    array = stored.reshape(_shape(header, path))
    if array.dtype.kind in "iu" and not scaled:
        return array, notes
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is seen by whoever looks for it
        return array.astype(np.float32), notes


def _phases_first(array: np.ndarray) -> np.ndarray:
    """Turn (X, Y, Z) or (X, Y, Z, T) into (T, X, Y, Z): contiguous, native byte order, apart from the file."""
    phases = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
    return np.array(phases, dtype=array.dtype.newbyteorder("="), order="C")
