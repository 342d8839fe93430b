"""What a connection may hold of this machine: memory while it lasts, and nothing afterwards."""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from typing import Any

__all__ = ["bound_connection", "close_now", "close_wholly", "forget_held"]

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
    close_wholly(link)


def close_wholly(link: Any) -> None:
    """Let a connection be closed at its end also where the other side has closed it, else Python's garbage keeps it.

    Args:
        link: `AssociationSocket` of pynetdicom.
    """
    link._shutdown_socket = partial(close_now, link)


def close_now(link: Any) -> None:
    """Close a connection, whatever its state; that of a call that was not answered as well."""
    if link is not None and link.socket is not None:
        with contextlib.suppress(OSError):
            link.socket.shutdown(socket.SHUT_RDWR)
        link.socket.close()


def forget_held(association: Any) -> None:
    """An object was taken: what comes now is the next one."""
    association.held_bytes = 0
