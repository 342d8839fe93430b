"""The label table: structure, value, SNOMED CT code and colour, and the schemes of the data sets.

Inside this library a label map is uint8 with background 0, left-ventricular cavity 1, left-ventricular
myocardium 2 and right-ventricular cavity 3. Papillary muscles count as cavity, as ACDC and Sunnybrook draw them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pipeline.core.errors import ConfigError, GridError, LabelError

__all__ = [
    "BACKGROUND",
    "LV",
    "MYO",
    "RV",
    "SCHEMES",
    "STRUCTURES",
    "UNLABELLED",
    "Structure",
    "keep_drawn",
    "map_labels",
]


@dataclass(frozen=True)
class Structure:
    """One anatomical structure.

    Attributes:
        value: value in our label maps.
        name: lower_snake name, used in metrics, CSV columns and JSON keys.
        short: abbreviation for tables and pictures.
        snomed: SNOMED CT concept id.
        meaning: SNOMED CT preferred term.
        rgb: display colour, 0 to 255.
    """

    value: int
    name: str
    short: str
    snomed: str
    meaning: str
    rgb: tuple[int, int, int]


BACKGROUND = 0
UNLABELLED = 255
"""Value of pixels nobody has labelled, for instance phases without contours. Never counted in any measure."""

LV = Structure(1, "left_ventricle", "LV", "87878005", "Left ventricle", (220, 60, 60))
MYO = Structure(2, "myocardium", "MYO", "49848007", "Left ventricular myocardium", (70, 190, 90))
RV = Structure(3, "right_ventricle", "RV", "53085002", "Right ventricle", (70, 120, 230))
STRUCTURES = (LV, MYO, RV)

SCHEMES: Mapping[str, Mapping[int, int]] = MappingProxyType(
    {
        "cmr": MappingProxyType({0: 0, 1: LV.value, 2: MYO.value, 3: RV.value}),
        "acdc": MappingProxyType({0: 0, 1: RV.value, 2: MYO.value, 3: LV.value}),
        "mnms": MappingProxyType({0: 0, 1: LV.value, 2: MYO.value, 3: RV.value}),
        "lv_cavity": MappingProxyType({0: 0, 1: LV.value}),
    }
)
"""Label schemes by name: a data set's own value -> ours. `UNLABELLED` passes through every scheme unchanged."""


def map_labels(array: np.ndarray, *, scheme: str | Mapping[int, int]) -> np.ndarray:
    """Map a data set's label values to ours.

    Args:
        array: integer-valued label map of any shape.
        scheme: a name in `SCHEMES`, or a mapping from the data set's values to ours.

    Returns:
        uint8 array of the same shape. `UNLABELLED` stays as it is. Empty input gives an empty array.

    Raises:
        ConfigError: the scheme's name is unknown.
        LabelError: the array holds a value that the scheme does not declare, or a fraction.

    >>> map_labels(np.array([0, 1, 2, 3, 255]), scheme="acdc").tolist()
    [0, 3, 2, 1, 255]
    """
    if isinstance(scheme, str):
        if scheme not in SCHEMES:
            raise ConfigError(f"label scheme must be one of {sorted(SCHEMES)}, got {scheme!r}")
        scheme = SCHEMES[scheme]
    table = {int(source): int(target) for source, target in scheme.items()} | {UNLABELLED: UNLABELLED}
    values = np.unique(array)
    unknown = [value for value in values.tolist() if value not in table]
    if unknown:
        raise LabelError(f"label values must be among {sorted(table)}, got {unknown[:8]} as well")
    mapped = np.zeros(array.shape, dtype=np.uint8)
    for value in values:
        mapped[array == value] = table[int(value)]
    return mapped


def keep_drawn(labels: np.ndarray, drawn_phases: Collection[int] | None) -> np.ndarray:
    """Mark all phases of a label map as unlabelled except those that were annotated.

    Args:
        labels: (T, X, Y, Z) uint8.
        drawn_phases: 0-based (`None`: all).

    Returns:
        A changed copy of the label map.

    Raises:
        GridError: a phase that does not exist.

    >>> keep_drawn(np.ones((3, 1, 1, 1), np.uint8), [0, 2]).ravel().tolist()
    [1, 255, 1]
    """
    if drawn_phases is None:
        return labels
    absent = sorted(phase for phase in drawn_phases if not 0 <= phase < len(labels))
    if absent:
        raise GridError(f"phases said to be drawn must be from 0 to {len(labels) - 1}, got {absent}")
    kept = np.full_like(labels, UNLABELLED)
    drawn = list(drawn_phases)
    kept[drawn] = labels[drawn]
    return kept
