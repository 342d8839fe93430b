"""Failures that nobody has foreseen: told without a path or a name, which neither page nor log must have."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.core.errors import own_error

__all__ = ["TellFailures"]

_log = logging.getLogger(__name__)


class TellFailures:
    """Answers what fails with one sentence; the log says where it failed, and nothing of what was worked on.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it if that fails."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 the reader gets a sentence, the log the cause
            await _tell(error)(scope, receive, send)


def _tell(error: Exception) -> JSONResponse:
    own = own_error(error)
    if isinstance(own, OSError):
        _log.error("the disk could not be used: %s", own.strerror)
        return JSONResponse({"error": f"the disk could not be used: {own.strerror}"}, 507)
    where = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("%s in %s, line %s", type(error).__name__, Path(where.filename).name, where.lineno)
    return JSONResponse({"error": "this failed on the server; its window says where"}, 500)
