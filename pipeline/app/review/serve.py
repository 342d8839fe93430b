"""Start the server of `cmr review`, and end it on Ctrl-C."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from pipeline.app.review.desk import Desk
from pipeline.app.review.guard import Keys
from pipeline.app.review.server import make_app
from pipeline.core.errors import ConfigError, InputError

__all__ = ["serve"]

_LOCK = ".review.lock"


def serve(
    out: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    images: Path | None = None,
    trust_network: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a folder of results until Ctrl-C.

    Args:
        out: folder of the cases' folders.
        host: name or address to listen on.
        port: 0 takes a free one.
        images: where the images lie now, `None`: where they lay when the cases were segmented.
        trust_network: listen on another address than the loopback interface's, without encryption.
        tell: told the links.

    Raises:
        InputError: no such folder, or another server has it.
        ConfigError: an address that others can reach, and `trust_network` was not said; or one that is not ours.
    """
    if not out.is_dir():
        raise InputError("a folder of results of `cmr segment` is needed, this is none", out)
    network = not _is_loopback(host)
    if network and not trust_network:
        raise ConfigError(
            f"{host} can be reached by others, and pictures and corrections would pass unencrypted; say "
            "--trust-network if all who can reach it may see them, or use a tunnel (ssh -L)"
        )
    try:
        with FileLock(out / _LOCK, timeout=0), closing(_listen(host, port)) as listening:
            _run(Desk(out, images), listening, host, network, tell)
    except Timeout as error:
        raise InputError("another `cmr review` has this folder open", out) from error


def _run(desk: Desk, listening: socket.socket, host: str, network: bool, tell: Callable[[str], None]) -> None:
    port = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host

    def announce(token: str) -> None:
        tell(f"open, or for the next reader: http://{shown}:{port}/?token={token}")

    names = (
        frozenset({host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}) if network else frozenset()
    )
    app = make_app(desk, Keys(port, announce), network=network, names=names)
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=5
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has ended
        uvicorn.Server(config).run(sockets=[listening])
    tell("ended; drafts are kept")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}, port {port} ({error.strerror}); choose others") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
