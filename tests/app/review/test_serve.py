"""The server as a process of its own: killed, ended, asked to listen where it should not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.review.serve import serve
from pipeline.core.errors import ConfigError, InputError
from pipeline.read.cine import read_cine

HEADERS = {"X-CMR-Review": "1", "X-CMR-Reader": "Dr%20One"}


class Server:
    """`cmr review OUT`, and a client that has come by the link."""

    def __init__(self, out: Path) -> None:
        command = [sys.executable, "-m", "pipeline", "review", str(out)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        while not (link := re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", self.said)):
            line = self._read()
            assert line, self.said
            self.said += line
        self.client = httpx2.Client(base_url=link[1], headers=HEADERS, timeout=60, trust_env=False)
        assert self.client.get("/", params={"token": link[2]}).status_code == 303

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; exit code, and all that was printed."""
        self.client.close()
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, self.said + rest


@pytest.fixture
def start(out: Path) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        started.append(Server(out))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)


def test_a_kill_between_stroke_and_save_loses_nothing(start: Callable[[], Server], page_of, out: Path) -> None:
    first = start()
    page = page_of(first.client)
    page.open()
    labels = page.labels()
    result = (out / "study" / "segmentation.nii.gz").read_bytes()
    for row in range(3):
        labels[0, 2, row] = 3
        answer = page.draw(0, 2, labels[0, 2])
        assert answer.status_code == 200
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert (out / "study" / "segmentation.nii.gz").read_bytes() == result
    second = start()
    page = page_of(second.client)
    assert second.client.get("/api/worklist").json()["cases"][0]["draft"] is True
    page.open()
    np.testing.assert_array_equal(page.labels(), labels)
    assert page.get().json()["record"] == answer.json()["record"]
    assert page.post("undo").json()["undo"] == 2
    assert page.post("redo").json()["undo"] == 3
    assert page.post("save", status="accepted").status_code == 200
    code, said = second.end(signal.SIGINT)
    assert (code, "Traceback" in said) == (0, False)
    assert "ended" in said.splitlines()[-1]
    assert "study" not in said
    assert "Dr One" not in said
    stored = read_cine(out / "study" / "segmentation.nii.gz").array
    assert (stored == 3).sum() > 0
    assert not (out / "study" / "review" / "draft.jsonl").exists()


def test_a_folder_has_one_server(start: Callable[[], Server], out: Path) -> None:
    server = start()
    with pytest.raises(InputError, match="another `cmr review`"):
        serve(out)
    server.end(signal.SIGKILL)
    start()  # a killed server holds nothing


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_others_are_let_in_only_when_told(out: Path, host: str) -> None:
    result = CliRunner().invoke(cli.app, ["review", str(out), "--host", host])
    assert isinstance(result.exception, ConfigError)
    assert "--trust-network" in str(result.exception)
    assert "unencrypted" in str(result.exception)


def test_what_cannot_be_served_is_told(out: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of results"):
        serve(tmp_path / "none")
    with pytest.raises(ConfigError, match="cannot listen"):
        serve(out, host="192.0.2.1", trust_network=True)  # an address of nobody (RFC 5737)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no case"):
        CliRunner().invoke(cli.app, ["review", "--verify", str(tmp_path / "empty")], catch_exceptions=False)
