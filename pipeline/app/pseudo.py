"""Pseudo-labelling by a bundle: it labels what nobody has, and the surest volumes become a data set to train on."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.predict import Segmenter
from pipeline.read.discover import find_cases
from pipeline.train.pseudo import make_pseudo_case, write_pseudo_labels

__all__ = ["label_studies"]


def label_studies(segmenter: Segmenter, studies: Path, out: Path, *, keep: float, threshold: float) -> Path:
    """Label every study found at a path.

    Args:
        segmenter: the loaded bundle.
        studies: DICOM file or folder, NIfTI file, or a folder of either; each study counts as a patient.
        out: receives `datalist.csv` and `labels/`.
        keep: fraction of all phases of all studies that stays, the surest ones; the others are left unlabelled.
        threshold: least probability of a pixel's class; less sure pixels are left unlabelled.

    Returns:
        The path of the list, for `cmr train --set extra_data=...`.

    Raises:
        InputError: a study cannot be read.
        DatasetError: no volume in which any structure was found.
    """
    cases = []
    for case in find_cases(studies):
        probabilities, affine = segmenter.probabilities([str(file) for file in case.files])
        item = {"image": str(case.path), "patient": case.name}
        cases.append(make_pseudo_case(probabilities, item, affine=affine, threshold=threshold))
    return write_pseudo_labels(out, cases, keep=keep)
