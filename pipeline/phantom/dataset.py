"""Data sets of synthetic patients: images, labels, a CSV list, and the analytic truth."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from pipeline.core.errors import ConfigError
from pipeline.core.images import Cine
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import LAYOUTS, write_study
from pipeline.phantom.study import PhantomStudy, make_cine

__all__ = ["write_dataset", "write_nifti"]


def write_dataset(
    folder: Path, *, n_patients: int, layout: str = "nifti", seed: int = 0, **scan: float
) -> list[PhantomStudy]:
    """Write a data set in the plain CSV form.

    ::

        folder/datalist.csv             image, label, patient, phase, scheme
        folder/truth.json               patient -> volumes, EF, mass, in closed form
        folder/images/<patient>...      a NIfTI file or a folder of DICOM files
        folder/labels/<patient>.nii.gz  on the image's grid

    Args:
        folder: output folder.
        n_patients: number of patients. Their seeds count up from `seed`.
        layout: "nifti", or one of `dicom.LAYOUTS`.
        seed: of the first patient.
        scan: settings of `study.make_cine`.

    Returns:
        The studies.

    Raises:
        ConfigError: unknown layout.
    """
    if layout not in ("nifti", *LAYOUTS):
        raise ConfigError(f"`layout` must be one of {('nifti', *LAYOUTS)}, got {layout!r}")
    studies, rows = [], []
    for number in range(seed, seed + n_patients):
        study = make_cine(make_patient(number), **scan)  # type: ignore[arg-type]
        name = f"phantom{number:04d}"
        image = folder / "images" / (f"{name}.nii.gz" if layout == "nifti" else name)
        label = folder / "labels" / f"{name}.nii.gz"
        if layout == "nifti":
            write_nifti(image, study.image)
        else:
            write_study(study, image, layout=layout)  # type: ignore[arg-type]
        write_nifti(label, study.label, n_phases=1 if layout == "static" else None)
        rows.append([str(image.relative_to(folder)), str(label.relative_to(folder)), name, "", "cmr"])
        studies.append(study)
    with (folder / "datalist.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["image", "label", "patient", "phase", "scheme"], *rows])
    truth = {row[2]: study.truth.to_dict() for row, study in zip(rows, studies, strict=True)}
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return studies


def write_nifti(path: Path, cine: Cine, *, n_phases: int | None = None) -> None:
    """Write a cine as NIfTI with its affine and times. Only the first `n_phases` if given, 3D for one."""
    array = cine.array[:n_phases]
    image = nib.Nifti1Image(np.ascontiguousarray(array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)), None)
    image.set_sform(cine.grid.affine, code=1)
    image.set_qform(cine.grid.affine, code=1)
    image.header.set_xyzt_units("mm", "msec")
    image.header["descrip"] = b"synthetic phantom, not a patient"
    if len(array) > 1 and cine.times_ms is not None:
        image.header["pixdim"][4] = cine.times_ms[1] - cine.times_ms[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
