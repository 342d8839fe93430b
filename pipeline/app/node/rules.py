"""What becomes of a study, and which of its series are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pydicom

from pipeline.app.node.settings import Rule
from pipeline.core.quiet import quiet_dicom

__all__ = ["Decision", "Described", "decide", "describe"]


@dataclass(frozen=True)
class Described:
    """What rules look at in a file: descriptions of its study and series."""

    file: Path
    study: str
    series: str


@dataclass(frozen=True)
class Decision:
    """What becomes of a study: the rule and the files it reads, or `None` and the reason why it is ignored."""

    rule: Rule | None
    files: tuple[Path, ...]
    reason: str = ""


def describe(files: Iterable[Path]) -> list[Described]:
    """Read the descriptions of files."""
    found = []
    with quiet_dicom():
        for file in files:
            tags = ["StudyDescription", "SeriesDescription"]
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            found.append(Described(file, *(str(header.get(tag) or "") for tag in tags)))
    return found


def decide(rules: Sequence[Rule], described: Sequence[Described], caller: str) -> Decision:
    """What becomes of a study.

    A rule that ignores takes away the files that fit it, as localisers; the first other rule that fits some of the rest
    decides, and these are read.
    """
    left = list(described)
    for rule in rules:
        chosen = [one for one in left if _is_meant(rule, one, caller)]
        if chosen and not rule.ignore:
            return Decision(rule, tuple(one.file for one in chosen))
        taken = set(chosen)
        left = [one for one in left if one not in taken]
        if chosen and not left:
            return Decision(None, (), f"rule {rule.name!r} ignores it")
    return Decision(None, (), "no rule fits it")


def _is_meant(rule: Rule, one: Described, caller: str) -> bool:
    return fits(rule.caller, caller) and fits(rule.study, one.study) and fits(rule.series, one.series)


def fits(pattern: str, value: str) -> bool:
    """Whether a text has the form of a pattern, in whatever case.

    >>> fits("*sax*", "CINE SAX 8mm"), fits("*sax*", "CINE 4CH"), fits("*", "")
    (True, False, True)
    """
    return fnmatchcase(value.casefold().strip(), pattern.casefold())
