"""Whether a segmentation can be used: flags by rules on its shape, its numbers and the network's confidence.

docs/quality.md lists the rules, their thresholds and reasons, and how often each is tripped by experts' labels.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid, bounding_box
from pipeline.core.labels import BACKGROUND
from pipeline.core.measurements import Flag, Measurements, Quality, Verdict, gravest_first
from pipeline.measure.quality.anatomy_checks import ANATOMY_RULES
from pipeline.measure.quality.function_checks import FUNCTION_RULES, check_confidence
from pipeline.measure.quality.heart import Heart
from pipeline.measure.quality.stack_checks import STACK_END_RULES, STACK_RULES

__all__ = ["assess_quality"]


def assess_quality(labels: np.ndarray, grid: Grid, measured: Measurements) -> Quality:
    """Apply every rule.

    Shape, stack and confidence are judged at ED and ES, or at the first phase if the measurements have neither, and the
    volumes at all phases.

    Args:
        labels: (T, X, Y, Z) uint8 label map.
        grid: where the voxels lie.
        measured: of the same label map, see `measurements.measure_cine`. Without its `confidence`, see
            `infer.confidence`, the rule on that is left out.

    Returns:
        Verdict and flags. An empty label map fails.

    Raises:
        GridError: labels that are not (T, X, Y, Z) on this grid, or not of the phases measured.

    >>> empty = np.zeros((1, 4, 4, 3), np.uint8)
    >>> nothing = Measurements("single_phase", n_phases=1, n_slices=3, spacing_mm=(1.0, 1.0, 1.0), volumes_ml={})
    >>> assess_quality(empty, Grid((4, 4, 3), np.eye(4)), nothing).flags[0].rule
    'missing_structure'
    """
    if labels.ndim != 4 or labels.shape != (measured.n_phases, *grid.shape):
        raise GridError(f"`labels` must be {(measured.n_phases, *grid.shape)} as measured, got {labels.shape}")
    ed, es = measured.ed_phase or 0, measured.es_phase
    phases = [ed] if es is None or es == ed else [ed, es]
    flags: list[Flag | None] = []
    for phase in phases:
        heart = _crop_in_plane(Heart(labels[phase], grid, phase))
        rules = (*ANATOMY_RULES, *STACK_RULES, *(STACK_END_RULES if phase == ed else ()))
        flags += [rule(heart) for rule in rules]
        flags.append(check_confidence(measured, phase))
    flags += [rule(measured) for rule in FUNCTION_RULES]
    found = gravest_first(flag for flag in flags if flag)
    verdict: Verdict = "pass" if not found or found[0].severity == "note" else found[0].severity
    return Quality(verdict, tuple(found))


def _crop_in_plane(heart: Heart) -> Heart:
    """To what is labelled and a pixel around it: the rules see the same, many times faster."""
    x, y, _ = (slice(max(0, span.start - 1), span.stop + 1) for span in bounding_box(heart.labels != BACKGROUND))
    labels = heart.labels[x, y]
    n_x, n_y, n_z = labels.shape
    return Heart(labels, Grid((n_x, n_y, n_z), heart.grid.affine, heart.grid.spans_mm), heart.phase)
