"""A case holds what belongs together, and says it as JSON."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.case import BundleRecord, Case, InputFiles, Provenance, Source, case_record
from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements

CINE = Cine(np.zeros((2, 4, 5, 3), np.float32), Grid((4, 5, 3), np.diag([1.5, 1.5, 8.0, 1.0])))
MADE_BY = Provenance(
    {"torch": "2"}, BundleRecord("unet", "0.1.0", "ab"), {"n4": True}, "0f", Source("study 1.2", "/in")
)


def make(labels: np.ndarray | None = None, n_phases: int = 2) -> Case:
    measured = Measurements("few_phases", n_phases, 3, (1.5, 1.5, 8.0), {"left_ventricle": [1.0] * n_phases})
    return Case("a", CINE, np.zeros((2, 4, 5, 3), np.uint8) if labels is None else labels, measured, MADE_BY)


def test_the_record_holds_measurements_and_what_made_them() -> None:
    record = make().to_json()
    assert (record["case"], record["corrected"], record["n_phases"]) == ("a", False, 2)
    assert Provenance.from_json(record) == MADE_BY
    assert Measurements.from_json(record) == Measurements(
        "few_phases", 2, 3, (1.5, 1.5, 8.0), {"left_ventricle": [1.0, 1.0]}
    )


def test_a_record_that_measures_nothing_is_of_no_case_and_nobody_s_hand() -> None:
    made_by = Provenance({}, BundleRecord("unet", "0.1.0"), {}, input=InputFiles(2, "ab", "cd"))
    bundle = {"name": "unet", "version": "0.1.0", "weights_sha256": None, "training_run": None}
    found = {"n_files": 2, "sha256": "ab", "state": "cd"}
    made = {"software": {}, "bundle": bundle, "settings": {}, "labels_sha256": None, "source": None, "input": found}
    assert case_record(made_by) == {"case": "", "corrected": False, "pseudonym": None, **made}
    assert Provenance.from_json(made) == made_by


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(GridError, match="labels must be"):
        make(np.zeros((1, 4, 5, 3), np.uint8))
    with pytest.raises(GridError, match="of 2 phases and 3 slices, got 3 and 3"):
        make(n_phases=3)
