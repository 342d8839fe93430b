"""Health and metrics over HTTP, on this machine unless told otherwise. Neither names anybody."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.app.node.journal import Journal, say
from pipeline.core.errors import ConfigError

__all__ = ["StatusServer"]

_TIMEOUT_S = 10.0


class StatusServer:
    """Serves `/health` (200, or 503 with what is wrong) and `/metrics`. Within its context it listens.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        journal: has the metrics.
        health: says what is wrong, an empty list if nothing, and brings the metrics up to date.
    """

    def __init__(self, host: str, port: int, journal: Journal, health: Callable[[], list[str]]) -> None:
        try:
            self._server = _Server((host, port), _handler(journal, health))
        except OSError as error:
            raise ConfigError(
                f"health and metrics cannot be served on {host}, port {port}: {error.strerror}"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> StatusServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Tell the kind of an error, as of one who hung up; the usual way prints it whole."""
        say("status not given", error=sys.exc_info()[1])


def _handler(journal: Journal, health: Callable[[], list[str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers `/health` in JSON and `/metrics` as Prometheus reads them; all else is 404."""

        timeout = _TIMEOUT_S

        def do_GET(self) -> None:
            if self.path not in ("/health", "/metrics"):
                self._answer(404, "text/plain", b"there are /health and /metrics\n")
                return
            faults = health()
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(journal.registry))
            else:
                content = json.dumps({"healthy": not faults, "faults": faults}).encode()
                self._answer(503 if faults else 200, "application/json", content)

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing of each request."""

    return Handler
