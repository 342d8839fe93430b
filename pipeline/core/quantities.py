"""The quantities by which hearts are compared, by the names that measurements, reference tables and reports share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.core.labels import LV, RV
from pipeline.core.measurements import Measurements

__all__ = ["QUANTITIES", "Quantity", "quantities"]


@dataclass(frozen=True)
class Quantity:
    """How a quantity is shown: in words, with its unit and so many decimals."""

    words: str
    unit: str
    digits: int


_OF_VENTRICLE = {
    "edv_ml": ("end-diastolic volume", "ml", 1),
    "esv_ml": ("end-systolic volume", "ml", 1),
    "sv_ml": ("stroke volume", "ml", 1),
    "ef_percent": ("ejection fraction", "%", 1),
    "co_l_per_min": ("cardiac output", "l/min", 2),
}
_SIDES = ((LV.name, LV.short), (RV.name, RV.short))
_PLAIN = {
    f"{side}_{key}": Quantity(f"{short} {words}", unit, digits)
    for side, short in _SIDES
    for key, (words, unit, digits) in _OF_VENTRICLE.items()
} | {"myocardial_mass_g": Quantity("Myocardial mass", "g", 1)}

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    _PLAIN
    | {
        f"{key}_per_m2": Quantity(
            f"{quantity.words.replace('cardiac output', 'cardiac')} index", f"{quantity.unit}/m²", quantity.digits
        )
        for key, quantity in _PLAIN.items()
        if quantity.unit != "%"
    }
    | {"circumferential_strain_percent": Quantity("Circumferential strain at end-systole, contour-based", "%", 1)}
)
"""Name -> how it is shown. Names are the keys of the record, with the ventricle's in front."""


def quantities(measured: Measurements) -> dict[str, float]:
    """The quantities of a study that are known, by the names of `QUANTITIES` and in their order."""
    found: dict[str, float | None] = {"myocardial_mass_g": measured.myocardial_mass_g, **measured.indexed}
    for side, _ in _SIDES:
        function = measured.function(side)
        found |= {f"{side}_{key}": getattr(function, key, None) for key in _OF_VENTRICLE}
    if measured.motion is not None:
        found["circumferential_strain_percent"] = measured.motion.strain_percent["global"].at_es
    known = ((name, found.get(name)) for name in QUANTITIES)
    return {name: value for name, value in known if value is not None}
