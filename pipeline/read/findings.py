"""What is found when labelled data are checked: of each case its faults and its notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.read.datalists.cases import DatalistEntry

__all__ = ["CheckedCase", "Finding", "fault", "faults_of", "note"]


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
        n_drawn_slices: slices in which something is drawn, in any phase.
        structures: values of the structures found.
        findings: faults and notes.
    """

    case: DatalistEntry
    shape: tuple[int, int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    drawn_phases: tuple[int, ...] = ()
    n_drawn_slices: int = 0
    structures: frozenset[int] = frozenset()
    findings: tuple[Finding, ...] = ()

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What keeps it out."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What else there is to say."""
        return tuple(finding for finding in self.findings if not finding.is_fault)


def faults_of(checked: Iterable[CheckedCase]) -> list[str]:
    """Every fault as one line: patient, phase, what is wrong, and the file."""
    return [
        f"{_name(one.case)}: {finding.about}: {finding.text} [{_file(one.case, finding)}]"
        for one in checked
        for finding in one.faults
    ]


def _name(case: DatalistEntry) -> str:
    return f"{case['patient']} {case['phase']}".strip()


def _file(case: DatalistEntry, finding: Finding) -> str:
    return str(case["image" if finding.about == "image" else "label"])


def fault(about: str, reason: object) -> Finding:
    """What keeps a case out."""
    return Finding(about, str(reason), is_fault=True)


def note(about: str, text: str) -> Finding:
    """What is worth telling."""
    return Finding(about, text, is_fault=False)
