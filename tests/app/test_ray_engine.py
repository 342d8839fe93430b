"""Ray as the engine of a run: what it loses is done again, what a study does to its process costs the study alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.engines import this_machine
from pipeline.app.ray_engine import ray_cluster
from pipeline.app.results import read_record
from pipeline.app.workers import Lost
from pipeline.core.errors import ConfigError

from .test_cohort import cohort  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
_WITHOUT_RAY = {
    "test_without_ray_the_option_names_what_to_install",
    "test_here_or_in_this_process_calls_are_answered_alike",
}


@pytest.fixture(autouse=True)
def _ray(request: pytest.FixtureRequest) -> None:
    if request.node.name not in _WITHOUT_RAY:
        pytest.importorskip("ray", reason="needs ray: pip install 'cardiac-mr-pipeline[ray]'")


@dataclass(frozen=True)
class Load:
    """Loads nothing. A call may kill the process of the engine's above its own, as a preempted machine would."""

    folder: Path

    def __call__(self) -> tuple[str, Callable[[str], Any]]:
        return "told", self._answer

    def _answer(self, task: str) -> Any:
        mark = self.folder / task
        if task == "preempted" and not mark.exists():
            mark.write_text("once")
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if task == "always preempted":
            with mark.open("a") as stream:
                stream.write(".")
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if task == "exit":
            os._exit(7)
        if task == "hang":
            time.sleep(60)
        if task == "full":
            raise OSError(28, "No space left on device")
        return task.upper(), str(Path.cwd())


@pytest.mark.filterwarnings("ignore")  # Ray's own, of the sockets and processes that it leaves to the system
def test_what_ray_loses_is_called_again_and_a_bad_call_costs_itself(tmp_path: Path) -> None:
    with ray_cluster(Load(tmp_path), jobs=2, timeout_s=4) as engine:
        assert engine.told() == "told"
        before = signal.getsignal(signal.SIGTERM)
        answers = dict(engine.answers(["a", "preempted", "exit", "hang", "always preempted", "b"]))
        assert signal.getsignal(signal.SIGTERM) is before
        with pytest.raises(OSError, match="No space left"):
            list(engine.answers(["c", "full"]))
    good = {task: answer for task, answer in answers.items() if not isinstance(answer, Lost)}
    here = str(Path.cwd())
    assert good == {"a": ("A", here), "b": ("B", here), "preempted": ("PREEMPTED", here)}
    assert (tmp_path / "always preempted").read_text() == "...."
    lost = {task: answer.reason for task, answer in answers.items() if isinstance(answer, Lost)}
    assert lost.pop("always preempted").startswith("Ray lost its process 4 times: ")
    assert lost == {  # the words of a run on one machine
        "exit": "its process ended by itself with exit code 7",
        "hang": "it took longer than 4 s, so its process was ended",
    }


def test_killed_processes_lose_nothing_and_the_results_are_those_of_a_run_here(
    cohort: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    def command(out: str, engine: str) -> list[str]:
        pause_s = "1" if engine == "ray" else "0"
        return [sys.executable, "-m", "tests.app.slow_cohort", str(cohort), str(tmp_path / out), pause_s, "2", engine]

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command("ray", "ray"), cwd=ROOT, start_new_session=True, **pipes) as process:
        try:
            first = process.stdout.readline()
            killed = [number for number, words in _processes() if "ray::_call" in words and _is_below(number, process)]
            for number in killed:
                os.kill(number, signal.SIGKILL)
            told, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert killed
    assert process.returncode == 0, errors
    *results, last = (first + told).splitlines()  # and nothing of Ray's between them
    assert [line.partition(" ")[0] for line in results] == [f"[{number}/6]" for number in range(1, 7)]
    assert last == "6 studies segmented (not for diagnosis)"
    assert "FAILED" not in errors
    again = subprocess.run(command("ray", "this_machine"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "6 of 6 already done" in again.stdout
    subprocess.run(command("here", "this_machine"), cwd=ROOT, capture_output=True, check=True)
    here, by_ray = (
        {path.parent.name: read_record(path) for path in (tmp_path / out).glob("*/measurements.json")}
        for out in ("here", "ray")
    )
    assert len(here) == 6
    assert by_ray == here
    assert not list((tmp_path / "ray").glob(".writing-*"))


def _processes() -> list[tuple[int, str]]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found.append((int(path.name), (path / "cmdline").read_text()))
        except OSError:  # it has ended meanwhile
            continue
    return found


def _is_below(number: int, above: subprocess.Popen) -> bool:
    """Whether a process is one of another's, at whatever depth."""
    while number > 1:
        if number == above.pid:
            return True
        try:
            number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_without_ray_the_option_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ConfigError, match=r"needs Ray: pip install 'cardiac-mr-pipeline\[ray\]'"),
        ray_cluster(Load(tmp_path), jobs=1, timeout_s=None),
    ):
        pass


def test_here_or_in_this_process_calls_are_answered_alike(tmp_path: Path) -> None:
    expected = {"a": ("A", str(Path.cwd()))}
    for jobs in (0, 1):
        with this_machine(Load(tmp_path), jobs=jobs, timeout_s=30) as engine:
            assert engine.told() == "told"
            assert dict(engine.answers(["a"])) == expected
