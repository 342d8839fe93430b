"""When the phases of a NIfTI file were."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from pipeline.read.clock import credible_times
from pipeline.read.nifti_geometry import seven_digits

__all__ = ["phase_times_ms"]

_TIME_UNITS = {8: "s", 16: "ms", 24: "us"}
_TIME_BITS = 0x38


def phase_times_ms(header: nib.Nifti1Header, *, n_phases: int) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Times of the phases, from the step along their axis in `pixdim`, `toffset` and the unit of time.

    dcm2niix puts the repetition time where the step belongs, and others call milliseconds seconds: the times must give
    a beat, see `clock.credible_times`.

    Args:
        header: as stored.
        n_phases: number of phases T; 1 gives no times and no note.

    Returns:
        Times in ms, length T, or `None` where they are unknown; and a sentence where they are not as stated.

    >>> header = nib.Nifti1Header()
    >>> header.set_data_shape((4, 4, 2, 3))
    >>> header.set_zooms((1, 1, 8, 0.04))
    >>> header.set_xyzt_units("mm", "sec")
    >>> phase_times_ms(header, n_phases=3)
    ((0.0, 40.0, 80.0), ())
    """
    if n_phases == 1:
        return None, ()
    code = int(header["xyzt_units"]) & _TIME_BITS
    if code not in (0, *_TIME_UNITS):
        return None, ("times of the phases are unknown: the header's fourth axis is no time",)
    offset = seven_digits(float(header["toffset"]))
    start = offset if np.isfinite(offset) else 0.0
    found = [
        credible_times([start + phase * step for phase in range(n_phases)], unit=_TIME_UNITS.get(code))
        for step in _steps(header)
    ]
    return next((one for one in found if one[0] is not None), found[0])


def _steps(header: nib.Nifti1Header) -> list[float]:
    """The step along the axis of the phases; along the fourth too, where that is of length 1: time belongs there."""
    longer = [axis for axis in range(4, 8) if int(header["dim"][axis]) > 1]
    return [seven_digits(float(header["pixdim"][axis])) for axis in dict.fromkeys((*longer[:1], 4))]
