"""Pseudo-labelling by a bundle: the most confident of its labels become a data set to train on."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import DatasetError, InputError
from pipeline.read.cine import read_cine, require_stack
from pipeline.read.discover import CaseFiles, find_cases
from pipeline.read.gate import require_images
from pipeline.train.pseudo import make_pseudo_case, write_pseudo_labels

__all__ = ["label_studies"]


def label_studies(segmenter: Segmenter, studies: Path, out: Path, *, keep: float, threshold: float) -> Path:
    """Label every study found at a path.

    Args:
        segmenter: the loaded bundle.
        studies: a file, archive or folder, see `read.discover.find_cases`; each study counts as a patient.
        out: receives `datalist.csv` and `labels/`.
        keep: fraction of all phases of all studies to keep, the most confident ones. The others are left unlabelled.
        threshold: least probability of a pixel's class. Pixels below it are left unlabelled.

    Returns:
        The path of the list, for `cmr train --set extra_data=...`.

    Raises:
        InputError: a study shares its folder with another one.
        DatasetError: studies cannot be read, all of them named; no volume in which any structure was found, or `out`
            holds a data set of other images.
    """
    cases, found = [], find_cases(studies)
    _refuse_shared_folders(found)
    _refuse_other_images(out / "datalist.csv", found)
    require_images({case.name: [str(file) for file in case.files] for case in found}, source=studies)
    for case in found:
        cine = read_cine(case.files)
        if segmenter.measures:
            require_stack(cine, path=str(case.path))
        probabilities, affine = segmenter.probabilities(cine)
        item = {"image": str(case.path), "patient": case.name}
        cases.append(make_pseudo_case(probabilities, item, affine=affine, threshold=threshold))
    return write_pseudo_labels(out, cases, keep=keep)


def _refuse_shared_folders(cases: Sequence[CaseFiles]) -> None:
    """Refuse shared folders: a list names a study by its folder, so a training could read another study's images."""
    for case, other in itertools.permutations(cases, 2):
        if case.path.is_dir() and other.path.is_relative_to(case.path):
            raise InputError(
                f"each study must have a folder of its own, this one of {case.name} also holds {other.name}", case.path
            )


def _refuse_other_images(table: Path, cases: Sequence[CaseFiles]) -> None:
    """Refuse to overwrite the list and labels of other images, which may be of other patients or drawn by hand."""
    if not table.is_file():
        return
    with table.open(encoding="utf-8", newline="") as file:
        listed = {row.get("image") for row in csv.DictReader(file)}
    if not listed <= {str(case.path.resolve()) for case in cases}:
        raise DatasetError("a data set of other images is here and would be lost; name another folder (`--out`)", table)
