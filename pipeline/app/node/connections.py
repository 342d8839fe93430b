"""What a connection may hold of this machine: memory while it lasts, and nothing afterwards."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.transport import AssociationSocket

__all__ = ["bound_connection", "close_sockets", "forget_held"]

_LARGEST_PDU_BYTES = 1 << 20
"""No client sends larger ones: those we offer are 16 kB, and association requests are a few kB."""
_OF_MESSAGE = 1 << 16
"""Room for what surrounds an object."""


def bound_connection(
    association: Any, link: Any, *, most_bytes: int, longest_s: float, tell_cut_off: Callable[[int], None]
) -> None:
    """Bound what a connection holds, and for how long.

    pynetdicom reads what is announced, be it 4 GB, and until an object is whole; and it waits for the rest of a message
    for ever, so that callers whose lines were cut would hold all associations in the end.

    Args:
        association: of pynetdicom.
        link: its `AssociationSocket`.
        most_bytes: that one object may have.
        longest_s: that a message (PDU) may take, and that the caller may take to accept some of an answer.
        tell_cut_off: told how much was held when too much was announced.
    """
    most = most_bytes + _OF_MESSAGE
    forget_held(association)
    link.socket.settimeout(longest_s)

    def recv(n_bytes: int) -> bytearray:
        association.held_bytes += n_bytes
        if n_bytes > _LARGEST_PDU_BYTES or association.held_bytes > most:
            tell_cut_off(association.held_bytes)
            raise OSError("a caller announced more than is taken")
        return _read(link.socket, n_bytes, longest_s)

    link.recv = recv


def _read(link: socket.socket, n_bytes: int, longest_s: float) -> bytearray:
    """Read so many bytes, or those there are until the connection ends."""
    content, end = bytearray(), time.monotonic() + longest_s
    while len(content) < n_bytes:
        if time.monotonic() > end:
            raise TimeoutError("a message took too long")
        part = link.recv(min(n_bytes - len(content), 1 << 16))
        if not part:
            break
        content += part
    return content


def forget_held(association: Any) -> None:
    """An object was taken: what comes now is the next one."""
    association.held_bytes = 0


def close_sockets() -> None:
    """Let pynetdicom close every socket at its end.

    It leaves those open that the other side has closed, or that were not answered, until Python looks for garbage: an
    archive that is away for a night, or callers who hang up, would use up the file descriptors.
    """

    def shut(link: Any) -> None:
        if link.socket is not None:
            with contextlib.suppress(OSError):
                link.socket.shutdown(socket.SHUT_RDWR)
            link.socket.close()

    kind: Any = AssociationSocket
    kind._shutdown_socket = shut
