"""Segment what the queue holds, one study after the other, by a worker process of its own."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pipeline.app.case_results import CaseResult
from pipeline.app.node.records import Job
from pipeline.app.node.rules import Decision, decide, describe
from pipeline.app.node.settings import Rule
from pipeline.app.node.work import made_objects, segment_study
from pipeline.app.request import Request
from pipeline.app.scratch import clear_abandoned, scratch
from pipeline.app.workers import Crew
from pipeline.core.case import Provenance
from pipeline.core.errors import BundleError, first_line, own_error, tell

if TYPE_CHECKING:
    from pipeline.app.node.service import Node

__all__ = ["Runner"]

_TEMPORARY = ".run-"
_IDLE_S = 0.3
_LATER_S = 60.0
_MOST_ATTEMPTS = 3

_End = tuple[str, Callable[[], object]]
"""How a run ended, and what writes it down."""


class Runner:
    """One worker process, and the thread that gives it studies.

    Args:
        node: whose studies.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._crew: Crew | None = None
        self.loaded = threading.Event()
        self.is_held_up = False

    def interrupt(self) -> None:
        """End what the process does. The study in hand is queued again."""
        if self._crew is not None:
            self._crew.interrupt()

    def run(self) -> None:
        """Segment until the node ends. When the disk or the bundle fails, all studies wait and the process is replaced.

        Raises:
            PipelineError, OSError: the bundle could not be loaded at first.
        """
        node = self._node
        while not node.ends.is_set():
            try:
                self._run_process()
            except (BundleError, OSError) as error:
                if not self.loaded.is_set():
                    raise
                self.is_held_up = True
                node.journal.tell("segmentation held up", level=logging.ERROR, error=error)
                node.ends.wait(_LATER_S)

    def _run_process(self) -> None:
        node, work = self._node, self._node.settings.work
        clear_abandoned(node.settings.folder, _TEMPORARY)
        with (
            scratch(node.settings.folder, _TEMPORARY) as own,
            Crew(node.load, n=1, timeout_s=work.timeout_s, temporary=own) as self._crew,
        ):
            made_by = self._crew.told()
            self.loaded.set()
            self.is_held_up = False
            while not node.ends.is_set():
                job = node.queue.take(now=time.time())
                if job is None:
                    node.ends.wait(_IDLE_S)
                else:
                    self._segment(self._crew, made_by, job)

    def _segment(self, crew: Crew, made_by: Provenance, job: Job) -> None:
        node, start = self._node, time.monotonic()
        try:
            outcome, change = self._end(crew, made_by, job)
        except (BundleError, OSError, sqlite3.OperationalError) as error:  # not the study's fault
            node.settle(partial(node.queue.postpone, job, _sentence(error), until=time.time() + _LATER_S))
            node.journal.ran(job.study, "postponed", time.monotonic() - start)
            raise
        node.settle(change)
        node.journal.ran(job.study, outcome, time.monotonic() - start)

    def _end(self, crew: Crew, made_by: Provenance, job: Job) -> _End:
        """Segment a study.

        Raises:
            BundleError, OSError, sqlite3.OperationalError: no study would fare better now.
        """
        node = self._node
        if job.attempts > _MOST_ATTEMPTS:
            return self._failed(job, f"the node ended {_MOST_ATTEMPTS} times while this study was segmented")
        try:
            decision = self._decide(job)
            if decision.rule is None:
                return self._failed(job, f"the rules were changed, and now {decision.reason}")
            result = segment_study(crew, made_by, decision.files, self._request(decision.rule))
            if node.ends.is_set() and result.error is not None:  # it was interrupted
                return "interrupted", partial(node.queue.postpone, job, "", until=0.0)
            return self._finish(job, decision.rule, result)
        except FileNotFoundError as error:
            return self._failed(job, f"a file of it is gone [{error.filename}]")
        except (BundleError, OSError, sqlite3.OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 a study costs itself alone, whatever the libraries meet in it
            return self._failed(job, _sentence(error))

    def _finish(self, job: Job, rule: Rule, result: CaseResult) -> _End:
        node = self._node
        made = [] if result.error is not None else made_objects(result.folder, node.spool.results)
        if not made:
            return self._failed(job, result.error or "nothing was found in it, so there is nothing to send")
        return "segmented", partial(node.outbox.put, job, made, rule.send_to)

    def _failed(self, job: Job, reason: str) -> _End:
        return "failed", partial(self._node.queue.fail, job, reason)

    def _decide(self, job: Job) -> Decision:
        """Once more, since the rules may have been changed since it was queued."""
        folder, files = self._node.spool.images(job.study), self._node.queue.files(job.study)
        return decide(self._node.settings.rules, describe(folder / name for name in sorted(files)), job.caller)

    def _request(self, rule: Rule) -> Request:
        secret = self._node.settings.secret() if rule.pseudonym else None
        return Request(self._node.spool.results, secret=secret)


def _sentence(error: Exception) -> str:
    own = own_error(error)
    return f"{type(error).__name__}: {first_line(error)}" if own is None else tell(own)
