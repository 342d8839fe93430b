"""Does a change of the code leave results as they are? Segment a fixed set of studies, and compare two such folders.

    python benchmarks/same_results.py record DATA OUT      # two Sunnybrook studies and ten volumes of ACDC
    python benchmarks/same_results.py compare OUT OTHER    # exit code 1 where label maps or measurements differ

DATA holds `acdc` and `sunnybrook`. Label maps are compared voxel by voxel, measurements key by key, and of the DICOM
objects and the report whether they are there.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter
from pipeline.read.datasets import load_datalist

ACDC_STEP = 20
SLACK = 1e-12
"""Of a number: the last bits of a sum depend on its order."""


def record(data: Path, out: Path) -> None:
    """Segment the set with the shipped bundle."""
    runner = CaseRunner(Segmenter(DEFAULT_BUNDLE), out)
    acdc = [Path(case["image"]) for case in load_datalist(data / "acdc")[::ACDC_STEP]]
    for path in [*sorted((data / "sunnybrook" / "dicom").iterdir()), *acdc]:
        for result in segment_path(runner, path):
            print(result.name, result.error or "", flush=True)


def compare(one: Path, other: Path) -> list[str]:
    """Sentences on what differs."""
    names = [sorted(path.name for path in folder.iterdir() if path.is_dir()) for folder in (one, other)]
    if names[0] != names[1]:
        return [f"cases: {names[0]} and {names[1]}"]
    return [f"{name}: {line}" for name in names[0] for line in _differences(one / name, other / name)]


def _differences(one: Path, other: Path) -> Iterator[str]:
    files = [sorted(path.name for path in folder.iterdir()) for folder in (one, other)]
    if files[0] != files[1]:
        yield f"files: {files[0]} and {files[1]}"
    labels = [nib.load(folder / "segmentation.nii.gz") for folder in (one, other)]
    voxels = [np.asarray(image.dataobj) for image in labels]
    if voxels[0].shape != voxels[1].shape or not np.allclose(labels[0].affine, labels[1].affine):
        yield "label maps on other grids"
    elif (voxels[0] != voxels[1]).any():
        yield f"{(voxels[0] != voxels[1]).sum()} voxels differ"
    records = [json.loads((folder / "measurements.json").read_text()) for folder in (one, other)]
    if list(records[0]) != list(records[1]):
        yield f"keys: {list(records[0])} and {list(records[1])}"
    yield from _values(*records, place="")


def _values(one: Any, other: Any, *, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            yield from _values(one[key], other[key], place=f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, both in enumerate(zip(one, other, strict=True)):
            yield from _values(*both, place=f"{place}[{index}]")
    elif isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=SLACK):
        return
    elif one != other:
        yield f"{place[1:]}: {str(one)[:100]} and {str(other)[:100]}"


if __name__ == "__main__":
    command, first, second = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if command == "record":
        record(first, second)
    else:
        found = compare(first, second)
        print("\n".join(found) or "no difference")
        raise SystemExit(bool(found))
