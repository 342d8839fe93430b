"""All measurements of one label map as one value, units in the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.labels import LV, MYO, RV
from pipeline.core.measurements import Function, Measurements, Papillary
from pipeline.core.quantities import quantities
from pipeline.core.subject import Subject
from pipeline.measure.function import (
    MYOCARDIAL_DENSITY_G_PER_ML,
    BsaMethod,
    body_surface_m2,
    ventricular_function,
    volumes_ml,
)
from pipeline.measure.phases import Phases, find_phases
from pipeline.measure.reference_tables import ReferenceRow
from pipeline.measure.references import compare_with_references
from pipeline.measure.slices import measure_slices
from pipeline.measure.volume_curve import (
    PHASE_HARMONICS,
    RATE_HARMONICS,
    Beat,
    Rates,
    find_spikes,
    make_beat,
    peak_rates,
)
from pipeline.measure.wall.motion import measure_motion
from pipeline.measure.wall.thickness import measure_wall

__all__ = ["PhaseChoice", "measure_cine"]

PAPILLARY: Mapping[Papillary, str] = {
    "cavity": "papillary muscles and trabeculae count as cavity; `left_ventricle_blood` has them, told by brightness, "
    "as muscle",
    "mass": "papillary muscles and trabeculae, told by brightness, count as muscle in volumes, function, mass and "
    "areas of slices; label maps, thickness and motion of the wall, ED, ES and quality are of contours that have them "
    "in the cavity",
}
"""What each way of counting papillary muscles means."""

CONVENTIONS = (
    "volume is area times the distance of slice centres, gaps included, from the image's own affine",
    "basal slices count as far as they are labelled; nothing is corrected for the valve plane",
    "ED and ES are the phases of the largest and the smallest left-ventricular volume, for both ventricles; over five "
    f"or more phases they are taken from a periodic curve of {PHASE_HARMONICS} harmonics that leaves out single phases "
    "which stick out, and EDV and ESV are the volumes measured at those phases",
    f"mass is myocardial volume at ED times {MYOCARDIAL_DENSITY_G_PER_ML} g/ml",
    f"peak rates are the steepest fall and rise of a periodic curve of {RATE_HARMONICS} harmonics; they need 9 phases "
    "and their times or a heart rate, and are not looked for in a part of the beat that was not scanned",
    "indices are per square metre of body surface by the formula that is named",
    "wall thickness is measured in the slice's plane by the centreline method, in equal arcs of the AHA's segments "
    "counted from the anterior insertion of the right ventricle, in thirds of the left ventricle's extent at ED",
    "motion of the wall and its circumferential strain are told from the contours of each phase against those at ED, "
    "in sectors that stay in place: nothing is tracked",
)


@dataclass(frozen=True)
class PhaseChoice:
    """The user's choice of how to measure: phases, formula of the body surface, reference values, papillary muscles.

    By default phases are found, and papillary muscles count as cavity.

    Attributes:
        ed: end-diastolic phase, 0-based (`None` finds it).
        es: end-systolic phase, 0-based (`None` finds it).
        bsa_method: formula of the body surface area.
        references: a centre's own reference values, which come before the package's, see `measure.reference_tables`.
        papillary: what papillary muscles and trabeculae are to count as.
    """

    ed: int | None = None
    es: int | None = None
    bsa_method: BsaMethod = "mosteller"
    references: tuple[ReferenceRow, ...] = ()
    papillary: Papillary = "cavity"


def measure_cine(
    labels: np.ndarray,
    grid: Grid,
    *,
    times_ms: Sequence[float] | None = None,
    facts: StudyFacts | None = None,
    choice: PhaseChoice | None = None,
    counted: np.ndarray | None = None,
) -> Measurements:
    """Measure a label map.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        times_ms: time of each phase, if known.
        facts: heart rate, sex, age, height and weight, if known; ED and ES, if the files state them.
        choice: phases given rather than found, formula of the body surface and reference values.
        counted: (T, X, Y, Z) the label map with papillary muscles as wall, see `blood.papillary_as_wall`, whose volumes
            and areas are to be told instead.

    Returns:
        Measurements of the label map alone: the volumes of every phase and, from two phases up, ED, ES, ventricular
        function, mass and wall. Unknown values are `None`, such as EF without a cavity or output without a heart rate.
        Without a body size nothing is indexed.

    Raises:
        GridError: a label map that is not (T, X, Y, Z) on the grid, or times that are not T or do not rise.
        ConfigError: a chosen phase that does not exist.
    """
    if labels.ndim != 4 or labels.shape[1:] != grid.shape:
        raise GridError(f"`labels` must be (T, X, Y, Z) with X, Y, Z = {grid.shape}, got {labels.shape}")
    facts, choice = facts or StudyFacts(), choice or PhaseChoice()
    beat = make_beat(len(labels), times_ms=times_ms, heart_rate_bpm=facts.heart_rate_bpm)
    volumes = volumes_ml(labels if counted is None else counted, grid)
    papillary: Papillary = "cavity" if counted is None else "mass"
    is_chosen = choice.ed is not None or choice.es is not None
    ed, es = (choice.ed, choice.es) if is_chosen else (facts.ed_phase, facts.es_phase)
    phases = find_phases(volumes[LV.name], beat=beat, ed=ed, es=es)
    measured = replace(
        _of_every_phase(labels, grid, times_ms, volumes, phases),
        subject=_subject(facts),
        papillary=papillary,
        conventions=(CONVENTIONS[0], PAPILLARY[papillary], *CONVENTIONS[1:]),
    )
    if phases.es is None:
        return measured
    measured = _with_function(measured, volumes, phases, beat, facts, choice)
    measured = _with_wall(measured, labels, grid, phases, beat, counted)
    compared = compare_with_references(
        quantities(measured), measured.subject, own=choice.references, papillary=papillary
    )
    return replace(measured, references=compared)


def _with_function(
    measured: Measurements,
    volumes: Mapping[str, Sequence[float]],
    phases: Phases,
    beat: Beat,
    facts: StudyFacts,
    choice: PhaseChoice,
) -> Measurements:
    """With ED, ES, both ventricles' function, the mass, and their indices where the body's size is known."""
    assert phases.es is not None
    rate = facts.heart_rate_bpm
    left, right = (_function(volumes[side.name], phases, beat, rate) for side in (LV, RV))
    mass_g = volumes[MYO.name][phases.ed] * MYOCARDIAL_DENSITY_G_PER_ML
    measured = replace(
        measured,
        ed_phase=phases.ed,
        es_phase=phases.es,
        ed_from=phases.ed_from,
        es_from=phases.es_from,
        heart_rate_bpm=rate,
        myocardial_mass_g=round(mass_g, 3),
        left=_round(left),
        right=_round(right),
    )
    if facts.height_m and facts.weight_kg:
        bsa = body_surface_m2(height_m=facts.height_m, weight_kg=facts.weight_kg, method=choice.bsa_method)
        indexed = _index({LV.name: left, RV.name: right}, mass_g, bsa)
        measured = replace(measured, bsa_m2=round(bsa, 3), bsa_method=choice.bsa_method, indexed=indexed)
    return measured


def _with_wall(
    measured: Measurements, labels: np.ndarray, grid: Grid, phases: Phases, beat: Beat, counted: np.ndarray | None
) -> Measurements:
    """With the thickness and the motion of the left ventricle's wall, and the table of slices."""
    assert phases.es is not None
    motion = measure_motion(labels, grid, phases=phases, beat=beat)
    return replace(
        measured,
        wall=measure_wall(labels, grid, ed=phases.ed, es=phases.es),
        motion=motion,
        slices=measure_slices(labels, grid, ed=phases.ed, es=phases.es, counted=counted, in_motion=motion.slices),
    )


def _of_every_phase(
    labels: np.ndarray,
    grid: Grid,
    times_ms: Sequence[float] | None,
    volumes: Mapping[str, Sequence[float]],
    phases: Phases,
) -> Measurements:
    """Measurements that every case has, whatever its number of phases."""
    x, y, z = (round(mm, 4) for mm in grid.spacing_mm)
    return Measurements(
        kind=phases.kind,
        n_phases=int(labels.shape[0]),
        n_slices=int(labels.shape[3]),
        spacing_mm=(x, y, z),
        times_ms=None if times_ms is None else tuple(float(time) for time in times_ms),
        volumes_ml={name: tuple(round(ml, 3) for ml in per_phase) for name, per_phase in volumes.items()},
        lv_curve_ml=None if phases.curve_ml is None else tuple(round(ml, 3) for ml in phases.curve_ml),
        notes=tuple(
            f"phase {phase + 1} was passed over for ED and ES: its left-ventricular volume sticks out of the beat"
            for phase in phases.passed_over
        ),
    )


def _subject(facts: StudyFacts) -> Subject:
    height_cm = None if facts.height_m is None else round(100.0 * facts.height_m, 2)
    return Subject(facts.sex, facts.age_years, height_cm, facts.weight_kg)


def _function(cavity_ml: Sequence[float], phases: Phases, beat: Beat, rate: float | None) -> Function:
    assert phases.es is not None  # a single phase has no function
    rates = Rates() if phases.kind != "cine" else peak_rates(cavity_ml, beat, spikes=find_spikes(cavity_ml))
    return ventricular_function(cavity_ml, ed=phases.ed, es=phases.es, heart_rate_bpm=rate, rates=rates)


def _index(functions: Mapping[str, Function], mass_g: float, bsa_m2: float) -> dict[str, float]:
    """Mass, volumes and output by body surface area; an output that is not known is left out."""
    values = {"myocardial_mass_g": mass_g} | {
        f"{name}_{key}": getattr(function, key)
        for name, function in functions.items()
        for key in ("edv_ml", "esv_ml", "sv_ml", "co_l_per_min")
    }
    return {f"{key}_per_m2": round(value / bsa_m2, 3) for key, value in values.items() if value is not None}


def _round(function: Function) -> Function:
    values: dict[str, float | None] = asdict(function)
    return replace(function, **{key: round(value, 3) for key, value in values.items() if value is not None})
