"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) to `Cine`, read by ITK."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.geometry import Grid, flip_ras_lps, spacing_of
from pipeline.core.images import Cine
from pipeline.core.storage import find_slice_axis, slices_last
from pipeline.read.budget import require_affordable
from pipeline.read.clock import credible_times
from pipeline.read.itk_headers import (
    axis_step,
    bytes_behind,
    call_axis_a_list,
    itk_files,
    itk_header,
    phase_axis,
    stored_size,
    units_of_length,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

__all__ = ["read_itk"]

_SPACING = {"metaimage": ("elementspacing", "elementsize"), "nrrd": ("spacings", "space directions")}
_READERS = {"metaimage": "MetaImageIO", "nrrd": "NrrdImageIO"}
_FRAME_TIMES = ("multivolume.framelabels", "axis 0 index values")
_FRAME_UNIT = "multivolume.frameidentifyingdicomtagunits"
"""How 3D Slicer keeps a cine in NRRD: phases as the values of one voxel, and their times beside."""

_TURNED_BY_ITK = frozenset(
    ("left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las")
)
_LEFT_TO_US = {
    **dict.fromkeys(("left-posterior-superior-time", "lpst"), (1.0, 1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior-time", "rast"), (-1.0, -1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior-time", "last"), (1.0, -1.0, 1.0, 1.0)),
}
_UNITS = {"s": "s", "sec": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms", "us": "us", "\u00b5s": "us"}


@dataclass(frozen=True, eq=False)
class _Stored:
    """Voxels (T, X, Y, Z), and times of the phases as stated, with their unit; 0, 1, 2 ... without one are no times."""

    array: np.ndarray
    times: Sequence[float]
    unit: str | None = None


def read_itk(path: str | Path) -> Cine:
    """Read a 3D volume or a 4D cine.

    Args:
        path: a .mha, .mhd, .nrrd or .nhdr file.

    Returns:
        A cine whose array is (T, X, Y, Z); integers keep their type, everything else is float32. ITK's LPS+ becomes
        RAS+. `times_ms` come from the fourth spacing, or from the list of a 3D Slicer sequence, where they give a beat,
        see `clock.credible_times`.

    Raises:
        UnreadableError: no such file, truncated, corrupt, or voxels that are not one real number each.
        HeaderError: not 3D or 4D, no spacing in mm stated, or time not the last axis.
    """
    path = Path(path)
    itk_files(path)
    fields = itk_header(path)
    _require_spacing(fields, path)
    require_affordable(stored_size(fields, path), path)
    image = _image(path, fields)
    n_values, n_axes = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    stored = _of_axes(image, fields, path) if n_values == 1 else _of_values(image, fields, path)
    times_ms, notes = credible_times(stored.times, unit=stored.unit)
    notes += _note_behind(image, fields, path)
    signs, doubts = _turn_to_lps(fields)
    affine = flip_ras_lps(np.diag(signs) @ _affine(image, path)) + 0.0
    slice_axis, doubt = find_slice_axis(stored.array.shape[1:], spacing_of(affine))
    array, affine = slices_last(_plain(stored.array), affine, slice_axis)
    return Cine(
        np.ascontiguousarray(array),
        Grid((array.shape[1], array.shape[2], array.shape[3]), affine),
        times_ms=times_ms,
        notes=(*notes, *doubts, *([] if doubt is None else [doubt])),
        stored_axes=3 if n_axes == 3 and n_values == 1 else 4,
        slice_axis=slice_axis,
    )


def _require_spacing(fields: dict[str, str], path: Path) -> None:
    if not any(key in fields for key in _SPACING[fields["format"]]):
        raise HeaderError("an image must state its spacing in mm, got none, and ITK would take 1 for it", path)
    lengths = units_of_length(fields)
    if any(unit not in ("mm", "", "???") for unit in lengths):
        raise HeaderError(f"the unit of length must be mm (or unknown, taken as mm), got {', '.join(lengths)}", path)
    if "time" in fields.get("kinds", "").split()[:3] and phase_axis(fields) is None:
        raise HeaderError(f"time must be the last axis, got axes of the kinds {fields['kinds']}", path)


def _image(path: Path, fields: dict[str, str]) -> sitk.Image:
    import SimpleITK as sitk  # slow to load, and not always needed

    with tempfile.TemporaryDirectory(prefix="cmr-") as folder:
        axis = phase_axis(fields)
        read = path if axis is None else call_axis_a_list(path, axis, Path(folder))
        try:
            return sitk.ReadImage(str(read), imageIO=_READERS[fields["format"]])
        except RuntimeError as error:
            told = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
            why = "" if told.lstrip("(").startswith("Reason: ") else f" ({told})"  # of the system: often "Success"
            raise UnreadableError(f"ITK cannot read the file, be it truncated or corrupt or else{why}", path) from error


def _note_behind(image: sitk.Image, fields: dict[str, str], path: Path) -> tuple[str, ...]:
    """A sentence where bytes follow the voxels; a whole picture's mean that the header states fewer than there are."""
    n_bytes = image.GetSizeOfPixelComponent() * image.GetNumberOfComponentsPerPixel()
    n_behind = bytes_behind(fields, path, n_bytes=n_bytes * image.GetNumberOfPixels())
    if n_behind >= n_bytes * prod(image.GetSize()[:2]):
        raise UnreadableError(
            "a file must end behind its voxels, a whole picture's bytes or more follow: the header states fewer than "
            "there are",
            path,
        )
    return (f"{n_behind} bytes follow the voxels and are passed over",) if n_behind else ()


def _array(image: sitk.Image, path: Path) -> np.ndarray:
    """Voxels, axes in reverse order."""
    import SimpleITK as sitk

    array = np.asarray(sitk.GetArrayFromImage(image))
    if array.dtype.kind not in "iuf":
        raise UnreadableError(f"voxels must be real numbers, got {image.GetPixelIDTypeAsString()}", path)
    return array


def _of_axes(image: sitk.Image, fields: dict[str, str], path: Path) -> _Stored:
    """Phases along the fourth axis, or the only one behind it that is longer than 1."""
    size = image.GetSize()
    behind = [axis for axis in range(3, len(size)) if size[axis] > 1]
    if len(size) < 3 or len(behind) > 1:
        raise HeaderError(f"an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape {size}", path)
    array = _array(image, path).reshape(-1, *size[2::-1]).transpose(0, 3, 2, 1)
    if not behind:
        return _Stored(array, [0.0])
    start, step = image.GetOrigin()[behind[0]], image.GetSpacing()[behind[0]]
    units = re.findall(r'"(.*?)"', fields.get("units", ""))
    unit = _UNITS.get(units[behind[0]]) if len(units) == len(size) else None
    return _Stored(array, [start + phase * step for phase in range(len(array))], unit)


def _of_values(image: sitk.Image, fields: dict[str, str], path: Path) -> _Stored:
    """Phases as the values of one voxel, as 3D Slicer has them."""
    size, n_values = image.GetSize(), image.GetNumberOfComponentsPerPixel()
    listed = next((fields[key] for key in _FRAME_TIMES if key in fields), None)
    axis = phase_axis(fields)
    if len(size) != 3 or (listed is None and axis is None and "list" not in fields.get("kinds", "").split()):
        raise UnreadableError(f"a voxel must be one real number, got {n_values}, and no list of phases", path)
    try:
        times = [float(word) for word in re.split(r"[,;\s]+", (listed or "").strip())]
    except ValueError:
        times = []
    array = _array(image, path).transpose(3, 2, 1, 0)
    if axis is not None and listed is None:
        step, unit = axis_step(fields, axis)
        return _Stored(array, [phase * step for phase in range(n_values)], _UNITS.get(unit))
    if len(times) != n_values:
        return _Stored(array, range(n_values))
    return _Stored(array, times, _UNITS.get(fields.get(_FRAME_UNIT, "")))


def _affine(image: sitk.Image, path: Path) -> np.ndarray:
    n_axes = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(n_axes, n_axes)
    if direction[:3, 3:].any() or direction[3:, :3].any():
        raise HeaderError(f"axes of space must not lean into time, got directions {direction.tolist()}", path)
    affine = np.eye(4)
    affine[:3, :3] = direction[:3, :3] @ np.diag(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise HeaderError(f"the affine must be finite and invertible, got {affine.tolist()}", path)
    return affine


def _turn_to_lps(fields: dict[str, str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Signs by which ITK's axes become LPS+, and a sentence where the header does not say what they are.

    ITK turns NRRD's spaces into LPS+, but not those with time in them.
    """
    space = fields.get("space", "").lower()
    if fields["format"] == "metaimage" or space in _TURNED_BY_ITK:
        return (1.0, 1.0, 1.0, 1.0), ()
    if space in _LEFT_TO_US:
        return _LEFT_TO_US[space], ()
    told = f"names {space!r}" if space else "names none"
    return (1.0, 1.0, 1.0, 1.0), (f"the space of the axes is taken for LPS+, the header {told}: sides may be wrong",)


def _plain(array: np.ndarray) -> np.ndarray:
    """Contiguous; what is no integer becomes float32, infinite where that cannot hold it."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=array.dtype if array.dtype.kind in "iu" else np.float32)
