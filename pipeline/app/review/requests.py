"""The bodies of requests, checked: what a page sends is data of unknown form."""

from __future__ import annotations

import json
from typing import Any, cast

from pipeline.app.review.draft import Decisions
from pipeline.app.review.errors import RefusedError
from pipeline.app.review.session import Verdict
from pipeline.core.review import Status

__all__ = ["read_body", "read_decisions", "read_verdict", "read_word"]

_LONGEST_COMMENT = 4000
_LONGEST_WORD = 80
_SAVED = ("corrected", "accepted", "rejected")


def read_body(raw: bytes) -> dict[str, Any]:
    """A body as a JSON object; an empty one is an object without keys.

    Raises:
        RefusedError: it is none.
    """
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise RefusedError(422, "a request must be JSON") from error
    if not isinstance(body, dict):
        raise RefusedError(422, "a request must be a JSON object")
    return body


def read_decisions(body: dict[str, Any]) -> Decisions:
    """ED and ES, and the slices that nothing counts.

    Raises:
        RefusedError: something else than whole numbers from 0 on.
    """
    phases = [body.get(name) for name in ("ed", "es")]
    if any(phase is not None and (type(phase) is not int or phase < 0) for phase in phases):
        raise RefusedError(422, f"`ed` and `es` must be phases from 0 on or null, got {phases}")
    return Decisions(phases[0], phases[1], _numbers(body, "excluded_slices"))


def read_verdict(body: dict[str, Any]) -> Verdict:
    """What a reader says when they save.

    Raises:
        RefusedError: no such status, or a comment that is too long.
    """
    status, comment = body.get("status"), body.get("comment") or ""
    if status not in _SAVED:
        raise RefusedError(422, f"`status` must be one of {', '.join(_SAVED)}, got {status!r}")
    if not isinstance(comment, str) or len(comment) > _LONGEST_COMMENT:
        raise RefusedError(422, f"`comment` must be a text of at most {_LONGEST_COMMENT} characters")
    shown = "".join(letter for letter in comment if letter.isprintable() or letter in "\n\t").strip()
    return Verdict(cast(Status, status), shown, _numbers(body, "checked_phases"))


def read_word(body: dict[str, Any], name: str) -> str | None:
    """A short text without line breaks; `None` where there is none.

    Raises:
        RefusedError: something else.
    """
    word = body.get(name)
    if word in (None, ""):
        return None
    if not isinstance(word, str) or len(word) > _LONGEST_WORD or not word.isprintable():
        raise RefusedError(422, f"`{name}` must be a word of at most {_LONGEST_WORD} characters")
    return word


def _numbers(body: dict[str, Any], name: str) -> tuple[int, ...]:
    numbers = body.get(name) or []
    if not isinstance(numbers, list) or not all(type(number) is int and number >= 0 for number in numbers):
        raise RefusedError(422, f"`{name}` must be a list of whole numbers from 0 on, got {numbers!r}")
    return tuple(sorted(set(numbers)))
