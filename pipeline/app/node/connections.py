"""What a connection may hold of this machine: memory while it lasts, and nothing afterwards."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from pynetdicom.transport import AssociationSocket

__all__ = ["bound_connection", "close_sockets", "forget_held"]

_LARGEST_PDU_BYTES = 1 << 20
"""No client sends larger ones: those we offer are 16 kB, and association requests are a few kB."""
_OF_MESSAGE = 1 << 16
"""Room for what surrounds an object."""


def bound_connection(association: Any, link: Any, *, most_bytes: int) -> None:
    """Bound what a connection holds. pynetdicom reads what is announced, be it 4 GB, and until an object is whole.

    Args:
        association: of pynetdicom.
        link: its `AssociationSocket`.
        most_bytes: that one object may have.
    """
    read, most = link.recv, most_bytes + _OF_MESSAGE
    forget_held(association)

    def recv(n_bytes: int) -> bytearray:
        association.held_bytes += n_bytes
        if n_bytes > _LARGEST_PDU_BYTES or association.held_bytes > most:
            raise OSError("a caller announced more than is taken")
        return bytearray(read(n_bytes))

    link.recv = recv


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
