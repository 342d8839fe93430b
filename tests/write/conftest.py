"""A phantom study with the record that a bundle's run would write for it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.core.case import Case, Provenance
from pipeline.core.images import Cine, StudyFacts
from pipeline.core.measurements import Measurements
from pipeline.measure.measurements import measure_cine
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import PhantomStudy, make_cine

SEGMENTS = [
    {"segment": n, "name": f"segment {n}", "ed_mm": 8.0, "es_mm": 12.0, "thickening_percent": 50.0}
    for n in range(1, 17)
]
READING = {"prefer": "later", "drop_incomplete": False, "heart_rate_bpm": None, "subject": None}
SOURCE = {
    "identity": "study 1.2.3",
    "path": "/in/somebody",
    "series_uid": None,
    "voxels_sha256": None,
    "prefer": "later",
    "drop_incomplete": False,
    "heart_rate_bpm": None,
    "subject": None,
}
NOBODY = {
    "software": {},
    "bundle": {"name": "some_bundle", "version": "1.2.3"},
    "settings": {},
    "labels_sha256": None,
    "source": SOURCE,
}
APEX = {"segment": 17, "name": "apex", "ed_mm": None, "es_mm": None, "thickening_percent": None}


@pytest.fixture(scope="session")
def phantom() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=8, n_slices=8, size=96, pixel_mm=3.0)


def function(cavity_ml: list[float], ed: int, es: int) -> dict[str, float | None]:
    stroke = cavity_ml[ed] - cavity_ml[es]
    return {
        "edv_ml": cavity_ml[ed],
        "esv_ml": cavity_ml[es],
        "sv_ml": stroke,
        "ef_percent": 100.0 * stroke / cavity_ml[ed],
        "co_l_per_min": None,
        "peak_ejection_rate_ml_per_s": 320.0,
        "peak_filling_rate_ml_per_s": 280.0,
    }


PRIOR = {
    "case": "phantom0002",
    "same_patient_by": "patient_id",
    "interval_days": 365,
    "changes": [
        {
            "quantity": f"left_ventricle_{key}",
            "before": 60.0,
            "now": 50.0,
            "change": -10.0,
            "change_percent": -16.7,
            "limit": limit,
            "beyond": None if limit is None else limit < 10.0,
        }
        for key, limit in (("edv_ml", 12.5), ("ef_percent", 8.25), ("sv_ml", None))
    ],
    "sources": ["Somebody et al., 2002"],
    "notes": ["slices are 8.0 mm apart now and were 10.0 mm"],
}


def _measured_content(study: PhantomStudy) -> dict[str, Any]:
    """What is measured of the phantom's labels, for a man of 60 years."""
    facts = StudyFacts(heart_rate_bpm=60.0, height_m=1.8, weight_kg=75.0, sex="M", age_years=60.0)
    label = study.label
    return json.loads(json.dumps(measure_cine(label.array, label.grid, times_ms=label.times_ms, facts=facts).to_json()))


def whole_object(study: PhantomStudy) -> dict[str, Any]:
    truth, cine = study.truth, study.image
    volumes = {name: list(row) for name, row in truth.volumes_ml.items()}
    ed, es = truth.ed_phase, truth.es_phase
    jump = {"rule": "volume_jump", "severity": "review", "message": "A jump.", "value": None, "threshold": None}
    content = _measured_content(study)
    gap = {"rule": "slice_gap", "severity": "fail", "message": "A gap.", "value": 2, "threshold": 0.5}
    return {
        "schema_version": "1.3",
        "disclaimer": "Not for diagnosis.",
        "case": "phantom0003",
        "conventions": ["papillary muscles count as cavity"],
        "kind": "cine",
        "n_phases": cine.n_phases,
        "n_slices": cine.n_slices,
        "spacing_mm": list(cine.grid.spacing_mm),
        "subject": {"sex": None, "age_years": None, "height_cm": None, "weight_kg": None},
        "papillary": "cavity",
        "times_ms": list(cine.times_ms or ()),
        "volumes_ml": volumes,
        "lv_curve_ml": volumes["left_ventricle"],
        "ed_phase": ed,
        "es_phase": es,
        "ed_from": "curve",
        "es_from": "given",
        "heart_rate_bpm": cine.facts.heart_rate_bpm,
        "myocardial_mass_g": truth.myocardial_mass_g,
        "left_ventricle": function(volumes["left_ventricle"], ed, es),
        "right_ventricle": function(volumes["right_ventricle"], ed, es),
        "left_ventricle_blood": {
            "edv_ml": 81.5,
            "esv_ml": 30.5,
            "sv_ml": 51.0,
            "ef_percent": 62.6,
            "myocardial_mass_g": 133.7,
        },
        "bsa_m2": 1.87,
        "bsa_method": "mosteller",
        "indexed": {"myocardial_mass_g_per_m2": 61.25, "left_ventricle_edv_ml_per_m2": 72.5},
        "wall": {
            "segments": [*SEGMENTS, APEX],
            "notes": ["the apex is not measured"],
        },
        **{key: content[key] for key in ("motion", "slices", "references")},
        "prior": PRIOR,
        "notes": ["the localiser was left out"],
        "pose": None,
        "quality": {
            "verdict": "fail",
            "flags": [
                jump | {"phase": 5, "slice": None},
                gap | {"phase": es, "slice": 2},
            ],
        },
        "certainty": None,
        "intervals": None,
        "confidence": {name: [0.95, 0.9, 0.85, 0.8, 0.9, 0.9, 0.9, None] for name in volumes},
        "software": {"cardiac-mr-pipeline": "0.1.0"},
        "bundle": {
            "name": "ventricles_mr_segmentation_unet",
            "version": "0.1.0",
            "weights_sha256": None,
            "training_run": None,
        },
        "settings": {"view": {"clean_up": True}},
        "labels_sha256": None,
        "source": SOURCE,
        "corrected": True,
        "pseudonym": None,
    }


@pytest.fixture
def measured(phantom: PhantomStudy) -> dict[str, Any]:
    """The content of `measurements.json`."""
    return copy.deepcopy(whole_object(phantom))


@pytest.fixture(scope="session")
def as_case() -> Callable[..., Case]:
    """The case that a record is of, with a cine's images; an empty map where no labels are given."""

    def case(cine: Cine, record: dict[str, Any], labels: np.ndarray | None = None) -> Case:
        counts = {"n_phases": cine.n_phases, "n_slices": cine.n_slices}
        nothing = {"kind": "cine", "spacing_mm": cine.grid.spacing_mm, "volumes_ml": {}, **counts}
        return Case(
            name=record.get("case", "case7"),
            cine=cine,
            labels=np.zeros(cine.array.shape, np.uint8) if labels is None else labels,
            measurements=Measurements.from_json(nothing | record),
            provenance=Provenance.from_json(NOBODY | record),
            corrected=record.get("corrected", False),
        )

    return case


@pytest.fixture(scope="session")
def calibrate() -> Callable[[dict[str, Any]], None]:
    """Give measurements what a calibration adds to them, with intervals of two numbers."""

    def change(measured: dict[str, Any]) -> None:
        names = list(measured["volumes_ml"])
        measured["certainty"] = {
            "dice_low": {name: [0.8] * 8 for name in names},
            "spread_ml": {name: [10.0] * 8 for name in names},
            "volumes": {name: [-1.0, 1.0] for name in names},
            "functions": {
                side: {"sv_ml": [-1.0, 1.0], "ef_percent": [-1.0, 1.0]}
                for side in ("left_ventricle", "right_ventricle")
            },
            "level": 0.9,
            "pass_dice": 0.9,
            "fail_dice": 0.8,
        }
        measured["intervals"] = {"left_ventricle_edv_ml": [111.25, 134.75], "myocardial_mass_g": [90.0, 101.0]}

    return change
