"""Motion of the wall on phantoms, beside the truth in closed form, and how long it takes: docs/wall-motion.md.

    python benchmarks/wall_motion.py [N_PATIENTS]

Each phantom is drawn with 20 phases and 12 slices 8 mm apart, and its labels are measured as any label map is. The
truth is of the circles that it was drawn from, in the slices that were measured.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from pipeline.core.wall import Motion
from pipeline.measure.measurements import measure_cine
from pipeline.measure.phases import Phases
from pipeline.measure.volume_curve import make_beat
from pipeline.measure.wall.aha import LEVELS, level_of
from pipeline.measure.wall.motion import measure_motion
from pipeline.phantom.anatomy import make_patient, section
from pipeline.phantom.study import PhantomStudy, make_cine

N_PHASES, N_SLICES, STEP_MM = 20, 12, 8.0
KEYS = ("displacement_mm", "thickening_percent", "strain_percent")


def main(n_patients: int) -> None:
    """Print measured and true values at end-systole, the largest errors over the beat, and the time."""
    for pixel_mm, size in ((1.4, 200), (1.9, 160)):
        studies = [
            make_cine(
                make_patient(seed),
                n_phases=N_PHASES,
                n_slices=N_SLICES,
                size=size,
                pixel_mm=pixel_mm,
                step_mm=STEP_MM,
            )
            for seed in range(n_patients)
        ]
        motions = [_measure(study) for study in studies]
        print(f"pixels of {pixel_mm} mm\n  patient  strain at ES, %: true, measured  largest error over the beat")
        for study, motion in zip(studies, motions, strict=True):
            true, curve = _true(study, motion.slices)["strain_percent"], motion.strain_percent["global"]
            error = np.abs(np.array(curve.values) - true).max()
            print(f"  {study.patient.seed:7d}  {true[study.truth.es_phase]:8.2f} {curve.at_es:8.2f} {error:8.2f}")
        for level, name in enumerate(LEVELS):
            rows = [_errors(study, motion, level) for study, motion in zip(studies, motions, strict=True)]
            print(f"  {name:6s}", *(f"{key}: {_summary([row[key] for row in rows])}" for key in KEYS), sep="  ")
    _time(studies[0])


def _measure(study: PhantomStudy) -> Motion:
    beat = make_beat(N_PHASES, times_ms=study.label.times_ms, heart_rate_bpm=study.patient.heart_rate_bpm)
    phases = Phases("cine", study.truth.ed_phase, study.truth.es_phase)
    return measure_motion(study.label.array, study.label.grid, phases=phases, beat=beat)


def _true(study: PhantomStudy, slices: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Each quantity at every phase, over some slices."""
    depths = [(N_SLICES - 1.5 - z) * STEP_MM for z in slices]
    circles = [[section(study.patient, depth_mm=depth, time=t / N_PHASES) for depth in depths] for t in range(N_PHASES)]
    cavity = np.array([np.mean([s.cavity_mm for s in row]) for row in circles])
    outer = np.array([np.mean([s.epicardium_mm for s in row]) for row in circles])
    ed = study.truth.ed_phase
    wall, midline = outer - cavity, cavity + outer
    return {
        "displacement_mm": cavity[ed] - cavity,
        "thickening_percent": 100.0 * (wall / wall[ed] - 1.0),
        "strain_percent": 100.0 * (midline / midline[ed] - 1.0),
    }


def _errors(study: PhantomStudy, motion: Motion, level: int) -> dict[str, tuple[float, float]]:
    """Largest error over the beat of the third's mean and of each of its segments."""
    at_ed = [z for z in range(N_SLICES) if study.truth.wall_mm[0][z] > 0][::-1]
    slices = tuple(z for z in motion.slices if level_of(at_ed.index(z), len(at_ed)) == level)
    segments = motion.segments[6 * level : 16 if level == 2 else 6 * level + 6]
    found = {key: np.array([getattr(segment, key).values for segment in segments]) for key in KEYS}
    true = _true(study, slices)
    return {
        key: (np.abs(curves.mean(axis=0) - true[key]).max(), np.abs(curves - true[key]).max())
        for key, curves in found.items()
    }


def _summary(errors: list[tuple[float, float]]) -> str:
    whole, each = np.max(errors, axis=0)
    return f"{whole:.2f} ({each:.2f} each)"


def _time(study: PhantomStudy) -> None:
    label = study.label
    times = {"motion": [], "all": []}
    for _ in range(5):
        start = time.process_time()
        _measure(study)
        middle = time.process_time()
        measure_cine(label.array, label.grid, times_ms=label.times_ms, facts=label.facts)
        times["motion"].append(middle - start)
        times["all"].append(time.process_time() - middle)
    print(f"motion {min(times['motion']):.2f} s of {min(times['all']):.2f} s for all measurements (CPU time)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
