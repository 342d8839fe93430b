"""The application folder in MONAI Deploy's own runtime, beside what `cmr segment` gives for the same study.

    python benchmarks/monai_deploy.py STUDY --deploy-env ENV -o OUT [--bundle BUNDLE]

ENV is an environment with monai-deploy-app-sdk 4.0.0 and what this library needs, see docs/monai-places.md. The exit
code is not 0 if a label, a measurement or an object differs or is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom

from pipeline.app.bundles import find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.shipped import BUNDLES

_WORK_S = 1800


def main() -> None:
    """Run both and compare."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("study", type=Path)
    options.add_argument("--deploy-env", type=Path, required=True)
    options.add_argument("--bundle", default=DEFAULT_BUNDLE)
    options.add_argument("-o", "--out", type=Path, required=True)
    chosen = options.parse_args()
    shutil.rmtree(chosen.out, ignore_errors=True)
    bundle, (deploy, ours) = find_bundle(chosen.bundle), (chosen.out / name for name in ("deploy", "cmr"))
    deploy.mkdir(parents=True)
    python = chosen.deploy_env / "bin" / "python"
    _run([python, "-m", "pipeline.app.deploy", "-i", chosen.study, "-o", deploy, "-m", bundle])
    _run([sys.executable, "-m", "pipeline", "segment", chosen.study, "-o", ours, "--bundle", bundle, "--jobs", 0])
    records = sorted(ours.glob("*/measurements.json"))
    assert records, "nothing was segmented"
    for record in records:
        _compare(deploy / record.parent.name, record.parent)


def _run(command: list[object]) -> None:
    start = time.monotonic()
    settings = os.environ | {"PYTHONPATH": str(BUNDLES.parent), "PYTHONWARNINGS": "ignore"}
    words = [str(word) for word in command]
    done = subprocess.run(words, env=settings, timeout=_WORK_S, check=False, capture_output=True, text=True)
    print(f"{' '.join(words[1:4])}: exit code {done.returncode} after {time.monotonic() - start:.0f} s", flush=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _compare(deploy: Path, ours: Path) -> None:
    """One case: labels voxel for voxel, volumes, and the same DICOM objects, each readable."""
    labels = [np.asarray(nib.load(folder / "segmentation.nii.gz").dataobj) for folder in (deploy, ours)]
    records = [json.loads((folder / "measurements.json").read_text(encoding="utf-8")) for folder in (deploy, ours)]
    objects = [sorted(path.name for path in folder.glob("*.dcm")) for folder in (deploy, ours)]
    n_different = int((labels[0] != labels[1]).sum())
    print(
        f"{ours.name}: {n_different} of {labels[0].size} voxels differ; {', '.join(objects[0]) or 'no DICOM objects'}"
    )
    for name in objects[0]:
        header = pydicom.dcmread(deploy / name)
        print(f"  {name}: {header.Modality}, {header.SeriesDescription}, study {header.StudyInstanceUID[-12:]}")
    print(f"  LV EF {records[0]['left_ventricle']['ef_percent']}" if "left_ventricle" in records[0] else "")
    assert objects[0] == objects[1], objects
    assert n_different == 0
    assert records[0]["quality"] == records[1]["quality"]


if __name__ == "__main__":
    main()
