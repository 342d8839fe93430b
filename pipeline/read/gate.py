"""The gate that labelled data passes before anything is computed: every pair of image and label is read and compared.

A *fault* keeps a case out, and with it the whole data set, until somebody has mended it; a *note* tells what was mended
or is worth a look. Labels are read whole. Of an image the header does, unless its pixels may hold what no header tells:
values that are not finite, or a file cut short; see `docs/datasets.md`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import DatasetError, PipelineError
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES, UNLABELLED, is_structure, map_labels
from pipeline.read.cine import read_cine
from pipeline.read.datalists.cases import Case, scheme_values
from pipeline.read.enclosure import misplaced_pair
from pipeline.read.integrity import is_doubtful
from pipeline.read.labels import StoredLabel, drawn_values, lay_on_image, read_stored_label
from pipeline.read.nifti import is_nifti, nifti_shape, read_nifti_grid
from pipeline.read.packs import PACK_INDEX

__all__ = ["CheckedCase", "Finding", "admit", "check_cases", "faults_of", "require_images"]

_NAMED = 10
"""Faults that the one sentence of an error spells out."""


@dataclass(frozen=True)
class Finding:
    """Something about a case.

    Attributes:
        about: "image", "label", or "pair".
        text: one sentence.
        is_fault: whether it keeps the case out.
    """

    about: str
    text: str
    is_fault: bool


@dataclass(frozen=True)
class CheckedCase:
    """A case of a data list and what is known of it.

    Attributes:
        case: as listed; once the whole data set is known, with `spacing` and, where not all, `drawn_structures`.
        shape: (X, Y, Z, T) of the image; `None` where it cannot be read.
        spacing_mm: of the image.
        drawn_phases: 0-based phases in which something is drawn.
        structures: values of the structures found.
        findings: faults and notes.
    """

    case: Case
    shape: tuple[int, int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    drawn_phases: tuple[int, ...] = ()
    structures: frozenset[int] = frozenset()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What keeps it out."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What else there is to say."""
        return tuple(finding for finding in self.findings if not finding.is_fault)


def check_cases(cases: Sequence[Case], *, images: bool = False) -> list[CheckedCase]:
    """Read and compare every image and label; nothing is raised, everything is told.

    Args:
        cases: of one data set, as `datasets.load_datalist` lists them; those of a pack were checked when it was made.
        images: read the images' pixels as well where their headers give no cause to.

    Returns:
        One for each case, in order.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # unpacking works outside Python's lock
        checked = list(pool.map(partial(_check_case, images=images), cases))
    return _told_what_is_drawn(_paired_once(checked))


def admit(cases: Sequence[Case], *, source: str | Path) -> list[Case]:
    """Let a data set through, or refuse it with every fault of every case.

    Args:
        cases: see `check_cases`.
        source: the data set, for the message.

    Returns:
        The cases, with `spacing` of their images (x, y, z in mm), and `drawn_structures` where the data set or the
        case's scheme leaves any out.

    Raises:
        DatasetError: a case has a fault; all are named.
    """
    checked = check_cases(cases)
    faults = faults_of(checked)
    n_bad = sum(bool(one.faults) for one in checked)
    _refuse(faults, f"{n_bad} of {len(checked)} cases cannot be used, `cmr check` tells all", source)
    return [one.case for one in checked]


def require_images(sources: Mapping[str, Sequence[str]], *, source: str | Path) -> None:
    """Let images without labels through, or refuse them with every fault of every study.

    Args:
        sources: files of each study, by its name.
        source: where they were found, for the message.

    Raises:
        DatasetError: a study cannot be read, or its pixels are no picture; all are named.
    """
    faults = []
    for name, files in sources.items():
        try:
            faults += [f"{name}: {finding.text}" for finding in _about_intensities(read_cine(files).array)]
        except PipelineError as error:
            faults.append(f"{name}: {error}")
    _refuse(faults, f"{len(faults)} of {len(sources)} studies cannot be used", source)


def faults_of(checked: Iterable[CheckedCase]) -> list[str]:
    """Every fault as one line: patient, phase, what is wrong, and the file."""
    return [
        f"{_name(one.case)}: {finding.about}: {finding.text} [{_file(one.case, finding)}]"
        for one in checked
        for finding in one.faults
    ]


def _refuse(faults: Sequence[str], counted: str, source: str | Path) -> None:
    if faults:
        told = "".join(f"\n  {line}" for line in faults[:_NAMED])
        more = f"\n  and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise DatasetError(f"{counted}:{told}{more}\n ", source)


def _name(case: Case) -> str:
    return f"{case['patient']} {case['phase']}".strip()


def _file(case: Case, finding: Finding) -> str:
    return str(case["image" if finding.about == "image" else "label"])


def _fault(about: str, reason: object) -> Finding:
    return Finding(about, str(reason), is_fault=True)


def _note(about: str, text: str) -> Finding:
    return Finding(about, text, is_fault=False)


def _check_case(case: Case, *, images: bool) -> CheckedCase:
    if PACK_INDEX in case:
        return CheckedCase(case)
    found = [_note("pair", str(case["note"]))] if case.get("note") else []
    image = _read_image(case, found, whole=images)
    stored = _read_label(case, found)
    if str(case["image"]) == str(case["label"]):
        found.append(_fault("pair", "image and label must be two files, got one"))
    mapped = None if stored is None else _mapped(stored, case, found)
    if mapped is None or image is None or stored is None:
        return replace(_described(case, image, mapped), findings=tuple(found))
    try:
        laid = lay_on_image(mapped, stored, case, grid=image[0], n_phases=image[1])
    except PipelineError as error:
        found.append(_fault("pair", error))
        return replace(_described(case, image, mapped), findings=tuple(found))
    said = {finding.text for finding in found}
    found += [_note("label", note) for note in laid.notes if note not in said]
    return replace(_described(case, image, laid.array), findings=tuple(found))


def _described(case: Case, image: tuple[Grid, int] | None, labels: np.ndarray | None) -> CheckedCase:
    if image is None:
        known = CheckedCase(case)
    else:
        (x, y, z), n_phases = image[0].shape, image[1]
        spacing = image[0].spacing_mm
        known = CheckedCase({**case, "spacing": spacing}, (x, y, z, n_phases), spacing)
    if labels is None:
        return known
    counts = [np.bincount(phase.ravel(), minlength=256)[1 : len(STRUCTURES) + 1] for phase in labels]
    present = np.flatnonzero(np.sum(counts, axis=0)) + 1
    return replace(
        known,
        drawn_phases=tuple(phase for phase, count in enumerate(counts) if count.any()),
        structures=frozenset(present.tolist()),
    )


def _read_image(case: Case, found: list[Finding], *, whole: bool) -> tuple[Grid, int] | None:
    """The image's grid and number of phases."""
    path = Path(case["image"])
    try:
        if whole or not is_nifti(path) or path.is_dir() or is_doubtful(path):
            cine = read_cine(path)
            found += [_note("image", note) for note in cine.notes if not _is_about_time(note)]
            found += _about_intensities(cine.array)
            return cine.grid, cine.n_phases
        return read_nifti_grid(path), (*nifti_shape(path), 1)[3]
    except PipelineError as error:
        found.append(_fault("image", _without_path(error)))
        return None


def _about_intensities(array: np.ndarray) -> list[Finding]:
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        n_bad = int((~np.isfinite(array)).sum())
        return [_fault("image", f"intensities must be finite, got {n_bad} voxels of NaN or infinity")]
    return [_fault("image", f"an image needs more than one intensity, got {low:g} throughout")] if low == high else []


def _read_label(case: Case, found: list[Finding]) -> StoredLabel | None:
    try:
        return read_stored_label(case["label"])
    except PipelineError as error:
        found.append(_fault("label", _without_path(error)))
        return None


def _mapped(stored: StoredLabel, case: Case, found: list[Finding]) -> np.ndarray | None:
    """The label in our values; where it cannot be, in none that matter, so that the rest can still be looked at."""
    try:
        mapped = map_labels(stored.array, scheme=case["scheme"])
        stated = drawn_values(case)
    except PipelineError as error:
        found.append(_fault("label", f"{error}; map or drop them by `scheme` (`--scheme` on the command line)"))
        return None
    if not is_structure(mapped).any():
        what = "unlabelled" if (mapped == UNLABELLED).all() else "background"
        found.append(_fault("label", f"a label needs something drawn in it, this one is {what} throughout"))
        return None
    beyond = set() if stated is None else set(np.unique(mapped[is_structure(mapped)]).tolist()) - set(stated)
    if beyond:
        found.append(_fault("label", f"`drawn_structures` leaves out {_shorts(beyond)}, which it holds"))
    misplaced = misplaced_pair(mapped)
    if misplaced is not None:
        inner, outer = (structure.short for structure in misplaced)
        found.append(_fault("label", f"LV must lie within MYO, but {inner} lies within {outer}: is `scheme` right?"))
    return mapped


def _without_path(error: PipelineError) -> str:
    return str(error).rpartition(" [")[0] or str(error)


def _is_about_time(note: str) -> bool:
    return note.startswith("times of the phases")


def _paired_once(checked: list[CheckedCase]) -> list[CheckedCase]:
    """A label that stands beside two images is wrong beside one of them."""
    images: dict[str, set[str]] = defaultdict(set)
    for one in checked:
        images[str(one.case["label"])].add(str(one.case["image"]))
    return [
        replace(one, findings=(*one.findings, _fault("pair", "one label file stands beside several images")))
        if PACK_INDEX not in one.case and len(images[str(one.case["label"])]) > 1
        else one
        for one in checked
    ]


def _told_what_is_drawn(checked: list[CheckedCase]) -> list[CheckedCase]:
    """Add `drawn_structures` where a data set or a scheme leaves structures out: what nobody draws is not background."""
    usual = frozenset().union(*(one.structures for one in checked if _leaves_open(one)))
    return [one if PACK_INDEX in one.case else _with_drawn(one, usual) for one in checked]


def _leaves_open(one: CheckedCase) -> bool:
    """Whether a case leaves it to its data set to say which structures were drawn."""
    return PACK_INDEX not in one.case and not one.case.get("drawn_structures")


def _with_drawn(one: CheckedCase, usual: frozenset[int]) -> CheckedCase:
    if not one.structures:  # nothing could be read of its label, which is a fault already
        return one
    every = frozenset(s.value for s in STRUCTURES)
    drawn = usual & scheme_values(one.case["scheme"]) if _leaves_open(one) else frozenset(drawn_values(one.case) or ())
    notes = []
    if drawn - one.structures:
        shorts = _shorts(drawn - one.structures)
        notes.append(_note("label", f"{shorts} not here though in other cases: taken for absent, not for undrawn"))
    if every - drawn:
        notes.append(_note("label", f"{_shorts(every - drawn)} not drawn: left out, not background"))
    shorts_drawn = [s.short for s in STRUCTURES if s.value in drawn]
    case: dict[str, Any] = one.case if drawn == every else {**one.case, "drawn_structures": shorts_drawn}
    return replace(one, case=case, findings=(*one.findings, *notes))


def _shorts(values: Iterable[int]) -> str:
    return " and ".join(s.short for s in STRUCTURES if s.value in set(values))
