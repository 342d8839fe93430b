"""The verdict on whole cases: healthy, broken in known ways, and empty."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.measure.function import MYOCARDIAL_DENSITY_G_PER_ML as DENSITY
from pipeline.measure.function import ventricular_function, volumes_ml
from pipeline.measure.measurements import measure_cine
from pipeline.measure.quality.assess import assess_quality
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import make_cine
from pipeline.read.cine import read_label
from pipeline.read.datasets import load_datalist

HEALTHY = (1, 6, 12)
"""Phantom patients whose ventricles have similar stroke volumes: they are drawn without regard to each other."""


def _measured(labels: np.ndarray, grid: Grid, times_ms: tuple[float, ...] | None = None) -> Measurements:
    """What the rules read of the measurements, ED and ES at the largest and smallest cavity."""
    volumes = volumes_ml(labels, grid)
    n_phases = len(labels)
    kind = "cine" if n_phases >= 5 else "few_phases" if n_phases > 1 else "single_phase"
    measured = Measurements(kind, n_phases, labels.shape[3], grid.spacing_mm, volumes, times_ms)
    if n_phases == 1:
        return measured
    ed, es = int(np.argmax(volumes["left_ventricle"])), int(np.argmin(volumes["left_ventricle"]))
    return _between(replace(measured, myocardial_mass_g=volumes["myocardium"][ed] * DENSITY), ed, es)


def _between(measured: Measurements, ed: int, es: int) -> Measurements:
    """With ED and ES, and the function between them."""
    sides = ("left_ventricle", "right_ventricle")
    left, right = (ventricular_function(measured.volumes_ml[side], ed=ed, es=es) for side in sides)
    return replace(measured, ed_phase=ed, es_phase=es, left=left, right=right)


@pytest.fixture(scope="module")
def label() -> Cine:
    """A healthy phantom's labels, 12 phases."""
    return make_cine(make_patient(HEALTHY[0]), size=128).label


def _rules(labels: np.ndarray, label: Cine, **changes: Any) -> list[str]:
    measured = replace(_measured(labels, label.grid, label.times_ms), **changes)
    quality = assess_quality(labels, label.grid, measured)
    return [flag.rule for flag in quality.flags]


@pytest.mark.parametrize("seed", HEALTHY)
@pytest.mark.parametrize("phases", [[0], [0, 4], list(range(12))])
def test_healthy_phantoms_pass(seed: int, phases: list[int]) -> None:
    label = make_cine(make_patient(seed), size=128).label
    labels = label.array[phases]
    times_ms = label.times_ms if len(phases) == 12 else None
    quality = assess_quality(labels, label.grid, _measured(labels, label.grid, times_ms))
    assert quality.flags == ()
    assert quality.verdict == "pass"


@pytest.mark.parametrize("n_phases", [1, 2, 12])
def test_it_reads_what_the_measurements_say(n_phases: int, label: Cine) -> None:
    labels, times_ms = label.array[: 5 * n_phases : 5][:n_phases], None
    if n_phases == 12:
        labels, times_ms = label.array, label.times_ms
    measured = measure_cine(labels, label.grid, times_ms=times_ms)
    assert assess_quality(labels, label.grid, measured).flags == ()


def test_experts_labels_of_a_healthy_patient_pass(cmr_data: Path) -> None:
    cases = [case for case in load_datalist(cmr_data / "acdc", layout="acdc") if case["patient"] == "patient072"]
    drawn = [read_label(case["label"], scheme=case["scheme"]) for case in cases]
    labels, grid = np.concatenate([one.array for one in drawn]), drawn[0].grid
    assert assess_quality(labels, grid, _measured(labels, grid)).flags == ()


def test_failures_come_first_and_make_json(label: Cine) -> None:
    labels = label.array.copy()
    es = _measured(labels, label.grid).es_phase
    assert es is not None
    middle = int((labels[es] == 1).any(axis=(0, 1)).nonzero()[0].mean())
    labels[es, :, :, middle][labels[es, :, :, middle] == 1] = 0
    measured = replace(_measured(labels, label.grid), confidence={"right_ventricle": [0.87] * 12})
    quality = assess_quality(labels, label.grid, measured)
    assert quality.verdict == "fail"
    assert [flag.severity for flag in quality.flags] == sorted(flag.severity for flag in quality.flags)
    first = quality.flags[0]
    assert (first.rule, first.phase, first.slice) == ("slice_gap", es, middle)
    keys = ("rule", "severity", "message", "phase", "slice", "value", "threshold")
    written = json.loads(json.dumps(asdict(quality), allow_nan=False))
    assert all(tuple(flag) == keys for flag in written["flags"])


def test_review_without_a_failure(label: Cine) -> None:
    measured = replace(_measured(label.array, label.grid), confidence={"right_ventricle": [0.87] * 12})
    quality = assess_quality(label.array, label.grid, measured)
    assert quality.verdict == "review"
    assert [(flag.rule, flag.phase) for flag in quality.flags] == [
        ("low_confidence", 0),
        ("low_confidence", measured.es_phase),
    ]


def test_one_flag_a_rule_and_phase_at_most(label: Cine) -> None:
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(label.array.shape) < 0.2, rng.integers(0, 4, label.array.shape), label.array)
    quality = assess_quality(noisy, label.grid, _measured(noisy, label.grid))
    named = [(flag.rule, flag.phase) for flag in quality.flags]
    assert len(named) == len(set(named)) > 3
    assert quality.verdict == "fail"


def test_a_failed_phase_is_named(label: Cine) -> None:
    labels = label.array.copy()
    labels[9] = 0
    measured = _measured(labels, label.grid, label.times_ms)
    ed = int(np.argmax(measured.volumes_ml["left_ventricle"]))
    flags = assess_quality(labels, label.grid, _between(measured, ed, 4)).flags
    assert [(flag.rule, flag.phase) for flag in flags] == [("volume_jump", 9)]


def test_swapped_labels_fail(label: Cine) -> None:
    swapped = np.array([0, 3, 2, 1], dtype=np.uint8)[label.array]
    assert {"not_a_heart", "ventricles_swapped", "open_wall"} <= set(_rules(swapped, label))


def test_nothing_found_fails(label: Cine) -> None:
    empty = np.zeros_like(label.array)
    quality = assess_quality(empty, label.grid, _measured(empty, label.grid))
    assert quality.verdict == "fail"
    assert quality.flags[0].rule == "missing_structure"


def test_a_stack_cut_at_both_ends(label: Cine) -> None:
    shown = (label.array[0] == 1).any(axis=(0, 1)).nonzero()[0]
    cut = label.array[..., shown[3] : shown[-1] + 1]  # the stack runs from the apex up
    grid = Grid(cut.shape[1:], label.grid.affine)
    rules = [flag.rule for flag in assess_quality(cut, grid, _measured(cut, grid)).flags]
    assert rules == ["stack_apex", "stack_base"]


def test_labels_that_were_not_measured_are_refused(label: Cine) -> None:
    with pytest.raises(GridError, match="as measured"):
        assess_quality(label.array[:6], label.grid, _measured(label.array, label.grid))
    with pytest.raises(GridError, match="as measured"):
        assess_quality(label.array[0], label.grid, _measured(label.array[:1], label.grid))


def test_a_note_alone_passes(label: Cine) -> None:
    measured = _measured(label.array, label.grid, label.times_ms)
    assert measured.right is not None
    noted = replace(measured, right=replace(measured.right, sv_ml=1.0))
    quality = assess_quality(label.array, label.grid, noted)
    assert [(flag.rule, flag.severity) for flag in quality.flags] == [("stroke_volumes", "note")]
    assert quality.verdict == "pass"


def test_shape_is_judged_at_ed_and_es_and_the_stack_s_ends_at_ed_alone(label: Cine) -> None:
    """Uneven slices, and a stack without its apex: told once. A hole in the wall at both: told twice."""
    shown = (label.array[0] == 1).any(axis=(0, 1)).nonzero()[0]
    cut = label.array[..., shown[3] :].copy()
    middle = cut.shape[3] // 2
    for labels in cut[..., middle]:
        x, y = np.argwhere(labels == 1).mean(axis=0).astype(int)
        labels[x - 2 : x + 3, y - 2 : y + 3] = 0
    spans = (4.0,) + (8.0,) * (cut.shape[3] - 1)
    grid = Grid(cut.shape[1:], label.grid.affine, spans)
    measured = _measured(cut, grid, label.times_ms)
    ed, es = measured.ed_phase, measured.es_phase
    found = [(flag.rule, flag.phase) for flag in assess_quality(cut, grid, measured).flags]
    assert [one for one in found if one[0] == "hole"] == [("hole", ed), ("hole", es)]
    assert [one for one in found if one[0].startswith("s")] == [("stack_apex", ed), ("slice_spacing", ed)]


def test_a_single_phase_is_judged_once(label: Cine) -> None:
    swapped = np.array([0, 3, 2, 1], dtype=np.uint8)[label.array[:1]]
    one = _measured(swapped, label.grid)
    found = [flag.rule for flag in assess_quality(swapped, label.grid, one).flags]
    assert len(found) == len(set(found)) > 1
    alike = _between(_measured(label.array[:2], label.grid), 0, 0)
    alike = replace(alike, confidence={"right_ventricle": [0.87] * 2})
    found = [flag.rule for flag in assess_quality(label.array[:2], label.grid, alike).flags]
    assert found.count("low_confidence") == 1


def test_both_shapes_of_labels_that_were_not_measured_are_told() -> None:
    measured = Measurements("few_phases", 2, 3, (1.0, 1.0, 1.0), {})
    with pytest.raises(GridError, match=r"^`labels` must be \(2, 4, 5, 3\) as measured, got \(1, 4, 5, 3\)$"):
        assess_quality(np.zeros((1, 4, 5, 3), np.uint8), Grid((4, 5, 3), np.eye(4)), measured)
