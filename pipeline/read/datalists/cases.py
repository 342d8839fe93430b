"""The one form of a case, and what every adapter needs: names to structures, file names to patients, final checks.

A case is a dict with `image` and `label` (paths as str), `patient`, `phase` ("ED", "ES" or "" for a whole cine or an
unnamed phase), `spacing` ((x, y, z) in mm) and `scheme` (a name in `core.labels.SCHEMES`, or a mapping from the data
set's label values to ours), and whatever else the data set tells. `drawn_phases` (0-based) says in which phases of a 4D
label somebody has drawn: all others are unlabelled then, whatever their values; a label of as many phases holds those
alone. `drawn_structures` (["LV", "MYO"]) says which structures were drawn: background may be any other one.
`undrawn_slices` (0-based) are unlabelled in all phases. `image_sha256` and `label_sha256` are of voxels and labels that
belong together, see `core.digests`. `note` is a sentence for whoever checks the data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.core.errors import DatasetError
from pipeline.core.labels import BACKGROUND, LV, MYO, RV, SCHEMES, STRUCTURES, UNLABELLED
from pipeline.read.formats import name_of

__all__ = [
    "Adapter",
    "DatalistEntry",
    "Scheme",
    "finish_cases",
    "is_hidden",
    "parse_scheme",
    "patient_and_phase",
    "patient_of",
    "read_json",
    "scheme_from_names",
    "scheme_values",
]

DatalistEntry = dict[str, Any]
"""A case of a data set, as told above."""
Scheme = str | Mapping[int, int]


class ListCases(Protocol):
    """Lists the cases of a data set; what is in their files is looked at later, by `read.gate`."""

    def __call__(self, source: Path, *, scheme: Scheme | None, label_dir: Path | None) -> list[DatalistEntry]:
        """List them.

        Args:
            source: the data set's folder or list.
            scheme: label scheme where the data set states none of its own.
            label_dir: where label maps that are made of something else are kept; `None` for the user's cache.
        """


@dataclass(frozen=True)
class Adapter:
    """One layout of data sets, known by the tuple `ADAPTERS` of its own module in this package.

    Attributes:
        name: of the layout.
        what: what it is recognised by, in words.
        fits: whether a folder or a list, which exists, is of this layout; reads as little as it can.
        list_cases: lists its cases.
    """

    name: str
    what: str
    fits: Callable[[Path], bool]
    list_cases: ListCases


_NAMES = {
    BACKGROUND: ("background", "bg", "drop"),
    UNLABELLED: ("ignore", "unlabelled"),
    LV.value: ("lv", "lvc", "lvbp", "lv cavity", "lv blood pool", "left ventricle", "left ventricular cavity"),
    MYO.value: ("myo", "mlv", "lvm", "lv myo", "myocardium", "lv myocardium", "left ventricular myocardium"),
    RV.value: ("rv", "rvc", "rvbp", "rv cavity", "rv blood pool", "right ventricle", "right ventricular cavity"),
}
_STRUCTURES = {name: value for value, names in _NAMES.items() for name in names}
_CASE = re.compile(r"(?P<patient>.+?)[_-](?:(?P<phase>ED|ES)|(?:frame|phase|t)\d+)", re.IGNORECASE)


def patient_and_phase(name: str) -> tuple[str, str]:
    """Take a case's name apart: what precedes `_ED`, `_ES`, `_frameNN`, `_phaseNN` or `_tNN` is the patient.

    Without that, two phases of one patient would pass for two patients and land on both sides of a split.

    Returns:
        Patient, and "ED", "ES" or "" where the name does not say.

    >>> patient_and_phase("A0S9V9_ED"), patient_and_phase("patient001_frame12"), patient_and_phase("case7")
    (('A0S9V9', 'ED'), ('patient001', ''), ('case7', ''))
    """
    match = _CASE.fullmatch(name)
    return (match["patient"], (match["phase"] or "").upper()) if match else (name, "")


def patient_of(case: Mapping[str, Any]) -> str:
    """The patient of a case, by the image's name where a list that others made, as MONAI Label's, names none.

    >>> patient_of({"patient": "A0S9V9"}), patient_of({"image": "studies/patient001_frame12.nii.gz"})
    ('A0S9V9', 'patient001')
    """
    if case.get("patient"):
        return str(case["patient"])
    image = case.get("image", "")
    first = image if isinstance(image, str | Path) else image[0] if image else ""
    return patient_and_phase(name_of(Path(first)))[0]


def scheme_from_names(labels: Mapping[str, Any], *, path: Path | None) -> dict[int, int]:
    """Turn a `labels` table, value to name (MSD) or name to value (nnU-Net), into a scheme.

    Raises:
        DatasetError: a name that is not one of the structures known here, or a value that is not a whole number.

    >>> scheme_from_names({"background": 0, "RV": 1, "MLV": 2, "LVC": 3}, path=Path("dataset.json"))
    {0: 0, 1: 3, 2: 2, 3: 1}
    """
    scheme: dict[int, int] = {}
    for key, value in labels.items():
        name, number = (value, key) if str(key).isdigit() else (key, value)
        structure = _STRUCTURES.get(re.sub(r"[\s_-]+", " ", str(name)).strip().lower())
        if structure is None or not str(number).isdigit():
            known = sorted(name for names in _NAMES.values() for name in names)
            message = f"labels must map {known} to whole numbers, got {name!r}: {number!r}; or state `scheme`"
            raise DatasetError(message, path)
        scheme[int(number)] = structure
    return scheme


def parse_scheme(text: str) -> Scheme:
    """Read a scheme as a command line spells it: a name, or each value with what it is.

    `background` (or `drop`) drops a value; `ignore` makes its pixels unlabelled.

    >>> parse_scheme("acdc"), parse_scheme("0=background,1=LV,2=LV myo,4=ignore")
    ('acdc', {0: 0, 1: 1, 2: 2, 4: 255})

    Raises:
        DatasetError: neither.
    """
    if "=" not in text:
        return _check_scheme(text, None)
    pairs = [pair.partition("=") for pair in text.split(",")]
    return {BACKGROUND: BACKGROUND} | scheme_from_names({key.strip(): name for key, _, name in pairs}, path=None)


def scheme_values(scheme: Scheme) -> frozenset[int]:
    """Values of the structures that a scheme has, ours.

    >>> sorted(scheme_values("lv_cavity")), sorted(scheme_values({0: 0, 7: 2, 8: 2, 9: 255}))
    ([1], [2])
    """
    table = SCHEMES[scheme] if isinstance(scheme, str) else scheme
    return frozenset(table.values()) & {structure.value for structure in STRUCTURES}


def is_hidden(path: str | Path) -> bool:
    """Whether a file is none of the data set's: file managers leave `._name` beside files they copy."""
    return Path(path).name.startswith(".")


def finish_cases(cases: Iterable[DatalistEntry], *, source: Path) -> list[DatalistEntry]:
    """Check what a list itself says, and sort by patient, phase and label; no image or label is opened.

    Raises:
        DatasetError: no case at all, an unknown scheme, or drawn phases that are none.
    """
    found = sorted(cases, key=lambda case: (case["patient"], case["phase"], case["label"]))
    if not found:
        raise DatasetError("a data set needs at least one labelled case, got none", source)
    return [_finish(case, source) for case in found]


def _finish(case: DatalistEntry, source: Path) -> DatalistEntry:
    finished = {**case, "scheme": _check_scheme(case["scheme"], source)}
    for name in ("drawn_phases", "undrawn_slices"):
        stated = finished.pop(name, None)
        if stated not in (None, ""):
            finished[name] = _whole_numbers(name, stated, source)
    return finished


def _whole_numbers(name: str, stated: Any, source: Path) -> list[int]:
    try:
        words = stated.replace(",", " ").split() if isinstance(stated, str) else list(stated)
        return sorted({int(word) for word in words})
    except (TypeError, ValueError) as error:
        raise DatasetError(f"`{name}` must be whole numbers from 0 on, got {stated!r}", source) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: not readable, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"a data list must be valid JSON ({error})", path) from error


def _check_scheme(scheme: Any, source: Path | None) -> Scheme:
    """Give a known name, or a mapping with whole numbers as keys (JSON can only spell them as strings)."""
    if isinstance(scheme, str) and scheme in SCHEMES:
        return scheme
    if isinstance(scheme, str) and "=" in scheme:
        return parse_scheme(scheme)
    if isinstance(scheme, Mapping):
        try:
            table = {int(key): int(value) for key, value in scheme.items()}
        except (TypeError, ValueError) as error:
            raise DatasetError(f"a scheme must map whole numbers to whole numbers, got {scheme!r}", source) from error
        if set(table.values()) <= set(_NAMES):
            return table
        raise DatasetError(f"a scheme must map to our values {sorted(_NAMES)}, got {scheme!r}", source)
    named = "or pairs as 1=LV,2=MYO,3=RV"
    raise DatasetError(f"`scheme` must be one of {sorted(SCHEMES)}, a mapping, {named}, got {scheme!r}", source)
