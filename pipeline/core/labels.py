"""The label table: structure, value, SNOMED CT code and colour, and the schemes of the data sets.

Inside this library a label map is uint8 with background 0, left-ventricular cavity 1, left-ventricular
myocardium 2 and right-ventricular cavity 3. Papillary muscles count as cavity, as ACDC and Sunnybrook draw them.

Where a structure was never drawn, what looks like background may be that structure. Such a pixel has a *partial* value:
128 plus a bit for each value that it may have, as 137 for background or right ventricle (bits 0 and 3). `UNLABELLED` is
the end of that row: it may have any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from pipeline.core.errors import ConfigError, GridError, LabelError

__all__ = [
    "BACKGROUND",
    "LV",
    "MYO",
    "PARTIAL",
    "RV",
    "SCHEMES",
    "STRUCTURES",
    "UNLABELLED",
    "Structure",
    "as_drawn",
    "is_partial",
    "is_structure",
    "keep_drawn",
    "map_labels",
    "members",
    "one_of",
    "undrawn_values",
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
PARTIAL = 128
"""Values between this and `UNLABELLED` are partial: several classes are possible, of 0 to 6."""

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


def one_of(values: Iterable[int]) -> int:
    """Value of a pixel that has one of several values, nobody knows which: partial, or the value itself if it is one.

    >>> one_of([0, 3]), one_of([2]), one_of(range(7)) == UNLABELLED
    (137, 2, True)
    """
    chosen = set(values)
    return chosen.pop() if len(chosen) == 1 else PARTIAL | sum(1 << value for value in chosen)


def members(value: int) -> tuple[int, ...]:
    """The values that a pixel of this value may have.

    >>> members(137), members(2)
    ((0, 3), (2,))
    """
    return tuple(bit for bit in range(7) if value >> bit & 1) if value > PARTIAL else (value,)


def is_partial(labels: np.ndarray) -> np.ndarray:
    """Where a label map of ours has partial values."""
    return np.asarray((labels > PARTIAL) & (labels < UNLABELLED))


def is_structure(labels: np.ndarray) -> np.ndarray:
    """Where a structure is drawn in a label map of ours."""
    return np.asarray((labels > BACKGROUND) & (labels < PARTIAL))


def undrawn_values(labels: np.ndarray) -> frozenset[int]:
    """Values of the structures that a label map of ours leaves open: some pixel may be one and nobody has said.

    >>> sorted(undrawn_values(np.array([137, 1, 255], np.uint8)))
    [3]
    """
    found = np.flatnonzero(np.bincount(np.ravel(labels).astype(np.uint8), minlength=256)).tolist()
    open_values = {member for value in found if PARTIAL < value < UNLABELLED for member in members(value)}
    return frozenset(open_values - {BACKGROUND})


def map_labels(array: np.ndarray, *, scheme: str | Mapping[int, int]) -> np.ndarray:
    """Map a data set's label values to ours.

    Args:
        array: integer-valued label map of any shape.
        scheme: a name in `SCHEMES`, or a mapping from the data set's values to ours; several may become one.

    Returns:
        uint8 array of the same shape. `UNLABELLED` stays as it is unless the scheme declares it. A partial value of
        declared ones becomes the partial value of their images. Empty input gives an empty array.

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
    table = {UNLABELLED: UNLABELLED} | {int(source): int(target) for source, target in scheme.items()}
    declared = sorted(table)
    values = _values(array)
    for value in values:
        if value not in table and PARTIAL < value < UNLABELLED and set(members(int(value))) <= table.keys():
            table[int(value)] = one_of(table[member] for member in members(int(value)))
    unknown = [value for value in values if value not in table]
    if unknown:
        raise LabelError(f"label values must be among {declared}, got {unknown[:8]} as well")
    mapped = np.zeros(array.shape, dtype=np.uint8)
    for value in values:
        mapped[array == value] = table[int(value)]
    return mapped


def as_drawn(
    labels: np.ndarray, *, drawn_phases: Collection[int] | None = None, drawn_values: Collection[int] | None = None
) -> np.ndarray:
    """Let a label map say no more than somebody has drawn.

    A phase of a cine in which nothing is drawn is unlabelled, not background. Where a structure was not drawn, what is
    background may be it: in the whole map for structures outside `drawn_values`; in a phase of a cine for those that
    other phases have and this one lacks altogether, for a ventricle does not come and go.

    Args:
        labels: (T, X, Y, Z) uint8.
        drawn_phases: 0-based; `None`: those that hold a structure, or of a static volume the only one.
        drawn_values: values of the structures that were drawn; `None`: all of `STRUCTURES`.

    Returns:
        The label map, changed in a copy.

    Raises:
        GridError: a phase that is not there.

    >>> cine = np.array([[0, 1, 2], [0, 1, 0], [0, 0, 0]], np.uint8).reshape(3, 3, 1, 1)
    >>> as_drawn(cine, drawn_values=[1, 2])[..., 0, 0].tolist()
    [[137, 1, 2], [141, 1, 141], [255, 255, 255]]
    """
    found = [set(_values(phase)) for phase in labels]
    if drawn_phases is None:
        drawn_phases = [t for t, values in enumerate(found) if len(found) == 1 or values & _DRAWABLE]
    kept = keep_drawn(labels, drawn_phases).copy()
    everywhere = _DRAWABLE if drawn_values is None else set(drawn_values)
    somewhere = set().union(*(found[t] for t in drawn_phases)) & _DRAWABLE
    for t in drawn_phases:
        missing = (_DRAWABLE - everywhere) | (somewhere if len(found) > 1 else set())
        _leave_open(kept[t], missing - found[t])
    return kept


def _leave_open(phase: np.ndarray, missing: Collection[int]) -> None:
    """Let what is, or may be, background in a phase be any of the missing values too."""
    for value in _values(phase) if missing else ():
        if value < UNLABELLED and BACKGROUND in members(value):
            phase[phase == value] = one_of({*members(value), *missing})


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


_DRAWABLE = {structure.value for structure in STRUCTURES}


def _values(array: np.ndarray) -> list[Any]:
    """What values there are, ascending."""
    if array.dtype == np.uint8:
        return np.flatnonzero(np.bincount(array.ravel(), minlength=256)).tolist()
    return np.unique(array).tolist()
