"""The addresses of `cmr review`, as docs/review.md lists them."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.app.review.audit import read_entries
from pipeline.app.review.desk import Desk
from pipeline.app.review.draft import Decisions
from pipeline.app.review.errors import RefusedError
from pipeline.app.review.failures import TellFailures
from pipeline.app.review.guard import REPORT_POLICY, Guard, Keys
from pipeline.app.review.requests import read_body, read_decisions, read_verdict, read_word
from pipeline.app.review.session import CaseSession
from pipeline.core.errors import PipelineError

__all__ = ["STATIC", "make_app"]

STATIC = Path(__file__).parent / "static"
"""The built page."""
T = TypeVar("T")
_READER = "X-CMR-Reader"
_LONGEST_NAME = 80
_Act = Callable[[Desk, str, str, dict[str, Any]], dict[str, Any]]
"""Does something with a case: name, reader and the request's body -> the answer."""


def make_app(desk: Desk, keys: Keys, *, network: bool = False, names: frozenset[str] = frozenset()) -> Guard:
    """The application, guarded.

    Args:
        desk: the cases.
        keys: tokens and cookies.
        network: see `guard.Guard`.
        names: likewise.
    """
    pages = _Pages(desk)
    case = "/api/cases/{case}"
    routes = [
        Route("/", pages.index),
        *([Mount("/static", StaticFiles(directory=STATIC))] if STATIC.is_dir() else []),
        Route("/api/worklist", _plain(lambda _: desk.worklist())),
        Route(case, pages.describe),
        Route(f"{case}/image", pages.image),
        Route(f"{case}/labels", pages.labels),
        Route(f"{case}/audit", pages.audit),
        Route(f"{case}/report", pages.report),
        *(Route(f"{case}/{name}", _posted(act, desk), methods=["POST"]) for name, act in _ACTS.items()),
    ]
    handlers = {RefusedError: _refused, PipelineError: _refused, HTTPException: _not_found}
    app = Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(TellFailures)])
    return Guard(app, keys, network=network, names=names)


class _Pages:
    """What is only looked at."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def index(self, _: Request) -> Response:
        page = STATIC / "index.html"
        if not page.is_file():
            raise RefusedError(404, "this installation lacks the page of `cmr review`")
        return FileResponse(page)

    async def describe(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._of_case, request, CaseSession.describe))

    async def image(self, request: Request) -> Response:
        image = await run_in_threadpool(self._of_case, request, CaseSession.read_image)
        return await run_in_threadpool(_array, image)

    async def labels(self, request: Request) -> Response:
        labels = await run_in_threadpool(self._of_case, request, CaseSession.read_labels)
        return await run_in_threadpool(_array, labels)

    async def audit(self, request: Request) -> Response:
        folder = self.desk.folder(request.path_params["case"])
        return JSONResponse({"entries": await run_in_threadpool(read_entries, folder)})

    async def report(self, request: Request) -> Response:
        path = self.desk.folder(request.path_params["case"]) / "report.html"
        if not path.is_file():
            raise RefusedError(404, "this case has no report")
        return FileResponse(path, headers={"Content-Security-Policy": REPORT_POLICY})

    def _of_case(self, request: Request, make: Callable[[CaseSession], T]) -> T:
        with self.desk.opened(request.path_params["case"]) as opened:
            return make(opened)


def _plain(act: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(act, request))

    return answer


def _posted(act: _Act, desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """What changes something: of a case, by a reader who has said their name."""

    async def answer(request: Request) -> Response:
        body = read_body(await request.body())
        reader = _reader(request)
        return JSONResponse(await run_in_threadpool(act, desk, request.path_params["case"], reader, body))

    return answer


def _open(desk: Desk, case: str, reader: str, body: dict[str, Any]) -> dict[str, Any]:
    desk.folder(case)
    session = read_word(body, "session") or secrets.token_urlsafe(16)
    lease = desk.leases.take(case, reader, session=session, take_over=body.get("take") is True)
    reads_only = lease.session != session
    return {"holder": lease.reader if reads_only else None, "session": session, "reads_only": reads_only}


def _close(desk: Desk, case: str, _: str, body: dict[str, Any]) -> dict[str, Any]:
    desk.leases.leave(case, str(body.get("session")))
    return {}


def _strokes(desk: Desk, case: str, reader: str, body: dict[str, Any]) -> dict[str, Any]:
    changes, tool = body.get("changes"), read_word(body, "tool") or "brush"
    if not isinstance(changes, list) or not changes or not all(isinstance(one, dict) for one in changes):
        raise RefusedError(422, "`changes` must be a list of slices, each with phase, slice and labels")
    return desk.change(case, *_of_page(body), lambda opened: opened.stroke(changes, tool=tool, reader=reader))


def _step(desk: Desk, case: str, _: str, body: dict[str, Any], *, name: str) -> dict[str, Any]:
    return desk.change(case, *_of_page(body), lambda opened: getattr(opened, name)())


def _choices(desk: Desk, case: str, reader: str, body: dict[str, Any]) -> dict[str, Any]:
    decisions: Decisions = read_decisions(body)
    return desk.change(case, *_of_page(body), lambda opened: opened.choose(decisions, reader=reader))


def _save(desk: Desk, case: str, reader: str, body: dict[str, Any]) -> dict[str, Any]:
    return desk.save(case, *_of_page(body), read_verdict(body), reader)


def _discard(desk: Desk, case: str, reader: str, body: dict[str, Any]) -> dict[str, Any]:
    return desk.discard(case, _of_page(body)[0], reader)


def _of_page(body: dict[str, Any]) -> tuple[str, int]:
    session, revision = body.get("session"), body.get("revision", -1)
    if not isinstance(session, str) or type(revision) is not int:
        raise RefusedError(422, "`session` and `revision` must be those of the last answer")
    return session, revision


def _reader(request: Request) -> str:
    name = " ".join(unquote(request.headers.get(_READER, "")).split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise RefusedError(422, f"a reader's name of 1 to {_LONGEST_NAME} characters is needed ({_READER})")
    return name


def _array(array: np.ndarray) -> Response:
    packed = gzip.compress(array.tobytes(), compresslevel=1)
    return Response(packed, media_type="application/octet-stream", headers={"Content-Encoding": "gzip"})


async def _refused(_: Request, error: Exception) -> Response:
    """A refusal, or what the library says of a case: one sentence."""
    if isinstance(error, RefusedError):
        return JSONResponse(error.to_json(), error.status)
    return JSONResponse({"error": str(error)}, 422)


async def _not_found(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"error": f"there is nothing here to {'do' if error.status_code == 405 else 'see'}"}, error.status_code
    )


_ACTS: dict[str, _Act] = {
    "open": _open,
    "renew": _open,
    "close": _close,
    "strokes": _strokes,
    "undo": partial(_step, name="undo"),
    "redo": partial(_step, name="redo"),
    "choices": _choices,
    "save": _save,
    "discard": _discard,
}
"""What can be done with a case."""
