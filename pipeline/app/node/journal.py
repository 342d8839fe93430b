"""What the node tells of itself: lines of JSON and metrics of Prometheus. Neither names a patient, study or file.

Studies go by their keys (`app.node.spool`). Reasons of failures, which may quote a header, are in the queue alone,
which is the user's. Messages of libraries are reduced to who said something.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

__all__ = ["Journal", "JsonLines", "Moment", "log_as_json", "say"]

_log = logging.getLogger("cmr.node")
_SECONDS = (1, 3, 10, 30, 60, 120, 300, 600, 900)
_PREFIX = "cmr_node_"


@dataclass(frozen=True)
class Moment:
    """Numbers of a node at a moment.

    Attributes:
        studies: state -> studies in it.
        waiting: destination -> objects that wait to be sent there.
        oldest_s: age of the oldest study that is not done.
        free_bytes: on the disk.
    """

    studies: Mapping[str, int]
    waiting: Mapping[str, int]
    oldest_s: float
    free_bytes: int


class Journal:
    """Tells of one node what happens, and counts it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self._came = Counter(f"{_PREFIX}objects", "objects that came, by what became of them", ["answer"], registry=own)
        self._bytes = Counter(f"{_PREFIX}received_bytes", "bytes of objects that were kept", registry=own)
        self._ended = Counter(f"{_PREFIX}studies", "studies that were segmented or not", ["outcome"], registry=own)
        self._seconds = Histogram(f"{_PREFIX}segment_seconds", "time of a study", buckets=_SECONDS, registry=own)
        self._sent = Counter(
            f"{_PREFIX}sent_objects", "objects by destination and outcome", ["to", "outcome"], registry=own
        )
        self._states = Gauge(f"{_PREFIX}queue", "studies in the queue by state", ["state"], registry=own)
        self._waiting = Gauge(f"{_PREFIX}waiting_objects", "objects to be sent, by destination", ["to"], registry=own)
        self._oldest = Gauge(f"{_PREFIX}oldest_seconds", "since when the oldest study is not done", registry=own)
        self._free = Gauge(f"{_PREFIX}disk_free_bytes", "free space of the node's folder", registry=own)
        ProcessCollector(registry=own)

    def tell(self, event: str, *, level: int = logging.INFO, **stated: Any) -> None:
        """Tell an event, as `say`."""
        say(event, level=level, **stated)

    def took(self, answer: str, n_bytes: int, study: str) -> None:
        """An object came."""
        self._came.labels(answer).inc()
        if answer == "kept":
            self._bytes.inc(n_bytes)
        else:
            self.tell("object refused", level=logging.WARNING, answer=answer, bytes=n_bytes, study=study)

    def ran(self, study: str, outcome: str, seconds: float) -> None:
        """A study was segmented, or was not."""
        self._ended.labels(outcome).inc()
        self._seconds.observe(seconds)
        self.tell("study ran", study=study, outcome=outcome, seconds=round(seconds, 1))

    def sent(self, destination: str, outcome: str, study: str) -> None:
        """An object was sent, or was not."""
        self._sent.labels(destination, outcome).inc()
        level = logging.INFO if outcome == "sent" else logging.WARNING
        self.tell("object sent" if outcome == "sent" else "object not sent", level=level, to=destination, study=study)

    def measure(self, now: Moment) -> None:
        """Bring the numbers of the moment up to date."""
        for state, number in now.studies.items():
            self._states.labels(state).set(number)
        self._waiting.clear()
        for name, number in now.waiting.items():
            self._waiting.labels(name).set(number)
        self._oldest.set(now.oldest_s)
        self._free.set(now.free_bytes)


def say(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **stated: Any) -> None:
    """Log an event with numbers, names of settings and keys of studies, nothing else.

    Args:
        event: what happened.
        level: of `logging`.
        error: why; told by its kind and the line of code that raised it, for its text may quote a header.
        **stated: what is told of it.
    """
    if error is not None:
        stated |= {"error": type(error).__name__, "where": _where(error)}
    _log.log(level, event, extra={"stated": stated})


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{'/'.join(Path(frames[-1].filename).parts[-3:])}:{frames[-1].lineno}" if frames else ""


class JsonLines(logging.Formatter):
    """Log messages as JSON, a line each. What is not told by `Journal` is told without its text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {"time": when, "level": record.levelname.lower()}
        if record.name == _log.name:
            told |= {"event": record.getMessage(), **getattr(record, "stated", {})}
        else:
            told |= {"event": "message of a library", "logger": record.name}
        if record.exc_info is not None and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
        return json.dumps(told, ensure_ascii=True, default=str)


def log_as_json(stream: TextIO | None = None) -> None:
    """Send all log messages of this process as JSON to a stream, by default the standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.WARNING
    _log.setLevel(logging.INFO)
    for chatty in ("pynetdicom", "pydicom", "highdicom"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
