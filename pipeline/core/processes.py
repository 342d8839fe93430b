"""Processes that a command starts: none outlives it, and how one ended is said in words."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from types import FrameType

__all__ = [
    "Terminated",
    "be_ended_first",
    "describe_end",
    "end_with_parent",
    "n_cores",
    "terminated_by_exception",
    "undisturbed",
]

_PR_SET_PDEATHSIG = 1  # as Linux's sys/prctl.h names it
_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"})


class Terminated(BaseException):
    """The process was asked to end (SIGTERM), see `terminated_by_exception`."""


def end_with_parent() -> None:
    """Let this process, which `multiprocessing` started, end as soon as its parent has ended, be it by a kill.

    On Linux the kernel sees to it, also while this process is stuck in the code of a library. A thread that waits for
    the pipe between both to close does elsewhere, and where the parent has ended before this is called. The kernel
    counts the thread that started this process as its parent, so that must be one that lasts.
    """
    parent = parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def be_ended_first() -> None:
    """Ask the kernel, where it can be asked, to end this process before others when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    except OSError:  # not Linux, or a container that does not allow it
        return


def n_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_end(exitcode: int) -> str:
    """How a process ended, as a clause, from its exit code as `multiprocessing` gives it: negative for a signal.

    >>> describe_end(3)
    'its process ended by itself with exit code 3'
    >>> describe_end(-11)
    'its process crashed (SIGSEGV)'
    """
    if exitcode >= 0:
        return f"its process ended by itself with exit code {exitcode}"
    names = {number.value: number.name for number in signal.Signals}
    name = names.get(-exitcode, f"signal {-exitcode}")
    if name == "SIGKILL":
        return "its process was killed (SIGKILL), most likely because memory ran out"
    return f"its process crashed ({name})" if name in _CRASHES else f"its process was ended ({name})"


@contextmanager
def terminated_by_exception() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated` in the main thread, as Ctrl-C raises `KeyboardInterrupt`."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # others cannot set it
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM do nothing: what ends a run in order is short, and is not to be cut short itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
