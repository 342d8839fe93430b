"""Connections: what they hold of memory, time and file descriptors."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app.node.connections import bound_connection, close_sockets, forget_held
from pipeline.app.node.database import Database
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.places import Destination
from pipeline.app.node.sender import DicomArchive, NotReachedError
from tests.app.node.helpers import free_port


class Line:
    """A connection of which the node has one end."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.link: Any = SimpleNamespace(socket=ours)
        self.association, self.cut_off = SimpleNamespace(), list[int]()
        bound_connection(self.association, self.link, most_bytes=1000, longest_s=0.3, tell_cut_off=self.cut_off.append)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    with made.link.socket, made.theirs:
        yield made


def test_what_comes_is_read_to_its_length_or_its_end(line: Line) -> None:
    line.theirs.sendall(b"abcdef")
    assert (line.link.recv(4), line.link.recv(2)) == (b"abcd", b"ef")
    line.theirs.sendall(b"gh")
    line.theirs.close()
    assert line.link.recv(4) == b"gh"


def test_a_message_that_stops_midway_is_given_up(line: Line) -> None:
    """As when a firewall forgets the connection: nothing comes any more, and no end either."""
    line.theirs.sendall(b"abc")
    with pytest.raises(TimeoutError):
        line.link.recv(6)


def test_a_message_that_drips_is_given_up(line: Line) -> None:
    def drip() -> None:
        for _ in range(20):
            line.theirs.sendall(b"a")
            time.sleep(0.05)

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TimeoutError):
        line.link.recv(100)
    dripping.join()


def test_more_than_an_object_may_have_is_cut_off_before_it_is_held(line: Line) -> None:
    with pytest.raises(OSError, match="more than is taken"):
        line.link.recv(0xFFFFFFF0)
    forget_held(line.association)
    line.association.held_bytes = 70_000  # of an object that comes in parts
    with pytest.raises(OSError, match="more than is taken"):
        line.link.recv(10)
    assert line.cut_off == [0xFFFFFFF0, 70_010]


def test_an_archive_that_is_away_uses_up_no_file_descriptors(tmp_path: Path) -> None:
    close_sockets()
    place = Destination(host="127.0.0.1", port=free_port(), ae_title="ARCHIVE", timeout_s=2)
    archive = DicomArchive(place, "CMR", Outbox(Database(tmp_path / "q")))
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 the folder changes as it is read
        for _ in range(5):
            with pytest.raises(NotReachedError, match="cannot be reached"), archive.connected():
                pass
        assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    finally:
        gc.enable()
