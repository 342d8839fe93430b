"""The kind of picture that a frame holds: which part of the complex signal, original or derived, corrected how.

Scanners write several kinds of picture of one plane and time into one study, often into one series. Only magnitudes are
segmented; the others are told apart here so that they are never taken for phases of the beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["CORRECTIONS", "Component", "Correction", "Kind", "kind_of"]

Component = Literal["magnitude", "phase", "real", "imaginary", "field map", "parameter map"]
Correction = Literal["DIS2D", "", "DIS3D", "ND"]

CORRECTIONS: tuple[Correction, ...] = ("DIS2D", "", "DIS3D", "ND")
"""Distortion corrections of Siemens scanners, the one to read first. DIS2D puts each pixel where it was in its plane,
so that areas are right; DIS3D interpolates between slices as well; ND is not corrected."""

_COMPLEX: dict[str, Component] = {
    "MAGNITUDE": "magnitude",
    "PHASE": "phase",
    "REAL": "real",
    "IMAGINARY": "imaginary",
}
"""ComplexImageComponent (0008,9208)."""

_WORDS: dict[str, Component] = {
    **_COMPLEX,
    **dict.fromkeys(("P", "PHASE MAP", "P_FFE", "P_SE", "P_IR", "P_PCA", "VELOCITY", "VELOCITY MAP"), "phase"),
    **dict.fromkeys(("R", "R_FFE", "R_SE", "R_IR", "PSIR"), "real"),
    **dict.fromkeys(("I", "I_FFE", "I_SE", "I_IR"), "imaginary"),
    **dict.fromkeys(("FIELD_MAP", "FIELD MAP", "B0", "B0 MAP", "B1", "B1 MAP"), "field map"),
    **dict.fromkeys(
        (
            *("T1", "T1 MAP", "T1_MAP", "T2", "T2 MAP", "T2_MAP", "T2_STAR", "T2_STAR MAP", "R1", "R2", "R2_STAR"),
            *("ADC", "ADC MAP", "FA", "TRACEW", "ECV", "ECV MAP", "PROTON_DENSITY", "PD MAP", "TEMPERATURE"),
            *("PERFUSION", "RCBF", "RCBV", "MTT", "TTP", "SUBTRACTION"),
        ),
        "parameter map",
    ),
}
"""ImageType and FrameType, third value on (PS3.3 C.8.3.1.1.1 and C.8.13.3.1.1, and what scanners write)."""

_GE_COMPONENTS: dict[int, Component] = {1: "phase", 2: "real", 3: "imaginary"}


@dataclass(frozen=True)
class Kind:
    """The kind of picture a frame holds.

    Attributes:
        component: part of the complex signal; a map of a physical quantity is "field map" or "parameter map".
        is_derived: whether it was computed from other pictures: the first value of ImageType is DERIVED.
        correction: Siemens' distortion correction; empty where nothing is said.
        is_mosaic: whether several slices are tiled in one picture.
    """

    component: Component = "magnitude"
    is_derived: bool = False
    correction: Correction = ""
    is_mosaic: bool = False


def kind_of(image_type: Sequence[str], *, component: str | None = None, ge_component: int | None = None) -> Kind:
    """Tell the kind of picture from the header.

    Args:
        image_type: values of ImageType, or of FrameType for an enhanced frame; may be empty.
        component: ComplexImageComponent, where stated.
        ge_component: GE's private (0043,102F): 0 magnitude, 1 phase, 2 real, 3 imaginary.

    Returns:
        The kind; a magnitude unless an element says otherwise.

    >>> kind_of(["ORIGINAL", "PRIMARY", "M", "ND", "NORM"])
    Kind(component='magnitude', is_derived=False, correction='ND', is_mosaic=False)
    >>> kind_of(["ORIGINAL", "PRIMARY", "VELOCITY MAP", "P"], component="PHASE").component
    'phase'
    """
    words = [word.strip().upper() for word in image_type]
    details = words[2:]
    told = [_COMPLEX[component.upper()]] if component and component.upper() in _COMPLEX else []
    told += [_WORDS[word] for word in details if word in _WORDS]
    told += [_GE_COMPONENTS[ge_component]] if ge_component in _GE_COMPONENTS else []
    others = [part for part in told if part != "magnitude"]
    maps = [part for part in others if part.endswith("map")]
    correction = next((name for name in CORRECTIONS if name and name in details), CORRECTIONS[1])
    return Kind(
        component=next(iter([*maps, *others]), "magnitude"),
        is_derived=words[:1] == ["DERIVED"],
        correction=correction,
        is_mosaic="MOSAIC" in details,
    )
