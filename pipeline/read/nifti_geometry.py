"""Where the voxels of a NIfTI file lie, and when its phases were: the header's claims, checked against each other.

A NIfTI header states its geometry up to three times: the spacing in `pixdim`, a rigid placement in the *qform*
(whose spacing is `pixdim`), and a general affine in the *sform*. Software that trusts one of them silently gets
volumes wrong where they disagree, so here a contradiction is repaired by a named rule, noted, or refused.
"""

from __future__ import annotations

import logging
from typing import Literal

import nibabel as nib
import numpy as np

from pipeline.core.errors import HeaderError
from pipeline.core.geometry import spacing_of

__all__ = ["Repair", "phase_times_ms", "resolve_affine"]

Repair = Literal["acdc"]
"""Named rules by which a known contradiction is repaired."""

SPACING_NOTED = 1e-3
"""Relative difference between two statements of the spacing above which it is noted: more than rounding."""

SPACING_REFUSED = 1e-2
"""Relative difference above which the file is refused: along three axes it changes a volume by up to 3 %."""

PLACEMENT_NOTED_MM = 1.0
"""Distance between a corner placed by the sform and by the qform above which it is noted."""

_MM_OR_UNKNOWN = (0, 2)
_TIME_UNITS_MS = {8: 1000.0, 16: 1.0, 24: 0.001}

_log = logging.getLogger(__name__)


def resolve_affine(
    header: nib.Nifti1Header, *, repair: Repair | None = "acdc", path: str = ""
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find the one affine that a header means.

    The sform is preferred to the qform, as nibabel does (NIfTI-1 standard, methods 3 and 2). With `repair="acdc"`
    the contradiction found in every file of ACDC is repaired: an sform of -1 or 1 on the diagonal and nothing else,
    no qform, unknown units, and the true spacing in `pixdim` alone; the sform's columns are then scaled to `pixdim`.

    Args:
        header: as stored, unchecked (nibabel's own check replaces a spacing of 0 by 1).
        repair: the repair rule to apply; `None` refuses ACDC's contradiction like any other.
        path: the file, for messages.

    Returns:
        The (4, 4) float64 affine, voxel index to RAS+ mm, and a sentence for each thing repaired or doubtful.

    Raises:
        HeaderError: the spacing is not positive and finite; units other than mm; an affine that is not finite or
            not invertible; sform and `pixdim` differing by more than 1 %, so that volumes would be ambiguous; sform
            and qform mirrored to each other, so that left and right would be.

    >>> header = nib.Nifti1Header()
    >>> header.set_data_shape((10, 10, 5))
    >>> header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=2)
    >>> header.set_zooms((1.5, 1.5, 8.0))
    >>> resolve_affine(header)[0].diagonal().tolist()
    [-1.5, -1.5, 8.0, 1.0]
    """
    spacing = _stated_spacing(header, path)
    sform = header.get_sform() if int(header["sform_code"]) > 0 else None
    qform = _qform(header, path) if int(header["qform_code"]) > 0 else None
    notes: list[str] = []
    if sform is not None and repair == "acdc" and _is_acdc(header, sform, spacing):
        affine = sform @ np.diag([*spacing, 1.0])
        stated = " x ".join(f"{value:g}" for value in spacing)
        notes.append(f"affine rescaled from 1 x 1 x 1 mm to pixdim's {stated} mm (the header contradicts itself)")
        _log.debug("%s [%s]", notes[-1], path)
        return affine + 0.0, tuple(notes)
    if sform is not None:
        affine = sform
        _require_invertible(affine, path)
        notes += _compare_spacing(affine, spacing, path)
        if qform is not None:
            notes += _compare_placement(sform, qform, header, path)
    elif qform is not None:
        affine = qform
    else:
        affine = header.get_base_affine()
        notes.append("neither sform nor qform is coded: spacing is pixdim's, position and orientation are unknown")
    _require_invertible(affine, path)
    for note in notes:
        _log.warning("%s [%s]", note, path)
    return affine, tuple(notes)


def phase_times_ms(header: nib.Nifti1Header, *, n_phases: int) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Times of the phases, from `pixdim[4]`, `toffset` and the time unit.

    Args:
        header: as stored.
        n_phases: number of phases T; 1 gives no times and no note.

    Returns:
        Times in ms, length T, or `None` where unit or step is unknown; and a sentence saying so.

    >>> header = nib.Nifti1Header()
    >>> header.set_data_shape((4, 4, 2, 3))
    >>> header.set_zooms((1, 1, 8, 0.04))
    >>> header.set_xyzt_units("mm", "sec")
    >>> phase_times_ms(header, n_phases=3)
    ((0.0, 40.0, 80.0), ())
    """
    if n_phases == 1:
        return None, ()
    unit_ms = _TIME_UNITS_MS.get(int(header["xyzt_units"]) & 0x38)
    step = _seven_digits(float(header["pixdim"][4]))
    if unit_ms is None:
        return None, ("times of the phases are unknown: the header states no unit of time",)
    if not np.isfinite(step) or step <= 0:
        return None, (f"times of the phases are unknown: the header's time step is {step:g}",)
    offset = _seven_digits(float(header["toffset"]))
    start = offset if np.isfinite(offset) else 0.0
    return tuple(round((start + phase * step) * unit_ms, 6) for phase in np.arange(n_phases).tolist()), ()


def _stated_spacing(header: nib.Nifti1Header, path: str) -> np.ndarray:
    spacing = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise HeaderError(f"pixdim must hold 3 positive spacings in mm, got {tuple(spacing.tolist())}", path or None)
    unit = int(header["xyzt_units"]) & 0x07
    if unit not in _MM_OR_UNKNOWN:
        name = {1: "metres", 3: "micrometres"}.get(unit, f"code {unit}")
        raise HeaderError(f"the unit of length must be mm (or unknown, taken as mm), got {name}", path or None)
    return np.array([_seven_digits(value) for value in spacing])


def _seven_digits(value: float) -> float:
    """Undo float32's spelling: 1.36719 is stored as 1.3671900033950806, and seven digits are what it holds."""
    return float(f"{value:.7g}")


def _qform(header: nib.Nifti1Header, path: str) -> np.ndarray:
    try:
        return np.asarray(header.get_qform(), dtype=np.float64)
    except ValueError as error:
        raise HeaderError(f"the qform must hold a unit quaternion ({error})", path or None) from error


def _is_acdc(header: nib.Nifti1Header, sform: np.ndarray, spacing: np.ndarray) -> bool:
    bare = np.array_equal(np.abs(sform), np.eye(4)) and np.allclose(sform[:3, 3], 0.0)
    unplaced = int(header["qform_code"]) == 0 and int(header["xyzt_units"]) & 0x07 == 0
    return bool(bare and unplaced and (np.abs(spacing - 1.0) > SPACING_NOTED).any())


def _require_invertible(affine: np.ndarray, path: str) -> None:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise HeaderError(f"the affine must be finite and invertible, got {affine.tolist()}", path or None)


def _compare_spacing(affine: np.ndarray, spacing: np.ndarray, path: str) -> list[str]:
    placed = np.array(spacing_of(affine))
    difference = float(np.abs(placed / spacing - 1.0).max())
    claims = f"sform {tuple(np.round(placed, 4).tolist())} mm, pixdim {tuple(np.round(spacing, 4).tolist())} mm"
    if difference > SPACING_REFUSED:
        message = f"sform and pixdim must state one spacing, or volumes are ambiguous: {claims}; correct the header"
        raise HeaderError(message, path or None)
    return [f"two spacings are stated, the sform's is used: {claims}"] if difference > SPACING_NOTED else []


def _compare_placement(sform: np.ndarray, qform: np.ndarray, header: nib.Nifti1Header, path: str) -> list[str]:
    _require_invertible(qform, path)
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        message = "sform and qform must agree which side is left, but they mirror each other; correct the header"
        raise HeaderError(message, path or None)
    last = np.asarray(header.get_data_shape()[:3]) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last])).reshape(3, -1)
    apart_mm = float(np.linalg.norm(((sform - qform) @ np.vstack([corners, np.ones(8)]))[:3], axis=0).max())
    if apart_mm <= PLACEMENT_NOTED_MM:
        return []
    return [f"sform and qform place the image up to {apart_mm:.1f} mm apart; the sform is used, volumes are the same"]
