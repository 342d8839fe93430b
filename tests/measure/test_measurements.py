"""The measurements of a case as one object: its numbers by hand, its form by the schema."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from importlib import resources
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from pipeline.core.case import BundleRecord, InputFiles, Provenance, Source, case_record
from pipeline.core.errors import ConfigError, GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.measurements import BloodVolumes, Flag, Function, Measurements
from pipeline.core.prior import Change, Prior
from pipeline.core.reference import Reference, References
from pipeline.core.review import Review
from pipeline.core.slices import SliceAreas, SliceRow
from pipeline.core.subject import Subject
from pipeline.core.wall import Curve, Motion, Segment, SegmentMotion, Wall
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.phases import find_phases
from pipeline.measure.prior import compare_with_prior
from pipeline.measure.reference_tables import ReferenceRow
from pipeline.measure.volume_curve import find_spikes, make_beat, peak_rates, smooth_volumes
from pipeline.measure.wall.motion import measure_motion
from pipeline.measure.wall.thickness import measure_wall
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import PhantomStudy, make_cine

GRID = Grid((10, 10, 4), np.diag([-2.0, -2.0, 10.0, 1.0]))  # 0.04 ml a voxel
FACTS = StudyFacts(heart_rate_bpm=60.0, height_m=1.8, weight_kg=80.0, sex="F", age_years=41.0)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    file = resources.files("pipeline.measure") / "schemas" / "measurements.schema.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(6), n_phases=12, size=100, pixel_mm=1.9)


READING = {"prefer": "later", "drop_incomplete": False, "heart_rate_bpm": None, "subject": None}


def _beat() -> np.ndarray:
    """100, 50 and 75 voxels of LV; 50 of MYO throughout; 80, 40 and 60 of RV."""
    labels = np.zeros((3, 10, 10, 4), dtype=np.uint8)
    for t, (left, right) in enumerate(((100, 80), (50, 40), (75, 60))):
        labels[t, :, :, 0].flat[:left] = 1
        labels[t, :, :, 1].flat[:50] = 2
        labels[t, :, :, 2].flat[:right] = 3
    labels[0, 0, 0, 3] = 255
    return labels


def _file(measured: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As it is written to and read from a file, with what others add."""
    flag = {"rule": "volume_jump", "severity": "review", "message": "A jump.", "phase": 2, "slice": None}
    added = {
        "quality": {"verdict": "review", "flags": [flag | {"value": 1.5, "threshold": 1.0}]},
        "confidence": {name: [0.9, None] for name in measured["volumes_ml"]},
        "certainty": {
            "dice_low": {name: [0.8, None] for name in measured["volumes_ml"]},
            "spread_ml": {name: [12.5, None] for name in measured["volumes_ml"]},
            "volumes": {name: [-0.1, 0.2] for name in measured["volumes_ml"]},
            "functions": {
                side: {"sv_ml": [-0.5, 0.5], "ef_percent": [-0.5, 0.5]}
                for side in ("left_ventricle", "right_ventricle")
            },
            "level": 0.9,
            "pass_dice": 0.9,
            "fail_dice": 0.8,
        },
        "intervals": {"left_ventricle_edv_ml": [90.0, 110.0], "myocardial_mass_g": [80.0, 95.5]},
        "case": "one",
        "corrected": False,
        "software": {"cardiac-mr-pipeline": "1.0.0"},
        "bundle": {"name": "unet", "version": "1.0.0", "weights_sha256": "0" * 64, "training_run": None},
        "settings": {"crf": False},
        "pseudonym": None,
        "labels_sha256": "0" * 64,
        "source": {
            "identity": "study 1.2",
            "path": "/in",
            "series_uid": None,
            "voxels_sha256": "0" * 64,
            "prefer": "later",
            "drop_incomplete": False,
            "heart_rate_bpm": None,
            "subject": None,
        },
    }
    return json.loads(json.dumps(measured | added | more, allow_nan=False))


def _measure(*arguments: Any, **options: Any) -> dict[str, Any]:
    """As JSON has it, and the same once it was read back."""
    measured = measure_cine(*arguments, **options)
    content = json.loads(json.dumps(measured.to_json()))
    assert content == measured.to_json()
    assert Measurements.from_json(content).to_json() == content
    return content


def test_numbers_by_hand() -> None:
    measured = _measure(_beat(), GRID, times_ms=(0, 300, 600), facts=FACTS)
    assert measured["volumes_ml"]["left_ventricle"] == pytest.approx([4.0, 2.0, 3.0])
    assert (measured["ed_phase"], measured["es_phase"], measured["kind"]) == (0, 1, "few_phases")
    rates = {"peak_ejection_rate_ml_per_s": None, "peak_filling_rate_ml_per_s": None}  # three phases are no curve
    volumes = {"edv_ml": 4.0, "esv_ml": 2.0, "sv_ml": 2.0, "ef_percent": 50.0, "co_l_per_min": 0.12}
    assert measured["left_ventricle"] == pytest.approx(volumes | rates)
    assert measured["right_ventricle"]["edv_ml"] == pytest.approx(3.2)
    assert measured["myocardial_mass_g"] == pytest.approx(2.0 * 1.05)
    assert (measured["bsa_m2"], measured["bsa_method"]) == (2.0, "mosteller")
    assert measured["indexed"]["left_ventricle_edv_ml_per_m2"] == pytest.approx(2.0)
    assert measured["indexed"]["right_ventricle_sv_ml_per_m2"] == pytest.approx(0.8)
    assert measured["indexed"]["left_ventricle_co_l_per_min_per_m2"] == pytest.approx(0.06)
    assert measured["notes"] == []


def test_phases_and_body_surface_may_be_chosen() -> None:
    measured = _measure(_beat(), GRID, facts=FACTS, choice=PhaseChoice(es=2, bsa_method="dubois"))
    assert (measured["es_phase"], measured["es_from"], measured["ed_from"]) == (2, "given", "curve")
    assert measured["left_ventricle"]["ef_percent"] == pytest.approx(25.0)
    assert (measured["bsa_m2"], measured["bsa_method"]) == (1.996, "dubois")
    with pytest.raises(ConfigError, match="from 0 to 2, got 3"):
        _measure(_beat(), GRID, choice=PhaseChoice(ed=3))


def test_labels_that_do_not_fit_the_grid_are_refused() -> None:
    with pytest.raises(GridError, match=r"\(10, 10, 4\)"):
        _measure(_beat()[..., :3], GRID)
    with pytest.raises(GridError, match="3 rising times"):
        _measure(_beat(), GRID, times_ms=(0, 300))


def test_a_cine_s_phases_and_rates(study: PhantomStudy) -> None:
    """Rates against the exact volumes: the phantom's curve has its steepest slopes halfway."""
    measured = _measure(study.label.array, study.label.grid, times_ms=study.label.times_ms, facts=study.label.facts)
    left, step_s = measured["left_ventricle"], study.label.times_ms[1] / 1000.0
    slopes = np.diff(study.truth.volumes_ml["left_ventricle"]) / step_s
    assert (measured["ed_phase"], measured["es_phase"]) == (study.truth.ed_phase, study.truth.es_phase)
    assert left["peak_ejection_rate_ml_per_s"] == pytest.approx(-slopes.min(), rel=0.12)
    assert left["peak_filling_rate_ml_per_s"] == pytest.approx(slopes.max(), rel=0.12)
    assert left["edv_ml"] == measured["volumes_ml"]["left_ventricle"][measured["ed_phase"]]  # as measured, not smoothed


def test_a_failed_phase_is_passed_over_and_named(study: PhantomStudy) -> None:
    labels = study.label.array.copy()
    labels[study.truth.es_phase] = 0
    measured = _measure(labels, study.label.grid, times_ms=study.label.times_ms)
    assert abs(measured["es_phase"] - study.truth.es_phase) == 1
    (note,) = measured["notes"]
    assert note.startswith(f"phase {study.truth.es_phase + 1} was passed over")  # sentences count from 1
    assert measured["left_ventricle"]["ef_percent"] == pytest.approx(study.truth.ef_percent, abs=6.0)


def test_cine_pair_and_single_phase_have_the_schema_s_form(schema: Draft202012Validator, study: PhantomStudy) -> None:
    labels, grid, phases = study.label.array, study.label.grid, [study.truth.ed_phase, study.truth.es_phase]
    cine = _measure(labels, grid, times_ms=study.label.times_ms, facts=study.label.facts)
    pair = _measure(labels[phases], grid, facts=StudyFacts(heart_rate_bpm=70.0))
    single = _measure(labels[:1], grid, facts=FACTS)
    for measured, kind in ((cine, "cine"), (pair, "few_phases"), (single, "single_phase")):
        assert measured["kind"] == kind
        schema.validate(_file(measured))
        schema.validate(
            _file(
                measured,
                confidence=None,
                bundle={"name": "a", "version": "1", "weights_sha256": None, "training_run": None},
            )
        )
    assert "indexed" in cine
    assert "indexed" not in pair
    assert not {"ed_phase", "left_ventricle", "bsa_m2"} & set(single)


def test_nothing_found_has_the_schema_s_form_and_no_fraction(schema: Draft202012Validator) -> None:
    for n_phases in (1, 2, 9):
        measured = _measure(np.zeros((n_phases, 10, 10, 4), dtype=np.uint8), GRID, facts=FACTS)
        schema.validate(_file(measured))
        if n_phases > 1:
            assert measured["left_ventricle"]["ef_percent"] is None
            assert measured["left_ventricle"]["co_l_per_min"] == 0.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "single_phase"),
        ("lv_curve_ml", None),
        ("n_phases", 4),
        ("wall", None),
        ("ed_phase", -1),
        ("disclaimer", "For diagnosis."),
        ("left_ventricle", {"edv_ml": 100.0}),
        ("bsa_method", "haycock"),
        ("quality", {"verdict": "good", "flags": []}),
        ("unknown_key", 1),
        ("source", {"identity": "study 1.2"}),
        ("labels_sha256", "0"),
    ],
)
def test_the_schema_refuses_what_does_not_fit(
    schema: Draft202012Validator, study: PhantomStudy, key: str, value: object
) -> None:
    measured = _measure(study.label.array, study.label.grid, facts=study.label.facts)
    assert not schema.is_valid(_file(measured, **{key: value}))


def test_a_record_without_measurements_says_whose_it_is_and_nothing_measured(schema: Draft202012Validator) -> None:
    made_by = Provenance({}, BundleRecord("a", "1"), {}, None, Source("study 1.2"))
    record = json.loads(json.dumps(case_record(made_by, name="one")))
    schema.validate(record)
    schema.validate({"source": record["source"]})
    assert not schema.is_valid({})
    assert not schema.is_valid(record | {"n_phases": 1})


def test_the_subject_is_told_and_read_back() -> None:
    """Of one phase as well, of which nothing else is indexed."""
    told = _measure(_beat()[:1], GRID, facts=FACTS)
    assert told["subject"] == {"sex": "F", "age_years": 41.0, "height_cm": 180.0, "weight_kg": 80.0}
    assert Measurements.from_json(told).subject == Subject("F", 41.0, 180.0, 80.0)
    assert set(_measure(_beat(), GRID)["subject"].values()) == {None}


def test_the_schema_names_what_the_values_have(schema: Draft202012Validator) -> None:
    whole, parts = schema.schema["properties"], schema.schema["$defs"]
    sides = {"left": "left_ventricle", "right": "right_ventricle", "blood": "left_ventricle_blood"}
    of_case = {"disclaimer", "files", "failed", *case_record(Provenance({}, BundleRecord("a", "1"), {}))}
    of_case |= {"review", "choices"}
    assert set(whole) == of_case | {sides.get(field.name, field.name) for field in fields(Measurements)}
    wall, quality = whole["wall"]["oneOf"][1]["properties"], whole["quality"]["properties"]
    for value, described in (
        (Function, parts["function"]),
        (BloodVolumes, parts["blood"]),
        (Source, parts["source"]),
        (Subject, parts["subject"]),
        (BundleRecord, whole["bundle"]),
        (Wall, whole["wall"]["oneOf"][1]),
        (InputFiles, whole["input"]["anyOf"][1]),
        (Review, parts["review"]),
        (ReferenceRow, parts["reference_row"]),
        (Segment, wall["segments"]["items"]),
        (Motion, parts["motion"]),
        (SegmentMotion, parts["segment_motion"]),
        (Curve, parts["curve"]),
        (SliceRow, parts["slice_row"]),
        (SliceAreas, parts["slice_areas"]),
        (References, parts["references"]),
        (Reference, parts["reference"]),
        (Prior, parts["prior"]),
        (Change, parts["change"]),
        (Flag, quality["flags"]["items"]),
    ):
        hints = get_type_hints(value)
        assert set(described["properties"]) == set(described["required"]) == set(hints)
        nullable = {name for name, kind in described["properties"].items() if "null" in kind.get("type", ())}
        assert nullable == {name for name, hint in hints.items() if type(None) in get_args(hint)}, value


def test_a_record_with_a_prior_reads_back(schema: Draft202012Validator, study: PhantomStudy) -> None:
    facts = StudyFacts(heart_rate_bpm=60.0, height_m=1.8, weight_kg=80.0, sex="M", age_years=60.0)
    measured = measure_cine(study.label.array, study.label.grid, times_ms=study.label.times_ms, facts=facts)
    assert measured.references is not None
    assert {row.quantity for row in measured.references.compared} >= {
        "left_ventricle_edv_ml",
        "myocardial_mass_g_per_m2",
    }
    prior = compare_with_prior(measured, measured, case="then", same_patient_by="user", interval_days=-3)
    whole = replace(measured, prior=prior)
    content = json.loads(json.dumps(whole.to_json()))
    schema.validate(_file(content))
    read = Measurements.from_json(content)
    assert (read.wall, read.motion, read.slices) == (whole.wall, whole.motion, whole.slices)
    assert (read.references, read.prior, read.subject) == (whole.references, whole.prior, whole.subject)


ODD_GRID = Grid((10, 10, 4), np.diag([-5 / 3, -7 / 3, 10 / 3, 1.0]))  # 350/27 mm3 a voxel: nothing comes out even
ODD_FACTS = StudyFacts(heart_rate_bpm=61.0, height_m=1.80004, weight_kg=81.0)


def _odd_beat() -> np.ndarray:
    """70, 30 and 50 voxels of LV; 50 of MYO; 80, 40 and 60 of RV."""
    labels = np.zeros((3, 10, 10, 4), dtype=np.uint8)
    for t, (left, right) in enumerate(((70, 80), (30, 40), (50, 60))):
        labels[t, :, :, 0].flat[:left] = 1
        labels[t, :, :, 1].flat[:50] = 2
        labels[t, :, :, 2].flat[:right] = 3
    return labels


def test_numbers_are_rounded_to_a_thousandth() -> None:
    """70 voxels are 0.907407 ml, and 50 of muscle 0.680556 g; sqrt(180.004 * 81 / 3600) is 2.012484 m2."""
    measured = measure_cine(_odd_beat(), ODD_GRID, facts=ODD_FACTS)
    assert measured.volumes_ml == {
        "left_ventricle": (0.907, 0.389, 0.648),
        "myocardium": (0.648, 0.648, 0.648),
        "right_ventricle": (1.037, 0.519, 0.778),
    }
    assert measured.left == Function(0.907, 0.389, 0.519, 57.143, 0.032)
    assert measured.right == Function(1.037, 0.519, 0.519, 50.0, 0.032)
    assert (measured.myocardial_mass_g, measured.bsa_m2, measured.bsa_method) == (0.681, 2.012, "mosteller")
    assert measured.indexed == {
        "myocardial_mass_g_per_m2": 0.338,
        "left_ventricle_edv_ml_per_m2": 0.451,
        "left_ventricle_esv_ml_per_m2": 0.193,
        "left_ventricle_sv_ml_per_m2": 0.258,
        "left_ventricle_co_l_per_min_per_m2": 0.016,
        "right_ventricle_edv_ml_per_m2": 0.515,
        "right_ventricle_esv_ml_per_m2": 0.258,
        "right_ventricle_sv_ml_per_m2": 0.258,
        "right_ventricle_co_l_per_min_per_m2": 0.016,
    }


def test_what_is_said_of_the_series_itself() -> None:
    measured = measure_cine(_odd_beat(), ODD_GRID, times_ms=(0, 300, 600), facts=ODD_FACTS)
    assert (measured.kind, measured.n_phases, measured.n_slices) == ("few_phases", 3, 4)
    assert measured.spacing_mm == (1.6667, 2.3333, 3.3333)
    assert measured.times_ms == (0.0, 300.0, 600.0)
    assert {type(time) for time in measured.times_ms} == {float}
    assert (measured.lv_curve_ml, measured.heart_rate_bpm, measured.notes) == (None, 61.0, ())
    assert measured.subject == Subject(None, None, 180.0, 81.0)
    assert measure_cine(_odd_beat(), ODD_GRID).times_ms is None
    tall = StudyFacts(height_m=1.81237, sex="M", age_years=7.5)
    assert measure_cine(_odd_beat(), ODD_GRID, facts=tall).subject == Subject("M", 7.5, 181.24, None)


@pytest.mark.parametrize("facts", [StudyFacts(height_m=1.8), StudyFacts(weight_kg=80.0), StudyFacts(sex="F")])
def test_half_a_body_size_indexes_nothing(facts: StudyFacts) -> None:
    measured = measure_cine(_beat(), GRID, facts=facts)
    assert (measured.bsa_m2, measured.bsa_method, measured.indexed) == (None, None, {})


def test_without_a_heart_rate_there_is_no_output_to_index() -> None:
    indexed = measure_cine(_beat(), GRID, facts=replace(FACTS, heart_rate_bpm=None)).indexed
    assert len(indexed) == 7
    assert not any("co_l_per_min" in name for name in indexed)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (PhaseChoice(), (2, 0, "given", "given")),  # as the files state
        (PhaseChoice(ed=0), (0, 1, "given", "curve")),  # the user's comes first, and the other is found
        (PhaseChoice(es=1), (0, 1, "curve", "given")),
        (PhaseChoice(ed=1, es=2), (1, 2, "given", "given")),
    ],
)
def test_the_user_s_phases_come_before_the_files(choice: PhaseChoice, expected: tuple[int, int, str, str]) -> None:
    measured = measure_cine(_beat(), GRID, facts=StudyFacts(ed_phase=2, es_phase=0), choice=choice)
    assert (measured.ed_phase, measured.es_phase, measured.ed_from, measured.es_from) == expected


def test_all_follows_the_phases_that_were_chosen() -> None:
    labels = _odd_beat()
    labels[2, :, :, 1].flat[:90] = 2
    measured = measure_cine(labels, GRID, choice=PhaseChoice(ed=2, es=0))
    assert measured.left is not None
    assert measured.right is not None
    assert (measured.left.edv_ml, measured.left.esv_ml, measured.left.sv_ml) == (2.0, 2.8, -0.8)
    assert (measured.right.edv_ml, measured.right.esv_ml) == (2.4, 3.2)
    assert measured.myocardial_mass_g == 3.78  # 90 voxels of 0.042 g
    assert measured.slices is not None
    assert (measured.slices[0].ed.left_ventricle_cm2, measured.slices[0].es.left_ventricle_cm2) == (2.0, 2.8)


def test_the_curve_of_a_cine_to_a_thousandth_and_at_its_own_times() -> None:
    """Of five phases the curve is the volumes themselves; of nine it follows the times."""
    counts = (70, 50, 30, 40, 60)
    labels = np.zeros((5, 10, 10, 4), dtype=np.uint8)
    for t, count in enumerate(counts):
        labels[t, :, :, 0].flat[:count] = 1
    assert measure_cine(labels, ODD_GRID).lv_curve_ml == (0.907, 0.648, 0.389, 0.519, 0.778)
    counts, times_ms = (99, 80, 60, 44, 50, 62, 70, 80, 95), (0, 50, 100, 150, 200, 300, 400, 500, 600)
    labels = np.zeros((9, 10, 10, 4), dtype=np.uint8)
    for t, count in enumerate(counts):
        labels[t, :, :, 0].flat[:count] = 1
    facts = StudyFacts(heart_rate_bpm=75.0)
    found = measure_cine(labels, GRID, times_ms=times_ms, facts=facts)
    beat, volumes = make_beat(9, times_ms=times_ms, heart_rate_bpm=75.0), [0.04 * count for count in counts]
    expected = smooth_volumes(volumes, beat, spikes=find_spikes(volumes))
    assert found.lv_curve_ml == tuple(round(float(ml), 3) for ml in expected)
    rates = peak_rates(volumes, beat, spikes=find_spikes(volumes))
    assert found.left is not None
    assert found.left.peak_filling_rate_ml_per_s == round(rates.filling_ml_per_s or 0.0, 3)
    assert found.left.peak_ejection_rate_ml_per_s == round(rates.ejection_ml_per_s or 0.0, 3)


def test_phases_passed_over_are_told_in_full(study: PhantomStudy) -> None:
    labels = study.label.array.copy()
    labels[[3, 8]] = 0
    assert measure_cine(labels, study.label.grid).notes == tuple(
        f"phase {number} was passed over for ED and ES: its left-ventricular volume sticks out of the beat"
        for number in (4, 9)
    )


def test_a_failed_phase_does_not_bend_the_rates(study: PhantomStudy) -> None:
    whole, labels = study.label, study.label.array.copy()
    labels[8] = 0
    spoilt, plain = (
        measure_cine(array, whole.grid, times_ms=whole.times_ms, facts=whole.facts) for array in (labels, whole.array)
    )
    for side in ("left_ventricle", "right_ventricle"):
        found, expected = (one.function(side) for one in (spoilt, plain))
        assert found is not None
        assert expected is not None
        assert found.peak_filling_rate_ml_per_s == pytest.approx(expected.peak_filling_rate_ml_per_s, rel=0.2)


def test_both_shapes_of_labels_that_do_not_fit_are_told() -> None:
    with pytest.raises(GridError) as refused:
        measure_cine(_beat()[..., :3], GRID)
    assert str(refused.value) == "`labels` must be (T, X, Y, Z) with X, Y, Z = (10, 10, 4), got (3, 10, 10, 3)"


def test_the_wall_is_measured_at_ed_and_es_and_slices_know_their_motion(study: PhantomStudy) -> None:
    label = study.label
    measured = measure_cine(label.array, label.grid, times_ms=label.times_ms, facts=label.facts)
    assert measured.ed_phase is not None
    assert measured.es_phase is not None
    assert measured.wall == measure_wall(label.array, label.grid, ed=measured.ed_phase, es=measured.es_phase)
    assert measured.motion is not None
    assert measured.motion.slices
    assert measured.slices is not None
    assert {row.slice for row in measured.slices if row.in_motion} == set(measured.motion.slices)
    beat = make_beat(label.n_phases, times_ms=label.times_ms, heart_rate_bpm=label.facts.heart_rate_bpm)
    phases = find_phases(measured.volumes_ml["left_ventricle"], beat=beat)
    assert measured.motion == measure_motion(label.array, label.grid, phases=phases, beat=beat)


def test_a_centre_s_own_reference_values_come_first() -> None:
    own = ReferenceRow("left_ventricle_edv_ml", "F", None, None, 3.0, 0.5, None, None, "cavity", "ours")
    measured = measure_cine(_beat(), GRID, facts=FACTS, choice=PhaseChoice(references=(own,)))
    assert measured.references is not None
    (row,) = (one for one in measured.references.compared if one.quantity == "left_ventricle_edv_ml")
    assert (row.source, row.value, row.z) == ("ours", 4.0, 2.0)
