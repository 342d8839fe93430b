"""The node: threads that receive, decide, segment and send, and the queue between them.

Each thread does one thing, and what it has to do stands in the queue. So the node may be killed at any moment and goes
on where it was. A thread that ends on an error ends the node: half a node is worse than one that is started again.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from pydicom.dataset import Dataset

from pipeline.app.node.connections import close_sockets
from pipeline.app.node.database import HELD_UP_S, Database, persist
from pipeline.app.node.delivery import Deliverer
from pipeline.app.node.dicomweb import WebServer
from pipeline.app.node.intake import Intake
from pipeline.app.node.journal import Journal, Moment
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.poll import Poller
from pipeline.app.node.queue import Queue
from pipeline.app.node.rules import decide, describe
from pipeline.app.node.runner import Runner
from pipeline.app.node.scp import Receiver
from pipeline.app.node.sender import archive_of, note_commitment
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.spool import Spool
from pipeline.app.node.status import StatusServer
from pipeline.app.scratch import CLAIM, WRITING, clear_abandoned
from pipeline.app.workers import Load
from pipeline.core.errors import ConfigError, InputError, PipelineError, first_line, own_error
from pipeline.core.locks import holding
from pipeline.core.quiet import quiet_dicom

__all__ = ["QUEUE", "Node"]

QUEUE = "queue.sqlite"
"""Within the node's folder."""

_TICK_S = 0.3
_LAST_WAIT_S = 20.0
_DAY_S = 86400.0


class Node:
    """A node. Within its context it works; at the end no thread and no process of it is left.

    Args:
        settings: what it is told.
        load: loads what segments in each process, see `node.work.LoadForNode`.

    Raises:
        ConfigError: another node has the folder, a port is taken, a secret is not in the environment.
        InputError: the queue is not right, or gone.
        BundleError: the bundle cannot be loaded.
    """

    def __init__(self, settings: NodeSettings, load: Load) -> None:
        self.settings, self._load = settings, load
        self.ends, self.journal = threading.Event(), Journal()
        self._threads: list[threading.Thread] = []
        self._runners = [Runner(self) for _ in range(settings.work.jobs)]
        self._fault: Exception | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Node:
        with ExitStack() as stack:
            self.settings.require_secrets()
            stack.enter_context(quiet_dicom())
            close_sockets()
            self._open_folder(stack)
            stack.callback(self._join)
            for runner in self._runners:
                self._start(f"runner-{len(self._threads)}", runner.run)
                stack.callback(runner.interrupt)
            stack.callback(self.ends.set)
            self._wait_until_loaded()
            self._start_rest(stack)
            self._stack = stack.pop_all()
        self.journal.tell("node started", port=self.receiver.port, **self.queue.counts())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.journal.tell("node ended")

    def wait(self) -> None:
        """Wait until the node is ended.

        Raises:
            PipelineError, OSError: a thread of it ended on an error.
        """
        while not self.ends.wait(_TICK_S):
            pass
        self._raise_fault()

    @property
    def load(self) -> Load:
        """What each process loads."""
        return self._load

    def health(self) -> list[str]:
        """What is wrong, an empty list if nothing is."""
        now = Moment(
            self.queue.counts(), self.outbox.n_waiting(), self.queue.oldest_s(time.time()), self.spool.free_bytes()
        )
        self.journal.measure(now)
        faults = [f"{thread.name} has ended" for thread in self._threads if not thread.is_alive()]
        if not self.receiver.is_alive:
            faults.append("receiver has ended")
        if now.free_bytes < self.settings.limits.free_disk_mb * 1e6:
            faults.append("the disk is full, nothing is taken")
        if any(runner.is_held_up for runner in self._runners):
            faults.append("segmentation is held up by the disk or the bundle")
        gone = sorted(set(now.waiting).difference(self.settings.destinations))
        faults += [f"results wait for {name}, which is none of the destinations any more" for name in gone]
        return faults

    def settle(self, change: Callable[[], object]) -> None:
        """Write down what has happened, see `database.persist`."""
        persist(change, self.ends, self.journal)

    def _open_folder(self, stack: ExitStack) -> None:
        folder = self.settings.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not stack.enter_context(holding(folder)):
            raise ConfigError(f"another node has {folder}; end it, or choose another folder")
        path = folder / QUEUE
        if not path.exists() and any((folder / "studies").glob("*/*.dcm")):
            raise InputError(
                "images of studies lie here, and their queue is gone; put it back, or move them away", path
            )
        base = Database(path)
        stack.callback(base.close)
        self.queue, self.outbox = Queue(base), Outbox(base)
        self.spool = Spool(folder, self.queue.secret())
        clear_abandoned(self.spool.results, WRITING, CLAIM)
        self.intake = Intake(self.queue, self.spool, self.settings.limits, self.journal, self.ends)
        self.outbox.recover()
        n_queued, n_removed = self.queue.recover(), self.intake.recover()
        if n_queued or n_removed:
            self.journal.tell("recovered", studies_queued_again=n_queued, unconfirmed_objects_removed=n_removed)

    def _start_rest(self, stack: ExitStack) -> None:
        settings, results = self.settings, self.spool.results
        for name, place in settings.destinations.items():
            archive = archive_of(place, settings.listen.ae_title, self.outbox)
            deliverer = Deliverer(name, archive, self.outbox, self.queue, results, self.journal)
            self._start(f"to-{name}", partial(deliverer.run, self.ends))
        for source in settings.sources:
            poller = Poller(source, WebServer(settings.destinations[source.server]), self.intake)
            self._start(f"from-{source.server}", partial(poller.run, self.ends))
        self._start("watcher", self._watch)
        self.receiver = stack.enter_context(Receiver(settings, self.intake, self._committed))
        listen = settings.listen
        self.status = None
        if listen.status_port is not None:
            server = StatusServer(listen.status_host, listen.status_port, self.journal, self.health)
            self.status = stack.enter_context(server)
        stack.callback(self.ends.set)

    def _committed(self, report: Dataset) -> None:
        note_commitment(report, self.outbox)

    def _wait_until_loaded(self) -> None:
        for runner in self._runners:
            while not runner.loaded.wait(_TICK_S):
                self._raise_fault()

    def _start(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            while not self.ends.is_set():
                try:
                    work()
                except sqlite3.OperationalError as error:  # a full disk passes
                    self.journal.tell("queue held up", level=logging.ERROR, error=error)
                    self.ends.wait(HELD_UP_S)
                except Exception as error:  # noqa: BLE001 told to whoever waits for the node
                    if not self.ends.is_set():
                        self.journal.tell("thread ended", level=logging.ERROR, thread=name, error=error)
                        self._fault = error
                        self.ends.set()
                    return

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            unforeseen = PipelineError(f"a part of the node ended on {type(self._fault).__name__}; its log says where")
            raise own_error(self._fault) or unforeseen from self._fault

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(_LAST_WAIT_S)

    def _watch(self) -> None:
        """See which studies are whole and what becomes of them, and remove what need not be kept."""
        while not self.ends.wait(min(_TICK_S, self.settings.stable_s / 4)):
            now = time.time()
            for study, caller in self.queue.quiet_since(now - self.settings.stable_s, now=now):
                self._decide(study, caller)
            if self.settings.keep_days is not None:
                moment = now - self.settings.keep_days * _DAY_S
                for study in self.queue.done_before(moment):
                    self._remove(study, moment)

    def _decide(self, study: str, caller: str) -> None:
        folder, names = self.spool.images(study), self.queue.files(study)
        try:
            described = describe(folder / name for name in sorted(names))
        except Exception as error:  # noqa: BLE001 a study costs itself alone, whatever pydicom meets in it
            if names == self.queue.files(study):  # or a file was replaced by its sender just now
                self.queue.reject(study, f"a file of it cannot be read: {type(error).__name__}: {first_line(error)}")
                self.journal.tell("study cannot be read", study=study, error=error)
            return
        decision = decide(self.settings.rules, described, caller)
        if decision.rule is None:
            self.queue.ignore(study, decision.reason)
            self.journal.tell("study ignored", study=study)
            return
        self.queue.enqueue(study, rule=decision.rule.name)
        self.journal.tell("study queued", study=study, rule=decision.rule.name, objects=len(decision.files))

    def _remove(self, study: str, moment: float) -> None:
        """Remove what is kept of a study, unless images of it have come meanwhile: its results would be made anew."""
        for folder in self.outbox.folders(study):
            shutil.rmtree(self.spool.results / folder, ignore_errors=True)
        with self.intake.holding(study):
            if not self.queue.forget(study, done_before=moment):
                return
            self.spool.forget(study)
        self.journal.tell("study removed", study=study)
