"""Processes that load something slow once, as a network, and then answer call after call.

A call that hangs, runs out of memory or crashes its process costs that call alone: the process is ended and replaced.
`ProcessPoolExecutor` gives up all calls when one of its processes dies, and cannot end one that hangs. Here each
process has a pipe of its own, so one that is killed amid a message harms no other.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from pipeline.core.errors import BundleError, PipelineError, own_error
from pipeline.core.import_path import library_first
from pipeline.core.processes import be_ended_first, describe_end, end_with_parent

__all__ = ["Crew", "Load", "Lost"]

Load = Callable[[], tuple[Any, Callable[[Any], Any]]]
"""Loads what is slow to load; gives what is told once, and what answers calls. Its module should import little."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lost:
    """A call that was not answered, and a clause that says why."""

    reason: str


class Crew:
    """Processes that answer calls. Within its context they exist; at its end they are killed.

    Args:
        load: is called in each process, see `Load`; it can be pickled.
        n: number of processes.
        timeout_s: longest time a call may take; `None` sets no limit. Loading is not counted.
        temporary: folder that the processes may use for temporary files, and are cleared of when they end.
    """

    def __init__(self, load: Load, *, n: int, timeout_s: float | None, temporary: Path) -> None:
        self._load, self._n, self._timeout_s, self._temporary = load, n, timeout_s, temporary
        self._workers = [_Worker(load, temporary)]

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def told(self) -> Any:
        """What `load` tells, once it has loaded.

        Raises:
            PipelineError, OSError: of `load`.
            BundleError: the process ended while it loaded.
        """
        self._workers[0].load()
        return self._workers[0].told

    def interrupt(self) -> None:
        """End the processes from another thread: calls that they are at are answered with `Lost`."""
        for worker in list(self._workers):
            worker.process.kill()

    def answers(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any | Lost]]:
        """Call for each task, and yield it with its answer as soon as that is there, or with `Lost`.

        Raises:
            PipelineError, OSError: of a call, or of `load` in a process that was started since.
        """
        waiting = deque(tasks)
        while waiting or any(worker.is_busy for worker in self._workers):
            while len(self._workers) < min(self._n, len(waiting) + self._n_busy()):
                self._workers.append(_Worker(self._load, self._temporary))
            for worker in self._workers:
                if waiting and worker.is_ready:
                    worker.ask(waiting.popleft(), self._timeout_s)
            yield from self._collect()

    def _collect(self) -> Iterator[tuple[Any, Any | Lost]]:
        """Wait until something happens, and yield what was answered or lost."""
        deadline = min(worker.deadline for worker in self._workers)
        limit = None if math.isinf(deadline) else max(0.0, deadline - time.monotonic())
        heard = wait([worker.pipe for worker in self._workers], limit)
        for worker in list(self._workers):
            if worker.pipe in heard:
                yield from self._hear(worker)
            elif worker.is_busy and time.monotonic() > worker.deadline:
                self._dismiss(worker)
                yield worker.task, Lost(f"it took longer than {self._timeout_s:g} s, so its process was ended")

    def _hear(self, worker: _Worker) -> Iterator[tuple[Any, Any | Lost]]:
        if not worker.is_loaded:
            self._hear_loaded(worker)
            return
        try:
            answer = worker.answer()
        except (EOFError, OSError):
            ended = self._dismiss(worker)
            if worker.is_busy:
                yield worker.task, Lost(ended)
            return
        if isinstance(answer, Exception):
            raise answer
        yield worker.task, answer

    def _hear_loaded(self, worker: _Worker) -> None:
        """Go on with fewer processes if one more cannot be had, as for want of memory."""
        try:
            worker.load()
        except (PipelineError, OSError) as error:
            if len(self._workers) == 1:
                raise
            self._dismiss(worker)
            self._n = len(self._workers)
            _log.warning("going on with %d process(es), for one more could not be had: %s", self._n, error)

    def _dismiss(self, worker: _Worker) -> str:
        """End a process, and say how it ended."""
        self._workers.remove(worker)
        return worker.how_it_ended()

    def _n_busy(self) -> int:
        return sum(worker.is_busy for worker in self._workers)


class _Worker:
    """One process: it loads, is ready, and busy with one task after the other."""

    def __init__(self, load: Load, temporary: Path) -> None:
        context = get_context("spawn")  # a fork of a process whose libraries run threads may wait for ever
        self.pipe, theirs = context.Pipe()
        self.temporary = Path(tempfile.mkdtemp(dir=temporary))
        self.process = context.Process(target=_serve, args=(theirs, load, str(self.temporary)), daemon=True)
        with library_first(), _deaf():
            self.process.start()
        theirs.close()
        self.told: Any = None
        self.task: Any = None
        self.is_loaded = self.is_busy = False
        self.deadline = math.inf

    @property
    def is_ready(self) -> bool:
        return self.is_loaded and not self.is_busy

    def load(self) -> None:
        """Wait until it has loaded."""
        if self.is_loaded:
            return
        try:
            self.told = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise BundleError(f"the bundle could not be loaded: {self.how_it_ended()}") from error
        if isinstance(self.told, Exception):
            raise self.told
        self.is_loaded = True

    def ask(self, task: Any, timeout_s: float | None) -> None:
        self.task, self.is_busy = task, True
        self.deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        try:
            self.pipe.send(task)
        except OSError:  # it has ended meanwhile, which is seen when its answer is waited for
            return

    def answer(self) -> Any:
        answer = self.pipe.recv()
        self.is_busy, self.deadline = False, math.inf
        return answer

    def how_it_ended(self) -> str:
        """End it if it has not, and say how it did."""
        self.process.join(1)
        self.end()
        return describe_end(self.process.exitcode or 0)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        shutil.rmtree(self.temporary, ignore_errors=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which reaches all of a terminal's; their parent ends them."""
    resource_tracker.ensure_running()  # it lets the signal through again when it is first started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, load: Load, temporary: str) -> None:
    """What a process does from its start to its end."""
    end_with_parent()
    be_ended_first()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TMPDIR"] = tempfile.tempdir = temporary
    try:
        told, call = load()
        pipe.send(told)
        while True:
            pipe.send(call(pipe.recv()))
    except EOFError:  # the parent wants no more
        return
    except Exception as error:
        own = own_error(error)
        if own is None:
            raise
        pipe.send(own)
