"""Codes used in DICOM objects: SNOMED CT (SCT), LOINC (LN), DICOM's own (DCM) and units (UCUM).

All but the units come from PS3.16, as pydicom's dictionary holds it; the patient's height and weight are LOINC's, which
TID 3602 refers to.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.core.labels import LV, RV, Structure

__all__ = [
    "BSA_METHODS",
    "CM",
    "CYCLE_POINT",
    "CYCLE_POINTS",
    "FUNCTION_CODES",
    "GRAM",
    "HEIGHT",
    "KG",
    "M2",
    "ML",
    "NO_UNITS",
    "PER_MINUTE",
    "SEXES",
    "WEIGHT",
    "YEAR",
    "structure_code",
]

ML = Code("ml", "UCUM", "ml")
ML_PER_M2 = Code("ml/m2", "UCUM", "ml/m2")
ML_PER_S = Code("ml/s", "UCUM", "ml/s")
L_PER_MIN = Code("l/min", "UCUM", "l/min")
L_PER_MIN_M2 = Code("l/min/m2", "UCUM", "l/min/m2")
PERCENT = Code("%", "UCUM", "percent")
GRAM = Code("g", "UCUM", "gram")
M2 = Code("m2", "UCUM", "square meter")
PER_MINUTE = Code("{H.B.}/min", "UCUM", "beats per minute")
YEAR = Code("a", "UCUM", "year")
CM = Code("cm", "UCUM", "centimeter")
KG = Code("kg", "UCUM", "kilogram")
NO_UNITS = Code("1", "UCUM", "no units")

HEIGHT = Code("8302-2", "LN", "Patient Height")
WEIGHT = Code("29463-7", "LN", "Patient Weight")
SEXES = {"F": Code("F", "DCM", "Female"), "M": Code("M", "DCM", "Male")}
"""PatientSex -> its code, CID 7455."""

CYCLE_POINT = Code("272518008", "SCT", "Cardiac cycle point")
"""Name of the question which point of the cycle a phase is."""

CYCLE_POINTS = {"ed": codes.SCT.EndDiastole, "es": codes.SCT.EndSystole}
"""Name of a phase -> the point, CID 12233."""

FUNCTION_CODES: Mapping[str, Mapping[str, tuple[Code, Code]]] = {
    LV.name: {
        "edv_ml": (codes.LN.LeftVentricularEDVolume, ML),
        "esv_ml": (codes.LN.LeftVentricularESVolume, ML),
        "sv_ml": (codes.SCT.StrokeVolume, ML),
        "ef_percent": (codes.LN.LeftVentricularEjectionFractionByMR, PERCENT),
        "co_l_per_min": (codes.SCT.CardiacOutput, L_PER_MIN),
        "peak_ejection_rate_ml_per_s": (codes.DCM.PeakEjectionRate, ML_PER_S),
        "peak_filling_rate_ml_per_s": (codes.DCM.PeakFillingRate, ML_PER_S),
        "sv_ml_per_m2": (codes.SCT.StrokeIndex, ML_PER_M2),
        "co_l_per_min_per_m2": (codes.SCT.CardiacIndex, L_PER_MIN_M2),
    },
    RV.name: {
        "edv_ml": (codes.LN.RightVentricularEDVolume, ML),
        "esv_ml": (codes.LN.RightVentricularESVolume, ML),
        "sv_ml": (codes.SCT.RVStrokeVolume, ML),
        "ef_percent": (codes.LN.RightVentricularEjectionFractionByMR, PERCENT),
        "co_l_per_min": (codes.SCT.RVCardiacOutput, L_PER_MIN),
        "peak_ejection_rate_ml_per_s": (codes.DCM.PeakEjectionRate, ML_PER_S),
        "peak_filling_rate_ml_per_s": (codes.DCM.PeakFillingRate, ML_PER_S),
        "sv_ml_per_m2": (codes.SCT.RVStrokeIndex, ML_PER_M2),
        "co_l_per_min_per_m2": (codes.SCT.RVCardiacIndex, L_PER_MIN_M2),
    },
}
"""Ventricle -> key in the measurements object -> code and unit. The last two keys are those of `indexed`."""

BSA_METHODS = {
    "mosteller": codes.DCM.BSAEqualsHTWT360Point5,
    "dubois": codes.DCM.BSAEquals0Point007184WT0Point425HT0Point725,
}
"""Formula of the body surface area -> its method, CID 3663. Mosteller's takes the height in m, DuBois' in cm."""


def structure_code(structure: Structure) -> Code:
    """The SNOMED CT code of a structure.

    >>> from pipeline.core.labels import MYO
    >>> structure_code(MYO).value
    '49848007'
    """
    return Code(structure.snomed, "SCT", structure.meaning)
