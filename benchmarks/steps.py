"""Speed of the steps around the network: bias correction, reading, and a whole study from folder to measurements."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk
import torch

from pipeline.app.segmenter import Segmenter
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from pipeline.prepare.bias import N4Settings, estimate_log_field
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases

Alternate = Callable[..., list[float]]
PHASES, SLICES, SIZE = 20, 12, 256


def study_folder(scratch: Path) -> Path:
    """A DICOM cine of 12 slices and 20 phases: Sunnybrook's first where `CMR_DATA` is set, else a synthetic one."""
    data = os.environ.get("CMR_DATA")
    if data and (Path(data) / "sunnybrook" / "dicom").is_dir():
        return sorted((Path(data) / "sunnybrook" / "dicom").iterdir())[0]
    cine = make_cine(make_patient(0), n_phases=PHASES, n_slices=SLICES, size=SIZE, pixel_mm=1.4, step_mm=8.0)
    write_study(cine, scratch / "study")
    return scratch / "study"


def reading_row(study: Path, alternate: Alternate) -> dict[str, object]:
    """Folder to array, geometry and order included, beside SimpleITK's series reader on the same files."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # it takes a cine's phases for slices at one place

    def by_simpleitk() -> None:
        reader = sitk.ImageSeriesReader()
        folders = {file.parent for file in study.rglob("*") if file.is_file()}
        for folder in folders:
            for series in reader.GetGDCMSeriesIDs(str(folder)):
                reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series))
                sitk.GetArrayFromImage(reader.Execute())

    other, ours = alternate(by_simpleitk, lambda: read_cine(study))
    return {"what": "reading a DICOM folder", "against": "SimpleITK's series reader", **_pair(other, ours)}


def bias_row(study: Path, alternate: Alternate) -> dict[str, object]:
    """N4 as shipped beside SimpleITK's default at full resolution, on the study's temporal mean, with an Otsu mask.

    The correlation is that of the log field with the shipped settings' own fit at full resolution.
    """
    cine = read_cine(study)
    mean = np.asarray(cine.array.mean(axis=0), dtype=np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(mean.T))
    image.SetSpacing([float(mm) for mm in cine.grid.spacing_mm])
    mask = sitk.OtsuThreshold(image, 0, 1)
    inside = sitk.GetArrayViewFromImage(mask).T > 0

    other, ours = alternate(
        lambda: sitk.N4BiasFieldCorrectionImageFilter().Execute(image, mask),
        lambda: estimate_log_field(mean),
        repeats=1,
    )
    shrunken, full = (estimate_log_field(mean, settings=s)[inside] for s in (N4Settings(), N4Settings(shrink=1)))
    row = {"what": "N4 of one volume", "against": "SimpleITK's default at full resolution", **_pair(other, ours)}
    correlation = float(np.corrcoef(shrunken, full)[0, 1])
    return row | {"log_field_correlation": correlation, "log_field_sd": float(full.std()), "phases": cine.n_phases}


def step_rows(bundle: str, study: Path) -> list[dict[str, object]]:
    """Seconds of each step of a study through a bundle, in one process, packages loaded before."""
    segmenter = Segmenter(bundle)
    (case,) = find_cases(study)
    item: dict = {"image": [str(file) for file in case.files]}
    rows: list[dict[str, object]] = []

    def timed(name: str, step: Callable[[dict], dict], item: dict) -> dict:
        start = time.perf_counter()
        item = step(item)
        rows.append({"what": f"step {name}", "ours_s": time.perf_counter() - start})
        return item

    def network(item: dict) -> dict:
        with torch.inference_mode():
            return item | {"pred": segmenter.inferer(item["image"][None], segmenter.network)[0]}

    for transform in segmenter.preprocessing.transforms:
        item = timed(type(transform).__name__, transform, item)
    item = timed("network", network, item)
    for transform in segmenter.to_labels.transforms:
        item = timed(type(transform).__name__, transform, item)
    return rows


def command_row(bundle: str, study: Path, *, what: str = "cmr segment, whole command") -> dict[str, object]:
    """`cmr segment` on a study, start of the process included, and the most memory it held."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "pipeline", "segment", str(study), "--bundle", bundle, "--out", out, "--quiet"]
        start = time.perf_counter()
        process = psutil.Popen(command)
        peak = 0
        while process.poll() is None:  # the kernel's own maximum counts this process's memory too, before the exec
            peak = max(peak, _resident(process))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"cmr segment failed on {study}")
    return {"what": what, "ours_s": seconds, "peak_gb": peak / 1e9}


def _resident(process: psutil.Popen) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0


def long_cine_row(bundle: str, scratch: Path) -> dict[str, object]:
    """A synthetic cine of 30 phases and 12 slices of 256 x 256, for the memory it takes."""
    cine = make_cine(make_patient(1), n_phases=30, n_slices=SLICES, size=SIZE, pixel_mm=1.4, step_mm=8.0)
    write_study(cine, scratch / "long", extras=False)
    return command_row(bundle, scratch / "long", what=f"cmr segment, 30 phases x {SLICES} slices of {SIZE} x {SIZE}")


def _pair(other: float, ours: float) -> dict[str, object]:
    return {"other_s": other, "ours_s": ours, "ratio": other / ours}
