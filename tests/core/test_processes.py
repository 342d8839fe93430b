"""Processes that end with their parent, and signals that end a run in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.processes import (
    Terminated,
    be_ended_first,
    describe_end,
    n_cores,
    terminated_by_exception,
    undisturbed,
)

SCORE = Path("/proc/self/oom_score_adj")
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
_STUCK = """
import ctypes, os, time
from multiprocessing import get_context
from pipeline.core.processes import end_with_parent

def stay(pipe, stuck):
    end_with_parent()
    pipe.send(os.getpid())
    if stuck:  # in the code of a library that keeps the interpreter's lock
        ctypes.PyDLL(None).sleep(60)
    time.sleep(60)

if __name__ == "__main__":
    for stuck in (True, False):
        ours, theirs = get_context("spawn").Pipe()
        get_context("spawn").Process(target=stay, args=(theirs, stuck), daemon=True).start()
        print(ours.recv(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process that is stuck ends with its parent on Linux alone")
def test_no_child_outlives_a_killed_parent_though_it_is_stuck(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    (tmp_path / "parent.py").write_text(_STUCK)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "parent.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        children = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(is_alive(child) for child in children)
        parent.kill()
    until = time.monotonic() + 10
    while any(is_alive(child) for child in children):
        assert time.monotonic() < until, "a process outlives its parent"
        time.sleep(0.05)


def test_sigterm_ends_in_order_and_not_amid_the_end() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminated_by_exception():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("exitcode", "words"),
    [
        (-9, "its process was killed (SIGKILL), most likely because memory ran out"),
        *((-number, f"its process crashed ({number.name})") for number in CRASHES),
        (-15, "its process was ended (SIGTERM)"),
        (-63, "its process was ended (signal 63)"),
        (0, "its process ended by itself with exit code 0"),
        (3, "its process ended by itself with exit code 3"),
    ],
)
def test_how_a_process_ended(exitcode: int, words: str) -> None:
    assert describe_end(exitcode) == words


@pytest.mark.skipif(not SCORE.exists(), reason="only Linux chooses by a score whom to end")
def test_a_process_that_asks_is_ended_before_others() -> None:
    pid = os.fork()
    if pid == 0:
        be_ended_first()
        os._exit(0 if SCORE.read_text().strip() == "500" else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_cores_are_those_that_the_process_may_use() -> None:
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os._exit(0 if n_cores() == 1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
