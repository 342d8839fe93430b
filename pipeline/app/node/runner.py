"""Segment what the queue holds, one study after the other, by a worker process of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.app.case_results import CaseResult
from pipeline.app.node.records import Job
from pipeline.app.node.rules import describe, fitting
from pipeline.app.node.settings import Rule
from pipeline.app.node.work import made_objects, segment_study
from pipeline.app.request import Request
from pipeline.app.scratch import clear_abandoned, scratch
from pipeline.app.workers import Crew
from pipeline.core.case import Provenance
from pipeline.core.errors import PipelineError, tell

if TYPE_CHECKING:
    from pipeline.app.node.service import Node

__all__ = ["Runner"]

_TEMPORARY = ".run-"
_IDLE_S = 0.3
_FULL_DISK_S = 60.0
_MOST_ATTEMPTS = 3


class Runner:
    """One worker process, and the thread that gives it studies.

    Args:
        node: whose studies.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._crew: Crew | None = None
        self.loaded = threading.Event()

    def interrupt(self) -> None:
        """End what the process does. The study in hand is queued again when the node starts."""
        if self._crew is not None:
            self._crew.interrupt()

    def run(self) -> None:
        """Segment until the node ends."""
        node, work = self._node, self._node.settings.work
        clear_abandoned(node.settings.folder, _TEMPORARY)
        with (
            scratch(node.settings.folder, _TEMPORARY) as own,
            Crew(node.load, n=1, timeout_s=work.timeout_s, temporary=own) as self._crew,
        ):
            made_by = self._crew.told()
            self.loaded.set()
            while not node.ends.is_set():
                job = node.queue.take(now=time.time())
                if job is None:
                    node.ends.wait(_IDLE_S)
                else:
                    self._segment(self._crew, made_by, job)

    def _segment(self, crew: Crew, made_by: Provenance, job: Job) -> None:
        node, start = self._node, time.monotonic()
        if node.queue.attempts(job.study) > _MOST_ATTEMPTS:
            reason = f"the node ended {_MOST_ATTEMPTS} times while this study was segmented"
            node.settle(lambda: node.queue.fail(job, reason))
            return
        rule = self._rule_of(job.study)
        try:
            if rule is None:
                raise PipelineError("the rule that let it be segmented is no longer among the rules")
            result = segment_study(crew, made_by, self._files(job.study, rule), self._request(rule))
        except PipelineError as error:
            outcome, reason = "failed", tell(error)
            node.settle(lambda: node.queue.fail(job, reason))
        except OSError as error:  # the disk, most likely full
            outcome, reason = "postponed", tell(error)
            node.settle(lambda: node.queue.postpone(job, reason, until=time.time() + _FULL_DISK_S))
        else:
            if node.ends.is_set() and result.error is not None:  # it was interrupted
                return
            outcome = self._settle(job, rule, result)
        node.journal.ran(job.study, outcome, time.monotonic() - start)

    def _settle(self, job: Job, rule: Rule, result: CaseResult) -> str:
        node = self._node
        made = [] if result.error is not None else made_objects(result.folder, node.spool.results)
        if made:
            node.settle(lambda: node.outbox.put(job, made, rule.send_to))
            return "segmented"
        reason = result.error or "nothing was found in it, so there is nothing to send"
        node.settle(lambda: node.queue.fail(job, reason))
        return "failed"

    def _rule_of(self, study: str) -> Rule | None:
        name = self._node.queue.rule_of(study)
        return next((rule for rule in self._node.settings.rules if rule.name == name), None)

    def _files(self, study: str, rule: Rule) -> list[Path]:
        folder = self._node.spool.images(study)
        return fitting(rule, describe(folder / name for name in sorted(self._node.queue.files(study))))

    def _request(self, rule: Rule) -> Request:
        secret = self._node.settings.secret() if rule.pseudonym else None
        return Request(self._node.spool.results, secret=secret)
