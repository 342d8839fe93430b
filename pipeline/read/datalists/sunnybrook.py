"""Sunnybrook Cardiac Data (Radau et al., The MIDAS Journal, 2009): DICOM cines and contours at ED and ES.

A contour file `IM-0001-NNNN-icontour-manual.txt` (endocardium; `ocontour`: epicardium, at ED alone) belongs to the
DICOM instance whose InstanceNumber is NNNN. Measured on both studies here: on average over their contours, no shift of
that number by up to six frames correlates better with the images. Papillary muscles count as cavity.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom

from pipeline.core.errors import DatasetError
from pipeline.core.images import Cine
from pipeline.core.labels import BACKGROUND, LV, MYO, UNLABELLED, one_of
from pipeline.read.contours import rasterise, read_contour
from pipeline.read.datalists.cases import Adapter, DatalistEntry
from pipeline.read.datalists.rows import read_rows
from pipeline.read.dicom.series import read_dicom_cine

__all__ = ["ADAPTERS", "draw_labels", "looks_like_sunnybrook", "sunnybrook_cases"]

PhaseSlice = tuple[int, int]
"""Phase and slice, 0-based."""

_CONTOUR = re.compile(r"IM-\d+-(?P<number>\d+)-(?P<kind>[io])contour-manual\.txt")

_log = logging.getLogger(__name__)


def looks_like_sunnybrook(folder: Path) -> bool:
    """Whether the folder holds `link.csv`, `dicom/` and `contours/`."""
    return (folder / "link.csv").is_file() and (folder / "dicom").is_dir() and (folder / "contours").is_dir()


def sunnybrook_cases(folder: Path, *, label_dir: Path) -> list[DatalistEntry]:
    """List the studies, and write their contours as label maps.

    Args:
        folder: holds `link.csv` (patient_id, original_id), `dicom/<patient_id>/` and `contours/<original_id>/`.
        label_dir: is given `<patient_id>.nii.gz`: uint8 (X, Y, Z, T) on the cine's own grid, LV 1, MYO 2 where an
            epicardium is drawn, `UNLABELLED` in frames without contours. Made anew each time.

    Returns:
        One case a study: `image` is the DICOM folder, `phase` is "", `scheme` is "cmr"; `ed_phase` and `es_phase` are
        0-based. Studies of `link.csv` of which neither images nor contours are there are left out.

    Raises:
        DatasetError: images without contours or the reverse, no contours at all, or a contour of no instance.
    """
    cases = []
    for patient, original in _links(folder / "link.csv"):
        images, contours = folder / "dicom" / patient, folder / "contours" / original
        if not images.is_dir() and not contours.is_dir():
            _log.info("left out, neither images nor contours are there [%s]", images)
            continue
        for needed in (images, contours):
            if not needed.is_dir():
                raise DatasetError(f"a study needs dicom/{patient} and contours/{original}, one is absent", needed)
        cases.append(_study_case(patient, images, contours, label_dir=label_dir))
    return cases


def draw_labels(
    shape: tuple[int, int, int, int], *, endo: Mapping[PhaseSlice, np.ndarray], epi: Mapping[PhaseSlice, np.ndarray]
) -> np.ndarray:
    """Fill contours into a label map.

    Args:
        shape: (T, X, Y, Z).
        endo: endocardial contours, (N, 2) index coordinates (x, y), by frame.
        epi: epicardial contours likewise; used where the frame has an endocardium too.

    Returns:
        (T, X, Y, Z) uint8: LV inside the endocardium, MYO between it and the epicardium, 0 elsewhere in such a frame;
        `UNLABELLED` in frames without an endocardium. Where no epicardium is drawn, what is not LV may be MYO: partial.

    >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
    >>> labels = draw_labels((1, 4, 4, 2), endo={(0, 0): square}, epi={(0, 0): (square - 1.5) * 2 + 1.5})
    >>> labels[0, 1].T.tolist()
    [[2, 1, 1, 2], [255, 255, 255, 255]]
    """
    labels = np.full(shape, UNLABELLED, dtype=np.uint8)
    plane = (shape[1], shape[2])
    for (phase, z), points in endo.items():
        around = BACKGROUND if (phase, z) in epi else one_of((BACKGROUND, MYO.value))
        frame = np.full(plane, around, dtype=np.uint8)
        if (phase, z) in epi:
            frame[rasterise(epi[phase, z], shape=plane)] = MYO.value
        frame[rasterise(points, shape=plane)] = LV.value
        labels[phase, :, :, z] = frame
    return labels


def _study_case(patient: str, images: Path, contours: Path, *, label_dir: Path) -> DatalistEntry:
    cine = read_dicom_cine(images)
    drawn = _contours_by_frame(contours, _frames_by_number(cine))
    label = label_dir / f"{patient}.nii.gz"
    labels = draw_labels((cine.n_phases, *cine.grid.shape), endo=drawn["i"], epi=drawn["o"])
    _write_labels(label, labels, cine.grid.affine)
    phases: DatalistEntry = {}
    if drawn["o"]:
        phases["ed_phase"] = _commonest_phase(drawn["o"])
    if set(drawn["i"]) - set(drawn["o"]):
        phases["es_phase"] = _commonest_phase(set(drawn["i"]) - set(drawn["o"]))
    return {"image": str(images), "label": str(label), "patient": patient, "phase": "", "scheme": "cmr"} | phases


def _links(path: Path) -> list[tuple[str, str]]:
    """Names of each patient in the images' folder and in the contours'."""
    links = [(row["patient_id"], row["original_id"]) for row in read_rows(path, needed=("patient_id", "original_id"))]
    for patient, original in links:
        if not patient or not original:
            raise DatasetError(f"each row must name a patient twice, got {patient!r} and {original!r}", path)
    return links


def _frames_by_number(cine: Cine) -> dict[int, PhaseSlice]:
    """Phase and slice of each InstanceNumber."""
    frames = {}
    for phase, row in enumerate(cine.sources or ()):
        for z, source in enumerate(row):
            header = pydicom.dcmread(source.path, stop_before_pixels=True, specific_tags=["InstanceNumber"])
            frames[int(header.InstanceNumber)] = (phase, z)
    return frames


def _contours_by_frame(folder: Path, frames: Mapping[int, PhaseSlice]) -> dict[str, dict[PhaseSlice, np.ndarray]]:
    """All contours of a study: endocardial under "i", epicardial under "o"."""
    drawn: dict[str, dict[PhaseSlice, np.ndarray]] = {"i": {}, "o": {}}
    for path in sorted(folder.rglob("*.txt")):
        match = _CONTOUR.fullmatch(path.name)
        if match is None:
            continue
        frame = frames.get(int(match["number"]))
        if frame is None:
            raise DatasetError(f"a contour must belong to an instance, none has number {int(match['number'])}", path)
        drawn[match["kind"]][frame] = read_contour(path)
    if not drawn["i"]:
        raise DatasetError("a study needs endocardial contours (IM-0001-NNNN-icontour-manual.txt), got none", folder)
    return drawn


def _commonest_phase(frames: Iterable[PhaseSlice]) -> int:
    return Counter(phase for phase, _ in sorted(frames)).most_common(1)[0][0]


def _write_labels(path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    """Write whole or not at all: several processes of one training may do so at the same time."""
    image = nib.Nifti1Image(np.moveaxis(labels, 0, -1), affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        nib.save(image, Path(folder) / path.name)
        (Path(folder) / path.name).replace(path)


def _cache(folder: Path) -> Path:
    """A folder in the user's cache that no other copy of the data set shares."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return cache / "cardiac-mr-pipeline" / f"sunnybrook-{digest}"


ADAPTERS = (
    Adapter(
        "sunnybrook",
        "link.csv, dicom/ and contours/",
        lambda source: source.is_dir() and looks_like_sunnybrook(source),
        lambda source, *, label_dir, **_: sunnybrook_cases(source, label_dir=label_dir or _cache(source)),
    ),
)
