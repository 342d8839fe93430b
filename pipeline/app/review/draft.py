"""A correction that is being drawn: a journal of its steps in the case's folder, which a crash cannot undo.

`CASE/review/draft.jsonl` begins with the digest of the label map that is corrected, and has a line for each step, undo
and redo. A line is on the disk before it is answered for. A line cut short by a crash is the step in hand, and is
dropped. A draft is no result: nothing reads it but this module, and saving it removes it.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import ConfigError, InputError

__all__ = ["Change", "Decisions", "Draft", "Step", "has_draft", "refuse_drafts", "set_aside"]

PLACE = "review"
"""Folder of draft and audit trail in a case's folder."""
_DRAFT = Path(PLACE) / "draft.jsonl"
_FORMAT = 1


@dataclass(frozen=True)
class Decisions:
    """What a reader chooses beside labels: ED and ES (`None` finds them), and slices that nothing counts."""

    ed: int | None = None
    es: int | None = None
    excluded_slices: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Decisions:
        """Read back what `dataclasses.asdict` makes of it."""
        return cls(content["ed"], content["es"], tuple(content["excluded_slices"]))


@dataclass(frozen=True, eq=False)
class Change:
    """A slice of a phase before and after a step, (X, Y) uint8 on the case's grid."""

    phase: int
    level: int
    before: np.ndarray
    after: np.ndarray

    def reversed(self) -> Change:
        """The change that undoes this one."""
        return Change(self.phase, self.level, self.after, self.before)


@dataclass(frozen=True, eq=False)
class Step:
    """What one stroke or choice has changed, and who made it when with what."""

    changes: tuple[Change, ...]
    before: Decisions
    after: Decisions
    tool: str
    reader: str
    time: str

    def to_json(self) -> dict[str, Any]:
        """As a line of the journal holds it."""
        slices = [
            {"phase": one.phase, "slice": one.level, "before": _pack(one.before), "after": _pack(one.after)}
            for one in self.changes
        ]
        made = {"tool": self.tool, "reader": self.reader, "time": self.time}
        return {"changes": slices, "before": asdict(self.before), "after": asdict(self.after), **made}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], shape: tuple[int, int]) -> Step:
        """Read back the output of `to_json`; `shape` is (X, Y)."""
        changes = tuple(
            Change(one["phase"], one["slice"], _unpack(one["before"], shape), _unpack(one["after"], shape))
            for one in content["changes"]
        )
        before, after = (Decisions.from_json(content[key]) for key in ("before", "after"))
        return cls(changes, before, after, *(str(content[key]) for key in ("tool", "reader", "time")))


class Draft:
    """The state of a correction, and its journal.

    Args:
        folder: of the case.
        labels: (T, X, Y, Z) uint8 label map of the result; not changed.
        labels_sha256: its digest.
        decisions: of the result.

    Attributes:
        labels: as drawn so far.
        decisions: as chosen so far.
        done: steps that can be undone, oldest first.
        undone: steps that can be redone, the next one last.
        n_lines: steps, undos and redos so far; 0 means that there is no draft.

    Raises:
        InputError: the draft in the folder is of another label map, or cannot be read.
    """

    def __init__(self, folder: Path, labels: np.ndarray, labels_sha256: str, decisions: Decisions) -> None:
        self.folder, self.labels, self.decisions = folder, labels.copy(), decisions
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self.n_lines = 0
        self._header = {"draft": _FORMAT, "labels_sha256": labels_sha256}
        if has_draft(folder):
            self._replay()

    def do(self, step: Step) -> None:
        """Take a step. It is on the disk before the labels change."""
        self._append({"step": step.to_json()})
        self._do(step)

    def undo(self) -> tuple[Change, ...]:
        """Take the last step back.

        Returns:
            What changes by that.

        Raises:
            ConfigError: there is none.
        """
        if not self.done:
            raise ConfigError("nothing is left to undo")
        self._append({"undo": True})
        return self._undo()

    def redo(self) -> tuple[Change, ...]:
        """Take the step again that was taken back last; likewise."""
        if not self.undone:
            raise ConfigError("nothing is left to redo")
        self._append({"redo": True})
        return self._redo()

    def remove(self) -> None:
        """Remove the journal."""
        (self.folder / _DRAFT).unlink(missing_ok=True)

    def _do(self, step: Step) -> None:
        self.undone.clear()
        self._apply(step.changes, step.after)
        self.done.append(step)

    def _undo(self) -> tuple[Change, ...]:
        step = self.done.pop()
        self.undone.append(step)
        return self._apply(tuple(change.reversed() for change in reversed(step.changes)), step.before)

    def _redo(self) -> tuple[Change, ...]:
        step = self.undone.pop()
        self.done.append(step)
        return self._apply(step.changes, step.after)

    def _apply(self, changes: Sequence[Change], decisions: Decisions) -> tuple[Change, ...]:
        for change in changes:
            self.labels[change.phase, :, :, change.level] = change.after
        self.decisions = decisions
        self.n_lines += 1
        return tuple(changes)

    def _append(self, content: Mapping[str, Any]) -> None:
        """Write a line, the header first where there is none. What a full disk cuts short is taken away again."""
        path = self.folder / _DRAFT
        path.parent.mkdir(exist_ok=True)
        lines = [content] if self.n_lines else [self._header, content]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        with path.open("r+b" if self.n_lines else "w+b") as file:
            size = file.seek(0, os.SEEK_END)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), size)
                raise

    def _replay(self) -> None:
        path = self.folder / _DRAFT
        whole, _, cut_short = path.read_bytes().rpartition(b"\n")
        try:
            header, *lines = [json.loads(line) for line in whole.split(b"\n")]
            if header != self._header:
                raise InputError(
                    "a draft must be of the label map beside it, which has changed since; discard the draft", path
                )
            for line in lines:
                self._take(line)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, zlib.error) as error:
            raise InputError(f"a draft must be as it was written, this one is damaged ({error})", path) from error
        if cut_short:
            os.truncate(path, len(whole) + 1)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "step" in line:
            _, x, y, _ = self.labels.shape
            self._do(Step.from_json(line["step"], (x, y)))
        elif "undo" in line:
            self._undo()
        else:
            self._redo()


def has_draft(folder: Path) -> bool:
    """Whether a correction of a case is being drawn: a whole step of one is on the disk."""
    try:
        with (folder / _DRAFT).open("rb") as file:
            return sum(line.endswith(b"\n") for line in (file.readline(), file.readline())) == 2
    except OSError:
        return False


def refuse_drafts(folder: Path) -> None:
    """Leave a case alone whose correction is being drawn.

    Raises:
        InputError: it is.
    """
    if has_draft(folder):
        raise InputError("a correction of this case is being drawn; save or discard it in `cmr review` first", folder)


def set_aside(folder: Path, time: str) -> None:
    """Keep a draft that cannot be gone on with under another name, so that the case can be opened again."""
    path = folder / _DRAFT
    if path.is_file():
        path.rename(path.with_name(f"draft-{time.replace(':', '')}.jsonl"))


def _pack(labels: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(labels.tobytes(), 1)).decode()


def _unpack(text: str, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)
