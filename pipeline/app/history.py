"""Earlier results of a case, kept in its folder under `history/<UTC time>/` when others take their place."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import count
from pathlib import Path

from pipeline.app.results import SEGMENTATION, is_result
from pipeline.core.files import bring

__all__ = ["HISTORY", "keep_previous", "utc_now"]

HISTORY = "history"


def utc_now() -> str:
    """The time in UTC to the second, as records state it: "2026-11-27T10:36:36Z"."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def keep_previous(old: Path, new: Path) -> Path | None:
    """Keep a case's results, and all earlier ones, beside those that take their place.

    Args:
        old: the case's folder.
        new: the folder that will replace it, see `app.folders.rewrite`.

    Returns:
        Where they are kept; `None` where there are none yet.
    """
    if (old / HISTORY).is_dir():
        bring(old / HISTORY, new / HISTORY)
    if not (old / SEGMENTATION).is_file():
        return None
    name = utc_now().replace("-", "").replace(":", "")  # Windows knows no colons
    places = (new / HISTORY / (name if n == 0 else f"{name}-{n + 1}") for n in count())
    place = next(place for place in places if not place.exists())
    place.mkdir(parents=True)
    for path in (path for path in old.iterdir() if is_result(path.name)):
        bring(path, place / path.name)
    return place
