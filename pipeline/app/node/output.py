"""What a process of the node prints: lines of JSON on the standard error, and nothing that a library says."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from pipeline.app.node.journal import log_as_json, say

__all__ = ["only_json", "speak_json_only"]


def speak_json_only() -> None:
    """From now on this process prints lines of JSON alone.

    Warnings, tracebacks and what is printed may quote headers, so of these only that they were is told.
    """
    log_as_json(sys.stderr)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a closed standard error ends nothing
    sys.stdout = sys.stderr = _Unsaid()
    threading.excepthook = _tell_thread
    sys.excepthook = _tell_end


@contextmanager
def only_json() -> Iterator[None]:
    """Within it, as `speak_json_only`; behind it, as before."""
    root = logging.getLogger()
    before = sys.stdout, sys.stderr, threading.excepthook, sys.excepthook, root.handlers, root.level
    speak_json_only()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logging.raiseExceptions = True
        sys.stdout, sys.stderr, threading.excepthook, sys.excepthook, root.handlers, root.level = before


class _Unsaid(io.TextIOBase):
    """Takes what is printed, and tells that something was."""

    def write(self, text: str) -> int:
        if text.strip():
            say("output of a library", level=logging.WARNING)
        return len(text)


def _tell_thread(ended: threading.ExceptHookArgs) -> None:
    say("thread ended", level=logging.ERROR, error=ended.exc_value)


def _tell_end(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    say("process ended", level=logging.ERROR, error=error)
