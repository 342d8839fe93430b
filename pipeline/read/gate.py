"""The gate that labelled data passes before anything is computed: every pair of image and label is read and compared.

A *fault* keeps a case out, and with it the whole data set, until somebody has mended it; a *note* tells what was mended
or is worth a look. Labels are read whole. Of an image the header does, unless its pixels may hold what no header tells:
values that are not finite, or a file cut short; see `docs/datasets.md`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, PipelineError
from pipeline.core.labels import STRUCTURES
from pipeline.read.archives import archive_of
from pipeline.read.cine import read_cine
from pipeline.read.datalists.cases import DatalistEntry, scheme_values
from pipeline.read.findings import CheckedCase, fault, faults_of, note
from pipeline.read.formats import image_files
from pipeline.read.labels import drawn_values, short_names
from pipeline.read.packs import PACK_INDEX
from pipeline.read.pairs import about_intensities, check_case
from pipeline.read.search import files_under

__all__ = ["admit", "check_cases", "require_images"]

_WHOLE_HEART = 3
"""Drawn slices from which on a structure that is in none of them was not drawn, rather than not there: a single slice
may well lie beyond the right ventricle, a stack through the left one does not."""
_NAMED = 10
"""Faults that the one sentence of an error spells out."""


def check_cases(cases: Sequence[DatalistEntry], *, images: bool = False) -> list[CheckedCase]:
    """Read and compare every image and label; nothing is raised, everything is told.

    Args:
        cases: of one data set, as `datasets.load_datalist` lists them; those of a pack were checked when it was made.
        images: read the images' pixels as well where their headers give no cause to.

    Returns:
        One for each case, in order.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # unpacking works outside Python's lock
        checked = list(pool.map(partial(check_case, images=images), cases))
    return _tell_what_is_drawn(_pair_once(checked))


def admit(cases: Sequence[DatalistEntry], *, source: str | Path) -> list[DatalistEntry]:
    """Let a data set through, or refuse it with every fault of every case.

    A data set that has passed is not read again by the same process unless one of its files has changed: a command
    looks at its data before it writes anything, and then its workflow lists them once more.

    Args:
        cases: see `check_cases`.
        source: the data set, for the message.

    Returns:
        The cases, with `spacing` of their images (x, y, z in mm), and `drawn_structures` where the data set, the
        case's scheme, or a whole stack leaves any out.

    Raises:
        DatasetError: a case has a fault; all are named.
    """
    return [dict(case) for case in _admit(_Listed(_state(cases), cases), str(source))]


@dataclass(frozen=True)
class _Listed:
    """Cases, the same ones if neither the list nor a file has changed."""

    state: str
    cases: Sequence[DatalistEntry] = field(compare=False)


@lru_cache(maxsize=4)
def _admit(listed: _Listed, source: str) -> tuple[DatalistEntry, ...]:
    checked = check_cases(listed.cases)
    faults = faults_of(checked)
    n_bad = sum(bool(one.faults) for one in checked)
    _refuse(faults, f"{n_bad} of {len(checked)} cases cannot be used, `cmr check` tells all", source)
    return tuple(one.case for one in checked)


def _state(cases: Sequence[DatalistEntry]) -> str:
    """What the list says, and size and times of all files that it names."""
    return repr([(case, _stamps(case["image"]), _stamps(case["label"])) for case in cases])


def _stamps(path: str) -> list[tuple[str, int, int, int]]:
    place = archive_of(Path(path)) or Path(path)
    files = files_under(place) if place.is_dir() else image_files(place)
    states = ((str(file), file.stat()) for file in files if file.exists())
    return [(name, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for name, state in states]


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
            faults += [f"{name}: {finding.text}" for finding in about_intensities(read_cine(files).array)]
        except PipelineError as error:
            faults.append(f"{name}: {error}")
    _refuse(faults, f"{len(faults)} of {len(sources)} studies cannot be used", source)


def _refuse(faults: Sequence[str], counted: str, source: str | Path) -> None:
    if faults:
        told = "".join(f"\n  {line}" for line in faults[:_NAMED])
        more = f"\n  and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise DatasetError(f"{counted}:{told}{more}\n ", source)


def _pair_once(checked: list[CheckedCase]) -> list[CheckedCase]:
    """A label that stands beside two images is wrong beside one of them."""
    images: dict[str, set[str]] = defaultdict(set)
    for one in checked:
        images[str(one.case["label"])].add(str(one.case["image"]))
    return [
        replace(one, findings=(*one.findings, fault("pair", "one label file stands beside several images")))
        if PACK_INDEX not in one.case and len(images[str(one.case["label"])]) > 1
        else one
        for one in checked
    ]


def _tell_what_is_drawn(checked: list[CheckedCase]) -> list[CheckedCase]:
    """Add `drawn_structures` where data set, scheme or stack leave any out: what nobody draws is not background."""
    usual = frozenset().union(*(one.structures for one in checked if _leaves_open(one)))
    return [one if PACK_INDEX in one.case else _with_drawn(one, usual) for one in checked]


def _leaves_open(one: CheckedCase) -> bool:
    """Whether a case leaves it to its data set to say which structures were drawn."""
    return PACK_INDEX not in one.case and not one.case.get("drawn_structures")


def _with_drawn(one: CheckedCase, usual: frozenset[int]) -> CheckedCase:
    if not one.structures:  # nothing could be read of its label, which is a fault already
        return one
    every = frozenset(s.value for s in STRUCTURES)
    drawn, found = _drawn(one, usual), list(one.findings)
    if drawn - one.structures:
        shorts = short_names(drawn - one.structures)
        found.append(note("label", f"{shorts} nowhere in it: taken for absent, not for undrawn"))
    if every - drawn:
        found.append(note("label", f"{short_names(every - drawn)} not drawn: left out, not background"))
    shorts_drawn = [s.short for s in STRUCTURES if s.value in drawn]
    case: dict[str, Any] = one.case if drawn == every else {**one.case, "drawn_structures": shorts_drawn}
    return replace(one, case=case, findings=tuple(found))


def _drawn(one: CheckedCase, usual: frozenset[int]) -> frozenset[int]:
    """Values of the structures that were drawn, though one may be absent: as stated, or else as one must think."""
    if not _leaves_open(one):
        return frozenset(drawn_values(one.case) or ())
    return one.structures if one.n_drawn_slices >= _WHOLE_HEART else usual & scheme_values(one.case["scheme"])
