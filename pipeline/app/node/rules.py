"""What becomes of a study, and which of its series are read: the first rule that fits decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pydicom

from pipeline.app.node.settings import Rule
from pipeline.core.quiet import quiet_dicom

__all__ = ["Described", "describe", "first_rule", "fitting"]


@dataclass(frozen=True)
class Described:
    """What rules look at in a file: descriptions of its study and series."""

    file: Path
    study: str
    series: str


def describe(files: Iterable[Path]) -> list[Described]:
    """Read the descriptions of files."""
    found = []
    with quiet_dicom():
        for file in files:
            tags = ["StudyDescription", "SeriesDescription"]
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            found.append(Described(file, *(str(header.get(tag) or "") for tag in tags)))
    return found


def first_rule(rules: Sequence[Rule], described: Sequence[Described], caller: str) -> Rule | None:
    """The rule for a study; `None` where none fits."""
    return next((rule for rule in rules if fits(rule.caller, caller) and fitting(rule, described)), None)


def fitting(rule: Rule, described: Sequence[Described]) -> list[Path]:
    """The files of a study that a rule lets be read."""
    return [one.file for one in described if fits(rule.study, one.study) and fits(rule.series, one.series)]


def fits(pattern: str, value: str) -> bool:
    """Whether a text has the form of a pattern, in whatever case.

    >>> fits("*sax*", "CINE SAX 8mm"), fits("*sax*", "CINE 4CH"), fits("*", "")
    (True, False, True)
    """
    return fnmatchcase(value.casefold().strip(), pattern.casefold())
