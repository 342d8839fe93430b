"""What a reader has decided on a case: whether its labels hold, and which slices count. See decision 15."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from pipeline.core.errors import ConfigError
from pipeline.core.labels import BACKGROUND

__all__ = ["Review", "Status", "leave_out_slices", "tell_excluded"]

Status = Literal["unreviewed", "corrected", "accepted", "rejected"]
"""Nobody has looked; labels were changed and nobody has vouched for them; somebody has; they are not to be used."""


@dataclass(frozen=True)
class Review:
    """A reader's decision on a case.

    Attributes:
        status: see `Status`.
        reader: who decided, as they called themselves.
        time: when, UTC, as "2026-11-27T10:36:36Z".
        comment: in the reader's words.
        excluded_slices: slices that no measurement counts, 0-based and rising. Their labels stay in the label map.
        checked_phases: phases whose labels the reader vouches for, 0-based and rising; empty unless accepted.
        labels_sha256: of the label map (T, X, Y, Z) that the status is of; `None` for "unreviewed".
    """

    status: Status = "unreviewed"
    reader: str | None = None
    time: str | None = None
    comment: str = ""
    excluded_slices: tuple[int, ...] = ()
    checked_phases: tuple[int, ...] = ()
    labels_sha256: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it."""
        listed = {"excluded_slices": list(self.excluded_slices), "checked_phases": list(self.checked_phases)}
        return asdict(self) | listed

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Review:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        known: dict[str, Any] = {field.name: content[field.name] for field in fields(cls)}
        lists = {key: tuple(int(n) for n in known[key]) for key in ("excluded_slices", "checked_phases")}
        return cls(**(known | lists))

    def of(self, labels_sha256: str, *, drawn_sha256: str | None) -> Review:
        """The decision as it holds for a label map, which may have changed since.

        Nobody has vouched for changed labels, so the status falls back to "corrected", or to "unreviewed" where they
        are as the network drew them. Excluded slices and comment stay.

        Args:
            labels_sha256: of the label map.
            drawn_sha256: of the label map as the network drew it, `None` where unknown.
        """
        if self.labels_sha256 == labels_sha256:
            return self
        if labels_sha256 == drawn_sha256:
            return Review(comment=self.comment, excluded_slices=self.excluded_slices)
        return replace(self, status="corrected", reader=None, time=None, checked_phases=(), labels_sha256=labels_sha256)


def tell_excluded(slices: Collection[int]) -> tuple[str, ...]:
    """A sentence on excluded slices, none where there are none. Slices count from 1 as in all sentences.

    >>> tell_excluded([0, 9])
    ('excluded from all measurements by the reader: slice(s) 1, 10; what is drawn there stays in the label map',)
    """
    if not slices:
        return ()
    named = ", ".join(str(level + 1) for level in sorted(slices))
    return (
        f"excluded from all measurements by the reader: slice(s) {named}; what is drawn there stays in the label map",
    )


def leave_out_slices(labels: np.ndarray, slices: Collection[int]) -> np.ndarray:
    """A label map as it counts: without what is drawn in some slices.

    Args:
        labels: (T, X, Y, Z) label map.
        slices: 0-based.

    Returns:
        The label map itself where no slice is left out, else a changed copy.

    Raises:
        ConfigError: a slice that is not there.

    >>> leave_out_slices(np.ones((1, 1, 1, 3), np.uint8), [1]).ravel().tolist()
    [1, 0, 1]
    """
    n_slices = labels.shape[-1]
    absent = sorted(level for level in slices if not 0 <= level < n_slices)
    if absent:
        raise ConfigError(f"excluded slices must be from 0 to {n_slices - 1}, got {absent}")
    if not slices:
        return labels
    counted = labels.copy()
    counted[..., sorted(slices)] = BACKGROUND
    return counted
