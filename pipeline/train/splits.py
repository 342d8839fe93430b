"""Who is trained on and who is kept aside: by patient, seeded, and patients with the same images on one side."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import ignite.distributed as idist
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.transform import resize_local_mean
from tqdm import tqdm

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.read.cine import read_cine
from pipeline.read.datalists.cases import DatalistEntry
from pipeline.train.record import read_record

__all__ = ["choose_cases", "find_twins", "kfold", "recorded_split", "split_patients"]

SAME_IMAGE = 0.999
"""Correlation of two fingerprints from which on they are one image, re-exported with other units or rounding. In ACDC
the nearest strangers reach 0.71, one patient's ED and ES 0.85 to 0.999, the same image 1."""

FINGERPRINT_SHAPE = (24, 24, 4)

_log = logging.getLogger(__name__)


def find_twins(datalist: Sequence[DatalistEntry]) -> list[frozenset[str]]:
    """Find patients who share an image, by content: a data set may hold one patient under two names.

    Two patients are twins if a phase of one is, pixel for pixel, a phase of the other, or if the temporal means of two
    of their images correlate as one image does (`SAME_IMAGE`) after averaging to `FINGERPRINT_SHAPE`, and so are
    twins of twins. Mirrored, shifted or cropped copies are not found. Images of one value are compared with none.

    Args:
        datalist: cases with `image` and `patient` (every image is read once).

    Returns:
        Groups of two or more patients, sorted by first name.

    Raises:
        InputError: an image cannot be read.
    """
    return [group for group in _groups(datalist) if len(group) > 1]


def split_patients(
    datalist: Sequence[DatalistEntry], *, val_fraction: float = 0.2, seed: int = 0
) -> tuple[list[DatalistEntry], list[DatalistEntry]]:
    """Split cases into training and validation, by patient, twins together.

    Args:
        datalist: cases with `image` and `patient`, in any order.
        val_fraction: fraction of the patients to validate on, above 0 and below 1 (at least one patient is taken).
        seed: of the split. The same seed and data give the same split, whatever the order of the list.

    Returns:
        Training and validation cases, each sorted by patient and phase. Neither is empty.

    Raises:
        ConfigError: a fraction out of range.
        DatasetError: no two patients who are not twins.
        InputError: an image cannot be read.
    """
    if not 0 < val_fraction < 1:
        raise ConfigError(f"`val_fraction` must be above 0 and below 1, got {val_fraction}")
    groups = _shuffled(_checked_groups(datalist, at_least=2), seed)
    n_patients = sum(map(len, groups))
    n_wanted = min(max(round(val_fraction * n_patients), 1), n_patients - 1)
    kept: set[str] = set()
    for group in groups:
        if len(kept) + len(group) <= n_wanted:
            kept |= group
    # A single patient is wanted, and none stands alone: the smallest group is the nearest there is.
    return _part(datalist, kept or sorted(groups, key=len)[0])


def kfold(
    datalist: Sequence[DatalistEntry], *, n_folds: int, fold: int, seed: int = 0
) -> tuple[list[DatalistEntry], list[DatalistEntry]]:
    """Split cases for one fold of a cross-validation, by patient, twins together.

    Args:
        datalist: cases with `image` and `patient`, and perhaps `group`, a diagnosis, in any order.
        n_folds: number of folds, at least 2.
        fold: the one to validate on, 0 to `n_folds` - 1.
        seed: as for `split_patients`.

    Returns:
        Training and validation cases. Over all folds each patient is validated on once, and the folds' numbers of
        patients differ by no more than the largest group of twins, in all and in each diagnosis. The diagnoses that
        most patients have are dealt first, so a few patients of others do not change who stands together.

    Raises:
        ConfigError: `fold` or `n_folds` out of range.
        DatasetError: fewer patients, twins counted as one, than folds.
        InputError: an image cannot be read.
    """
    if n_folds < 2 or not 0 <= fold < n_folds:
        raise ConfigError(f"`n_folds` must be 2 or more and `fold` from 0 below it, got {n_folds} and {fold}")
    folds: list[set[str]] = [set() for _ in range(n_folds)]
    for alike in _by_diagnosis(datalist, _checked_groups(datalist, at_least=n_folds), seed=seed):
        own = [0] * n_folds
        for group in alike:
            place = min(range(n_folds), key=lambda each: (own[each], len(folds[each])))
            folds[place] |= group
            own[place] += len(group)
    return _part(datalist, folds[fold])


def recorded_split(
    datalist: Sequence[DatalistEntry], record: str | Path
) -> tuple[list[DatalistEntry], list[DatalistEntry]] | None:
    """Split cases as a run did that goes on: a patient once trained on is never validated on.

    Patients whom the record does not name, as those who came into the data set since, are left out.

    Args:
        datalist: cases with `patient`.
        record: the run's `run.json`.

    Returns:
        Training and validation cases; `None` where the run has not begun.

    Raises:
        DatasetError: the record cannot be read, or the list has nobody of one of its sides.
    """
    written = read_record(Path(record))
    if written is None:
        return None
    aside, trained = (set(written["split"][name]) for name in ("validation", "train"))
    training, validation = _part([case for case in datalist if case["patient"] in aside | trained], aside)
    if not training or not validation:
        side = "validation" if training else "training"
        raise DatasetError(f"a run goes on with its own patients, but this data set has none of its {side}", record)
    return training, validation


def choose_cases(
    datalist: Sequence[DatalistEntry], cases: str | Path = "all", *, partly: bool = False
) -> list[DatalistEntry]:
    """Choose the cases to evaluate.

    Args:
        datalist: cases with `patient`.
        cases: "all", or the `run.json` of a training for its validation patients.
        partly: the list may lack some of them, as one of several data sets that were trained on does; that is logged.

    Returns:
        The chosen cases, in the list's order.

    Raises:
        DatasetError: the record cannot be read, or names patients whom the list lacks.
    """
    if cases == "all":
        return list(datalist)
    path = Path(cases)
    try:
        wanted = set(json.loads(path.read_text(encoding="utf-8"))["split"]["validation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"`cases` must be 'all' or a training's run.json ({error!r})", path) from error
    absent = wanted - {case["patient"] for case in datalist}
    if partly and absent and absent < wanted:
        _log.warning("%d of the %d validation patients of %s are not in this data set", len(absent), len(wanted), path)
    elif absent or not wanted:
        message = f"the data set must hold all {len(wanted)} validation patients of the run, it lacks {len(absent)}"
        raise DatasetError(message, path)
    return [case for case in datalist if case["patient"] in wanted]


def _groups(datalist: Iterable[DatalistEntry]) -> list[frozenset[str]]:
    """All patients, those who share an image in one group; sorted. A pack's cases name their `twins` themselves."""
    images = {(case["patient"], str(case["image"])): case for case in datalist}
    patients = sorted({case["patient"] for case in images.values()})
    index = {patient: number for number, patient in enumerate(patients)}
    owners, prints, links = [], [], []
    seen: dict[str, int] = {}
    for case in tqdm(images.values(), "look for patients who share images", delay=1.0, disable=idist.get_rank() > 0):
        if "twins" in case:
            links += [(index[case["patient"]], index[twin]) for twin in case["twins"] if twin in index]
            continue
        array = read_cine(case["image"]).array
        owner = index[case["patient"]]
        links += [(owner, seen.setdefault(digest, owner)) for digest in _digests(array)]
        owners.append(owner)
        prints.append(_fingerprint(array))
    vectors = np.array(prints).reshape(len(prints), int(np.prod(FINGERPRINT_SHAPE)))
    alike = np.argwhere(vectors @ vectors.T >= SAME_IMAGE)
    links += [(owners[a], owners[b]) for a, b in alike.tolist()]
    rows, columns = np.array(links or [(0, 0)]).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(patients), len(patients)))
    members: dict[int, set[str]] = defaultdict(set)
    for patient, number in zip(patients, connected_components(graph, directed=False)[1].tolist(), strict=True):
        members[number].add(patient)
    return sorted((frozenset(group) for group in members.values()), key=min)


def _digests(array: np.ndarray) -> list[str]:
    """One hash a phase, of the values, not of the type they are stored in, none for a phase of one value."""
    shape = str(array.shape[1:]).encode()
    return [
        hashlib.sha256(shape + np.ascontiguousarray(phase, dtype="<f4").tobytes()).hexdigest()
        for phase in array
        if phase.min() < phase.max()
    ]


def _fingerprint(array: np.ndarray) -> np.ndarray:
    """The coarse temporal mean as a unit vector without its mean: free of gain and offset, 0 for one value."""
    coarse = resize_local_mean(array.mean(axis=0, dtype=np.float64), FINGERPRINT_SHAPE, preserve_range=True).ravel()
    centred = coarse - coarse.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 1e-9 * (float(np.abs(coarse).max()) + 1.0) else np.zeros_like(centred)


def _checked_groups(datalist: Sequence[DatalistEntry], *, at_least: int) -> list[frozenset[str]]:
    groups = _groups(datalist) if datalist else []
    n_twins = sum(len(group) > 1 for group in groups)
    if n_twins:
        _log.info("%d groups of patients share images and stay on one side", n_twins)
    if len(groups) < at_least:
        raise DatasetError(f"the split needs at least {at_least} patients, twins counted as one, got {len(groups)}")
    return groups


def _by_diagnosis(
    datalist: Iterable[DatalistEntry], groups: Iterable[frozenset[str]], *, seed: int
) -> list[list[frozenset[str]]]:
    """Groups by the diagnosis of their first patient, the commonest first, each shuffled whatever the others are."""
    diagnoses = {case["patient"]: str(case.get("group") or "") for case in datalist}
    alike: dict[str, list[frozenset[str]]] = defaultdict(list)
    for group in groups:
        alike[diagnoses[min(group)]].append(group)
    commonest_first = sorted(alike, key=lambda name: (-len(alike[name]), name))
    return [_shuffled(alike[name], [seed, *name.encode()]) for name in commonest_first]


def _shuffled(groups: Sequence[frozenset[str]], seed: int | list[int]) -> list[frozenset[str]]:
    return [groups[place] for place in np.random.default_rng(seed).permutation(len(groups))]


def _part(datalist: Sequence[DatalistEntry], kept: Iterable[str]) -> tuple[list[DatalistEntry], list[DatalistEntry]]:
    """Cases of the others, and of the patients kept aside."""
    aside = set(kept)
    ordered = sorted(datalist, key=lambda case: (case["patient"], case.get("phase", ""), str(case["image"])))
    training = [case for case in ordered if case["patient"] not in aside]
    return training, [case for case in ordered if case["patient"] in aside]
