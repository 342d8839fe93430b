"""Processes that answer calls: what hangs or crashes costs one call, and the rest go on."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.workers import Crew, Lost
from pipeline.core.errors import BundleError, ConfigError


@dataclass(frozen=True)
class Load:
    """Loads nothing, and tells its process; `log` has a line for each process."""

    log: Path
    fault: str = ""

    def __call__(self) -> tuple[int, Callable[[str], Any]]:
        with self.log.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        if self.fault == "refuse":
            raise ConfigError("no such device")
        if self.fault == "exit":
            os._exit(3)
        if self.fault == "late" and len(self.log.read_text().splitlines()) > 1:
            raise ConfigError("no memory for another")
        return os.getpid(), _answer


def _answer(task: str) -> Any:
    if task == "exit":
        os._exit(7)
    if task == "crash":
        ctypes.string_at(0)
    if task == "hang":
        time.sleep(60)
    if task == "unpack":
        (Path(tempfile.mkdtemp()) / "patient.dcm").write_text("somebody")
        os._exit(1)
    if task == "full":
        raise OSError(28, "No space left on device")
    return task.upper(), os.getpid()


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def _crew(tmp_path: Path, *, n: int = 1, timeout_s: float | None = 30, fault: str = "") -> Crew:
    return Crew(Load(tmp_path / "log", fault), n=n, timeout_s=timeout_s, temporary=tmp_path / "temporary")


def test_a_lost_call_costs_itself_alone_and_healthy_calls_share_a_process(
    tmp_path: Path, temporary: Path, is_alive: Callable[[int], bool]
) -> None:
    with _crew(tmp_path, timeout_s=3) as crew:
        told = crew.told()
        answers = dict(crew.answers(["a", "b", "exit", "c", "crash", "hang", "unpack", "d"]))
    lost = {task: answer.reason for task, answer in answers.items() if isinstance(answer, Lost)}
    assert lost == {
        "exit": "its process ended by itself with exit code 7",
        "crash": "its process crashed (SIGSEGV)",
        "hang": "it took longer than 3 s, so its process was ended",
        "unpack": "its process ended by itself with exit code 1",
    }
    assert [answers[task][0] for task in "abcd"] == ["A", "B", "C", "D"]
    assert answers["a"][1] == answers["b"][1] == told
    processes = (tmp_path / "log").read_text().split()
    assert len(processes) == 5  # the first, and one for each that was lost
    assert not any(is_alive(int(process)) for process in processes)
    assert not list(temporary.iterdir())  # nothing of what a killed process unpacked


def test_several_processes_share_the_calls(tmp_path: Path, temporary: Path) -> None:
    tasks = [str(number) for number in range(40)]
    with _crew(tmp_path, n=2, timeout_s=None) as crew:
        answers = dict(crew.answers(tasks))
    assert set(answers) == set(tasks)
    assert 1 <= len({process for _, process in answers.values()}) <= 2


def test_no_more_processes_than_calls(tmp_path: Path, temporary: Path) -> None:
    with _crew(tmp_path, n=8) as crew:
        assert dict(crew.answers(["a"]))["a"][0] == "A"
    assert len((tmp_path / "log").read_text().split()) == 1


def test_fewer_processes_do_where_one_more_cannot_be_had(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _crew(tmp_path, n=2, fault="late") as crew:
        crew.told()
        answers = dict(crew.answers(["a", "b", "c"]))
    assert {answer[0] for answer in answers.values()} == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [("refuse", ConfigError, "no such device"), ("exit", BundleError, "could not be loaded: .* exit code 3")],
)
def test_what_cannot_be_loaded_is_refused(
    tmp_path: Path, temporary: Path, fault: str, error: type[Exception], words: str
) -> None:
    with _crew(tmp_path, fault=fault) as crew, pytest.raises(error, match=words):
        crew.told()


def test_what_is_true_of_all_calls_ends_them(tmp_path: Path, temporary: Path) -> None:
    with _crew(tmp_path) as crew, pytest.raises(OSError, match="No space left"):
        list(crew.answers(["a", "full", "b"]))
