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

from pipeline.core.processes import Terminated, describe_end, terminated_by_exception, undisturbed

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
    [(-9, "memory ran out"), (-11, "crashed (SIGSEGV)"), (-15, "was ended (SIGTERM)"), (0, "exit code 0")],
)
def test_how_a_process_ended(exitcode: int, words: str) -> None:
    assert words in describe_end(exitcode)
