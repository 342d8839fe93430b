"""Where the cases of a run are processed. An engine answers calls: by processes of this machine, or a cluster's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pipeline.app.scratch import clear_abandoned, scratch
from pipeline.app.workers import Crew, Load, Lost

__all__ = ["Engine", "StartEngine", "crew_with_scratch", "this_machine"]

_TEMPORARY = "cmr-run-"


class Engine(Protocol):
    """Answers calls, in whatever order they are finished. What befalls one costs no other."""

    def told(self) -> Any:
        """What `Load` tells, once it has loaded somewhere. Called once, before `answers`.

        Raises:
            PipelineError, OSError: it cannot be loaded.
        """

    def answers(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any | Lost]]:
        """Call for each task, and yield it with its answer as soon as that is there, or with `Lost`.

        Raises:
            PipelineError, OSError: true of all calls, as a full disk.
        """


StartEngine = Callable[..., AbstractContextManager[Engine]]
"""`start(load, jobs=..., timeout_s=...)`: an engine within a context, of which nothing is left at its end."""


@contextmanager
def this_machine(load: Load, *, jobs: int, timeout_s: float | None) -> Iterator[Engine]:
    """Processes of this machine.

    Args:
        load: gives what answers calls.
        jobs: number of processes; 0 answers in this one, unprotected.
        timeout_s: longest time that a call may take; `None` sets no limit.
    """
    if not jobs:
        yield _Alone(load)
        return
    with crew_with_scratch(load, jobs=jobs, timeout_s=timeout_s) as crew:
        yield crew


@contextmanager
def crew_with_scratch(load: Load, *, jobs: int, timeout_s: float | None) -> Iterator[Crew]:
    """A `Crew` whose temporary files are removed with it, or by the next one on this machine if it is killed."""
    temporary = Path(tempfile.gettempdir())
    clear_abandoned(temporary, _TEMPORARY)
    with (
        scratch(temporary, _TEMPORARY) as own,
        Crew(load, n=jobs, timeout_s=timeout_s, temporary=own) as crew,
    ):
        yield crew


class _Alone:
    """Answers calls in this very process."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def told(self) -> Any:
        told, self._call = self._load()
        return told

    def answers(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any | Lost]]:
        return ((task, self._call(task)) for task in tasks)
