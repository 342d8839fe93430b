"""What reading a damaged study must give: the truth, a note, or one of our errors; in little time and memory."""

from __future__ import annotations

import logging
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.images import Cine
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases
from tests.fuzz.corpus import HEIGHT_M, RATE_BPM, WEIGHT_KG, Study
from tests.fuzz.mutations import Mutation

MAX_SECONDS = 5.0
"""No input takes more of the processor's time, however busy the machine; the largest takes a fifth of a second."""

MAX_BYTES = 512 << 20
"""Address space that reading a study of 100 kB may take beyond what the process has."""

_SPACING_MM = (0.3, 6.0)
_STEP_MM = (2.0, 25.0)
_PLACE_MM = 1.0
_TIME_SHARE = 0.5


class Hang(BaseException):
    """An input took too long. It is no `Exception`, so that nothing that reads takes it for damage."""


@dataclass
class Verdict:
    """What became of one input.

    Attributes:
        outcome: "same", "noted", "refused", or a finding: "silent", "exception", "hang", "memory", "crash".
        told: the finding, or the sentence of the refusal.
    """

    outcome: str
    told: str = ""
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_finding(self) -> bool:
        return self.outcome in ("silent", "exception", "hang", "memory", "crash")


class Bench:
    """A folder in which studies are laid out, damaged and read, one at a time.

    Args:
        folder: made if missing. Files that are not damaged stay, so that their headers need no second reading.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._usual: dict[str, frozenset[str]] = {}

    def usual_notes(self, study: Study) -> frozenset[str]:
        """Notes on the study as it is, which is read as the truth has it."""
        if study.name not in self._usual:
            self._lay_out(study, study.files)
            cine, _ = read_study(self.folder / study.name)
            assert (differs := differences(cine, study)) == (), (study.name, differs)
            self._usual[study.name] = frozenset(cine.notes)
        return self._usual[study.name]

    def judge(self, study: Study, mutation: Mutation) -> Verdict:
        """Read a damaged study."""
        usual = self.usual_notes(study)
        self._lay_out(study, mutation.files)
        try:
            with watched():
                cine, others = read_study(self.folder / study.name)
        except PipelineError as error:
            return _refused(error)
        except Hang:
            return Verdict("hang", f"over {MAX_SECONDS:g} s")
        except MemoryError as error:
            return Verdict("memory", f"{error}")
        except Exception as error:
            logging.getLogger(__name__).debug("escaped", exc_info=True)
            return Verdict("exception", f"{type(error).__name__}: {error}")
        new = (*others, *(note for note in cine.notes if note not in usual))
        differs = [text for aspect, text in differences(cine, study) if aspect not in _loose(cine, mutation.loose)]
        if differs and not new:
            return Verdict("silent", "; ".join(differs))
        return Verdict("noted" if new else "same", notes=new)

    def _lay_out(self, study: Study, files: dict[str, bytes]) -> None:
        folder = self.folder / study.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name not in files:
                path.unlink()
        for name, content in files.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != content:
                path.unlink(missing_ok=True)  # a new file is another one for whoever keeps what was read
                path.write_bytes(content)


def read_study(folder: Path) -> tuple[Cine, tuple[str, ...]]:
    """Read what a folder holds as `cmr segment` does: found first, then read.

    Returns:
        The largest case, and a sentence where there are others: each is told by its own name in what is written.
    """
    cases = find_cases(folder)
    sizes = [len(case.files) for case in cases]
    case = cases[sizes.index(max(sizes))]
    others = (f"{len(cases)} cases",) if len(cases) > 1 else ()
    return read_cine(case.files if len(case.files) > 1 else case.files[0]), others


def _refused(error: PipelineError) -> Verdict:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return Verdict("memory", f"{error}")
        cause = cause.__cause__
    told = str(error)
    return Verdict("refused", told) if told and "\n" not in told else Verdict("exception", f"no sentence: {told!r}")


def _loose(cine: Cine, loose: frozenset[str]) -> frozenset[str]:
    """What may differ without a note, as far as it is credible by itself."""
    kept = set(loose)
    *pixel, step = cine.grid.spacing_mm
    if not all(_SPACING_MM[0] <= mm <= _SPACING_MM[1] for mm in pixel) or not _STEP_MM[0] <= step <= _STEP_MM[1]:
        kept.discard("affine")
    if cine.array.min() == cine.array.max():
        kept.discard("array")
    return frozenset(kept)


def differences(cine: Cine, study: Study) -> tuple[tuple[str, str], ...]:
    """How a cine differs from the truth: which aspect, and by what."""
    found = []
    if cine.array.shape != study.array.shape:
        found.append(("array", f"shape {cine.array.shape}, truly {study.array.shape}"))
    elif not np.array_equal(cine.array, study.array):
        found.append(("array", f"{np.mean(cine.array != study.array):.1%} of the voxels differ"))
    away = _apart_mm(cine, study)
    if away > _PLACE_MM:
        found.append(("affine", f"voxels {away:.3g} mm off, spacing {np.round(cine.grid.spacing_mm, 3).tolist()}"))
    if cine.times_ms is not None and study.times_ms is not None and len(cine.times_ms) == len(study.times_ms):
        mine, true = (np.asarray(times) - times[0] for times in (cine.times_ms, study.times_ms))
        if np.abs(mine - true).max() > _TIME_SHARE * np.median(np.diff(true)):
            found.append(("times", f"times {np.round(cine.times_ms, 1).tolist()}"))
    elif cine.times_ms is not None and study.times_ms is None:
        found.append(("times", "times where there are none"))
    facts = cine.facts
    for name, value, true_value in (
        ("height", facts.height_m, HEIGHT_M),
        ("weight", facts.weight_kg, WEIGHT_KG),
        ("rate", facts.heart_rate_bpm, RATE_BPM),
    ):
        if value is not None and study.is_dicom and not 0.2 * true_value <= value <= 4.0 * true_value:
            found.append((name, f"{name} {value:g}"))
    return tuple(found)


def _apart_mm(cine: Cine, study: Study) -> float:
    """How far the corners of the true grid are off in the one that was read."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in study.array.shape[1:]])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(((cine.grid.affine - study.affine) @ corners)[:3], axis=0).max())


@contextmanager
def watched() -> Iterator[None]:
    """Limit time and memory of what is done within; a C function that never returns is the caller's to end."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    old = signal.signal(signal.SIGPROF, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (used + MAX_BYTES, before[1]))
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGPROF, old)


def _hang(_signal: int, _frame: FrameType | None) -> None:
    raise Hang
