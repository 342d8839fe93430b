"""Segment many cases into one folder, so that whatever befalls a case or the run, nothing is lost or mixed up.

The command's own process looks for cases, decides which are to be done and tells of them. Others (`app.engines`) hold
the network and process a case each, so a hang, a crash or a lack of memory costs one case.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.app.case_results import CaseResult, record_failure, result_on_disk
from pipeline.app.earlier import Standing, standing
from pipeline.app.engines import Engine, StartEngine, this_machine
from pipeline.app.folders import find_folder
from pipeline.app.logs import log_to_stderr
from pipeline.app.request import Request
from pipeline.app.results import owner_of
from pipeline.app.scratch import CLAIM, WRITING, clear_abandoned
from pipeline.app.shards import Shard
from pipeline.app.workers import Load, Lost
from pipeline.core.case import Provenance
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.locks import holding
from pipeline.core.processes import n_cores
from pipeline.read.discover import CaseFiles, find_cases

if TYPE_CHECKING:
    from pipeline.app.segmenter import Segmenter

__all__ = ["Cohort", "LoadRunner", "PlannedCase", "load_segmenter", "threads_a_job"]

_log = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


@dataclass(frozen=True)
class LoadRunner:
    """Loads a bundle in a process of its own, and gives what is recorded of it and what segments a case with it.

    Attributes:
        bundle: its name or folder.
        device: torch device; `None` takes what the bundle chooses.
        request: what is asked for.
        quiet: log errors only.
        n_threads: of the libraries that compute; `None` leaves it to them.
    """

    bundle: str
    device: str | None
    request: Request
    quiet: bool = False
    n_threads: int | None = None

    def __call__(self) -> tuple[Provenance, Callable[[CaseFiles], CaseResult]]:
        """Load it."""
        segmenter = load_segmenter(self.bundle, self.device, self.n_threads)
        from pipeline.app.predict import CaseRunner

        log_to_stderr(quiet=self.quiet)
        asked = self.request
        runner = CaseRunner(segmenter, asked.out, series=asked.series, choices=asked.choices, secret=asked.secret)
        return segmenter.provenance, runner.attempt


def load_segmenter(bundle: str, device: str | None, n_threads: int | None) -> Segmenter:
    """Load a bundle in a process that does nothing else; arguments as for `LoadRunner`."""
    for name in _THREADS if n_threads is not None else ():
        os.environ.setdefault(name, str(n_threads))
    from pipeline.app.memory import collect_garbage_seldom, keep_freed_memory
    from pipeline.app.segmenter import Segmenter

    collect_garbage_seldom()
    keep_freed_memory()
    return Segmenter(bundle, device=device)


@dataclass(frozen=True)
class PlannedCase:
    """A case of a run.

    Attributes:
        files: the case, as it was found.
        named: the case, as its results are called.
        left: what an earlier run has left of it.
    """

    files: CaseFiles
    named: CaseFiles
    left: Standing


class Cohort:
    """One run over many cases. Within its context its processes exist; nothing of them is left at its end.

    Args:
        load: gives what segments a case.
        request: what is asked for.
        jobs: number of processes that segment, see the engine.
        timeout_s: longest time that a case may take; `None` sets no limit.
        engine: where they are; on this machine, if none is given.
        shard: the share of the cases to process; others may process theirs meanwhile.
    """

    def __init__(
        self,
        load: Load,
        request: Request,
        *,
        jobs: int,
        timeout_s: float | None,
        engine: StartEngine = this_machine,
        shard: Shard | None = None,
    ) -> None:
        self.request, self.shard = request, shard
        self._start = partial(engine, load, jobs=jobs, timeout_s=timeout_s)
        self._stack = ExitStack()
        self._engine: Engine

    def __enter__(self) -> Cohort:
        self._engine = self._stack.enter_context(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self.request.out.is_dir():  # what the processes that were just ended had begun
            clear_abandoned(self.request.out, WRITING, CLAIM)

    def plan(self, path: str | Path | Sequence[str | Path]) -> list[PlannedCase]:
        """Find the cases at a path, and what is to be done about each. Results in the output folder are no cases.

        Raises:
            InputError: there is no image at `path`, or a table of subjects that is not right.
            ConfigError: another run is writing into the output folder.
            BundleError, ConfigError: of loading the bundle.
        """
        found = self.request.with_subjects(find_cases(path))
        made_by = self._engine.told()
        self._hold_out()
        cases = _without_results(found, self.request.out)
        shared = cases if self.shard is None else [case for case in cases if self.shard.has(case)]
        named = [self.request.named(case) for case in shared]
        return [
            PlannedCase(case, name, standing(name, self.request, made_by))
            for case, name in zip(shared, named, strict=True)
        ]

    def skipped(self, case: PlannedCase) -> CaseResult:
        """The result of a case that is not to be done, as it lies there."""
        return result_on_disk(find_folder(self.request.out, case.named), skipped=case.left.reason)

    def run(self, cases: Iterable[PlannedCase]) -> Iterator[CaseResult]:
        """Segment cases, and yield the result of each as it is finished, be it a failure.

        Raises:
            OSError, InputError: the output folder is full, or was taken away.
        """
        by_files = {case.files: case for case in cases}
        for files, answer in self._engine.answers(by_files):
            self._require_same_out()
            if isinstance(answer, Lost):
                answer = record_failure(self.request.out, by_files[files].named, answer.reason)
            yield answer

    def _hold_out(self) -> None:
        out = self.request.out
        out.mkdir(parents=True, exist_ok=True)
        if not self._stack.enter_context(holding(out, shared=self.shard is not None)):
            raise ConfigError(
                f"another `cmr segment` is writing into {out}; wait until it ends, or choose another folder"
            )
        self._out = out.stat()
        clear_abandoned(out, WRITING, CLAIM)

    def _require_same_out(self) -> None:
        """Refuse to go on in a folder that was made anew, since that may be another disk than the user's."""
        out = self.request.out
        if not out.is_dir() or not os.path.samestat(out.stat(), self._out):
            raise InputError("the output folder must stay while it is written to, this one was moved or removed", out)


def threads_a_job(jobs: int) -> int | None:
    """Threads for each of several processes, so that together they use the cores once; `None` for a single one.

    >>> threads_a_job(1) is None
    True
    """
    return None if jobs < 2 else max(1, n_cores() // jobs)


def _without_results(cases: Sequence[CaseFiles], out: Path) -> list[CaseFiles]:
    """Cases without those that are results of ours, as where the output folder lies in the input."""
    out = out.resolve()
    results = {case for case in cases if _is_within_result(case.path.resolve(), out)}
    if results:
        _log.warning("passed over %d image(s) among the results in %s", len(results), out)
    return [case for case in cases if case not in results]


def _is_within_result(path: Path, out: Path) -> bool:
    above = [folder for folder in (path, *path.parents) if out in folder.parents]
    return any(owner_of(folder) is not None for folder in above)
