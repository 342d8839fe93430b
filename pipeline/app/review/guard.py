"""What stands before every request: host, cookie, origin, size; and what every answer says of itself.

The server listens on the loopback interface, where other programs and pages of other sites can reach it as well. A page
of another site cannot read an answer, but can send requests, or have its own name resolve to this machine. So the Host
must be ours, every request needs a cookie that only the printed link gives, and what changes anything needs a header
that other sites may not send.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.app.review.errors import RefusedError

__all__ = ["CSRF_HEADER", "PAGE_POLICY", "REPORT_POLICY", "Guard", "Keys"]

CSRF_HEADER = "X-CMR-Review"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; sandbox allow-scripts; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Of a case's report: one file with its scripts inline, which may load nothing and has no origin to ask anything of."""
_ANSWERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CONTENT = ("application/json", "application/octet-stream")
_SAFE = ("GET", "HEAD")
LARGEST_BODY = 32 << 20
"""Bytes of a request: twelve slices and twenty phases of 256 x 256 pixels, all changed in one stroke, take 21 MB."""


class Keys:
    """One-time tokens, and the cookies that they were exchanged for.

    Args:
        port: of the server: cookies of one machine's servers are told apart by their names.
        announce: told each new token; the next reader's, once one is used.
    """

    def __init__(self, port: int, announce: Callable[[str], None]) -> None:
        self.cookie_name = f"cmr_review_{port}"
        self._announce, self._lock = announce, threading.Lock()
        self._cookies: list[str] = []
        self._token = ""
        self._renew()

    def exchange(self, token: str) -> str | None:
        """A new cookie for the token, which is then used up; `None` for any other."""
        with self._lock:
            if not hmac.compare_digest(token.encode(), self._token.encode()):
                return None
            cookie = secrets.token_urlsafe(32)
            self._cookies.append(cookie)
            self._renew()
            return cookie

    def admits(self, cookie: str) -> bool:
        """Whether a cookie was given here."""
        return any(hmac.compare_digest(cookie.encode(), known.encode()) for known in self._cookies)

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(32)
        self._announce(self._token)


class Guard:
    """Lets through what is asked by a page of this server, on this server's name.

    Args:
        app: the application.
        keys: tokens and cookies.
        network: whether the server listens beyond the loopback interface, on purpose.
        names: names of this machine, by which it may be called then.
    """

    def __init__(self, app: ASGIApp, keys: Keys, *, network: bool = False, names: frozenset[str] = frozenset()) -> None:
        self.app, self.keys, self.network, self.names = app, keys, network, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        sending = _with_headers(send)
        try:
            refused = self._refusal(Request(scope))
        except RefusedError as error:
            refused = JSONResponse(error.to_json(), error.status)
        if refused is not None:
            await refused(scope, receive, sending)
            return
        await self.app(scope, _limited(receive), sending)

    def _refusal(self, request: Request) -> Response | None:
        """An answer to what may not pass."""
        headers = request.headers
        if not self._is_our_host(headers.get("host", "")):
            raise RefusedError(400, "the address must be the one that `cmr review` has printed")
        if request.method in _SAFE and request.url.path == "/" and "token" in request.query_params:
            return self._admit(request.query_params["token"])
        if not self.keys.admits(_cookie(headers, self.keys.cookie_name)):
            return _unknown(request)
        if request.method not in _SAFE:
            _check_origin(headers)
            _check_content(headers)
        return None

    def _admit(self, token: str) -> Response:
        cookie = self.keys.exchange(token)
        if cookie is None:
            return PlainTextResponse("This link was used, or is another server's; take the newest one printed.", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.keys.cookie_name, cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _is_our_host(self, host: str) -> bool:
        """Whether a Host header names this server. The port may be another one, of a tunnel."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.network or address.is_loopback  # who lets a name resolve to us sends that name, never an address


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _unknown(request: Request) -> Response:
    sentence = "open the link that `cmr review` has printed"
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": sentence}, 401)
    return PlainTextResponse(f"Please {sentence}.", 401)


def _check_origin(headers: Headers) -> None:
    origin = headers.get("origin")
    if headers.get(CSRF_HEADER) != "1":
        raise RefusedError(403, f"what changes anything needs the header {CSRF_HEADER}: 1")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise RefusedError(403, "this page is not of this server")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise RefusedError(403, "this page is not of this server")


def _check_content(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _CONTENT:
        raise RefusedError(415, f"content must be {' or '.join(_CONTENT)}, got {kind or 'none'}")
    length = headers.get("content-length", "")
    if length and not (length.isdigit() and int(length) <= LARGEST_BODY):
        raise RefusedError(413, f"a request must be of at most {LARGEST_BODY >> 20} MB")


def _limited(receive: Receive) -> Receive:
    """Stop reading a body that is longer than it said, or did not say how long it is."""
    n_bytes = 0

    async def read() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > LARGEST_BODY:
            raise RefusedError(413, f"a request must be of at most {LARGEST_BODY >> 20} MB")
        return message

    return read


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ANSWERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        await send(message)

    return sending
