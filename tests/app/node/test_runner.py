"""The thread that segments: what is a study's fault, what is the disk's or the bundle's, and what ends it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest

from pipeline.app.case_results import CaseResult
from pipeline.app.node import runner as module
from pipeline.app.node.database import Database, persist
from pipeline.app.node.journal import Journal
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Instance, StudyRow
from pipeline.app.node.runner import Runner
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.spool import Spool
from pipeline.core.errors import BundleError, InputError
from tests.app.node.test_intake import content_of

Study = Callable[[int], list[pydicom.Dataset]]


class Crew:
    """Loads nothing; `n` counts how often a process was begun."""

    n = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        Crew.n += 1

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def told(self) -> None:
        pass

    def interrupt(self) -> None:
        pass


class Setting:
    """A node's parts, one study that is queued, and what segmenting it does, one after the other."""

    def __init__(self, settings: NodeSettings, image: pydicom.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.folder.mkdir()
        base = Database(settings.folder / "queue.sqlite")
        self.queue, self.ends, self.outcomes = Queue(base), threading.Event(), list[Exception | CaseResult]()
        spool, journal = Spool(settings.folder, self.queue.secret()), Journal()
        name = spool.put("s", content_of(image))
        self.queue.record(Instance("s", "1", name), caller="MODALITY1", now=1.0)
        self.queue.enqueue("s", rule="all")
        settle = partial(persist, ends=self.ends, journal=journal)
        parts = {"queue": self.queue, "ends": self.ends, "spool": spool, "journal": journal, "settle": settle}
        self.node: Any = SimpleNamespace(settings=settings, outbox=Outbox(base), load=None, **parts)
        self.runner = Runner(self.node)
        Crew.n = 0
        monkeypatch.setattr(module, "Crew", Crew)
        monkeypatch.setattr(module, "segment_study", self._segment)
        monkeypatch.setattr(module, "_LATER_S", 0.0)

    def run(self, *outcomes: Exception | CaseResult) -> StudyRow:
        self.outcomes += outcomes
        self.runner.run()
        (row,) = self.queue.studies()
        return row

    def _segment(self, *_: Any) -> CaseResult:
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            threading.Timer(0.2, self.ends.set).start()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def setting(settings_of: Callable[..., NodeSettings], study_of: Study, monkeypatch: pytest.MonkeyPatch) -> Setting:
    return Setting(settings_of(), study_of(1)[0], monkeypatch)


FAILED = CaseResult("s", Path("s"), error="no heart is seen")


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), BundleError("the bundle could not be loaded")],
)
def test_the_disk_and_the_bundle_are_not_a_studys_fault(setting: Setting, error: Exception) -> None:
    """They come back, with a new process, and the study is segmented then."""
    row = setting.run(error, error, FAILED)
    assert (row.state, row.reason) == ("failed", "no heart is seen")
    assert Crew.n == 3
    assert not setting.runner.is_held_up


def test_a_queue_that_cannot_be_read_leaves_no_study_running(setting: Setting) -> None:
    with pytest.raises(sqlite3.OperationalError):  # after which the node runs the thread again
        setting.run(sqlite3.OperationalError("disk I/O error"))
    (row,) = setting.queue.studies()
    assert (row.state, row.reason) == ("queued", "OperationalError: disk I/O error")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("several patients"), "several patients"),
        (ValueError("a library's own"), "ValueError: a library's own"),
        (FileNotFoundError(2, "No such file", "a.dcm"), "a file of it is gone [a.dcm]"),
        (FAILED, "no heart is seen"),
    ],
)
def test_what_is_a_studys_own_fault_ends_it_alone(setting: Setting, error: Exception | CaseResult, reason: str) -> None:
    row = setting.run(error)
    assert (row.state, row.reason) == ("failed", reason)
    assert Crew.n == 1


def test_rules_that_were_changed_since_hold(setting: Setting, settings_of: Callable[..., NodeSettings]) -> None:
    changed: Sequence[dict[str, Any]] = [{"name": "none", "caller": "MODALITY*", "ignore": True}]
    setting.node.settings = settings_of(rules=changed)
    threading.Timer(0.3, setting.ends.set).start()
    row = setting.run()
    assert (row.state, row.reason) == ("failed", "the rules were changed, and now rule 'none' ignores it")


def test_a_node_that_ends_costs_a_study_no_attempt(setting: Setting) -> None:
    for _ in range(5):
        setting.ends.clear()
        job = setting.queue.take(now=1e9)
        assert job is not None
        assert job.attempts == 1
        setting.ends.set()
        setting.outcomes += [FAILED, FAILED]
        setting.runner._segment(Crew(), None, job)  # type: ignore[arg-type]
        (row,) = setting.queue.studies()
        assert (row.state, row.reason) == ("queued", "")
