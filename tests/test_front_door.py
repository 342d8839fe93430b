"""`from pipeline import ...`: light to import, and the same names for readers, type checkers and programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pipeline

NAMES = [name for name in pipeline.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert getattr(pipeline, name).__name__ == name
    assert name in dir(pipeline)


def test_type_checkers_know_the_same_names() -> None:
    stub = (Path(pipeline.__file__).parent / "__init__.pyi").read_text()
    assert sorted(re.findall(r" as (\w+)$", stub, re.MULTILINE)) == sorted(NAMES)


def test_a_mistyped_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        pipeline.segmnt  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, pipeline; print([name for name in ('torch', 'monai', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_array_goes_in_and_a_case_comes_out() -> None:
    from pipeline.phantom.anatomy import make_patient
    from pipeline.phantom.study import make_cine

    image = make_cine(make_patient(3), n_phases=2, n_slices=5, size=64, pixel_mm=3.0).image
    cine = pipeline.Cine(np.array(image.array), pipeline.Grid(image.grid.shape, image.grid.affine))
    case = pipeline.segment(cine)
    assert case.labels.shape == cine.array.shape
    assert set(np.unique(case.labels)) <= {0, 1, 2, 3}
    assert case.measurements.n_phases == 2
    assert case.provenance.bundle.name == "ventricles_mr_segmentation_unet"
