"""Encrypted connections in which both sides show a certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from pipeline.app.node.places import Tls
from pipeline.core.errors import ConfigError

__all__ = ["begin_encryption", "tls_context"]


class _ServerContext(ssl.SSLContext):
    """Leaves the handshake to `begin_encryption`: the thread that accepts connections must not wait for a caller."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **{**options, "do_handshake_on_connect": False})


def tls_context(tls: Tls, *, server: bool) -> ssl.SSLContext:
    """How connections are encrypted, TLS 1.2 or later.

    Raises:
        ConfigError: a file is not there, or not what it should be.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER) if server else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=tls.authorities)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # also those of `ssl`
        raise ConfigError(f"tls needs certificate, key and authorities as PEM files: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def begin_encryption(link: Any) -> bool:
    """Shake hands, if the connection is to be encrypted, within its time limit; says whether it may be used."""
    if not isinstance(link, ssl.SSLSocket):
        return True
    with contextlib.suppress(OSError):
        link.do_handshake()
        return True
    return False
