"""Prepared stacks of cases: from a pack, from the cache on disk, or from the images, whose stacks are then cached.

The cache holds plain arrays, never objects, so reading a file from someone else runs no code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import ignite.distributed as idist
import numpy as np
import torch
from monai.utils import convert_to_tensor
from tqdm import tqdm

from pipeline.core.errors import ConfigError, own_error
from pipeline.core.files import replacing
from pipeline.core.import_path import library_first
from pipeline.core.labels import UNLABELLED
from pipeline.core.prepared import PreparedStack, quantise
from pipeline.core.processes import end_with_parent
from pipeline.prepare.description import describe, description_digest, first_difference
from pipeline.read.datalists.cases import DatalistEntry, patient_of
from pipeline.read.packs import PACK_INDEX, read_pack_header, read_packed_stacks

__all__ = ["content_key", "prepare_cases", "prepare_stacks"]

_log = logging.getLogger(__name__)

Transform = Callable[[Any], Any]
_Item = TypeVar("_Item")

_CASES_A_PROCESS = 8
"""A process takes some seconds to start: as long as preparing about three volumes does."""
_MOMENT_S = 1.0
_BITS = 16
"""Of an intensity in the cache: a step is a ten-thousandth of a standard deviation."""


def prepare_stacks(
    cases: Sequence[DatalistEntry], transform: Transform, *, cache_dir: str | Path | None = None
) -> list[PreparedStack]:
    """Prepare the labelled phases of a list of cases: what `prepare_cases` gives, one after the other."""
    return [stack for stacks in prepare_cases(cases, transform, cache_dir=cache_dir) for stack in stacks]


def prepare_cases(
    cases: Sequence[DatalistEntry],
    transform: Transform,
    *,
    cache_dir: str | Path | None = None,
    n_processes: int | None = None,
) -> list[list[PreparedStack]]:
    """Prepare the labelled phases of each case.

    Args:
        cases: data list. Each names an `image` and a `label`, or is one of a pack's.
        transform: deterministic preparation, which gives tensors (T, X, Y, Z) on one grid under `image` and `label`.
        cache_dir: folder of previously prepared cases, named by hashes of the files' contents and of the preparation.
            So N4 runs once per volume, and a changed file or setting is prepared again. `None` caches nothing.
        n_processes: largest number of processes that prepare missing cases (`None`: one for each core).

    Returns:
        A case's stacks by phase. Phases in which nothing is labelled are left out.

    Raises:
        ConfigError: a pack that was prepared with other settings.
        PipelineError: a case cannot be prepared. The first error is raised.
    """
    prepared: dict[int, list[PreparedStack]] = {}
    by_pack: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        if PACK_INDEX in case:
            by_pack.setdefault(str(case["image"]), []).append(place)
    for pack, places in by_pack.items():
        _require_same_preparation(pack, transform)
        stacks = read_packed_stacks(pack, [cases[place][PACK_INDEX] for place in places])
        prepared |= {place: [stack] for place, stack in zip(places, stacks, strict=True)}
    others = [place for place in range(len(cases)) if place not in prepared]
    made = _from_images([cases[place] for place in others], transform, cache_dir, n_processes)
    prepared |= dict(zip(others, made, strict=True))
    return [prepared[place] for place in range(len(cases))]


def content_key(item: DatalistEntry) -> str:
    """Name of a prepared case: a hash of its files' contents and of whatever else the case says.

    Args:
        item: paths (a file, a folder, or a list of files) under `image` and `label`. Anything else is hashed as text.

    Returns:
        Hexadecimal digest, independent of the files' location.
    """
    digest = hashlib.sha256()
    for key in sorted(item):
        digest.update(key.encode())
        for file in _files(item[key]) if key in ("image", "label") else ():
            digest.update(file.read_bytes())
        if key not in ("image", "label"):
            digest.update(repr(item[key]).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Job:
    """A case to prepare, and the file of the cache that it is kept in, if any."""

    case: DatalistEntry
    file: Path | None

    def run(self, transform: Transform) -> list[PreparedStack]:
        """The case's stacks, from the cache or made now and cached."""
        cached = None if self.file is None else _read_cached(self.file)
        if cached is not None:
            return cached
        stacks = _labelled_stacks(transform(dict(self.case)), self.case)
        if self.file is not None:
            _write_cached(self.file, stacks)
        return stacks


def _labelled_stacks(volume: Mapping[str, Any], case: DatalistEntry) -> list[PreparedStack]:
    """The stack of each phase in which something is labelled.

    Args:
        volume: tensors (T, X, Y, Z) under `image` and `label`.
        case: names the `patient`, and perhaps the `phase`.
    """
    images, labels = (_slices_first(volume[key]) for key in ("image", "label"))
    affine = getattr(volume["image"], "affine", None)
    spacing = (1.0, 1.0, 1.0) if affine is None else tuple(np.linalg.norm(np.asarray(affine)[:3, :3], axis=0).tolist())
    return [
        PreparedStack(
            **quantise(image, bits=_BITS),
            label=label.astype(np.uint8),
            spacing_mm=spacing,
            patient=patient_of(case),
            phase=str(case.get("phase") or "") if len(images) == 1 else f"t{phase:02d}",
        )
        for phase, (image, label) in enumerate(zip(images, labels, strict=True))
        if (label != UNLABELLED).any()
    ]


def _slices_first(volume: Any) -> np.ndarray:
    """(T, X, Y, Z) -> (T, Z, X, Y)."""
    plain: torch.Tensor = convert_to_tensor(volume, track_meta=False)
    return np.ascontiguousarray(plain.permute(0, 3, 1, 2).cpu().numpy())


def _require_same_preparation(pack: str, transform: Transform) -> None:
    difference = first_difference(read_pack_header(pack)["preparation"], describe(transform))
    if difference is not None:
        raise ConfigError(
            f"a pack must be prepared as the training asks, but {difference}; make the pack with the training's "
            f"settings, or train with the pack's [{pack}]"
        )


def _from_images(
    cases: Sequence[DatalistEntry], transform: Transform, cache_dir: str | Path | None, n_processes: int | None
) -> list[list[PreparedStack]]:
    if cache_dir is None or not cases:
        return [_Job(case, None).run(transform) for case in _shown(cases)]
    how = description_digest([describe(transform), _BITS])[:16]
    jobs = [_Job(case, Path(cache_dir) / f"{content_key(case)[:32]}-{how}.npz") for case in cases]
    missing = [job for job in jobs if job.file and not job.file.is_file()]
    _fill_cache(missing, transform, n_processes or os.cpu_count() or 1)
    return [job.run(transform) for job in _shown(jobs)]


def _shown(items: Sequence[_Item]) -> Iterable[_Item]:
    """Items one by one, with a bar that shows how far it is, where that takes longer than a moment."""
    return tqdm(items, "prepare", delay=_MOMENT_S, disable=idist.get_rank() > 0)


def _fill_cache(missing: Sequence[_Job], transform: Transform, n_processes: int) -> None:
    """Prepare missing cases if there are many. The processes of a distributed training share the work."""
    if idist.get_world_size() > 1:
        for job in _shown(missing[idist.get_rank() :: idist.get_world_size()]):
            job.run(transform)
        idist.barrier()
        return
    n_processes = min(n_processes, len(missing) // _CASES_A_PROCESS)
    if n_processes < 2:
        return
    _log.info("preparing %d volumes by %d processes", len(missing), n_processes)
    # started anew, not forked: a fork of a process whose libraries run threads may wait for ever
    pool = ProcessPoolExecutor(n_processes, get_context("spawn"), _start_worker)
    with library_first(), pool:
        for error in tqdm(pool.map(partial(_try, transform), missing), "prepare", len(missing)):
            if error is not None:
                pool.shutdown(cancel_futures=True)
                raise error


def _start_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)


def _try(transform: Transform, job: _Job) -> Exception | None:
    """Prepare and cache a case. An error is returned, since raising it would lose its cause between processes."""
    try:
        job.run(transform)
    except Exception as error:  # noqa: BLE001 told in one sentence by the caller
        return own_error(error) or error
    return None


def _read_cached(file: Path) -> list[PreparedStack] | None:
    """The stacks in a file of the cache, or `None` if it is missing or truncated."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            entries = json.loads(str(content["entries"]))
            return [
                PreparedStack(
                    stored=content[f"stored_{index}"],
                    label=content[f"label_{index}"],
                    **entry | {"spacing_mm": tuple(entry["spacing_mm"])},
                )
                for index, entry in enumerate(entries)
            ]
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 zip, header, JSON: each has errors of its own
        _log.warning("prepared again, for the cache's file cannot be read (%s) [%s]", error, file)
        return None


def _write_cached(file: Path, stacks: Sequence[PreparedStack]) -> None:
    arrays = {f"stored_{index}": stack.stored for index, stack in enumerate(stacks)}
    arrays |= {f"label_{index}": stack.label for index, stack in enumerate(stacks)}
    names = ("low", "step", "spacing_mm", "patient", "phase")
    entries = json.dumps([{name: getattr(stack, name) for name in names} for stack in stacks])
    with replacing(file) as partial, partial.open("wb") as stream:
        np.savez(stream, entries=np.array(entries), **arrays)  # type: ignore[arg-type]


def _files(source: str | Path | Sequence[str | Path]) -> list[Path]:
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    return [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
