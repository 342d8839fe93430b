"""Where the voxels of a NIfTI file lie: the header's claims, checked against each other.

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

__all__ = ["Repair", "resolve_affine", "seven_digits"]

Repair = Literal["acdc"]
"""Named rules by which a known contradiction is repaired."""

SPACING_NOTED = 1e-3
"""Relative difference between two statements of the spacing above which it is noted: more than rounding."""

SPACING_REFUSED = 1e-2
"""Relative difference above which the file is refused: along three axes it changes a volume by up to 3 %."""

PLACEMENT_NOTED_MM = 1.0
"""Distance between a corner placed by the sform and by the qform above which it is noted."""

QUATERNION_SLACK = 0.01
"""How far a quaternion's length may be over 1: rounding. It is then brought back to 1, as NIfTI's own library does."""

_MM_OR_UNKNOWN = (0, 2)

_log = logging.getLogger(__name__)


def resolve_affine(
    header: nib.Nifti1Header, *, repair: Repair | None = "acdc", path: str = ""
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find the one affine that a header means.

    The sform is preferred to the qform, as nibabel does (NIfTI-1 standard, methods 3 and 2). With `repair="acdc"`
    the contradiction found in every file of ACDC is repaired: an sform of -1 or 1 on the diagonal and nothing else,
    no qform, unknown units, and the true spacing in `pixdim` alone; the sform's columns are then scaled to `pixdim`.
    Where one of the two forms cannot be used (not invertible, not finite, no unit quaternion), the other is.

    Args:
        header: as stored, unchecked (nibabel's own check replaces a spacing of 0 by 1).
        repair: the repair rule to apply; `None` refuses ACDC's contradiction like any other.
        path: the file, for messages.

    Returns:
        The (4, 4) float64 affine, voxel index to RAS+ mm, and a sentence for each thing repaired or doubtful.

    Raises:
        HeaderError: the spacing is not positive and finite; units other than mm; no form that can be used, where one
            is stated; sform and `pixdim` differing by more than 1 %, so that volumes would be ambiguous; sform
            and qform mirrored to each other, so that left and right would be.

    >>> header = nib.Nifti1Header()
    >>> header.set_data_shape((10, 10, 5))
    >>> header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=2)
    >>> header.set_zooms((1.5, 1.5, 8.0))
    >>> resolve_affine(header)[0].diagonal().tolist()
    [-1.5, -1.5, 8.0, 1.0]
    """
    spacing = _stated_spacing(header, path)
    sform, qform, faults = _usable_forms(header, spacing, path)
    if sform is not None and repair == "acdc" and _is_acdc(header, sform, spacing):
        affine = sform @ np.diag([*spacing, 1.0])
        stated = " x ".join(f"{value:g}" for value in spacing)
        note = f"affine rescaled from 1 x 1 x 1 mm to pixdim's {stated} mm (the header contradicts itself)"
        _log.debug("%s [%s]", note, path)
        return affine + 0.0, (note,)
    affine, notes = _prefer(header, sform, qform, spacing, path)
    for note in (*faults, *notes):
        _log.warning("%s [%s]", note, path)
    return affine, (*faults, *notes)


def _usable_forms(
    header: nib.Nifti1Header, spacing: np.ndarray, path: str
) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
    """Both forms, each where it is stated and good, and a sentence for one that is not beside one that is."""
    stated = {
        "sform": header.get_sform() if int(header["sform_code"]) > 0 else None,
        "qform": _qform(header, spacing) if int(header["qform_code"]) > 0 else None,
    }
    bad = {name: fault for name, form in stated.items() if form is not None and (fault := _fault(form))}
    good = {name: form for name, form in stated.items() if form is not None and name not in bad}
    if bad and not good:
        raise HeaderError(f"the {next(iter(bad))} must {next(iter(bad.values()))}", path or None)
    notes = [
        f"the {name} is passed over, for it must {fault}; the {next(iter(good))} is used" for name, fault in bad.items()
    ]
    return good.get("sform"), good.get("qform"), notes


def _prefer(
    header: nib.Nifti1Header, sform: np.ndarray | None, qform: np.ndarray | None, spacing: np.ndarray, path: str
) -> tuple[np.ndarray, list[str]]:
    if sform is None and qform is None:
        note = "neither sform nor qform is coded: spacing is pixdim's, position and orientation are unknown"
        return np.asarray(header.get_base_affine()), [note]
    if sform is None:
        return np.asarray(qform), []
    notes = _compare_spacing(sform, spacing, path)
    if qform is not None:
        notes += _compare_placement(sform, qform, header, path)
    return sform, notes


def _stated_spacing(header: nib.Nifti1Header, path: str) -> np.ndarray:
    spacing = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise HeaderError(f"pixdim must hold 3 positive spacings in mm, got {tuple(spacing.tolist())}", path or None)
    unit = int(header["xyzt_units"]) & 0x07
    if unit not in _MM_OR_UNKNOWN:
        name = {1: "metres", 3: "micrometres"}.get(unit, f"code {unit}")
        raise HeaderError(f"the unit of length must be mm (or unknown, taken as mm), got {name}", path or None)
    return np.array([seven_digits(value) for value in spacing])


def seven_digits(value: float) -> float:
    """Undo float32's spelling: 1.36719 is stored as 1.3671900033950806, and seven digits are what it holds."""
    return float(f"{value:.7g}")


def _qform(header: nib.Nifti1Header, spacing: np.ndarray) -> np.ndarray:
    """The affine of the quaternion (NIfTI-1 standard, method 2); all NaN where it is not of unit length.

    `pixdim[0]`, the direction of the third axis, counts as 1 unless it is negative: 0 is what many write.
    """
    imaginary = np.array([header[f"quatern_{letter}"] for letter in "bcd"], dtype=np.float64)
    length = float(np.linalg.norm(imaginary))
    if not length <= 1.0 + QUATERNION_SLACK:
        return np.full((4, 4), np.nan)
    imaginary /= max(length, 1.0)
    real = np.sqrt(max(0.0, 1.0 - float(imaginary @ imaginary)))
    affine = np.eye(4)
    qfac = -1.0 if float(header["pixdim"][0]) < 0 else 1.0
    affine[:3, :3] = nib.quaternions.quat2mat([real, *imaginary]) @ np.diag([*spacing[:2], qfac * spacing[2]])
    affine[:3, 3] = [header[f"qoffset_{letter}"] for letter in "xyz"]
    return affine


def _fault(form: np.ndarray) -> str | None:
    """How a form must be and is not; `None` for a good one."""
    if np.isnan(form).all():
        return "hold a unit quaternion"
    if not np.isfinite(form).all() or abs(np.linalg.det(form[:3, :3])) < 1e-9:
        return f"be finite and invertible, got {form.tolist()}"
    return None


def _is_acdc(header: nib.Nifti1Header, sform: np.ndarray, spacing: np.ndarray) -> bool:
    bare = np.array_equal(np.abs(sform), np.eye(4)) and np.allclose(sform[:3, 3], 0.0)
    unplaced = int(header["qform_code"]) == 0 and int(header["xyzt_units"]) & 0x07 == 0
    return bool(bare and unplaced and (np.abs(spacing - 1.0) > SPACING_NOTED).any())


def _compare_spacing(affine: np.ndarray, spacing: np.ndarray, path: str) -> list[str]:
    placed = np.array(spacing_of(affine))
    difference = float(np.abs(placed / spacing - 1.0).max())
    claims = f"sform {tuple(np.round(placed, 4).tolist())} mm, pixdim {tuple(np.round(spacing, 4).tolist())} mm"
    if difference > SPACING_REFUSED:
        message = f"sform and pixdim must state one spacing, or volumes are ambiguous: {claims}; correct the header"
        raise HeaderError(message, path or None)
    return [f"two spacings are stated, the sform's is used: {claims}"] if difference > SPACING_NOTED else []


def _compare_placement(sform: np.ndarray, qform: np.ndarray, header: nib.Nifti1Header, path: str) -> list[str]:
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        message = "sform and qform must agree which side is left, but they mirror each other; correct the header"
        raise HeaderError(message, path or None)
    last = np.asarray(header.get_data_shape()[:3]) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last])).reshape(3, -1)
    apart_mm = float(np.linalg.norm(((sform - qform) @ np.vstack([corners, np.ones(8)]))[:3], axis=0).max())
    if apart_mm <= PLACEMENT_NOTED_MM:
        return []
    return [f"sform and qform place the image up to {apart_mm:.1f} mm apart; the sform is used, volumes are the same"]
