"""What `cmr segment` tells as it goes: one line a case, with what is left, and how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

import typer

from pipeline.app.case_results import CaseResult
from pipeline.app.cohort import PlannedCase
from pipeline.app.summary import case_json
from pipeline.core.measurements import Measurements
from pipeline.write.pages import findings

__all__ = ["Progress", "format_time", "result_line"]

_NAMES = 3
"""Cases named in a line about many."""


class Progress:
    """Tells of a run on the terminal, or in one JSON object a case on the standard output.

    Args:
        as_json: print objects; what is for people then goes to the standard error.
        quiet: tell people of failures only.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json, self._quiet = as_json, quiet
        self.n_all = self.n_to_do = self.n_done = self.n_failed = 0
        self._start = time.monotonic()

    def tell_plan(self, plan: Sequence[PlannedCase]) -> None:
        """Tell what is done already, kept, and done again, and why; and begin to count."""
        states = [case.left.state for case in plan]
        self.n_all, self.n_to_do = len(plan), states.count("new") + states.count("redo")
        if "done" in states:
            self._say(f"{states.count('done')} of {len(plan)} already done")
        for state, word in (("kept", "kept"), ("redo", "done again")):
            for reason, names in _by_reason(case for case in plan if case.left.state == state):
                self._say(f"{names}: {word}: {reason}")
        self._start = time.monotonic()

    def tell_skipped(self, result: CaseResult) -> None:
        """Give the object of a case that is not to be done."""
        if self._as_json:
            typer.echo(json.dumps(case_json(result)))

    def tell(self, result: CaseResult) -> None:
        """Tell of a case that is finished."""
        self.n_done += 1
        self.n_failed += result.error is not None
        elapsed = time.monotonic() - self._start
        left = elapsed / self.n_done * (self.n_to_do - self.n_done)
        line = f"[{self.n_done}/{self.n_to_do}] {result_line(result, left_s=left)}"
        if result.error is not None:
            typer.echo(line, err=True)
        else:
            self._say(line)
        if self._as_json:
            typer.echo(json.dumps(case_json(result)))

    def tell_end(self) -> None:
        """Tell how a run ended that went through."""
        n = self.n_done - self.n_failed
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        self._say(f"{n} {'study' if n == 1 else 'studies'} segmented{failed} (not for diagnosis)")

    def how_far(self) -> str:
        """How far the run has come, as a clause."""
        if not self.n_all:
            return "no study was begun"
        return f"{self.n_all - self.n_to_do + self.n_done} of {self.n_all} done; the same command goes on from there"

    def _say(self, line: str) -> None:
        if not self._quiet:
            typer.echo(line, err=self._as_json)


def result_line(result: CaseResult, *, left_s: float = 0.0) -> str:
    """The result of a case in a line: name, verdict, ejection fraction, time, and its first reason where there is one.

    Args:
        result: the result.
        left_s: seconds until the run is over; 0 says nothing of it.
    """
    if result.error is not None:
        return f"{result.name}: FAILED: {result.error}"
    if result.skipped is not None:
        return f"{result.name}: kept: {result.skipped}"
    spent = [] if result.seconds is None else [f"{result.seconds:.1f} s"]
    spent += [f"{format_time(left_s)} left"] if left_s else []
    parts = [result.name, *_findings(result.measurements), ", ".join(spent)]
    flags = [] if result.measurements is None else findings.flags(result.measurements)
    reason = f": {flags[0].message}" if flags and flags[0].severity != "note" else ""
    return "  ".join(part for part in parts if part) + reason


def format_time(seconds: float) -> str:
    """A span of time in words, coarser the longer it is.

    >>> format_time(42.4), format_time(840.0), format_time(7000.0)
    ('42 s', '14 min', '1 h 57 min')
    """
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _findings(measured: Measurements | None) -> list[str]:
    """Verdict and main number."""
    if measured is None:
        return ["segmented"]
    if measured.left is not None and measured.left.ef_percent is not None:
        return [findings.verdict(measured), f"EF {measured.left.ef_percent:.0f} %"]
    volumes = next(iter(measured.volumes_ml.values()), [])
    return [findings.verdict(measured), f"LV {volumes[0]:.0f} ml" if volumes else ""]


def _by_reason(cases: Iterable[PlannedCase]) -> list[tuple[str, str]]:
    """Reason -> the names of its cases, the first few of many."""
    names: dict[str, list[str]] = {}
    for case in cases:
        names.setdefault(case.left.reason, []).append(case.named.name)
    shown = {reason: ", ".join(of_it[:_NAMES]) for reason, of_it in names.items()}
    return [
        (reason, shown[reason] + (f" and {len(of_it) - _NAMES} more" if len(of_it) > _NAMES else ""))
        for reason, of_it in names.items()
    ]
