"""What a run is: its data, split, settings and machine, written down when it starts and held to when it goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import ignite
import ignite.distributed as idist
import monai
import numpy as np
import torch
from ignite.engine import Engine, Events

import pipeline
from pipeline.core.digests import file_digest
from pipeline.core.errors import DatasetError
from pipeline.core.files import write_json
from pipeline.read.datalists.cases import DatalistEntry, patient_of
from pipeline.read.packs import PACK_INDEX
from pipeline.train.prepared import content_key

__all__ = ["RunRecord", "data_digests", "read_record", "require_same_data"]

_log = logging.getLogger(__name__)


_NAMED = 5
"""Patients that a message names."""


class RunRecord:
    """Writes `run.json` into the run's folder: data, split, settings, versions and threads, anew at each start.

    A run that goes on must be on its own data; what it is resumed with is added to the record's `starts`. Attach
    behind what resumes, so that the record says after which epoch.

    Args:
        path: the file.
        split: cases by part, as `{"train": [...], "validation": [...]}`.
        settings: whatever else reproduces the run; must be JSON-ready.
        data: where the data set lies; for the record alone.
        resume: whether the run goes on, where there is a record.
        run: the run's name in results, see `tracking.training_run`.
    """

    def __init__(
        self,
        path: str,
        *,
        split: Mapping[str, Sequence[DatalistEntry]],
        settings: Mapping[str, Any],
        data: str = "",
        resume: bool = False,
        run: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.split = {name: [{**case, "patient": patient_of(case)} for case in cases] for name, cases in split.items()}
        self.settings = dict(settings)
        self.data = data
        self.resume = resume
        self.run = run

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer; the first process alone writes."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the record.

        Raises:
            DatasetError: the run goes on, and the data are not its own.
        """
        if idist.get_rank() > 0:
            return
        before = read_record(self.path) if self.resume else None
        digests = data_digests(case for part in self.split.values() for case in part)
        if before is not None:
            require_same_data(before, digests)
            if engine.state.epoch >= (engine.state.max_epochs or 0):  # finished: nothing is trained that were to tell
                return
        start = {
            "after_epoch": engine.state.epoch,
            "settings": self.settings,
            "versions": _versions(),
            "threads": torch.get_num_threads(),
        }
        record = {
            "run": self.run,
            "data": {"source": str(Path(self.data).resolve()) if Path(self.data).exists() else "", "patients": digests},
            "split": {name: sorted({case["patient"] for case in part}) for name, part in self.split.items()},
            **{key: value for key, value in start.items() if key != "after_epoch"},
            "starts": [*((before or {}).get("starts", [])), start],
        }
        write_json(self.path, record)
        _log.info("run recorded in %s", self.path)


def read_record(path: Path) -> dict[str, Any] | None:
    """A run's record; `None` where the run has not begun.

    Raises:
        DatasetError: the file is no such record.
    """
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if {*record["split"]["train"], *record["split"]["validation"]} <= set(record["data"]["patients"]):
            return record
        reason = "the split and the data name different patients"
    except (ValueError, KeyError, TypeError) as error:
        reason = repr(error)
    raise DatasetError(f"a run goes on by the record of its data and split, and this is none ({reason})", path)


def require_same_data(record: Mapping[str, Any], found: Mapping[str, str]) -> None:
    """Refuse data that are not those that a run was begun on.

    Args:
        record: the run's, as `read_record` gives it.
        found: `data_digests` of the cases that it would go on with.

    Raises:
        DatasetError: patients are missing or new, or have other images or labels.
    """
    own = record["data"]["patients"]
    differences = (
        ("lacks", own.keys() - found.keys()),
        ("has, beside the run's own,", found.keys() - own.keys()),
        ("has other images or labels of", {name for name in own.keys() & found.keys() if own[name] != found[name]}),
    )
    said = [f"{words} {_named(patients)}" for words, patients in differences if patients]
    if said:
        raise DatasetError(
            f"a run goes on with its own data, but this data set {', and '.join(said)}; for other data start a new run"
            f"; this one's lay at {record['data']['source']}"
        )


def data_digests(cases: Iterable[DatalistEntry]) -> dict[str, str]:
    """What each patient's images, labels and listed facts are, wherever they lie: patient -> hexadecimal digest."""
    digests: dict[str, set[str]] = {}
    for case in cases:
        digests.setdefault(str(case["patient"]), set()).add(_case_digest(case))
    return {
        patient: hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16]
        for patient, found in sorted(digests.items())
    }


def _case_digest(case: DatalistEntry) -> str:
    if PACK_INDEX not in case:
        return content_key(case)
    pack = Path(case["image"])
    return f"{_pack_digest(pack, pack.stat().st_mtime_ns)}-{case[PACK_INDEX]}"


@lru_cache(maxsize=8)
def _pack_digest(pack: Path, _changed_ns: int) -> str:
    return file_digest(pack)


def _named(patients: Iterable[str]) -> str:
    names = sorted(patients)
    further = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{further}"


def _versions() -> dict[str, str]:
    return {
        "pipeline": pipeline.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
        "ignite": ignite.__version__,
        "numpy": np.__version__,
    }
