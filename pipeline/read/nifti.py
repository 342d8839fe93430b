"""NIfTI files (.nii, .nii.gz; versions 1 and 2; 3D or 4D) to `Cine`, headers checked before anything is believed."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.geometry import Grid, spacing_of
from pipeline.core.images import Cine
from pipeline.core.storage import find_slice_axis, slices_last
from pipeline.read.nifti_geometry import Repair, phase_times_ms, resolve_affine

__all__ = ["is_nifti", "nifti_shape", "read_nifti", "read_nifti_grid"]

_SUFFIXES = (".nii", ".nii.gz")
_UNREADABLE = (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, EOFError, zlib.error, OSError)


def is_nifti(path: str | Path) -> bool:
    """Whether a file's name says NIfTI: it ends in .nii or .nii.gz, upper or lower case.

    >>> is_nifti("heart.nii.gz"), is_nifti("heart.dcm")
    (True, False)
    """
    return str(path).lower().endswith(_SUFFIXES)


def read_nifti(path: str | Path, *, repair: Repair | None = "acdc") -> Cine:
    """Read a 3D volume or a 4D cine.

    Args:
        path: a .nii or .nii.gz file.
        repair: the rule by which a known contradiction in the header is repaired, see
            `nifti_geometry.resolve_affine`; `None` refuses it.

    Returns:
        A cine whose array is (T, X, Y, Z): T = 1 for a 3D file, else the file's fourth axis; Z is the slice axis
        wherever it is stored, see `core.storage.find_slice_axis`. Integers without scaling keep their type; everything
        else is float32, `scl_slope` and `scl_inter` applied. `times_ms` come from `pixdim[4]` where the time unit
        is stated. `notes` say what was repaired or is doubtful.

    Raises:
        UnreadableError: no such file, not NIfTI, truncated, corrupt, or pixels that are not real numbers.
        HeaderError: not 3D or 4D, or a header that cannot be believed, see `nifti_geometry.resolve_affine`.
    """
    path = Path(path)
    header = _stored_header(path)
    shape = _shape(header, path)
    affine, notes = resolve_affine(header, repair=repair, path=str(path))
    _require_real(header, path)
    slice_axis, doubt = find_slice_axis(shape, spacing_of(affine))
    array, affine = slices_last(_phases_first(_pixels(path, header)), affine, slice_axis)
    times_ms, time_notes = phase_times_ms(header, n_phases=array.shape[0])
    notes += time_notes if doubt is None else (*time_notes, doubt)
    grid = Grid((array.shape[1], array.shape[2], array.shape[3]), affine)
    return Cine(array, grid, times_ms=times_ms, notes=notes, stored_axes=len(shape), slice_axis=slice_axis)


def read_nifti_grid(path: str | Path, *, repair: Repair | None = "acdc") -> Grid:
    """Read where the voxels lie, slices last, from the header alone; arguments and errors as for `read_nifti`."""
    path = Path(path)
    header = _stored_header(path)
    affine, _ = resolve_affine(header, repair=repair, path=str(path))
    shape = _shape(header, path)[:3]
    slice_axis, _ = find_slice_axis(shape, spacing_of(affine))
    array, affine = slices_last(np.broadcast_to(0, (1, *shape)), affine, slice_axis)
    return Grid((array.shape[1], array.shape[2], array.shape[3]), affine)


def nifti_shape(path: str | Path) -> tuple[int, ...]:
    """Read a file's shape as stored, (X, Y, Z) or (X, Y, Z, T), from the header alone; errors as for `read_nifti`."""
    return _shape(_stored_header(Path(path)), Path(path))


def _stored_header(path: Path) -> nib.Nifti1Header:
    """Read the header without nibabel's check, which would silently turn a spacing of 0 into 1."""
    if not is_nifti(path):
        raise UnreadableError("a NIfTI file must be named .nii or .nii.gz", path)
    if not path.is_file():
        raise UnreadableError("a NIfTI file was expected here, but there is none", path)
    try:
        with ImageOpener(str(path)) as file:
            block = file.read(540)
    except _UNREADABLE as error:
        raise UnreadableError(f"the file is truncated or corrupt ({error})", path) from error
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        size = kind.template_dtype.itemsize
        stated = block[:4]
        if len(block) >= size and size in (int.from_bytes(stated, "little"), int.from_bytes(stated, "big")):
            return kind(block[:size], check=False)
    raise UnreadableError("the file is truncated or not NIfTI: it does not start with a NIfTI header", path)


def _shape(header: nib.Nifti1Header, path: Path) -> tuple[int, ...]:
    n_axes = int(header["dim"][0])
    shape = tuple(int(n) for n in header["dim"][1 : 1 + max(n_axes, 0)])
    if n_axes not in (3, 4) or min(shape) < 1:
        raise HeaderError(f"an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape {shape}", path)
    return shape


def _require_real(header: nib.Nifti1Header, path: Path) -> None:
    try:
        kind = header.get_data_dtype().kind
    except (nib.spatialimages.HeaderDataError, KeyError) as error:
        raise UnreadableError(f"the file's data type is unknown to NIfTI ({error})", path) from error
    if kind not in "iuf":
        name = "RGB colours" if kind == "V" else "complex numbers"
        raise UnreadableError(f"pixels must be real numbers, got {name}; export a magnitude image", path)


def _pixels(path: Path, header: nib.Nifti1Header) -> np.ndarray:
    """Stored pixels with scaling applied, in the file's own axis order."""
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    try:
        # To the last byte, so that gzip compares its checksum; nibabel alone would stop at the last pixel.
        with ImageOpener(str(path)) as file:
            image: Any = kind.from_bytes(file.read())
        array = np.asanyarray(image.dataobj)
    except (*_UNREADABLE, ValueError) as error:
        raise UnreadableError(f"the file is truncated or corrupt ({error})", path) from error
    scaling = (image.dataobj.slope, image.dataobj.inter)
    return array if array.dtype.kind in "iu" and scaling == (1.0, 0.0) else array.astype(np.float32)


def _phases_first(array: np.ndarray) -> np.ndarray:
    """Turn (X, Y, Z) or (X, Y, Z, T) into (T, X, Y, Z): contiguous, native byte order, apart from the file."""
    phases = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
    return np.array(phases, dtype=array.dtype.newbyteorder("="), order="C")
