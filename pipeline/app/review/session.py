"""A case in a reader's hands: its images in memory, its draft, and the numbers that follow."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.history import utc_now
from pipeline.app.recorded import read_result
from pipeline.app.results import MEASUREMENTS
from pipeline.app.review.display import Picture, base_end, display_facts, draw_picture, from_display, to_display
from pipeline.app.review.draft import Change, Decisions, Draft, Step
from pipeline.app.review.errors import RefusedError
from pipeline.app.review.saving import record_discarding, save_decision
from pipeline.core.case import Case
from pipeline.core.digests import labels_digest
from pipeline.core.errors import ConfigError
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import DISCLAIMER
from pipeline.core.pose import AS_STORED
from pipeline.core.review import Review, Status

__all__ = ["CaseSession", "Verdict"]

_VALUES = (0, *(structure.value for structure in STRUCTURES))


@dataclass(frozen=True)
class Verdict:
    """What a reader says when they save.

    Attributes:
        status: "corrected", "accepted" or "rejected".
        comment: in their words.
        checked_phases: phases that they vouch for beside ED and ES.
    """

    status: Status
    comment: str = ""
    checked_phases: tuple[int, ...] = ()


class CaseSession:
    """A case that is open. Its methods are called one at a time.

    Args:
        folder: of the case.
        images: where the images lie now, `None`: where they lay when the case was segmented.

    Raises:
        PipelineError: results, images or draft cannot be read, or are not of each other.
    """

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        self.folder = folder
        self.result = read_result(folder)
        self.cine = self.result.read_images(images)
        self._begin(self.result.read_labels(self.cine))

    def _begin(self, labels: np.ndarray) -> None:
        pose = self.result.measurements.pose
        self.pose = AS_STORED if pose is None else pose.pose
        self.base_sha256 = labels_digest(labels)
        self.base = labels
        chosen, review = self.result.choices.phases, self.result.review
        decided = Decisions(chosen.ed, chosen.es, review.excluded_slices)
        self.draft = Draft(self.folder, labels, self.base_sha256, decided)
        record = (self.folder / MEASUREMENTS).read_bytes()
        self._first_revision = int(hashlib.sha256(record).hexdigest()[:8], 16)
        self._measured: tuple[int, Case] | None = None

    @property
    def revision(self) -> int:
        """Number of the state, which rises by one with each step; another result begins elsewhere."""
        return self._first_revision + self.draft.n_lines

    @cached_property
    def _picture(self) -> Picture:
        return draw_picture(self.cine, self.pose)

    def read_image(self) -> np.ndarray:
        """(T, Z, ROWS, COLS) uint16."""
        return self._picture.pixels

    def read_labels(self) -> np.ndarray:
        """(T, Z, ROWS, COLS) uint8 of the draft, a copy."""
        return to_display(self.draft.labels, self.pose).copy()

    def describe(self) -> dict[str, Any]:
        """All that the page needs to show the case, but for the arrays."""
        facts = display_facts(self.cine, self.pose)
        ed = self.result.measurements.ed_phase or 0
        picture = self._picture
        return {
            "name": self.folder.name,
            "disclaimer": DISCLAIMER,
            **facts,
            "base": base_end(self.base[ed]),
            "window": list(picture.window),
            "rescale": {"slope": picture.slope, "intercept": picture.intercept},
            "structures": [
                {
                    "value": one.value,
                    "name": one.name,
                    "short": one.short,
                    "title": one.meaning,
                    "colour": "#{:02x}{:02x}{:02x}".format(*one.rgb),
                }
                for one in STRUCTURES
            ],
            "draft": {"steps": self.draft.n_lines} if self.draft.n_lines else None,
            **self.state(),
        }

    def state(self, changes: Collection[Change] = ()) -> dict[str, Any]:
        """The numbers of the draft, and what can be undone; `changes` as the page draws them."""
        decided = self.draft.decisions
        record, problem = self._record()
        return {
            "revision": self.revision,
            "record": record,
            "problem": problem,
            "review": self._review().to_json(),
            "choices": {"ed": decided.ed, "es": decided.es, "excluded_slices": list(decided.excluded_slices)},
            "undo": len(self.draft.done),
            "redo": len(self.draft.undone),
            "changes": [self._shown(change) for change in changes],
        }

    def stroke(self, changes: Sequence[Mapping[str, Any]], *, tool: str, reader: str) -> dict[str, Any]:
        """Draw slices anew.

        Args:
            changes: of different slices, as {"phase", "slice", "labels": base64 of ROWS * COLS bytes}.
            tool: that the reader used.
            reader: their name.

        Raises:
            RefusedError: a slice that is not there or twice, labels of another size or value, or no change at all.
        """
        read = [self._read_change(change) for change in changes]
        if len({(change.phase, change.level) for change in read}) != len(read):
            raise RefusedError(422, "a stroke must name each slice of a phase once")
        real = tuple(change for change in read if (change.before != change.after).any())
        if real:
            decided = self.draft.decisions
            self.draft.do(Step(real, decided, decided, tool, reader, utc_now()))
        return self.state()

    def choose(self, decisions: Decisions, *, reader: str) -> dict[str, Any]:
        """Choose ED, ES or the slices that count.

        Raises:
            ConfigError: phases or slices that are not there, or one phase for both.
        """
        if decisions != self.draft.decisions:
            self._case(decisions)
            self.draft.do(Step((), self.draft.decisions, decisions, "choices", reader, utc_now()))
        return self.state()

    def undo(self) -> dict[str, Any]:
        """Take the last step back."""
        return self.state(self.draft.undo())

    def redo(self) -> dict[str, Any]:
        """Take the step again that was taken back last."""
        return self.state(self.draft.redo())

    def save(self, verdict: Verdict, *, reader: str) -> dict[str, Any]:
        """Make the draft the case's result, with everything that depends on it, and an entry of the audit trail.

        Raises:
            ConfigError: labels and choices that cannot be measured, or phases that are not there.
            PipelineError: the results were made again meanwhile.
        """
        if self._changed_outside():
            raise RefusedError(409, "the results were made again meanwhile; open the case anew", revision=self.revision)
        case = self._case(self.draft.decisions)
        review = self._decide(case, verdict, reader)
        save_decision(replace(case, review=review), self._chosen(self.draft.decisions), self)
        labels = self.draft.labels
        self.result = read_result(self.folder)
        self._begin(labels)
        return self.state()

    def discard(self, *, reader: str) -> dict[str, Any]:
        """Drop the draft; the audit trail says so."""
        if self.draft.n_lines:
            record_discarding(self, reader)
        self.draft.remove()
        self._begin(self.base)
        return self.state()

    def _changed_outside(self) -> bool:
        record = (self.folder / MEASUREMENTS).read_bytes()
        return int(hashlib.sha256(record).hexdigest()[:8], 16) != self._first_revision

    def _decide(self, case: Case, verdict: Verdict, reader: str) -> Review:
        marks = [phase for phase in (case.measurements.ed_phase, case.measurements.es_phase) if phase is not None]
        absent = [phase for phase in verdict.checked_phases if not 0 <= phase < self.cine.n_phases]
        if absent:
            raise ConfigError(f"checked phases must be from 0 to {self.cine.n_phases - 1}, got {absent}")
        checked = tuple(sorted({*(marks or [0]), *verdict.checked_phases})) if verdict.status == "accepted" else ()
        excluded, digest = self.draft.decisions.excluded_slices, labels_digest(self.draft.labels)
        return Review(verdict.status, reader, utc_now(), verdict.comment, excluded, checked, digest)

    def _record(self) -> tuple[dict[str, Any] | None, str | None]:
        """What `measurements.json` would hold of the draft; else why it cannot be measured."""
        try:
            return self._case(self.draft.decisions).to_json(), None
        except ConfigError as error:  # a given ED may be where ES now is
            return None, str(error)

    def _case(self, decisions: Decisions) -> Case:
        """The draft, measured, with other decisions than its own for a trial."""
        if decisions == self.draft.decisions and self._measured and self._measured[0] == self.revision:
            return self._measured[1]
        choices, review = self._chosen(decisions), replace(self._review(), excluded_slices=decisions.excluded_slices)
        case = replace(self.result.again(self.cine, self.draft.labels, choices, review), choices=choices.to_json())
        if decisions == self.draft.decisions:
            self._measured = self.revision, case
        return case

    def _chosen(self, decisions: Decisions) -> Choices:
        before = self.result.choices
        return replace(before, phases=replace(before.phases, ed=decisions.ed, es=decisions.es))

    def _review(self) -> Review:
        """The decision as it holds for the draft."""
        drawn = self.result.provenance.labels_sha256
        now = self.base_sha256 if not self.draft.n_lines else labels_digest(self.draft.labels)
        return replace(
            self.result.review.of(now, drawn_sha256=drawn), excluded_slices=self.draft.decisions.excluded_slices
        )

    def _shown(self, change: Change) -> dict[str, Any]:
        rows = to_display(change.after[..., None], self.pose)[0]
        return {"phase": change.phase, "slice": change.level, "labels": base64.b64encode(rows.tobytes()).decode()}

    def _read_change(self, change: Mapping[str, Any]) -> Change:
        n_phases, n_slices, rows, columns = display_facts(self.cine, self.pose)["shape"]
        phase, level = change.get("phase"), change.get("slice")
        for name, value, n in (("phase", phase, n_phases), ("slice", level, n_slices)):
            if type(value) is not int or not 0 <= value < n:
                raise RefusedError(422, f"`{name}` must be a whole number from 0 to {n - 1}, got {value!r}")
        assert isinstance(phase, int)
        assert isinstance(level, int)
        try:
            raw = base64.b64decode(change.get("labels") or "", validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise RefusedError(422, "`labels` must be base64") from error
        if len(raw) != rows * columns:
            raise RefusedError(422, f"`labels` must be {rows} x {columns} bytes, got {len(raw)}")
        after = from_display(np.frombuffer(raw, np.uint8).reshape(rows, columns), self.pose)
        before = self.draft.labels[phase, :, :, level].copy()
        odd = np.unique(after[~np.isin(after, _VALUES) & (after != before)])
        if odd.size:
            raise RefusedError(422, f"`labels` must be {', '.join(map(str, _VALUES))}, got {odd.tolist()[:8]} as well")
        return Change(phase, level, before, after)
